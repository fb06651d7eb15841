"""A job that runs in the engine's process: what to run, and what its statements have left so far."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from roe_magic.contract import models
from roe_magic.service.engine.chdb.watchdog import StatementWatch
from roe_magic.service.job import Job, Outcome
from roe_magic.service.results import manifest, writer


@dataclass
class Submission:
    """A job that runs, and whether it is to stop.

    Parameters
    ----------
    job : Job
        What to run.
    limits : mapping of str to str
        The engine's settings for every statement.
    watch : callable
        Takes a time limit in seconds, and returns a context manager in which one statement runs.
    """

    job: Job
    limits: Mapping[str, str]
    watch: Callable[[float], contextlib.AbstractContextManager[StatementWatch]]
    # Settings of the SET statements so far, and query parameters, as param_ and the name.
    settings: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    # Whether there are temporary tables, so that all statements need the same connection.
    has_session: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    completed: list[models.Statement] = field(default_factory=list)
    # Whether no statement follows the one that runs.
    at_last_statement: bool = False
    # Says in an error which statement it is about, if there are several.
    prefix: str = ""

    @property
    def time_limit(self) -> float:
        """How many seconds the next statement may run, if it sets no limit of its own; 0 for no limit."""
        return time_limit({**self.limits, **self.settings})

    def failed(self, error: str) -> Outcome:
        """Return the outcome if the statement that runs now is given up."""
        if self.cancelled.is_set():
            return Outcome(models.REVOKED, notices=tuple(self.notices))
        return self.ended_with(models.FAILURE, f"{self.prefix}{error}")

    def ended_with(self, status: str, error: str | None) -> Outcome:
        """Return the outcome with this status and error, and the statements that completed."""
        # A name that a message shows may hold bytes that are not UTF-8, which cannot be stored.
        *notices, message = writer.printable([*self.notices, error or ""])
        return Outcome(status, message or None, manifest.encode(self.completed), tuple(notices))


class SubmissionFailed(Exception):
    """A statement ended the submission; the message is for the user."""


def time_limit(settings: Mapping[str, str]) -> float:
    """Return the ``max_execution_time`` of settings in seconds, 0 for none."""
    return float(settings.get("max_execution_time") or 0)
