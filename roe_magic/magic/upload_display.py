"""What is shown while an upload runs: a line with its progress, once it takes longer than a moment.

In a notebook that somebody watches, it is one output that changes and at the end becomes the result; in a terminal, one
line that is written over; elsewhere nothing before the end. The upload runs in the main thread, so a thread of the
display's own draws, and stop reaches the upload at once.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import time
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roe_magic.formatting import clean, clean_message, duration, html_text, size
from roe_magic.panel.display import can_be_live, running_shell

if TYPE_CHECKING:
    from typing_extensions import Self

    from roe_magic.uploads.upload_result import UploadResult

# Seconds before anything is shown, and between two updates.
SHOW_AFTER, UPDATE_EVERY = 1.0, 0.25
_ERASE_LINE = "\r\x1b[K"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """How much of a file was sent, and when."""

    sent: int
    size: int
    began: float
    at: float

    def text(self, table: str, now: float) -> str:
        """Return the progress in one line: percent, speed and time left, then that the server reads."""
        name = f"Uploading {clean(table)}:"
        if self.sent >= self.size:
            return f"{name} all {size(self.size)} sent; the server reads it ({duration(now - self.at)})"
        share = f"{name} {100 * self.sent // self.size} % of {size(self.size)}"
        if not self.sent:
            return share
        speed = self.sent / max(now - self.began, 1e-3)
        return f"{share}, {size(speed)}/s, {duration((self.size - self.sent) / speed)} left"


class UploadDisplay:
    """Shows one upload, from its start to the end of the block that it is for.

    Parameters
    ----------
    table : str
    mode : {"auto", "live", "static", "off"}
        As of the panel of queries: only the first two show progress.
    """

    def __init__(self, table: str, mode: str = "auto") -> None:
        self._table = table
        self._shell = running_shell()
        wanted = mode in ("auto", "live")
        self._live = wanted and can_be_live(self._shell, watched=mode == "auto")
        self._terminal = wanted and getattr(self._shell, "kernel", None) is None and sys.stdout.isatty()
        self._id = uuid.uuid4().hex
        self._state: Sent | None = None
        self._drawn = self._finished = False
        self._ended = threading.Event()
        # The context holds which cell the output belongs to.
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._tick,), daemon=True)

    def __enter__(self) -> Self:
        if self._live or self._terminal:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        if self._drawn and not self._finished:
            self._draw_end()

    def progress(self, sent: int, total: int) -> None:
        """Take note of how much was sent."""
        now, state = time.monotonic(), self._state
        began = now if state is None or sent < state.sent else state.began
        self._state = Sent(sent, total, began, now)

    def pause(self) -> None:
        """Show nothing until more is sent: a question is being asked."""
        self._state = None
        if self._terminal and self._drawn:
            sys.stdout.write(_ERASE_LINE)

    def finish(self, result: UploadResult) -> None:
        """Show the result, in the place of the progress."""
        self._stop()
        self._finished = True
        if self._live and self._drawn:
            self._publish({"text/plain": str(result), "text/html": result._repr_html_()})  # IPython's name
        else:
            if self._drawn:
                sys.stdout.write(_ERASE_LINE)
            print(result)

    def _stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _tick(self) -> None:
        wait = SHOW_AFTER
        while not self._ended.wait(wait):
            wait = UPDATE_EVERY
            if (state := self._state) is not None:
                self._draw(state, state.text(self._table, time.monotonic()))

    def _draw(self, state: Sent, text: str) -> None:
        try:
            if self._terminal:
                sys.stdout.write(_ERASE_LINE + text)
                sys.stdout.flush()
            else:
                bar = (
                    f'<progress max="{state.size or 1}" value="{state.sent}" style="vertical-align:middle"></progress>'
                )
                self._publish({"text/plain": text, "text/html": f"<div>{bar} {html_text(text)}</div>"})
            self._drawn = True
        except Exception:  # an upload must not fail because its progress could not be drawn
            self._ended.set()
            _log.warning("The progress of the upload could not be shown.\n%s", clean_message(traceback.format_exc()))

    def _draw_end(self) -> None:
        """Say how far an upload came that did not end well; the error says the rest."""
        if self._terminal:
            sys.stdout.write(_ERASE_LINE)
        else:
            sent = f" after {size(self._state.sent)} of {size(self._state.size)}" if self._state else ""
            text = f"The upload of {clean(self._table)} ended{sent}."
            self._publish({"text/plain": text, "text/html": f"<div>{html_text(text)}</div>"})

    def _publish(self, data: dict[str, Any]) -> None:
        self._shell.display_pub.publish(data, {}, transient={"display_id": self._id}, update=self._drawn)
