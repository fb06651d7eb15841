"""CSV files uploaded to the service, and the tables that they became."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.services import Api


@dataclass(frozen=True)
class UploadedCsv:
    """What became of a file: its columns as the service described them, and its rows as a query returns them."""

    columns: list[dict[str, str]]
    notices: list[str]
    rows: list[list[Any]] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        """The types, without Nullable, which all of them are."""
        assert all("Nullable(" in column["type"] for column in self.columns)
        return [column["type"].removeprefix("Nullable(")[:-1] for column in self.columns]

    def column(self, index: int = 0) -> list[Any]:
        """The values of a column."""
        return [row[index] for row in self.rows]


def send(api: Api, content: bytes, types: dict[str, str] | None = None, **fields: str) -> Any:
    """Upload a file as a table that is dropped before."""
    api.http.delete("/v1/tables/csv_file/")
    data = {"table_name": "csv_file", **({"types": json.dumps(types)} if types else {}), **fields}
    return api.http.post("/v1/tables/upload/", data=data, files={"file": ("t.csv", content)})


def upload(api: Api, content: bytes | str, types: dict[str, str] | None = None, **fields: str) -> UploadedCsv:
    """Upload a file, and read its rows in their order; the columns are those that a dry run describes."""
    content = content.encode() if isinstance(content, str) else content
    looked_at = send(api, content, types, dry_run="true", **fields)
    sent = send(api, content, types, **fields)
    assert (looked_at.status_code, sent.status_code) == (200, 201), sent.text
    columns = sent.json()["columns"]
    described = api.http.get("/v1/tables/csv_file/describe/").json()["columns"]
    assert [(c["name"], c["type"]) for c in columns] == [(c["name"], c["type"]) for c in described]
    assert [(c["name"], c["type"]) for c in columns] == [(c["name"], c["type"]) for c in looked_at.json()["columns"]]
    query = api.submit("SELECT * FROM csv_file SETTINGS max_threads = 1")
    (result,) = api.result(query["id"])["results"]
    return UploadedCsv(columns, sent.json().get("notices") or [], result["result_rows"])


def refusal(api: Api, content: bytes | str, types: dict[str, str] | None = None, **fields: str) -> str:
    """Return the message for a file that must be refused, with and without a dry run."""
    content = content.encode() if isinstance(content, str) else content
    answers = [send(api, content, types, **more, **fields) for more in ({}, {"dry_run": "true"})]
    assert [answer.status_code for answer in answers] == [400, 400], answers
    (message,), (again,) = (answer.json() for answer in answers)
    assert message == again
    return str(message)
