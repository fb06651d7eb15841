"""The real service, as a process of its own and inside this one, for the fixtures in conftest."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session

from roe_magic.service import bootstrap, env_file
from roe_magic.service.container import Services
from roe_magic.service.http import server
from roe_magic.service.state.schema import OrganizationRow, WorksheetRow
from roe_magic.service.state.sqlite import open_database
from roe_magic.service.state.store import Store

# Generous: the machine may be busy with other tests.
PATIENCE = 60


@dataclass
class Service:
    """The service as a process of its own."""

    process: subprocess.Popen[str]
    data: Path
    env_file: Path
    url: str = ""
    api_key: str = ""
    organization_id: str = ""

    @property
    def env(self) -> dict[str, str]:
        """The variables of the env file."""
        return env_file.read(self.env_file)

    @property
    def log(self) -> str:
        """Its standard error so far."""
        return (self.data / "service.log").read_text()

    def client(self, **options: Any) -> httpx.Client:
        """Return an HTTP client with the service's address and key."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False, **options)

    def wait(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        return self.process.wait(PATIENCE)


def start_service(data: Path, *arguments: str) -> Service:
    """Start the service on a data folder and wait until it answers."""
    data.mkdir(parents=True, exist_ok=True)
    env_file = data / "service.env"
    before = env_file.stat().st_mtime_ns if env_file.exists() else 0
    command = [sys.executable, "-m", "roe_magic.service", "--data", str(data), "--env-file", str(env_file), *arguments]
    # A file, not a pipe, which the service would stop at when it is full.
    with (data / "service.log").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, text=True)
    service = Service(process, data, env_file)
    # A service first removes the address of the one before from its env file.
    wait_for(
        lambda: (
            process.poll() is not None
            or (env_file.exists() and env_file.stat().st_mtime_ns > before and "ROE_BASE_URL" in service.env)
        )
    )
    assert process.poll() is None, service.log
    env = service.env
    service.url, service.api_key = env["ROE_BASE_URL"], env["ROE_API_KEY"]
    service.organization_id = env["ROE_ORGANIZATION_ID"]
    return service


def end_service(service: Service) -> None:
    """End the process, if it still runs, and close its pipe."""
    with contextlib.suppress(ProcessLookupError):
        service.process.terminate()
    try:
        service.wait()
    finally:
        service.process.kill()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)
    return value


@dataclass
class Api:
    """The service inside this process: an HTTP client with an admin's key, and the services behind it."""

    http: httpx.Client
    services: Services
    keys: dict[str, str]
    organization_id: str

    def as_(self, who: str) -> dict[str, str]:
        """Return the headers of another key: ``reader`` may not write, ``other`` is another organisation's admin."""
        return {"Authorization": f"Bearer {self.keys[who]}"}

    def submit(self, sql: str, *, wait: int = 30, **more: Any) -> dict[str, Any]:
        """Submit a query, wait for its end, and return its WorksheetQuery."""
        body = {"query": sql, "organization_id": self.organization_id, **more}
        answer = self.http.post("/v1/database/query/async/", json=body, headers={"Prefer": f"wait={wait}"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def status(self, query_id: str, wait: int = 0) -> dict[str, Any]:
        """Return a query's status."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        return dict(self.http.get(f"/v1/database/query/{query_id}/status/", headers=headers).json())

    def result(self, query_id: str) -> dict[str, Any]:
        """Return a query's result as JSON."""
        answer = self.http.get(f"/v1/database/query/{query_id}/result/")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def upload(self, name: str, text: str) -> httpx.Response:
        """Upload a CSV file."""
        return self.http.post("/v1/tables/upload/", data={"table_name": name}, files={"file": ("t.csv", text.encode())})


@contextlib.contextmanager
def api_on(folder: Path, **options: Any) -> Iterator[Api]:
    """Run the service on a data folder in a thread of this process; ``options`` are those of ``bootstrap.running``."""
    started: queue.SimpleQueue[tuple[Services, Callable[[], None]]] = queue.SimpleQueue()

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with bootstrap.running(folder, **options) as running:
            started.put((running, lambda: loop.call_soon_threadsafe(stop.set)))
            await server.run(running, listener, stop)

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=lambda: asyncio.run(main()), name="service")
    thread.start()
    running, stop = started.get(timeout=PATIENCE)
    keys = add_keys(running.store, running.folder.state)
    headers = {"Authorization": f"Bearer {keys['admin']}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False) as http:
            yield Api(http, running, keys, str(running.store.first_start()[0].id))
    finally:
        stop()
        thread.join()
        listener.close()


def add_keys(store: Store, state: Path) -> dict[str, str]:
    """Make one key of each kind."""
    organization, user = store.first_start()
    return {
        "admin": store.add_key(organization, user, admin=True),
        "reader": store.add_key(organization, user, admin=False),
        "other": store.add_key(add_organization(state), user, admin=True),
    }


def add_organization(state: Path) -> OrganizationRow:
    """Make a second organisation with its default worksheet; the service itself only ever makes the first."""
    database = open_database(state)
    try:
        with Session(database, expire_on_commit=False) as session, session.begin():
            organization = OrganizationRow(name="Other")
            session.add(WorksheetRow(name="Default", is_default=True, organization=organization))
        return organization
    finally:
        database.dispose()
