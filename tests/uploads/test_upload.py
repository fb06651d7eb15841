"""`roe_magic.upload` on the real service, and on the same service when it takes CSV alone."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import roe_magic
from roe_magic.client import RoeClient
from roe_magic.config.secret import Secret
from roe_magic.config.settings import Settings
from roe_magic.errors import BadRequestError, ConnectFailed, RoeError, UploadUncertain, UsageError
from roe_magic.query.run import run
from roe_magic.uploads.upload import UploadWarning
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.scripted_server import ScriptedServer, answer, free_port
from tests.support.services import Service

pytestmark = pytest.mark.integration

NAME = "uploaded_by_python"


@pytest.fixture
def client(service: Service) -> Iterator[RoeClient]:
    with client_of(service, service.url) as client:
        yield client
        drop(client)


@pytest.fixture
def proxy(service: Service) -> Iterator[FaultyProxy]:
    with faulty_proxy(service.url) as proxy:
        yield proxy


@pytest.fixture
def csv_only(service: Service, proxy: FaultyProxy) -> Iterator[RoeClient]:
    with client_of(service, proxy.url) as client:
        yield client
        proxy.fault = None
        drop(client)


def client_of(service: Service, url: str) -> RoeClient:
    organization, key = service.organization_id, Secret(service.api_key)
    return RoeClient(Settings(base_url=url, api_key=key, organization_id=organization, timeout=60, max_retries=1))


def drop(client: RoeClient) -> None:
    if client.has_table(NAME):
        client.delete(NAME)


def rows(client: RoeClient, columns: str = "*", order: str = "k") -> list[list[Any]]:
    found: list[list[Any]] = run(f"SELECT {columns} FROM {NAME} ORDER BY {order}", client).df().values.tolist()
    return found


FRAME = pd.DataFrame({"k": [1, 2], "zip": ["02134", "00501"], "x": [0.5, None]})
TABLE = pa.table({"k": [1, 2], "price": pa.array([Decimal("1.10"), Decimal("2.20")], pa.decimal128(10, 2))})


class TestOnOurService:
    @pytest.mark.parametrize("made", [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME, preserve_index=False)])
    def test_a_frame_keeps_its_types(self, client: RoeClient, made: Any) -> None:
        """Text stays text, NULL stays NULL; the result says the table's rows and types."""
        done = roe_magic.upload(client, NAME, made)
        assert (done.table_name, done.rows, done.dry_run) == (NAME, 2, False)
        assert [(column.name, column.type) for column in done.columns] == [
            ("k", "Int64"),
            ("zip", "String"),
            ("x", "Nullable(Float64)"),
        ]
        assert rows(client, "k, zip, isNull(x)") == [[1, "02134", 0], [2, "00501", 1]]

    def test_a_query_is_uploaded_with_its_types(self, client: RoeClient) -> None:
        """A WorksheetQuery goes back as a table."""
        query = run(
            "SELECT 1 AS k, toDecimal64('1.10', 2) AS price, toUUID('3c90c3cc-0d44-4b50-8888-8dd25736052a') AS u",
            client,
        )
        done = roe_magic.upload(client, NAME, query)
        assert {column.name: column.type for column in done.columns}["price"] == "Decimal(18, 2)"
        assert rows(client, "toString(price)") == [["1.1"]]

    def test_files_go_as_they_are(self, client: RoeClient, tmp_path: Path) -> None:
        """Parquet and Arrow with the types that they have."""
        pyarrow.parquet.write_table(TABLE, tmp_path / "t.parquet")
        with pa.ipc.new_file(tmp_path / "t.arrow", TABLE.schema) as writer:
            writer.write_table(TABLE)
        for name in ("t.parquet", "t.arrow"):
            done = roe_magic.upload(client, NAME, tmp_path / name, replace=True)
            assert (done.rows, [column.name for column in done.columns]) == (2, ["k", "price"])
            assert done.columns[1].type == "Decimal(10, 2)"

    def test_json_lines_keep_their_text(self, client: RoeClient, tmp_path: Path) -> None:
        """Text that looks like a number stays text."""
        (tmp_path / "t.jsonl").write_text('{"k":1,"zip":"02134"}\n{"k":2,"zip":null}\n')
        done = roe_magic.upload(client, NAME, tmp_path / "t.jsonl")
        assert [(column.name, column.type) for column in done.columns] == [("k", "Int64"), ("zip", "Nullable(String)")]
        assert rows(client, "k, ifNull(zip, '-')") == [[1, "02134"], [2, "-"]]

    def test_types_may_be_chosen(self, client: RoeClient, tmp_path: Path) -> None:
        """Of some columns; the service says so in a dry run, which creates nothing."""
        path = tmp_path / "t.csv"
        path.write_text("k,price\n1,1.10\n2,2.20\n")
        options: dict[str, Any] = {"types": {"price": "Decimal(10, 2)"}}
        tried = roe_magic.upload(client, NAME, path, dry_run=True, **options)
        assert tried.dry_run
        assert "Decimal(10, 2)" in tried.columns[1].type
        assert "nothing was created" in str(tried)
        assert not client.has_table(NAME)
        done = roe_magic.upload(client, NAME, path, **options)
        assert "Decimal(10, 2)" in done.columns[1].type

    def test_a_table_is_replaced_at_once(self, client: RoeClient) -> None:
        """Without a question: the old one stands until the new one does."""
        roe_magic.upload(client, NAME, FRAME)
        with pytest.raises(BadRequestError, match="exists already"):
            roe_magic.upload(client, NAME, FRAME)
        assert roe_magic.upload(client, NAME, FRAME.head(1), replace=True).rows == 1

    @pytest.mark.parametrize("kind", ["missing", "ragged", "empty", "unknown"])
    def test_what_cannot_be_read_replaces_nothing(self, client: RoeClient, tmp_path: Path, kind: str) -> None:
        """The old table is untouched."""
        roe_magic.upload(client, NAME, FRAME)
        path = tmp_path / f"{kind}.csv"
        if kind == "ragged":
            path.write_text("a,b\n1,2\n3,4,5\n6\n")
        elif kind == "empty":
            path.write_text("")
        with pytest.raises(RoeError):
            roe_magic.upload(client, NAME, object() if kind == "unknown" else path, replace=True)
        assert rows(client, "k") == [[1], [2]]

    def test_progress_is_told(self, client: RoeClient) -> None:
        """From none to all."""
        told: list[tuple[int, int]] = []
        roe_magic.upload(client, NAME, FRAME, progress=lambda *figures: told.append(figures))
        assert told[0][0] == 0
        assert told[-1][0] == told[-1][1] > 0

    @pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
    def test_times_are_meant_in_the_zone_that_is_declared(self, client: RoeClient, kind: Any) -> None:
        """Where they have none of their own."""
        frame = kind({"a": [dt.datetime(2024, 1, 1, 10)]})  # noqa: DTZ001  # without a zone
        done = roe_magic.upload(client, NAME, frame, types={"a": "DateTime('Europe/Berlin')"})
        assert (done.columns[0].type, done.notices) == ("DateTime('Europe/Berlin')", [])
        assert rows(client, "toString(a)", "a") == [["2024-01-01 10:00:00"]]

    def test_times_without_a_zone_are_told_once(self, client: RoeClient) -> None:
        """Also inside of lists."""
        time = dt.datetime(2024, 1, 1, 10)  # noqa: DTZ001  # without a zone
        done = roe_magic.upload(client, NAME, pd.DataFrame({"a": [time], "l": [[time]], "n": [1]}))
        assert done.notices == ["Times without a time zone are taken as UTC: a, l."]

    def test_a_dynamic_becomes_json_text(self, client: RoeClient) -> None:
        """As results have it, and a notice says so."""
        done = roe_magic.upload(client, NAME, run("SELECT 'x'::Dynamic AS d", client))
        assert (done.columns[0].type, done.notices) == ("String", ["'d': the values of Dynamic are kept as JSON text."])
        assert rows(client, "*", "d") == [['"x"']]

    def test_a_result_can_be_looked_at(self, client: RoeClient) -> None:
        """As text and as HTML, with nothing unescaped and no mathematics."""
        done = roe_magic.upload(client, NAME, pd.DataFrame({"<b>&$1$": [1]}))
        assert str(done).startswith(f"Table {NAME}: 1 row, 1 column.")
        assert "<b>&$1$ Int64" in str(done)
        assert "&lt;b&gt;&amp;<span>$</span>1<span>$</span>" in done._repr_html_()
        assert repr(done) == f"<UploadResult Table {NAME}: 1 row, 1 column>"


