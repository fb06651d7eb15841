"""Connections to ClickHouse: which statement gets one that was used before."""

from __future__ import annotations

import pytest

from roe_magic.service.engine.chdb.connection_pool import UNIQUE_SETTING, ConnectionPool, Place


class Connection:
    """The part of chDB's connection that the pool uses."""

    def __init__(self, text: str) -> None:
        self.text, self.asked, self.closed = text, list[str](), False

    def query(self, sql: str, form: str) -> None:
        self.asked.append(f"{sql} {form}")

    def close(self) -> None:
        self.closed = True


class Opened(list[Connection]):
    """Every connection that was opened, in order."""

    def __call__(self, text: str) -> Connection:
        self.append(Connection(text))
        return self[-1]


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def connections(opened: Opened) -> ConnectionPool:
    return ConnectionPool(opened, "/data", {"always": "1"})


def test_the_same_settings_get_the_same_connection(connections: ConnectionPool, opened: Opened) -> None:
    """A connection is reused after its statement; two statements at the same time get two."""
    with connections.lend({"a": "1"}) as first:
        pass
    with connections.lend({"a": "1"}) as again, connections.lend({"a": "1"}) as other:
        assert again is first
        assert other is not first
    with connections.lend({"a": "2"}) as different:
        assert different not in (first, other)
    assert [one.text for one in opened] == ["/data?always=1"] * 3
    assert [one.asked for one in opened] == [["SET `a` = '1' Null"], ["SET `a` = '1' Null"], ["SET `a` = '2' Null"]]


def test_a_value_stays_one_value(connections: ConnectionPool, opened: Opened) -> None:
    """Whatever a value holds, it is the value of its own setting; readonly comes last."""
    with connections.lend({"readonly": "1", "session_timezone": "x&readonly=0', readonly = '0\\"}):
        pass
    assert opened[0].text == "/data?always=1"
    assert opened[0].asked == ["SET `session_timezone` = 'x&readonly=0\\', readonly = \\'0\\\\', `readonly` = '1' Null"]


def test_a_database_is_chosen_once(connections: ConnectionPool, opened: Opened) -> None:
    """USE runs once per connection, and a statement without a database never gets that connection."""
    for _ in range(2):
        with connections.lend({}, Place("mine")):
            pass
    with connections.lend({}):
        pass
    assert [one.asked for one in opened] == [["USE `mine` Null"], []]


def test_no_setting_is_a_place(connections: ConnectionPool, opened: Opened) -> None:
    """A caller chooses the names of settings: none of them is a database or a session."""
    with connections.lend({}, Place("mine", "one")) as mine:
        pass
    with connections.lend({"database": "mine", "session": "one"}) as other:
        assert other is not mine
    with connections.lend({}, Place("mine", "one")) as again:
        assert again is mine
    assert [one.asked for one in opened] == [
        ["USE `mine` Null"],
        ["SET `database` = 'mine', `session` = 'one' Null"],
    ]


def test_after_an_error_a_connection_is_closed(connections: ConnectionPool, opened: Opened) -> None:
    """It would return output of the failed statement before that of the next one."""
    with pytest.raises(RuntimeError), connections.lend({}):
        raise RuntimeError
    with connections.lend({}):
        pass
    assert [one.closed for one in opened] == [True, False]


def test_a_setting_for_one_statement_alone_keeps_no_connection(connections: ConnectionPool, opened: Opened) -> None:
    """No other statement would use it."""
    with connections.lend({UNIQUE_SETTING: "x"}):
        pass
    assert opened[0].closed


def test_only_so_many_idle_connections_stay_open(connections: ConnectionPool, opened: Opened) -> None:
    """Above the limit, connections that were used longest ago are closed."""
    for number in range(40):
        with connections.lend({"n": str(number)}):
            pass
    assert [one.closed for one in opened] == [True] * 8 + [False] * 32
