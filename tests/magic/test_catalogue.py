"""The names that the server has, kept for the Tab key, and which of them fit into SQL."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.magic.catalogue import MAX_AGE, MOST, Catalogue, in_sql
from tests.support.scripted_server import ScriptedServer, answer, hang
from tests.support.services import Service, wait_for

FLIGHTS = {"carrier": "LowCardinality(String)", "dep_delay": "Nullable(Int64)", "order": "String"}
PLANES = {"tailnum": "String", "carrier_name": "String"}


def columns(**kinds: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in kinds.items()]


def tables(*names_and_columns: tuple[str, dict[str, str]]) -> dict[str, object]:
    listed = [{"name": name, "columns": columns(**kinds)} for name, kinds in names_and_columns]
    return {"results": listed, "total": len(listed)}


def client_of(url: str, key: str = "key", organization: str | None = None) -> RoeClient:
    return RoeClient(Settings(base_url=url, api_key=Secret(key), organization_id=organization, max_retries=0))


class Server:
    """A server with some tables, a client of it, and a catalogue whose clock stands still."""

    def __init__(self, scripted: ScriptedServer) -> None:
        self.scripted, self.now = scripted, 1000.0
        self.client = client_of(scripted.url)
        self.catalogue = Catalogue(clock=lambda: self.now)

    def asked(self) -> int:
        return len(self.scripted.got("GET", "/v1/tables/"))

    def refresh(self, sql: str | None = None) -> int:
        """Run SQL, so to say; gives how often the tables have been asked for when all is quiet."""
        self.catalogue.refresh_soon(self.client, sql)
        thread = self.catalogue._thread
        if thread is not None:
            thread.join(60)
        return self.asked()


@pytest.fixture
def server() -> Iterator[Server]:
    with ScriptedServer() as scripted:
        odd = {"a b": "String", "tick`": "String", "hidden\u202e": "String"}
        listed = tables(("flights", FLIGHTS), ("planes", PLANES), ("odd name", odd))
        scripted.on("GET", "/v1/tables/", answer(listed))
        made = Server(scripted)
        yield made
        made.catalogue.close()
        made.client.close()


@pytest.fixture
def filled(server: Server) -> Catalogue:
    server.refresh()
    return server.catalogue


def offered(catalogue: Catalogue, text: str) -> list[str]:
    """List what is offered at the ``|`` in SQL."""
    before, after = text.split("|")
    return [offer.text for offer in in_sql(catalogue, before, before + after).offers]


class TestAsking:
    def test_the_real_service_is_asked_behind_the_scenes(self, service: Service) -> None:
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
        assert {offer.text for offer in catalogue.columns} >= {"n", "s"}

    def test_queries_let_it_be_asked_once_a_minute(self, server: Server) -> None:
        """The first query asks, the next ones only when the names are old."""
        assert server.refresh("SELECT 1") == 1
        server.now += MAX_AGE - 1
        assert server.refresh("SELECT 2") == 1
        server.now += 2
        assert server.refresh("SELECT 3") == 2

    @pytest.mark.parametrize("sql", ["CREATE TABLE t (n UInt8) ORDER BY n", "SELECT 1; drop table t", None])
    def test_what_may_have_changed_the_names_lets_it_be_asked_at_once(self, server: Server, sql: str | None) -> None:
        """After a CREATE, a DROP or an upload nobody waits for a minute."""
        server.refresh("SELECT 1")
        assert server.refresh(sql) == 2

    def test_another_server_has_other_names(self, server: Server) -> None:
        """With another client the old names are gone at once, and its own ones come."""
        server.refresh()
        with ScriptedServer(hang()) as silent, client_of(silent.url) as other:
            server.catalogue.refresh_soon(other, "SELECT 1")
            assert (server.catalogue.tables, server.catalogue.columns, server.catalogue.worksheets) == ({}, [], [])
            wait_for(lambda: silent.got("GET", "/v1/tables/"))
            # Asked for while the silent server is, whose end lets the thread go on to this one.
            server.catalogue.refresh_soon(server.client)
            silent.close()
            wait_for(lambda: "flights" in server.catalogue.tables)

    def test_a_failure_changes_nothing(self, server: Server) -> None:
        """When the server fails the known names stay, and the next refresh works again."""
        server.refresh()
        server.scripted.on("GET", "/v1/tables/", answer("broken", 500))
        assert server.refresh() == 2
        assert set(server.catalogue.tables) == {"flights", "planes", "odd name"}
        server.scripted.on("GET", "/v1/tables/", answer(tables(("new", PLANES))))
        server.refresh()
        assert set(server.catalogue.tables) == {"new"}

    def test_tables_are_known_where_there_are_no_worksheets(self, server: Server) -> None:
        """A server that answers 404 for worksheets still tells its tables."""
        server.refresh()
        assert len(server.scripted.got("GET", "/v1/worksheets/")) == 1
        assert "flights" in server.catalogue.tables
        assert server.catalogue.worksheets == []


class TestSql:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("SELECT dep|", ["dep_delay"]),
            ("SELECT carr| FROM planes", ["carrier_name"]),
            ("SELECT carr| FROM planes, flights", ["carrier", "carrier_name"]),
            ("SELECT * FROM fl|", ["flights"]),
            ("SELECT * FROM |", ["flights", "planes", "`odd name`"]),
            ("SELECT * FROM flights\nLEFT JOIN pl|", ["planes"]),
            ("SELECT flights.d| FROM flights", ["dep_delay"]),
            ("SELECT f.| FROM flights AS f", ["carrier", "dep_delay", "`order`"]),
            ("SELECT x.t| FROM flights f JOIN `planes` x ON 1", ["tailnum"]),
            ("SELECT o.a| FROM `odd name` o", ["`a b`"]),
            ("SELECT `odd name`.a| FROM `odd name`", ["`a b`"]),
            ("SELECT `dep| FROM flights", ["`dep_delay`"]),
            ("SELECT 'it''s', dep| -- isn't it", ["dep_delay"]),
            ("SELECT DEP| FROM flights", ["dep_delay"]),
            ("SELECT nothing.| FROM flights", []),
            ("SELECT 1.|", []),
        ],
    )
    def test_names_fit_their_place(self, filled: Catalogue, text: str, names: list[str]) -> None:
        """Tables behind FROM, the columns of the tables that the SQL names, those of an alias behind its dot."""
        assert offered(filled, text) == names

    @pytest.mark.parametrize("text", ["SELECT 'fl|", "SELECT 1 -- fl|", "/* SELECT\nfl|", "SELECT 'a\\' fl|"])
    def test_strings_and_comments_are_left_alone(self, filled: Catalogue, text: str) -> None:
        """Inside a string or a comment nothing is offered."""
        assert offered(filled, text) == []

    def test_keywords_come_in_the_letters_of_the_user(self, filled: Catalogue) -> None:
        """Small letters where small ones are typed, capitals else."""
        assert offered(filled, "sel|") == ["select"]
        assert offered(filled, "SEL|") == offered(filled, "Sel|") == ["SELECT"]
        assert offered(filled, "SELECT 1 GRO|") == ["GROUP BY"]

    def test_names_go_before_keywords(self, filled: Catalogue) -> None:
        """Columns first, then tables, then keywords; a column says its type."""
        found = in_sql(filled, "SELECT ", "SELECT  FROM flights").offers
        kinds = [offer.kind for offer in found]
        assert kinds[:4] == [*FLIGHTS.values(), "table"]
        assert kinds[-1] == "keyword"

    def test_a_name_with_a_hidden_character_is_not_offered(self, filled: Catalogue) -> None:
        """What nobody sees is not put into anybody's SQL; a backtick in a name is escaped."""
        assert offered(filled, "SELECT o.| FROM `odd name` o") == ["`a b`", "`tick\\``"]

    def test_a_thousand_tables_are_bounded(self, server: Server) -> None:
        """Of very many names the first ones are offered, and the keywords all the same."""
        many = [(f"t{n}", {f"c{n}_{m}": "String" for m in range(10)}) for n in range(1000)]
        server.scripted.on("GET", "/v1/tables/", answer(tables(*many)))
        server.refresh()
        found = offered(server.catalogue, "SELECT |")
        assert sum(name.startswith("c") for name in found) == MOST
        assert "DISTINCT" in found
        assert offered(server.catalogue, "SELECT c999_| FROM t999") == [f"c999_{m}" for m in range(10)]
