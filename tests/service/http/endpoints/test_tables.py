"""The endpoints of tables, with the real engine behind them."""

from __future__ import annotations

import httpx
import pytest

from roe_magic.contract import codec, models
from tests.support.services import Api

ASYNC = "/v1/database/query/async/"


def test_a_table_is_uploaded_described_previewed_and_deleted(api: Api) -> None:
    """The life of a table through its endpoints, and SQL on it in between."""
    sent = api.upload("people", "name,age\nAnn,31\nBob,\n")
    assert sent.status_code == 201
    upload = codec.parse(models.TableUpload, sent.json())
    assert (upload.table_name, str(upload.organization_id)) == ("people", api.organization_id)
    listed = codec.parse(models.TableList, api.http.get("/v1/tables/").json())
    assert "people" in [table.name for table in listed.results]
    described = codec.parse(models.TableDescription, api.http.get("/v1/tables/people/describe/").json())
    assert ([column.name for column in described.columns], described.row_count) == (["name", "age"], 2)
    preview = codec.parse(models.TablePreview, api.http.get("/v1/tables/people/preview/", params={"limit": 1}).json())
    assert preview.rows == [{"name": "Ann", "age": 31}]
    query = api.submit("SELECT sum(age) FROM people")
    assert api.result(query["id"])["results"][0]["result_rows"] == [[31]]
    gone = api.http.delete("/v1/tables/people/")
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.http.get("/v1/tables/people/describe/").json() == {"detail": "Table not found."}


def test_an_upload_without_headers_names_the_columns(api: Api) -> None:
    """Without headers every row is data, and columns are column_1, column_2 and so on."""
    fields = {"table_name": "bare", "with_headers": "false"}
    assert api.http.post("/v1/tables/upload/", data=fields, files={"file": ("t.csv", b"1,x\n2,y\n")}).status_code == 201
    rows = api.http.get("/v1/tables/bare/preview/").json()["rows"]
    assert rows == [{"column_1": 1, "column_2": "x"}, {"column_1": 2, "column_2": "y"}]
    api.http.delete("/v1/tables/bare/")


def test_a_bad_upload_says_what_is_wrong(api: Api) -> None:
    """The errors for an existing table and for an empty file are bare lists; those of fields are an object."""
    api.upload("twice", "a\n1\n")
    again = api.upload("twice", "a\n1\n")
    assert (again.status_code, type(again.json())) == (400, list)
    empty = api.upload("empty", "")
    assert (empty.status_code, type(empty.json())) == (400, list)
    no_file = api.http.post("/v1/tables/upload/", json={"table_name": "x", "file": "a,b"})
    assert (no_file.status_code, list(no_file.json())) == (400, ["file"])
    no_name = api.http.post("/v1/tables/upload/", files={"file": ("t.csv", b"a\n1\n")})
    assert no_name.json() == {"table_name": ["This field is required."]}
    api.http.delete("/v1/tables/twice/")


@pytest.mark.parametrize("name", ["%00", "a%00b", "..%5c", "%2e%2e", "a`b", "x%0a", "%0a", "'", "ü", "x" * 129])
def test_a_table_name_that_no_table_can_have_is_refused(api: Api, name: str) -> None:
    """NUL, quotes, path traversal and the like are answered with a bare list of messages."""
    for path in (f"/v1/tables/{name}/describe/", f"/v1/tables/{name}/preview/"):
        answer = api.http.get(path)
        assert answer.status_code in {400, 404}
        assert answer.status_code == 404 or isinstance(answer.json(), list)
    assert api.upload(httpx.URL(f"http://x/{name}").path[1:], "a\n1\n").status_code == 400


@pytest.mark.parametrize("limit", ["51", "-1", "x", "1e9", "9" * 40])
def test_a_preview_has_at_most_fifty_rows(api: Api, limit: str) -> None:
    """A limit outside of its bounds is a field error."""
    answer = api.http.get("/v1/tables/any/preview/", params={"limit": limit})
    assert (answer.status_code, list(answer.json())) == (400, ["limit"])


def test_a_reader_may_not_write(api: Api) -> None:
    """use_admin, uploads and deletes need an admin key; an admin's query writes only with use_admin."""
    reader = api.as_("reader")
    body = {"query": "SELECT 1", "organization_id": api.organization_id, "use_admin": True}
    refused = api.http.post(ASYNC, json=body, headers=reader)
    assert (refused.status_code, list(refused.json())) == (403, ["message"])
    assert api.http.delete("/v1/tables/x/", headers=reader).json().keys() == {"detail"}
    files = {"file": ("t.csv", b"a\n1\n")}
    assert api.http.post("/v1/tables/upload/", data={"table_name": "x"}, files=files, headers=reader).status_code == 403
    assert "use_admin" in api.submit("CREATE TABLE made (a Int8) ENGINE = Memory")["error"]
    made = api.submit(
        "CREATE TABLE made (a Int8) ENGINE = Memory; INSERT INTO made VALUES (1); DROP TABLE made", use_admin=True
    )
    assert made["query_task_status"] == "SUCCESS"


def test_a_dry_run_shows_the_columns_and_creates_nothing(api: Api) -> None:
    """The response has status 200 and the columns; there is no table afterwards."""
    fields = {"table_name": "looked_at", "dry_run": "true"}
    answer = api.http.post("/v1/tables/upload/", data=fields, files={"file": ("t.csv", b"a,b\n1,x\n")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["dry_run"] is True
    assert answer.json()["columns"] == [
        {"name": "a", "type": "Nullable(Int64)", "reason": "all values are whole numbers"},
        {"name": "b", "type": "Nullable(String)", "reason": "the only value is text (x)"},
    ]
    assert api.http.get("/v1/tables/looked_at/describe/").status_code == 404


def test_the_list_says_which_files_can_be_uploaded(api: Api) -> None:
    """A client knows by upload_types that it may send more than CSV."""
    assert "application/vnd.apache.arrow.stream" in api.http.get("/v1/tables/").json()["upload_types"]


def test_replace_puts_a_table_in_the_place_of_another(api: Api) -> None:
    """The new rows have the name of the old ones; without a table of that name one is created."""
    for text, rows in (("a\n1\n", [{"a": 1}]), ("b\nx\n", [{"b": "x"}])):
        fields = {"table_name": "replaced", "replace": "true"}
        answer = api.http.post("/v1/tables/upload/", data=fields, files={"file": ("t.csv", text.encode())})
        assert answer.status_code == 201, answer.text
        assert api.http.get("/v1/tables/replaced/preview/").json()["rows"] == rows
    api.http.delete("/v1/tables/replaced/")
