"""Roe's own Python SDK (``roe-ai``), as its users have it, on the local service."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.services import Api, Service, wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK still writes pydantic's settings the old way
    import roe  # type: ignore[import-untyped]  # it has no type information
    from roe import exceptions


# A roe.RoeClient, which has no types.
Sdk = Any
Client: Any = roe.RoeClient
pytestmark = pytest.mark.conformance

CSV = b"name,age,born\nAnn,31,1994-05-06\nBob,,1990-01-02\n"


@pytest.fixture
def sdk(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sdk]:
    """Make the SDK's client the way its users do: from the environment, which the service's env file gives."""
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    with Client() as client:
        yield client


@pytest.fixture
def table(sdk: Sdk) -> Iterator[str]:
    """Upload a table, and delete it again unless the test has."""
    name = f"sdk_{uuid4().hex}"
    sdk.tables.upload(table_name=name, file=CSV)
    yield name
    if name in names(sdk):
        sdk.tables.delete(name)


def names(sdk: Sdk) -> list[str]:
    return [one.name for one in sdk.tables.list().results]


def ended(sdk: Sdk, sql: str, **options: Any) -> Any:
    """Run a table query to its end."""
    submitted = sdk.tables.query(sql, **options)

    def result() -> Any:
        found = sdk.tables.query_result(str(submitted.table_query_id))
        return None if found.status in ("PENDING", "STARTED") else found

    return wait_for(result)


def test_the_current_user_is_told(sdk: Sdk) -> None:
    """The SDK's smallest call works with nothing but the env file."""
    me = sdk.users.me()
    assert (me.id, me.display_name) == (1, "Local User")
    assert "@" in me.email


def test_a_table_lives_and_dies(sdk: Sdk, table: str) -> None:
    """Upload, list, describe, preview and delete, each with the fields that the SDK reads."""
    listed = sdk.tables.list()
    assert listed.total == len(listed.results)
    (found,) = (one for one in listed.results if one.name == table)
    assert [column.name for column in found.columns] == ["name", "age", "born"]
    described = sdk.tables.describe(table)
    assert (described.table_name, described.row_count) == (table, 2)
    assert described.columns == found.columns
    assert described.updated_at.tzinfo is not None
    preview = sdk.tables.preview(table, limit=1)
    assert [row.to_dict() for row in preview.rows] == [{"name": "Ann", "age": 31, "born": "1994-05-06"}]
    assert preview.row_count == 1
    sdk.tables.delete(table)
    assert table not in names(sdk)


def test_a_preview_of_nothing_has_the_columns(sdk: Sdk, table: str) -> None:
    """A limit of 0 reads no row; the default is three."""
    assert sdk.tables.preview(table, limit=0).rows == []
    assert len(sdk.tables.preview(table).rows) == 2


def test_files_come_from_disk_and_memory(sdk: Sdk, service: Service, tmp_path: Path) -> None:
    """A path, a file object and bytes all arrive; the answer names the organisation."""
    (tmp_path / "rows.csv").write_bytes(CSV)
    for source in (tmp_path / "rows.csv", str(tmp_path / "rows.csv"), io.BytesIO(CSV), CSV):
        name = f"sdk_{uuid4().hex}"
        upload = sdk.tables.upload(table_name=name, file=source)
        assert (upload.table_name, upload.organization_id) == (name, UUID(service.organization_id))
        assert sdk.tables.describe(name).row_count == 2
        sdk.tables.delete(name)


def test_a_file_without_headers_has_columns_by_number(sdk: Sdk) -> None:
    """Every row is data, even one that looks like a header, and columns are column_1, column_2 and so on."""
    name = f"sdk_{uuid4().hex}"
    sdk.tables.upload(table_name=name, file=b"name,age\nAnn,31\n", with_headers=False)
    rows = [row.to_dict() for row in sdk.tables.preview(name).rows]
    assert rows == [{"column_1": "name", "column_2": "age"}, {"column_1": "Ann", "column_2": "31"}]
    sdk.tables.delete(name)


