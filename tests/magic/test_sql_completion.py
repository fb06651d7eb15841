"""The names and keywords that fit at the cursor in SQL."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic.contract.models import Table, TableColumn
from roe_magic.magic.catalogue import Catalogue, columns_of
from roe_magic.magic.sql_completion import MAX_NAMES, complete_sql

FLIGHTS = {"carrier": "LowCardinality(String)", "dep_delay": "Nullable(Int64)", "order": "String"}
PLANES = {"tailnum": "String", "carrier_name": "String"}
ODD_NAMES = {"a b": "String", "tick`": "String", "hidden\u202e": "String"}


def catalogue_of(**tables: dict[str, str]) -> Catalogue:
    """A catalogue as a server with these tables would fill it."""
    catalogue = Catalogue()
    catalogue.tables = {
        name: Table(name=name, columns=[TableColumn(name=column, type=kind) for column, kind in columns.items()])
        for name, columns in tables.items()
    }
    catalogue.columns = columns_of(catalogue.tables.values())
    return catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    return catalogue_of(flights=FLIGHTS, planes=PLANES, **{"odd name": ODD_NAMES})


def offered(catalogue: Catalogue, text: str) -> list[str]:
    """Press Tab at the ``|``."""
    return [item.text for item in complete_sql(catalogue, text.replace("|", "", 1), text.index("|")).items]


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
        # Comments may stand between the words, and a database before the table.
        ("SELECT * FROM /* which? */ fl|", ["flights"]),
        ("SELECT f.d| FROM -- all of them\n flights /* so far */ AS f", ["dep_delay"]),
        ("SELECT f.d| FROM default.flights AS f", ["dep_delay"]),
        ("SELECT f.d| FROM `default`.`flights` f", ["dep_delay"]),
        ("SELECT default.flights.d| FROM default.flights", ["dep_delay"]),
        ("SELECT p.t| FROM flights AS f, planes AS p", ["tailnum"]),
        ('SELECT "odd name".a| FROM "odd name"', ["`a b`"]),
        ('SELECT o.a| FROM "odd name" AS o', ["`a b`"]),
        # A table that is named in a string or a comment is not used.
        ("SELECT carr| FROM planes WHERE 'flights' /* flights */", ["carrier_name"]),
        ("SELECT $$it's flights$$, carr| FROM planes", ["carrier_name"]),
        # The closing backtick may be there already.
        ("SELECT `dep|` FROM flights", ["`dep_delay`"]),
        ("SELECT `carr|` FROM planes", ["`carrier_name`"]),
        ("SELECT `carr|ier` FROM planes", ["`carrier_name`"]),
        ("SELECT carr|ier FROM planes", ["carrier_name"]),
    ],
)
def test_names_fit_their_place(catalogue: Catalogue, text: str, names: list[str]) -> None:
    """Tables behind FROM, the columns of the tables that the SQL names, those of an alias behind its dot."""
    assert offered(catalogue, text) == names


@pytest.mark.parametrize(
    "text",
    [
        *("SELECT 'fl|", "SELECT 1 -- fl|", "/* SELECT\nfl|", "SELECT 'a\\' fl|", 'SELECT "fl|', "# fl|", "// fl|"),
        *("SELECT 'fl| x'", "SELECT ' fl|' FROM flights", "-- fl|\nFROM flights", "/* fl| */ SELECT 1", "/* /* */ fl|"),
        *("SELECT $$ fl| $$", "SELECT $a$ 'x' fl| $a$", "SELECT \u2018a fl|", "SELECT `a FROM flights WHERE d|", "--|"),
    ],
)
def test_strings_and_comments_are_left_alone(catalogue: Catalogue, text: str) -> None:
    """Inside a string, a heredoc or a comment nothing is offered, whether it is closed behind the cursor or not."""
    assert offered(catalogue, text) == []


def test_keywords_come_in_the_letters_of_the_user(catalogue: Catalogue) -> None:
    """Small letters where small ones are typed, capitals else."""
    assert offered(catalogue, "sel|") == ["select"]
    assert offered(catalogue, "SEL|") == offered(catalogue, "Sel|") == ["SELECT"]
    assert offered(catalogue, "SELECT 1 GRO|") == ["GROUP BY"]


def test_names_go_before_keywords(catalogue: Catalogue) -> None:
    """Columns first, then tables, then keywords; a column says its type."""
    kinds = [item.kind for item in complete_sql(catalogue, "SELECT  FROM flights", 7).items]
    assert kinds[:4] == [*FLIGHTS.values(), "table"]
    assert kinds[-1] == "keyword"


def test_a_name_with_a_hidden_character_is_not_offered(catalogue: Catalogue) -> None:
    """What nobody sees is not put into anybody's SQL; a backtick in a name is escaped."""
    assert offered(catalogue, "SELECT o.| FROM `odd name` o") == ["`a b`", "`tick\\``"]


@pytest.mark.parametrize(
    "text", ["SELECT 'it''s' fl|", "/* ' */ fl|", "-- it's\nfl|", "SELECT $$it's$$ fl|", "SELECT 1 # it's\n, fl|"]
)
def test_closed_strings_and_comments_hide_nothing(catalogue: Catalogue, text: str) -> None:
    """Behind the end of a string or a comment names are offered again."""
    assert offered(catalogue, text) == ["flights"]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("SELECT dep|", "dep"),
        ("SELECT f.dep|", "dep"),
        ("SELECT `dep|", "`dep"),
        ("SELECT `dep|`", "`dep"),
        ("SELECT é|", "é"),
        ("|", ""),
    ],
)
def test_the_typed_part_is_told(catalogue: Catalogue, text: str, typed: str) -> None:
    """An item replaces the word from its beginning, or its backtick, to the cursor."""
    assert complete_sql(catalogue, text.replace("|", ""), text.index("|")).typed == typed


@given(st.text("ab.`'\"-/*$ \n;,(FROM", max_size=30), st.text("ab.`'\"-/*$ \n;,(FROM", max_size=30))
def test_any_cursor_has_an_answer(before: str, after: str) -> None:
    """No text raises, and the typed part always ends at the cursor."""
    catalogue = catalogue_of(a=FLIGHTS, b=PLANES)
    assert before.endswith(complete_sql(catalogue, before + after, len(before)).typed)


def test_a_thousand_tables_are_bounded() -> None:
    """Of very many names the first ones are offered, and the keywords all the same."""
    catalogue = catalogue_of(**{f"t{n}": {f"c{n}_{m}": "String" for m in range(10)} for n in range(1000)})
    names = offered(catalogue, "SELECT |")
    assert sum(name.startswith("c") for name in names) == MAX_NAMES
    assert "DISTINCT" in names
    assert offered(catalogue, "SELECT c999_| FROM t999") == [f"c999_{m}" for m in range(10)]


@pytest.mark.parametrize(
    "text", ["SELECT |", "SELECT zz|", "SELECT c1999_| FROM t1999", "SELECT x.| FROM t5 AS x", "SELECT * FROM t|"]
)
def test_the_tab_key_is_quick_with_many_names(text: str) -> None:
    """With 2,000 tables and 50,000 columns it takes a few milliseconds; the bound leaves room for a busy machine."""
    catalogue = catalogue_of(**{f"t{n}": {f"c{n}_{m}": "String" for m in range(25)} for n in range(2000)})
    sql, cursor = text.replace("|", ""), text.index("|")
    times = []
    for _ in range(5):
        began = time.process_time()
        complete_sql(catalogue, sql, cursor)
        times.append(time.process_time() - began)
    assert min(times) < 0.05
