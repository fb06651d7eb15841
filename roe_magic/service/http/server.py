"""The HTTP server of the running parts, and what makes it stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from roe_magic.service import file_lock
from roe_magic.service.container import Parts
from roe_magic.service.http.app import create_app
from roe_magic.service.queries.query_manager import Tasks

# Longer than a client's long poll and the pauses of somebody who thinks between two cells.
_KEEP_ALIVE = 120
_LAST_ANSWERS = 2


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process before the parts have stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(parts: Parts, listener: socket.socket, stop: asyncio.Event) -> None:
    """Answer requests until ``stop`` is set.

    New queries are then refused and what runs is stopped while the service still answers, so that everyone who waits
    hears of it.
    """
    config = uvicorn.Config(
        create_app(contextlib.nullcontext(parts)),
        log_level="warning",
        # The same answers whatever else is installed.
        http="h11",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_LAST_ANSWERS,
    )
    # asyncio sets this only on sockets that name their protocol; without it each answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(config)
    ending = asyncio.create_task(_end(server, parts, stop))
    try:
        await server.serve(sockets=[listener])
    finally:
        ending.cancel()


async def run_for_members(
    parts: Parts, listener: socket.socket, stop: asyncio.Event, members: int, grace: float, linger: float
) -> None:
    """Answer requests until ``stop`` is set or the last member has left; see ``serve.Settings``."""
    watching = asyncio.create_task(_watch(parts.tasks, members, stop, grace, linger))
    try:
        await run(parts, listener, stop)
    finally:
        watching.cancel()


async def _end(server: uvicorn.Server, parts: Parts, stop: asyncio.Event) -> None:
    await stop.wait()
    await parts.tasks.stop()
    server.should_exit = True


async def _watch(tasks: Tasks, members: int, stop: asyncio.Event, grace: float, linger: float) -> None:
    """Set ``stop`` when nobody has held the members' lock for a while; it then stays taken to the end.

    A query that runs keeps the service: whoever started it may come back, after a restart of the kernel, say.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + max(grace, linger)
    while True:
        await asyncio.sleep(min(1.0, linger))
        if tasks.busy or not file_lock.take(members):
            deadline = loop.time() + linger
        elif loop.time() >= deadline:
            stop.set()
            return
        else:
            file_lock.release(members)
