"""The HTTP server, and what ends it: a stop event, or no member using the service any more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from roe_magic.service import file_lock
from roe_magic.service.container import Services
from roe_magic.service.http.app import create_app
from roe_magic.service.queries.query_manager import QueryManager

# Longer than a client's long poll, and than a user's usual pause between two cells, in seconds.
_KEEP_ALIVE = 120
# How long responses under way may still take at the end, in seconds.
_GRACEFUL_SHUTDOWN = 2


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process before the services have stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(services: Services, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve requests until ``stop`` is set.

    Then new queries are refused, and running ones stopped, before the server ends: requests that wait for them still
    get their response.
    """
    config = uvicorn.Config(
        create_app(contextlib.nullcontext(services)),
        log_level="warning",
        # uvicorn would use another parser if that happened to be installed, which differs in details.
        http="h11",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN,
    )
    # asyncio sets this only on sockets that name their protocol; without it each response waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(config)
    ending = asyncio.create_task(_end(server, services.queries, stop))
    try:
        await server.serve(sockets=[listener])
    finally:
        ending.cancel()


async def run_for_members(
    services: Services,
    listener: socket.socket,
    stop: asyncio.Event,
    members: int,
    *,
    grace: float,
    linger: float,
    temporary: bool,
) -> None:
    """Serve requests until ``stop`` is set or the last member has left; see ``serve.ServeOptions``."""
    queries = None if temporary else services.queries
    watching = asyncio.create_task(_watch_members(queries, members, stop, grace, linger))
    try:
        await run(services, listener, stop)
    finally:
        watching.cancel()


async def _end(server: uvicorn.Server, queries: QueryManager, stop: asyncio.Event) -> None:
    await stop.wait()
    await queries.stop()
    server.should_exit = True


async def _watch_members(
    queries: QueryManager | None, members: int, stop: asyncio.Event, grace: float, linger: float
) -> None:
    """Set ``stop`` when for ``linger`` seconds no member has held the lock and none of ``queries`` has run.

    A running query keeps the service: its user may come back, after a restart of the notebook's kernel, say. At the end
    the lock stays taken, so that a process that wants to join waits until the data folder is free.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + max(grace, linger)
    while True:
        await asyncio.sleep(min(1.0, linger))
        if (queries is not None and queries.busy) or not file_lock.acquire(members):
            deadline = loop.time() + linger
        elif loop.time() >= deadline:
            stop.set()
            return
        else:
            file_lock.release(members)
