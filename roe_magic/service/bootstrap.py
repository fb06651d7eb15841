"""Creates the parts of a service and connects them. The only module that names the concrete ones.

The engine is an embedded ClickHouse (chDB), the state is in SQLite, the rows of ended queries are in a local folder.
Whatever else the service does goes through :class:`~roe_magic.service.container.Services` and the interfaces.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from roe_magic.errors import ServiceError
from roe_magic.service.data_folder import MAX_STORED_BYTES, DataFolder
from roe_magic.service.engine.chdb.engine import ChdbEngine
from roe_magic.service.job import Limits
from roe_magic.service.queries.interfaces import Engine

if TYPE_CHECKING:
    from roe_magic.service.container import Services


def new_engine(folder: DataFolder, limits: Limits | None = None) -> ChdbEngine:
    """Return the engine of a data folder, not yet started."""
    folder.results.mkdir(parents=True, exist_ok=True)
    return ChdbEngine(folder.engine, limits, folder.results)


@asynccontextmanager
async def running(
    root: Path,
    *,
    engine: Engine | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    max_stored_bytes: int = MAX_STORED_BYTES,
) -> AsyncIterator[Services]:
    """Start the services of a data folder; leaving the block stops them.

    Only one process at a time may do so for a folder; ``serve`` makes sure of that.

    Parameters
    ----------
    engine : Engine, optional
        The folder's engine; a new one, with ``limits``, if it is not given. It may have been started already.
    """
    # Imported here: SQLAlchemy takes half a second to import, in which serve has the engine's process start already.
    from roe_magic.service.container import Services
    from roe_magic.service.queries.query_manager import QueryManager
    from roe_magic.service.results.local_store import LocalResultStore
    from roe_magic.service.state.store import Store, StoreError

    folder = DataFolder(root)
    shutil.rmtree(folder.uploads, ignore_errors=True)  # a killed process may have left files there
    engine = engine or new_engine(folder, limits)
    try:
        store, results = Store(folder.state), LocalResultStore(folder.results)
    except StoreError as error:
        reason = getattr(error.__cause__, "orig", error)  # the database's own words
        raise ServiceError(
            f"The data folder {root} cannot be used: {reason} ({folder.state}).",
            hint="Choose another folder, or move that file elsewhere: a new one has neither worksheets nor queries.",
        ) from None
    queries = QueryManager(store, engine, results, max_stored_bytes=max_stored_bytes)
    try:
        queries.start()
        await engine.start()
        yield Services(folder=folder, store=store, results=results, engine=engine, queries=queries, hosts=hosts)
    finally:
        await queries.stop()
        store.close()


def credentials(services: Services, key: str) -> dict[str, str]:
    """Return a valid key and its organisation's id, under the names that the env file uses.

    Parameters
    ----------
    key : str
        A key that an earlier start may have made; a new one is made if this one is not valid.
    """
    organization, user = services.store.first_start()
    if services.store.key(key) is None:
        key = services.store.add_key(organization, user, admin=True)
    return {"ROE_API_KEY": key, "ROE_ORGANIZATION_ID": str(organization.id)}
