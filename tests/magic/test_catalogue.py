"""The names that the server has, refreshed in the background for the Tab key."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.magic.catalogue import MAX_AGE, Catalogue
from tests.support.scripted_server import ScriptedServer, answer, hang
from tests.support.services import Service, wait_for

FLIGHTS = {"carrier": "LowCardinality(String)", "dep_delay": "Nullable(Int64)"}
PLANES = {"tailnum": "String", "carrier": "String"}


def columns(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": type_} for name, type_ in types.items()]


def table_list(**tables: dict[str, str]) -> dict[str, object]:
    """The body of a response of the server with these tables."""
    results = [{"name": name, "columns": columns(**types)} for name, types in tables.items()]
    return {"results": results, "total": len(results)}


def client_of(url: str, key: str = "key", organization: str | None = None) -> RoeClient:
    return RoeClient(Settings(base_url=url, api_key=Secret(key), organization_id=organization, max_retries=0))


class Server:
    """A server with some tables, a client of it, and a catalogue whose clock stands still."""

    def __init__(self, scripted: ScriptedServer) -> None:
        self.scripted, self.now = scripted, 1000.0
        self.client = client_of(scripted.url)
        self.catalogue = Catalogue(clock=lambda: self.now)

    def refresh(self, sql: str | None = None) -> int:
        """Refresh as after this SQL, wait for the end, and return how many requests for tables there were so far."""
        self.catalogue.refresh_soon(self.client, sql)
        thread = self.catalogue._thread
        if thread is not None:
            thread.join(60)
        return len(self.scripted.got("GET", "/v1/tables/"))


@pytest.fixture
def server() -> Iterator[Server]:
    with ScriptedServer() as scripted:
        listed = table_list(flights=FLIGHTS, planes=PLANES, **{"odd name": {"a b": "String"}})
        scripted.on("GET", "/v1/tables/", answer(listed))
        server = Server(scripted)
        yield server
        server.catalogue.close()
        server.client.close()


def test_the_names_come_from_the_real_service(service: Service) -> None:
    """Tables with their columns and types, and the names of the worksheets, come from the service."""
    catalogue = Catalogue()
    with client_of(service.url, service.api_key, service.organization_id) as client:
        client.upload("for_the_tab_key", io.BytesIO(b"n,s\n1,a\n"))
        try:
            catalogue.refresh_soon(client)
            table = wait_for(lambda: catalogue.tables.get("for_the_tab_key"))
            wait_for(lambda: catalogue.worksheets)
        finally:
            catalogue.close()
            client.delete("for_the_tab_key")
    assert [column.name for column in table.columns] == ["n", "s"]
    assert catalogue.columns.keys() >= {"n", "s"}


def test_the_columns_of_all_tables_are_listed_once(server: Server) -> None:
    """Each name has a type; of a name that several tables have, one type."""
    server.refresh()
    assert server.catalogue.columns == {**FLIGHTS, **PLANES, "a b": "String"}


def test_queries_refresh_the_names_once_a_minute(server: Server) -> None:
    """The first query sends a request, the next ones only when the names are old."""
    assert server.refresh("SELECT 1") == 1
    server.now += MAX_AGE - 1
    assert server.refresh("SELECT 2") == 1
    server.now += 2
    assert server.refresh("SELECT 3") == 2


ROWS = f"INSERT INTO t VALUES {'(1), ' * 100_000}(1)"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (n UInt8) ORDER BY n",
        "SELECT 1; drop table t",
        pytest.param(f"CREATE TABLE t (n UInt8) ORDER BY n; {ROWS}", id="before many rows"),
        pytest.param(f"{ROWS}; DROP TABLE t", id="after many rows"),
        None,
    ],
)
def test_what_may_have_changed_the_names_refreshes_them_at_once(server: Server, sql: str | None) -> None:
    """After a CREATE, a DROP or an upload nobody waits for a minute."""
    server.refresh("SELECT 1")
    assert server.refresh(sql) == 2


def test_another_server_has_other_names(server: Server) -> None:
    """With another client the old names are gone at once, and its own ones come."""
    server.refresh()
    catalogue = server.catalogue
    with ScriptedServer(hang()) as silent, client_of(silent.url) as other:
        catalogue.refresh_soon(other, "SELECT 1")
        assert (catalogue.tables, catalogue.columns, catalogue.worksheets) == ({}, {}, [])
        wait_for(lambda: silent.got("GET", "/v1/tables/"))
        # The request to the silent server is under way; its end lets the thread go on to this refresh.
        catalogue.refresh_soon(server.client)
        silent.close()
        wait_for(lambda: "flights" in catalogue.tables)


def test_a_failure_changes_nothing(server: Server) -> None:
    """When the server fails the known names stay, and the next refresh works again."""
    server.refresh()
    server.scripted.on("GET", "/v1/tables/", answer("broken", 500))
    assert server.refresh() == 2
    assert set(server.catalogue.tables) == {"flights", "planes", "odd name"}
    server.scripted.on("GET", "/v1/tables/", answer(table_list(new=PLANES)))
    server.refresh()
    assert set(server.catalogue.tables) == {"new"}


def test_tables_are_known_where_there_are_no_worksheets(server: Server) -> None:
    """A server that answers 404 for worksheets still lists its tables."""
    server.refresh()
    assert len(server.scripted.got("GET", "/v1/worksheets/")) == 1
    assert "flights" in server.catalogue.tables
    assert server.catalogue.worksheets == []
