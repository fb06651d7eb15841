"""A result body in Arrow, checked and converted to canonical tables.

What a hostile server may send is refused before it is used: pyarrow trusts the offsets inside a batch, and reading
beyond the data would end the process. :mod:`.arrow_messages` refuses what would take far more memory than bytes, the
schema is compared with the ClickHouse types that the statement names, and each batch is validated in full. That takes
4 ms for a million short strings, and 60 ms for 200 MB of text that is not ASCII; numbers take no time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.contract import codec, models
from roe_magic.errors import ProtocolError
from roe_magic.frames.arrow_types import (
    CANONICAL_FORMS,
    STORED,
    check_column_count,
    column_type,
    is_fallback,
    resolve_type,
)
from roe_magic.frames.json.stream_reader import decode
from roe_magic.frames.normalize import from_arrow
from roe_magic.frames.type_properties import DIGITS_OF_UNIT
from roe_magic.json_limits import MAX_VALUES, count_values
from roe_magic.query.arrow_messages import ArrowMessages
from roe_magic.query.result_columns import ColumnCount

_MAX_STREAMS = 10_000
# The years 1 to 9999, which Python has, in seconds since 1970.
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800
# What pyarrow and the conversion to canonical tables raise for a stream that is wrong in itself.
_STREAM_ERRORS = (pa.ArrowException, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


class ArrowResultReader:
    """Reads one result body in Arrow."""

    def __init__(self, chunks: Iterable[bytes], on_progress: Callable[[int, int], None] | None) -> None:
        self.file = ArrowMessages(chunks, lambda _: self.report_progress())
        self.on_progress = on_progress
        self.row_count = 0
        self.columns = ColumnCount()

    def report_progress(self) -> None:
        """Report the bytes and rows so far."""
        if self.on_progress:
            self.on_progress(self.file.bytes_received, self.row_count)

    def read(self) -> list[models.Statement]:
        """Return the statements of all streams."""
        statements: list[models.Statement] = []
        while not (statements and self.file.at_end()):
            if len(statements) >= _MAX_STREAMS:
                raise ProtocolError(f"The result has more than {_MAX_STREAMS:,} statements.")
            statements.append(self.read_stream())
            if not self.file.stream_ended:
                raise ProtocolError(f"The result ends too early, after {self.file.bytes_received:,} bytes.")
        return statements

    def read_stream(self) -> models.Statement:
        """Return the statement of the next stream; raise ProtocolError where there is none."""
        try:
            return self._read_stream()
        except MemoryError:
            raise  # Arrow's is also an ArrowException
        except (*_STREAM_ERRORS, OSError) as error:
            if isinstance(error, OSError) and type(error) is not OSError:
                raise  # an error of the connection; Arrow's own are plain OSErrors
            raise ProtocolError(f"The result is not an Arrow stream: {str(error)[:1000]}.") from None

    def _read_stream(self) -> models.Statement:
        # pyarrow reads message by message, and nothing after the stream's end.
        with pa.ipc.open_stream(pa.PythonFile(self.file, "r")) as reader:
            statement = _statement(reader.schema)
            self.columns.add(statement.column_names, statement.column_types)
            _check_schema(reader.schema, statement.column_types)
            batches = list(self._batches(reader))
            table = pa.Table.from_batches(batches, reader.schema)
        return dataclasses.replace(statement, result_rows=from_arrow(table, statement.column_types))

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            batch.validate()
            for column in batch.columns:
                _validate(column)
                _check_values(column)
            yield batch
            self.row_count += batch.num_rows
            self.report_progress()


def _statement(schema: pa.Schema) -> models.Statement:
    metadata = (schema.metadata or {}).get(models.STATEMENT_METADATA_KEY)
    if metadata is None:
        raise ProtocolError("The result's Arrow stream does not say which statement it belongs to.")
    if count_values(metadata) > MAX_VALUES:
        raise ProtocolError(f"A statement of the result has more than {MAX_VALUES:,} values besides its rows.")
    return codec.parse(models.Statement, decode(metadata))


def _check_schema(schema: pa.Schema, column_types: list[str]) -> None:
    """Raise ProtocolError where a column has an Arrow type that is none of its ClickHouse type.

    Such columns would be converted value by value to text, a dictionary's or a view's again and again.
    """
    check_column_count(schema.names, column_types)
    for field, type_name in zip(schema, column_types, strict=True):
        forms = (*CANONICAL_FORMS, STORED)
        expected = [column_type(resolve_type(type_name), form) for form in forms]
        if is_fallback(field):
            expected = [pa.string()]
        if _shape(field.type) not in map(_shape, expected):
            raise ProtocolError(f"The result's Arrow stream has a column of {type_name} that is {field.type}.")


def _shape(data_type: pa.DataType) -> Any:
    """Return what decides how a type is held in memory: all but time zones, nullability and the names of elements.

    Digits are part of it: pyarrow's casts read beyond their tables for a scale that no decimal has.
    """
    if pa.types.is_timestamp(data_type):
        return data_type.id, data_type.unit
    fields = [data_type.field(index) for index in range(data_type.num_fields)]
    if any(field.metadata or not isinstance(field.name, str) for field in fields):  # names that are not UTF-8 raise
        raise ProtocolError("The result's Arrow stream has elements with metadata.")
    return (data_type.id, [_shape(field.type) for field in fields]) if fields else data_type


def _validate(array: pa.Array) -> None:
    """Raise ArrowInvalid for offsets that point beyond the data, and the like, which would crash the process later."""
    # ClickHouse does not check the digits of decimals, so they are validated as bytes.
    target = _without_decimals(array.type)
    (array if target == array.type else array.view(target)).validate(full=True)


def _without_decimals(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(data_type):
        return pa.binary(data_type.bit_width // 8)
    if pa.types.is_map(data_type):
        return pa.map_(_without_decimals(data_type.key_type), _without_decimals(data_type.item_type))
    if pa.types.is_list(data_type):
        return pa.list_(_without_decimals(data_type.value_type))
    if pa.types.is_struct(data_type):
        fields = [data_type.field(index) for index in range(data_type.num_fields)]
        return pa.struct([pa.field(field.name, _without_decimals(field.type)) for field in fields])
    return data_type


def _check_values(array: pa.Array) -> None:
    """Raise ProtocolError where an array, at any depth, has what pandas or Python cannot hold."""
    if pa.types.is_dictionary(array.type):
        labels = array.dictionary
        if labels.null_count or len(pc.unique(labels)) != len(labels):
            raise ProtocolError("The result's Arrow stream has a dictionary that holds a value twice, or NULL.")
    elif pa.types.is_date32(array.type) or pa.types.is_timestamp(array.type):
        _check_years(array)
    elif pa.types.is_map(array.type):
        _check_values(array.keys)
        _check_values(array.items)
    elif pa.types.is_list(array.type):
        _check_values(array.values)
    elif pa.types.is_struct(array.type):
        for index in range(array.type.num_fields):
            _check_values(array.field(index))


def _check_years(array: pa.Array) -> None:
    is_date = pa.types.is_date32(array.type)
    extremes = pc.min_max(array.cast(pa.int32() if is_date else pa.int64())).as_py().values()
    unit = Fraction(86_400) if is_date else Fraction(1, 10 ** DIGITS_OF_UNIT[array.type.unit])
    if not all(_FIRST_SECOND <= count * unit < _END_SECOND for count in extremes if count is not None):
        raise ProtocolError("The result's Arrow stream has a time outside the years 1 to 9999.")