@pytest.mark.filterwarnings("ignore::roe_magic.uploads.upload.UploadWarning")
class TestOnAServerThatTakesCsvAlone:
    def test_what_csv_cannot_keep_is_said_before_anything_is_sent(
        self, csv_only: RoeClient, proxy: FaultyProxy
    ) -> None:
        """A warning for each column, with what to write in queries; then the table is created, and says it too."""
        seen: list[list[str]] = []
        proxy.before = lambda request: seen.append([str(w.message) for w in caught.list]) if "POST" in request else None
        with pytest.warns(UploadWarning) as caught:
            done = roe_magic.upload(csv_only, NAME, TABLE)
        (told,) = seen
        cast = "toDecimal64(toString(price), 2)"
        assert told == [f"price: Decimal(10, 2) is read as a number without a fixed scale. In queries: {cast}"]
        assert done.notices == seen[0]
        assert rows(csv_only, "toString(toDecimal64(toString(price), 2))") == [["1.1"], ["2.2"]]

    def test_a_frame_arrives_as_far_as_csv_goes(self, csv_only: RoeClient) -> None:
        """NULL, empty text, quotes and line ends."""
        texts = ["a", None, "", 'say "hi", then\nleave', " blank ", r"\N"]
        frame = pd.DataFrame({"k": range(6), "s": texts, "x": [0.1, None, -1.5, 1e300, 1e-300, 3.25]})
        roe_magic.upload(csv_only, NAME, frame)
        found = run(f"SELECT s, isNull(s) AS n, x FROM {NAME} ORDER BY k", csv_only).df()
        assert found["n"].tolist() == [0, 1, 0, 0, 0, 0]
        assert found["s"].dropna().tolist() == [text for text in texts if text is not None]
        assert found["x"].fillna(-1).tolist() == frame["x"].fillna(-1).tolist()

    @pytest.mark.parametrize(
        ("cast", "column"),
        [
            ("toString(toDecimal128(toString(x), 9))",
             pa.array([Decimal("12345678901234567.123456789")], pa.decimal128(38, 9))),
            ("toString(toInt256(x))", pa.array([Decimal(2**200)], pa.decimal256(61, 0))),
            ("toString(toTimeZone(toDateTime64(toString(x), 3, 'UTC'), 'Europe/Berlin'))",
             pa.array([dt.datetime(2024, 7, 1, tzinfo=dt.timezone.utc)], pa.timestamp("ms", "Europe/Berlin"))),
            ("hex(unhex(substring(x, 3)))", pa.array([b"\xff\x00"])),
            ("JSONExtract(assumeNotNull(x), 'Tuple(a Int64)').a", pa.array([{"a": 5}])),
        ],
        ids=["decimal", "integer", "zone", "bytes", "object"],
    )  # fmt: skip  # a table
    def test_what_is_suggested_gives_the_value_back(self, csv_only: RoeClient, cast: str, column: pa.Array) -> None:
        """The very words of the warning, run as SQL."""
        expected = {
            "toString(toDecimal128(toString(x), 9))": "12345678901234567.123456789",
            "toString(toInt256(x))": str(2**200),
            "hex(unhex(substring(x, 3)))": "FF00",
            "JSONExtract(assumeNotNull(x), 'Tuple(a Int64)').a": 5,
        }.get(cast, "2024-07-01 02:00:00.000")
        roe_magic.upload(csv_only, NAME, pa.table({"k": [1], "x": column}))
        assert rows(csv_only, cast) == [[expected]]

    @pytest.mark.parametrize(
        "value",
        [
            "[1, NULL]",
            "[[0.1], [nan, inf]]",
            "map('k', [1, 2])",
            "map(1, 'x')",
            "map(0.5, toDate('2024-01-01'))",
            "[map(toDate32('1950-01-01'), toIntervalDay(2))]",
            "CAST((1, ['x']), 'Tuple(`a b` Int8, c Array(String))')",
            "CAST(NULL, 'Nullable(Tuple(a Int8))')",
            "[toDecimal64('1.10', 2)]",
            "[toDateTime64('2024-07-01 12:00:00.5', 3, 'Europe/Berlin')]",
            "toIntervalDay(3)",
            "toIntervalMonth(3)",
            "toIntervalMillisecond(3)",
            "toTime64('12:34:56.7', 3)",
            "toDecimal128('1.1', 20)",
            "toUUID('3c90c3cc-0d44-4b50-8888-8dd25736052a')",
            "toIPv6('::1')",
            "toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')",
            "CAST('1', 'Enum8(\\'1\\' = 2, \\'2\\' = 1)')",
            '\'{"a":{"b":[1,null]}}\'::JSON',
            "unhex('ff00')",
            "unhex('1e90')",
            "arrayJoin([toDecimal64('8.29', 2), toDecimal64('0.29', 2), toDecimal64('4.77', 2)])",
            "arrayJoin([toDecimal64('0.0000001', 10), toDecimal64('12345.6789', 10)])",
        ],
    )
    def test_each_suggestion_gives_the_value_back(self, client: RoeClient, csv_only: RoeClient, value: str) -> None:
        """Of every type that CSV does not have; columns of CSV are Nullable."""
        source = run(f"SELECT {value} AS x, 1 AS k", client)
        notices = [notice for notice in roe_magic.upload(csv_only, NAME, source).notices if "In queries" in notice]
        suggested = notices[0].partition("In queries")[2].partition(": ")[2]
        assert sorted(map(str, rows(csv_only, f"{suggested} AS x"))) == sorted(
            map(str, source.df()[["x"]].values.tolist())
        )

    @pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "t.jsonl", "t.csv.gz"])
    def test_files_of_other_kinds_are_written_as_csv(self, csv_only: RoeClient, tmp_path: Path, name: str) -> None:
        """A CSV file goes as it is."""
        path = tmp_path / name
        path.write_bytes(FILES[name])
        done = roe_magic.upload(csv_only, NAME, path)
        assert (done.rows, [column.name for column in done.columns]) == (2, ["k", "s"])
        assert rows(csv_only) == [[1, "a,b"], [2, "c"]]

    @pytest.mark.parametrize(("name", "kept"), [("t.parquet", 20), ("t.arrow", 200), ("t.feather", 40)])
    def test_a_torn_file_is_told_by_its_name(self, csv_only: RoeClient, tmp_path: Path, name: str, kept: int) -> None:
        """Nothing is sent of it."""
        path = tmp_path / name
        path.write_bytes(FILES[name][:kept])
        with pytest.raises(UsageError, match=rf"'{name}' cannot be read: .*[^.]\.$"):
            roe_magic.upload(csv_only, NAME, path)
        assert not csv_only.has_table(NAME)

    def test_types_and_dry_runs_are_refused_with_the_reason(self, csv_only: RoeClient, tmp_path: Path) -> None:
        """The server chooses; a dry run of a frame says what is known here."""
        path = tmp_path / "t.csv"
        path.write_text("a\n1\n")
        with pytest.raises(UsageError, match="chooses the types itself") as caught:
            roe_magic.upload(csv_only, NAME, FRAME, types={"k": "Int8"})
        assert "CAST(k, 'Int8')" in str(caught.value)
        with pytest.raises(UsageError, match=r"CAST\(toString\(k\), 'Decimal\(5, 2\)'\)"):
            roe_magic.upload(csv_only, NAME, FRAME, types={"k": "Decimal(5, 2)"})
        with pytest.raises(UsageError, match="CAST\\(`a b`, 'String'\\)"):
            roe_magic.upload(csv_only, NAME, pd.DataFrame({"a b": [1]}), types={"a b": "String"})
        with pytest.raises(UsageError, match="without creating the table"):
            roe_magic.upload(csv_only, NAME, path, dry_run=True)
        tried = roe_magic.upload(csv_only, NAME, TABLE, dry_run=True)
        assert "Decimal(10, 2) here" in tried.columns[1].type
        assert "toDecimal64(toString(price), 2)" in str(tried)
        assert not csv_only.has_table(NAME)

    @pytest.mark.parametrize(("name", "types"), [("t.parquet", ["? (Int64 here)", "? (String here)"]),
                                                 ("t.feather", ["? (Int64 here)", "? (String here)"]),
                                                 ("t.jsonl", ["?", "?"])])  # fmt: skip  # a table
    def test_a_dry_run_of_a_file_names_its_columns(
        self, csv_only: RoeClient, tmp_path: Path, name: str, types: list[str]
    ) -> None:
        """As that of a DataFrame."""
        path = tmp_path / name
        path.write_bytes(FILES[name])
        tried = roe_magic.upload(csv_only, NAME, path, dry_run=True)
        assert [(column.name, column.type) for column in tried.columns] == list(zip("ks", types, strict=True))
        assert not csv_only.has_table(NAME)

    def test_no_rows_are_refused(self, csv_only: RoeClient) -> None:
        """A CSV file without rows is no table there."""
        with pytest.raises(UsageError, match="no rows"):
            roe_magic.upload(csv_only, NAME, FRAME.head(0))

    def test_a_lost_answer_is_looked_after(self, csv_only: RoeClient, proxy: FaultyProxy, tmp_path: Path) -> None:
        """The table is described, and what was found is said; nothing is sent twice."""
        proxy.fault = 1, "lose"
        done = roe_magic.upload(csv_only, NAME, FRAME)
        assert (done.rows, done.notices[-1]) == (
            2,
            "The server's answer was lost, but the table is there with all rows.",
        )
        assert proxy.journal.count("POST /v1/tables/upload/") == 1
        path = tmp_path / "t.csv"
        path.write_text("a\n1\n")
        proxy.journal.clear()
        with pytest.raises(UploadUncertain, match="There was a table uploaded_by_python before"):
            roe_magic.upload(csv_only, NAME, path)
        drop(csv_only)
        proxy.journal.clear()
        with pytest.raises(UploadUncertain, match="Now there is a table with 1 row of that name"):
            roe_magic.upload(csv_only, NAME, path)
        assert proxy.journal.count("POST /v1/tables/upload/") == 1

    def test_a_request_that_never_arrived_is_looked_after_too(self, csv_only: RoeClient, proxy: FaultyProxy) -> None:
        """There is no table, and the error says so."""
        proxy.fault = 1, "refuse"
        with pytest.raises(UploadUncertain, match="Now there is no table uploaded_by_python"):
            roe_magic.upload(csv_only, NAME, FRAME)


