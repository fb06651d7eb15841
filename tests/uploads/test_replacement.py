"""Replacing a table on a server that cannot swap: whichever request fails, nothing is lost, and the error is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import RoeError, UploadInterrupted, UsageError
from roe_magic.query.run import run
from roe_magic.uploads.upload import upload
from roe_magic.uploads.upload_result import UploadResult
from tests.support.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.support.services import Service

pytestmark = pytest.mark.integration

OLD, NEW = pd.DataFrame({"n": [1, 2, 3]}), pd.DataFrame({"n": [10, 20]})
# list, upload, describe; delete, upload, describe; delete, describe
REQUESTS = 8
NAME = "replaced"


@pytest.fixture(scope="module")
def direct(service: Service) -> Iterator[RoeClient]:
    """A client without a proxy in between."""
    with client_of(service, service.url) as client:
        yield client


@pytest.fixture
def proxy(service: Service, direct: RoeClient) -> Iterator[FaultyProxy]:
    drop_all(direct)
    upload(direct, NAME, OLD)
    with faulty_proxy(service.url) as proxy:
        yield proxy
    drop_all(direct)


@pytest.fixture
def client(service: Service, proxy: FaultyProxy) -> Iterator[RoeClient]:
    with client_of(service, proxy.url) as client:
        yield client


def client_of(service: Service, url: str) -> RoeClient:
    key = Secret(service.api_key)
    return RoeClient(
        Settings(base_url=url, api_key=key, organization_id=service.organization_id, timeout=60, max_retries=1)
    )


def ours(client: RoeClient) -> list[str]:
    return sorted(table.name for table in client.tables() if table.name.startswith(NAME))


def drop_all(client: RoeClient) -> None:
    for name in ours(client):
        client.delete(name)


def rows(client: RoeClient, name: str) -> list[int]:
    found: list[int] = run(f"SELECT n FROM `{name}` ORDER BY n", client).df()["n"].tolist()
    return found


def replaced(client: RoeClient, data: object = NEW) -> UploadResult:
    return upload(client, NAME, data, replace=True, confirm=lambda _: True)


def test_the_new_rows_are_there_and_nothing_else(client: RoeClient, proxy: FaultyProxy, direct: RoeClient) -> None:
    """A proof under a temporary name, a question, delete, upload, count, clean up."""
    asked: list[str] = []
    done = upload(client, NAME, NEW, replace=True, confirm=lambda question: bool(asked.append(question)) or True)
    assert (done.rows, done.notices) == (2, [])
    assert rows(direct, NAME) == [10, 20]
    assert ours(direct) == [NAME]
    (question,) = asked
    assert "2 rows" in question
    assert NAME in question
    steps = [request.replace("/v1/tables/", "") for request in proxy.journal]
    temporary = re.search(rf"DELETE ({NAME}_upload_\w+)/", "\n".join(steps))
    assert temporary
    described, kept = f"GET {temporary[1]}/describe/", f"GET {NAME}/describe/"
    deleted = f"DELETE {NAME}/"
    assert steps == ["GET ", "POST upload/", described, deleted, "POST upload/", kept, f"DELETE {temporary[1]}/", kept]
    assert len(steps) == REQUESTS


@pytest.mark.parametrize("number", range(REQUESTS))
@pytest.mark.parametrize("fault", ["refuse", "lose", "gone"])
@pytest.mark.parametrize("kind", ["frame", "csv"])
def test_whichever_request_fails_nothing_is_lost(
    client: RoeClient, proxy: FaultyProxy, direct: RoeClient, tmp_path: Path, number: int, fault: Fault, kind: str
) -> None:
    """What the error says of the table and of the temporary one is so; all rows of one of them are there."""
    proxy.fault = number, fault
    data: object = NEW
    if kind == "csv":
        data = tmp_path / "new.csv"
        NEW.to_csv(data, index=False)
    said = ""
    try:
        said = " ".join(replaced(client, data).notices)
        assert rows(direct, NAME) == [10, 20]
    except RoeError as error:
        said = str(error)
        if number:
            check_what_is_said(direct, said)
        else:
            assert rows(direct, NAME) == [1, 2, 3]
    for name in ours(direct):
        assert name == NAME or name in said


def check_what_is_said(direct: RoeClient, said: str) -> None:
    if f"The table {NAME} is as it was" in said:
        assert rows(direct, NAME) == [1, 2, 3]
        return
    if f"The table {NAME} is replaced" in said or f"The new table {NAME} is there" in said:
        assert rows(direct, NAME) == [10, 20]
        return
    temporary = re.search(r"All new rows are in the table (\w+)", said)
    assert temporary, said
    assert rows(direct, temporary[1]) == [10, 20]
    if f"The old table {NAME} is deleted" in said:
        # An upload whose answer was lost may have made it again.
        assert NAME not in ours(direct) or rows(direct, NAME) == [10, 20]
    else:
        assert f"The table {NAME} may be deleted" in said or "may yet be deleted" in said


def test_a_no_leaves_everything_as_it_was(client: RoeClient, direct: RoeClient) -> None:
    """The proof is taken away again."""
    with pytest.raises(UsageError, match="was not replaced") as caught:
        upload(client, NAME, NEW, replace=True, confirm=lambda _: False)
    assert "is as it was" in str(caught.value)
    assert (ours(direct), rows(direct, NAME)) == ([NAME], [1, 2, 3])


@pytest.mark.parametrize("error", [EOFError(), ValueError("no terminal")])
def test_an_error_of_the_question_leaves_everything_as_it_was(
    client: RoeClient, direct: RoeClient, error: Exception
) -> None:
    """The proof is taken away again, and the error says what stands."""

    def fail(_question: str) -> bool:
        raise error

    with pytest.raises(UsageError, match=type(error).__name__) as caught:
        upload(client, NAME, NEW, replace=True, confirm=fail)
    assert "is as it was" in str(caught.value)
    assert caught.value.__cause__ is error
    assert (ours(direct), rows(direct, NAME)) == ([NAME], [1, 2, 3])


def test_an_exit_in_the_question_leaves_everything_as_it_was(client: RoeClient, direct: RoeClient) -> None:
    """It goes on after the proof is taken away."""

    def leave(_question: str) -> bool:
        raise SystemExit

    with pytest.raises(SystemExit):
        upload(client, NAME, NEW, replace=True, confirm=leave)
    assert (ours(direct), rows(direct, NAME)) == ([NAME], [1, 2, 3])


def test_without_somebody_to_ask_nothing_is_sent(client: RoeClient, proxy: FaultyProxy, direct: RoeClient) -> None:
    """The refusal says how to confirm."""
    with pytest.raises(UsageError, match="cannot swap") as caught:
        upload(client, NAME, NEW, replace=True)
    assert "--yes" in str(caught.value)
    assert proxy.journal == ["GET /v1/tables/"]
    assert rows(direct, NAME) == [1, 2, 3]


def test_a_source_that_the_server_cannot_read_replaces_nothing(
    client: RoeClient, direct: RoeClient, tmp_path: Path
) -> None:
    """The proof fails before anybody is asked."""
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("n,m\n1,2\n3\n4,5,6\n")

    def never(_question: str) -> bool:
        raise AssertionError("nobody is asked")

    with pytest.raises(RoeError) as caught:
        upload(client, NAME, ragged, replace=True, confirm=never)
    assert "is as it was" in str(caught.value)
    assert (ours(direct), rows(direct, NAME)) == ([NAME], [1, 2, 3])


@pytest.mark.parametrize("number", range(REQUESTS))
def test_a_stop_at_any_step_says_what_stands(
    client: RoeClient, proxy: FaultyProxy, direct: RoeClient, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Stop is pressed when the answer of a request is here, and when it is about to be sent."""
    seen = iter(range(REQUESTS))
    exchange = client._transport._exchange

    def stopped(*arguments: Any) -> Any:
        answer = exchange(*arguments)
        if next(seen, None) == number:
            answer.close()
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(client._transport, "_exchange", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        replaced(client)
    said = str(caught.value)
    if number == 0:
        assert rows(direct, NAME) == [1, 2, 3]
    elif number == REQUESTS - 1:
        assert (ours(direct), rows(direct, NAME)) == ([NAME], [10, 20])
    else:
        assert isinstance(caught.value, UploadInterrupted)
        check_what_is_said(direct, said)
        assert all(name == NAME or name in said for name in ours(direct))
