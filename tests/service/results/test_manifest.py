"""The list of a query's statements as it is stored."""

from __future__ import annotations

import json

from roe_magic.contract import models
from roe_magic.service.results import manifest

STATEMENTS = [
    models.Statement(query="SELECT 'é'", column_names=["a"], column_types=["String"], row_count=1),
    models.Statement(query="SELECT 2", summary=models.Summary(read_rows=1)),
]


def test_statements_come_back() -> None:
    """Decoding returns the encoded statements, in order."""
    assert manifest.decode(manifest.encode(STATEMENTS)) == STATEMENTS


def test_rows_are_left_out() -> None:
    """A manifest does not contain rows."""
    encoded = manifest.encode([models.Statement(query="SELECT 1", result_rows=[[1]])])
    assert "result_rows" not in json.loads(encoded)[0]


def test_each_statement_stays_json() -> None:
    """The items are those of the list, byte for byte."""
    encoded = manifest.encode(STATEMENTS)
    assert b"[" + b",".join(manifest.split(encoded)) + b"]" == encoded
    assert manifest.split(b"[]") == []


def test_totals_of_bytes_that_are_not_utf8_come_back() -> None:
    """They are lone surrogates in JSON, as in rows."""
    statement = models.Statement(query="SELECT 1", totals=["\udcff", 1], extremes=[["a"], ["\udcfe"]])
    encoded = manifest.encode([statement, models.Statement(query="é")])
    first, second = manifest.decode(encoded)
    assert (first.totals, first.extremes, second.query) == (["\udcff", 1], [["a"], ["\udcfe"]], "é")
    assert [json.loads(item)["query"] for item in manifest.split(encoded)] == ["SELECT 1", "é"]
