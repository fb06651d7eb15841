"""The objects that one running service consists of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from roe_magic.service.data_folder import DataFolder
from roe_magic.service.queries.interfaces import Engine, ResultStore
from roe_magic.service.queries.query_manager import QueryManager
from roe_magic.service.state.store import Store


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the endpoints work with.

    Parameters
    ----------
    folder : DataFolder
        Where everything is stored.
    hosts : collection of str
        Host names that requests may use for the service, in addition to the loopback names.
    """

    folder: DataFolder
    store: Store
    results: ResultStore
    engine: Engine
    queries: QueryManager
    hosts: Collection[str] = ()
