"""Any DataFrame, sent as CSV to a server that takes nothing else, is read back equal, or it was said what is lost."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roe_magic.client import RoeClient
from roe_magic.errors import BadRequestError
from roe_magic.formatting import clean
from roe_magic.query.running_query import RunningQuery
from roe_magic.uploads.arrow.arrow_source import ArrowSource
from roe_magic.uploads.arrow.frames_to_arrow import to_arrow
from roe_magic.uploads.csv_out import write_csv
from tests.support.frame_strategies import frames as pandas_frames
from tests.support.rows_engine import by_json
from tests.support.value_meaning import meanings

NAMES = st.from_regex(r"[a-z]{2,5}", fullmatch=True)
ANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def expected_of(source: ArrowSource) -> list[list[Any]]:
    """Return what the values of each column mean that were to be sent."""
    tables = list(source.canonical_batches())
    columns = range(len(source.columns))
    return [[each for table in tables for each in meanings(table.column(position))] for position in columns]


def check(source: ArrowSource, losses: list[str], table: pa.Table) -> None:
    """Assert that each column is there and equal, or that a sentence names it."""
    assert table.column_names == [name for name, _ in source.columns]
    for (name, type_name), expected, column in zip(source.columns, expected_of(source), table.columns, strict=True):
        if not any(sentence.startswith(f"{clean(name)}: ") for sentence in losses):
            assert meanings(column) == expected, f"{name} {type_name}"


@ANY
@given(frame=pandas_frames(names=NAMES, min_rows=1))
def test_through_the_local_service_as_csv(client: RoeClient, frame: pd.DataFrame) -> None:
    """Whose rules for CSV change no value."""
    source = to_arrow(frame)
    with tempfile.TemporaryFile() as file:
        losses = write_csv(source, file)
        file.seek(0)
        try:
            client.upload("csv_round_trip", file, replace=True)
        except BadRequestError as error:
            no_rows = "no rows" in str(error)
            assert no_rows, error  # noqa: PT017  # of one column without a value, which is said
            assert any("empty lines" in sentence for sentence in losses)
            return
    check(source, losses, RunningQuery(client, "SELECT * FROM csv_round_trip").start().wait().arrow())


@ANY
@given(frame=pandas_frames(names=NAMES, min_rows=1))
def test_through_a_clickhouse_that_chooses_the_types_itself(frame: pd.DataFrame) -> None:
    """By its own inference, with its own settings: what is known of Roe's server is the contract alone."""
    source = to_arrow(frame)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("wb") as file:
            losses = write_csv(source, file)
        try:
            _, _, table = by_json(f"SELECT * FROM file('{path}', CSVWithNames)")
        except RuntimeError as error:
            assert "Cannot parse date" in str(error)  # noqa: PT017  # the text NULL beside dates, as text
            assert any("the text NULL" in sentence for sentence in losses)
            return
    check(source, losses, table)


def test_numbers_with_an_exponent_are_sent_with_a_word_on_it() -> None:
    """ClickHouse's own inference reads them as text, and the whole column with them."""
    source = to_arrow(pd.DataFrame({"a": [1e10, 1.5], "b": [0.25, 1.5]}))
    assert [sentence.partition(",")[0] for sentence in write_csv(source, io.BytesIO())] == [
        "a: numbers with an exponent"
    ]


def test_labels_that_look_like_other_values_are_sent_with_a_word_on_it() -> None:
    """As text that does."""
    flags = pd.Categorical(["True", "False"], ["True", "False"], ordered=True)
    source = to_arrow(pd.DataFrame({"a": flags, "b": pd.Categorical(["x", "y"], ordered=True)}))
    losses = [sentence for sentence in write_csv(source, io.BytesIO()) if "labels" not in sentence]
    assert [sentence.partition(" may")[0] for sentence in losses] == ["a: text that looks like booleans"]


def test_bytes_in_lists_are_sent_with_a_word_on_it() -> None:
    """As JSON text with escapes: no encoding of text has them."""
    source = to_arrow(pd.DataFrame({"a": pd.Series([[b"\xff", b"x"]], dtype=object)}))
    file = io.BytesIO()
    assert any(
        sentence.startswith("a: lists and objects are sent as JSON text") for sentence in write_csv(source, file)
    )
    assert file.getvalue() == b'"a"\n"[""\\udcff"", ""x""]"\n'