def test_a_table_query_runs(sdk: Sdk, table: str) -> None:
    """Submit and poll: rows by column name, the count, the time, and whether the limit cut them."""
    result = ended(sdk, f"SELECT name, age FROM {table} ORDER BY name")
    assert (result.status, result.error, result.row_count, result.truncated) == ("SUCCESS", None, 2, False)
    assert [row.to_dict() for row in result.rows] == [{"name": "Ann", "age": 31}, {"name": "Bob", "age": None}]
    assert [column.to_dict()["name"] for column in result.columns] == ["name", "age"]
    assert result.execution_time_ms > 0
    cut = ended(sdk, "SELECT number FROM numbers(10)", limit=4)
    assert (len(cut.rows), cut.row_count, cut.truncated) == (4, 4, True)


def test_a_table_query_may_fail(sdk: Sdk) -> None:
    """What is wrong with the SQL is in the result, not an exception."""
    result = ended(sdk, "SELECT * FROM nowhere_at_all")
    assert result.status == "FAILURE"
    assert "nowhere_at_all" in result.error


def test_bad_input_is_a_bad_request(sdk: Sdk, table: str) -> None:
    """Each published shape of a 400 becomes the SDK's BadRequestError with a message worth reading."""
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: sdk.tables.upload(table_name=table, file=CSV), "exists"),
        (lambda: sdk.tables.upload(table_name="sdk_empty", file=b""), "empty"),
        (lambda: sdk.tables.upload(table_name="not/a`name", file=CSV), "table name"),
        (lambda: sdk.tables.upload(table_name="x" * 129, file=CSV), "128"),
        (lambda: sdk.tables.preview(table, limit=51), "50"),
        (lambda: sdk.tables.describe("a`b"), "table name"),
        (lambda: sdk.tables.delete("a`b"), "table name"),
        (lambda: sdk.tables.query(""), "length"),
        (lambda: sdk.tables.query("SELECT 1", limit=1001), "1000"),
        (lambda: sdk.tables.query("x" * 65_537), "65536"),
    ]
    for call, says in calls:
        with pytest.raises(exceptions.BadRequestError, match=says) as caught:
            call()
        assert caught.value.status_code == 400


def test_what_is_not_there_is_not_found(sdk: Sdk) -> None:
    """A table, a query and another organisation that do not exist are the SDK's NotFoundError."""
    calls: list[Callable[[], object]] = [
        lambda: sdk.tables.describe("nowhere"),
        lambda: sdk.tables.preview("nowhere"),
        lambda: sdk.tables.delete("nowhere"),
        lambda: sdk.tables.query_result(str(uuid4())),
        lambda: sdk.tables.upload(table_name="mine", file=CSV, organization_id=uuid4()),
    ]
    for call in calls:
        with pytest.raises(exceptions.NotFoundError, match="not found") as caught:
            call()
        assert set(caught.value.response or {}) == {"detail"}


def test_a_wrong_key_is_an_authentication_error(sdk: Sdk, service: Service) -> None:
    """The SDK tells a key that is not known from everything else."""
    with (
        Client(api_key="roe_unknown") as stranger,
        pytest.raises(exceptions.AuthenticationError, match="API key"),
    ):
        stranger.tables.list()


def test_a_key_that_may_only_read_is_forbidden_to_write(api: Api) -> None:
    """A reader's key lists and describes; uploading and deleting are the SDK's ForbiddenError."""
    options = {"base_url": str(api.http.base_url), "organization_id": api.organization_id}
    with Client(api_key=api.keys["reader"], **options) as reader:
        assert reader.tables.list().total >= 0
        with pytest.raises(exceptions.ForbiddenError):
            reader.tables.upload(table_name="mine", file=CSV)
        with pytest.raises(exceptions.ForbiddenError):
            reader.tables.delete("mine")


def test_an_endpoint_of_another_product_is_not_found(sdk: Sdk) -> None:
    """The service has no agents: the SDK hears a clean 404, not a failure that it would repeat."""
    with pytest.raises(exceptions.NotFoundError) as caught:
        sdk.agents.retrieve(str(uuid4()))
    assert not isinstance(caught.value, exceptions.ServerError)
