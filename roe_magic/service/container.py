"""The parts of one running service, and how the endpoints reach them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

import msgspec

from roe_magic.service.data_folder import DataFolder
from roe_magic.service.engine.chdb.engine import Engine, Limits
from roe_magic.service.http.problems import Problem
from roe_magic.service.http.request import parameters
from roe_magic.service.queries.query_manager import MAX_STORED_BYTES, Tasks
from roe_magic.service.state.store import Store

if TYPE_CHECKING:
    from starlette.requests import Request

    from roe_magic.service.state.schema import Key


class Scope(msgspec.Struct):
    """What the query string of any request may name."""

    organization_id: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a service is made of.

    Parameters
    ----------
    folder : DataFolder
        Where everything is kept.
    hosts : collection of str
        Host names that requests may call the service by, beside the loopback ones.
    """

    folder: DataFolder
    store: Store
    engine: Engine
    tasks: Tasks
    hosts: Collection[str] = ()


@asynccontextmanager
async def running(
    root: Path,
    *,
    engine: Engine | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    max_stored_bytes: int = MAX_STORED_BYTES,
) -> AsyncIterator[Parts]:
    """Start the parts of a data folder, and stop them in the end.

    Only one process may do so for one folder at a time; ``serve`` sees to that. ``engine`` is the folder's own, if it
    has been started already.
    """
    folder = DataFolder(root)
    shutil.rmtree(folder.uploads, ignore_errors=True)  # what a killed process left
    engine = engine or folder.new_engine(limits)
    store = Store(folder.state)
    tasks = Tasks(store, engine, folder.results, max_stored_bytes=max_stored_bytes)
    try:
        tasks.start()
        await engine.start()
        yield Parts(folder=folder, store=store, engine=engine, tasks=tasks, hosts=hosts)
    finally:
        await tasks.stop()
        store.close()


def of(request: Request) -> Parts:
    """Find the parts behind a request."""
    return cast("Parts", request.app.state.parts)


def caller(request: Request, organization_id: UUID | None = None) -> Key:
    """Tell whose request it is.

    Parameters
    ----------
    organization_id : UUID, optional
        The organisation that the body names; the query string is looked at here.

    Raises
    ------
    Problem
        404 when the request names an organisation that is not the key's, 400 when the name is no UUID.
    """
    key = cast("Key", request.scope["key"])
    in_query = parameters(request, Scope).organization_id
    named = [organization_id, _uuid(in_query) if isinstance(in_query, str) else None]
    if any(one not in (None, key.organization_id) for one in named):
        raise Problem(404, "organization_id: Organization not found, or it is not this key's.")
    return key


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(400, "Must be a valid UUID.", field="organization_id") from None