def packed(new: Any, table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


SMALL = pa.table({"k": [1, 2], "s": ["a,b", "c"]})
FILES = {
    "t.parquet": packed(pyarrow.parquet.ParquetWriter, SMALL),
    "t.arrow": packed(pa.ipc.new_stream, SMALL),
    "t.feather": packed(pa.ipc.new_file, SMALL),
    "t.jsonl": "".join(json.dumps(row) + "\n" for row in SMALL.to_pylist()).encode(),
    "t.csv.gz": gzip.compress(b'k,s\n1,"a,b"\n2,c\n'),
}


def test_what_is_wrong_here_asks_no_server(service: Service) -> None:
    """Nobody listens at that address, and nobody is asked."""
    with client_of(service, f"http://127.0.0.1:{free_port()}") as client:
        for data in ("nosuch.csv", {"a": [1]}, None, 5):
            with pytest.raises(UsageError):
                roe_magic.upload(client, NAME, data)
        for name in (None, 5, "", " "):
            with pytest.raises(UsageError, match="is no name of a table"):
                roe_magic.upload(client, name, FRAME)  # type: ignore[arg-type]  # as users may
        with pytest.raises(ConnectFailed):
            roe_magic.upload(client, NAME, FRAME)


@pytest.mark.parametrize("kind", ["frame", "JSON lines"])
def test_a_server_that_creates_fewer_rows_is_told_on(service: Service, tmp_path: Path, kind: str) -> None:
    """Rows that got lost are never passed over."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"k":1}\n{"k":2}\n')
    listed = {"results": [], "total": 0}
    described = {"table_name": NAME, "columns": [{"name": "k", "type": "Int64"}], "row_count": 1, "updated_at": None}
    with ScriptedServer() as server, client_of(service, server.url) as client:
        server.on("GET", "/v1/tables/", answer(listed)).on("GET", f"/v1/tables/{NAME}/describe/", answer(described))
        server.on(
            "POST", "/v1/tables/upload/", answer({"table_name": NAME, "organization_id": service.organization_id}, 201)
        )
        done = roe_magic.upload(client, NAME, pd.DataFrame({"k": [1, 2]}) if kind == "frame" else path)
    assert done.notices == ["2 rows were sent, but the table has 1."]


def test_a_table_that_cannot_be_described_has_no_figures(service: Service) -> None:
    """What is not known is not told as 0."""
    created = {"table_name": NAME, "organization_id": service.organization_id}
    with ScriptedServer() as server, client_of(service, server.url) as client:
        server.on("GET", "/v1/tables/", answer({"results": [], "total": 0}))
        server.on("GET", f"/v1/tables/{NAME}/describe/", answer({"detail": "Not found."}, 404))
        server.on("POST", "/v1/tables/upload/", answer(created, 201))
        done = roe_magic.upload(client, NAME, pd.DataFrame({"k": [1, 2]}))
    assert (done.rows, done.columns) == (None, [])
    assert done.heading == f"Table {NAME} was created; the server did not say what is in it."
