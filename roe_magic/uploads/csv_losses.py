"""What a CSV file does not tell about a column, and what to write in queries to have it back.

CSV has text alone: a server chooses each column's type by what the values look like. Some losses follow from a column's
type (a Decimal is read as Float64), others show in its values (text of digits is read as a number). A ``LossFinder``
looks at all batches of one column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from roe_magic.formatting import clean
from roe_magic.frames.type_parser import ClickHouseType, parse
from roe_magic.frames.type_properties import (
    CALENDAR_INTERVALS,
    DOCUMENT_TYPES,
    INTERVAL_UNITS,
    STRING_TYPES,
    WIDE_INTEGER_TYPES,
    integer_argument,
    is_enum,
    unwrap,
)
from roe_magic.sql.quoting import sql_name, sql_text
from roe_magic.uploads.csv_casts import json_extract, maybe_nullable, sql_cast

# Digits that a Float64 keeps of a decimal number, and a 64-bit integer of a whole one.
FLOAT_DIGITS, INTEGER_DIGITS = 15, 18
_MONTH = (
    r"\b(?i:jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(t(ember)?)?|oct(ober)?|nov(ember)?|"
    r"dec(ember)?)\b"
)
# What text may look like to a server; a text is not looked at any further once one value looks otherwise.
LOOKS = {
    "numbers": r"^[ \t]*[-+]?(\d[\d_,' ]*\.?\d*|\.\d+)([eE][-+]?\d+)?%?[ \t]*$|^[-+]?(?i:inf|infinity|nan)$",
    "dates or times": (
        r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|^\d{1,2}:\d{2}([: ].*)?$|^\d{8}([T ].*)?$"
        rf"|^.*\d.*{_MONTH}|^.*{_MONTH}.*\d"
    ),
    "booleans": r"^(?i:true|false|t|f|yes|no|y|n|on|off)$",
    "lists or objects": r"^[\[{(].*[\]})]$",
}
# Text that may be read as NULL, so that the other values alone say what the column looks like.
NULL_TEXT = r"^[ \t]*(?i:null)[ \t]*$|^\\N$"
EXPONENTS = "numbers with an exponent, such as 1e+10, may be read as text"
_INTERVALS = "spans of time are sent as plain numbers"
# An Enum with more characters is not written into a sentence.
_LONGEST_ENUM = 300
# Seconds since 1970 that every date type of ClickHouse can hold.
_FIRST, _LAST = 0, 2**32 - 1
# What the types that are sent as text or as plain numbers are, and what makes them of that again.
_SENT_OTHERWISE = {
    "UUID": ("UUIDs are sent as text", "toUUID({})"),
    "IPv4": ("addresses are sent as text", "toIPv4({})"),
    "IPv6": ("addresses are sent as text", "toIPv6({})"),
    **dict.fromkeys(DOCUMENT_TYPES, ("documents are sent as JSON text", "CAST({}, 'JSON')")),
    **{
        name: (
            "integers beyond 64 bits are sent as text, and may be rounded if they are read as numbers",
            f"to{name}({{}})",
        )
        for name in WIDE_INTEGER_TYPES
    },
    **{name: (_INTERVALS, f"to{name}({{}})") for name in CALENDAR_INTERVALS},
    # Days and the like are sent as seconds.
    **{
        name: (_INTERVALS, f"to{name}({{}})" if factor == 1 else f"to{name}(intDiv({{}}, {factor}))")
        for name, (_, factor) in INTERVAL_UNITS.items()
    },
}


class LossFinder:
    """Finds what CSV does not keep of one column.

    Parameters
    ----------
    name, type_name : str
        The column, and its ClickHouse type.
    alone : bool
        Whether the table has no other column.

    Attributes
    ----------
    has_bytes : bool
        Whether values are not UTF-8; such a column is sent as hexadecimal digits.
    """

    def __init__(self, name: str, type_name: str, *, alone: bool = False) -> None:
        self._name, self._alone = name, alone
        self._type = unwrap(parse(type_name))
        self._is_nullable = type_name.startswith("Nullable(")
        self._looks = set(LOOKS)
        self._has_null = self._has_empty = self._has_null_text = self._has_text = self._out_of_range = False
        self._has_exponent = self._has_float = self._has_inner_bytes = False
        self._whole, self._has_number, self._has_value, self.has_bytes = True, False, False, False

    def add(self, array: pa.Array) -> None:
        """Look at the values of one more batch, in their canonical Arrow type."""
        types = pa.types
        self._has_null |= array.null_count > 0
        self._has_value |= array.null_count < len(array)
        if types.is_dictionary(array.type):
            array = array.dictionary.take(pc.unique(array.indices).drop_null())
        if types.is_binary(array.type) or types.is_large_binary(array.type):
            self.has_bytes = True
        elif types.is_string(array.type) or types.is_large_string(array.type):
            self._add_text(array)
        elif types.is_floating(array.type):
            self._add_floats(array)
        elif types.is_date(array.type) or types.is_timestamp(array.type):
            self._add_times(array)
        elif types.is_nested(array.type):
            self._has_inner_bytes |= _holds_binary(array.type)

    def _add_text(self, array: pa.Array) -> None:
        array = array.drop_null()
        self._has_empty |= _any(pc.equal(array, ""))
        is_null = pc.match_substring_regex(array, NULL_TEXT)
        self._has_null_text |= _any(is_null)
        array = array.filter(pc.and_not(pc.not_equal(array, ""), is_null))
        self._has_text |= len(array) > 0
        # One value in a thousand usually decides; the whole batch is looked at where it does not.
        for values in (array[:: max(1, len(array) // 1000)], array):
            self._looks = {look for look in self._looks if _all(pc.match_substring_regex(values, LOOKS[look]))}

    def _add_floats(self, array: pa.Array) -> None:
        finite = array.filter(pc.is_finite(array))
        self._has_number |= len(finite) > 0
        self._has_float |= array.null_count < len(array)
        self._whole = self._whole and _all(pc.equal(finite, pc.trunc(finite)))
        # As they are written: 1e+10 is text to a server that does not look for exponents.
        self._has_exponent |= _any(pc.match_substring(finite.cast(pa.float64()).cast(pa.string()), "e"))

    def _add_times(self, array: pa.Array) -> None:
        bounds = pc.min_max(array.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
        lowest, highest = bounds["min"].as_py(), bounds["max"].as_py()
        self._out_of_range |= lowest is not None and (lowest < _FIRST or highest > _LAST)

    def sentences(self) -> list[str]:
        """Return what is lost, a sentence each; none where the column arrives as it is."""
        return [f"{clean(self._name)}: {what}" for what in (*self._of_type(), *self._of_values())]

    def _of_type(self) -> Iterator[str]:
        """Yield what follows from the column's type."""
        name, column = self._type.name, sql_name(self._name)
        if name == "Decimal":
            yield _of_decimal(self._type, column)
        elif name in ("DateTime", "DateTime64"):
            yield from _of_time(self._type, column)
        elif name in ("Time", "Time64"):
            type_name = maybe_nullable(self._type, nullable=self._is_nullable)
            yield _loss("times of day are sent as text", sql_cast(column, type_name))
        elif name in ("Array", "Map", "Tuple"):
            cast = json_extract(column, self._type, nullable=self._is_nullable)
            yield f"lists and objects are sent as JSON text. In queries, if it is text there: {cast}"
        elif name in _SENT_OTHERWISE:
            what, cast = _SENT_OTHERWISE[name]
            yield _loss(what, cast.format(column))
        elif self.has_bytes:
            yield _loss("bytes are sent as hexadecimal digits", f"unhex(substring({column}, 3))")
        elif is_enum(self._type):
            yield from _of_enum(self._type, column, nullable=self._is_nullable)

    def _of_values(self) -> Iterator[str]:
        name = sql_name(self._name)
        if not self._has_value:
            yield "it has no values, so the server chooses a type without any."
        if (self._type.name in STRING_TYPES or is_enum(self._type)) and self._has_text and self._looks:
            look = next(look for look in LOOKS if look in self._looks)
            yield _loss(f"text that looks like {look} may be read as {look}, and changed by that", f"toString({name})")
        if self._has_empty and self._has_null:
            yield "empty text and NULL may become one."
        elif self._has_empty and not self._has_text:
            yield "empty text may become NULL."
        if self._has_null_text:
            yield r"the text NULL or \N may be read as NULL."
        if self._has_inner_bytes:
            yield r"bytes in them that are not UTF-8 are sent as \udc80 to \udcff, which queries cannot read."
        if self._out_of_range:
            yield "dates before 1970 or after 2105 may be changed or read as text."
        yield from self._of_floats(name)
        if self._alone and (self._has_null or self._has_empty):
            yield "rows without a value are empty lines, which the server may leave out."

    def _of_floats(self, name: str) -> Iterator[str]:
        if self._has_exponent:
            yield _loss(EXPONENTS, f"toFloat64({name})")
        elif self._has_number and self._whole:
            yield _loss("whole numbers are read as integers", f"toFloat64({name})")
        elif self._has_float and not self._has_number:
            yield _loss("inf and nan without other numbers may be read as text", f"toFloat64({name})")


def name_losses(names: Iterable[str]) -> list[str]:
    """Return what CSV does not keep of the columns' names, a sentence each."""
    known = list(names)
    counts = Counter(name.strip() for name in known)
    return [f"{clean(name) or '(no name)'}: {what}" for name in known for what in _of_name(name, counts)]


def _of_name(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    if not name.strip():
        yield "the server gives it a name."
    elif name != name.strip():
        yield "the blanks around its name may be lost."
    elif counts[name] > 1:
        yield "another column has the same name without the blanks around it; one of them gets another name."


def _of_decimal(ch_type: ClickHouseType, column: str) -> str:
    precision, scale = decimal_size(ch_type)
    bits = next(bits for bits, most in ((32, 9), (64, 18), (128, 38), (256, 76)) if precision <= most)
    how = (
        "read as a number without a fixed scale"
        if is_number(ch_type)
        else "sent as text, and may be rounded if it is read as numbers"
    )
    # Of the float 8.29 a Decimal gets 8.28, and of its text 8.29.
    return _loss(f"{ch_type} is {how}", f"toDecimal{bits}(toString({column}), {scale})")


def _of_enum(ch_type: ClickHouseType, column: str, *, nullable: bool) -> Iterator[str]:
    what, type_name = "labels are sent as text, without their order", maybe_nullable(ch_type, nullable=nullable)
    is_short = len(type_name) <= _LONGEST_ENUM
    yield _loss(what, sql_cast(f"toString({column})", type_name)) if is_short else f"{what}."


def _of_time(ch_type: ClickHouseType, column: str) -> Iterator[str]:
    zone = next((argument for argument in ch_type.args if isinstance(argument, str)), "UTC")
    if zone != "UTC":
        digits = integer_argument(ch_type, 0, 3) if ch_type.name == "DateTime64" else 0
        moment = f"toDateTime64(toString({column}), {digits}, 'UTC')"
        yield _loss(f"times are sent in UTC, without their zone {zone}", f"toTimeZone({moment}, {sql_text(zone)})")


def decimal_size(ch_type: ClickHouseType) -> tuple[int, int]:
    """Return the precision and the scale of a Decimal."""
    return integer_argument(ch_type, 0, 10), integer_argument(ch_type, 1, 0)


def is_number(ch_type: ClickHouseType) -> bool:
    """Whether values of a Decimal may be written as numbers, or lose digits where they are read as such."""
    precision, scale = decimal_size(ch_type)
    return precision <= (FLOAT_DIGITS if scale else INTEGER_DIGITS)


def _loss(what: str, cast: str) -> str:
    return f"{what}. In queries: {cast}"


def _holds_binary(data_type: pa.DataType) -> bool:
    fields = (data_type.field(index).type for index in range(data_type.num_fields))
    return pa.types.is_binary(data_type) or any(map(_holds_binary, fields))


def _any(flags: pa.Array) -> bool:
    return bool(pc.any(flags).as_py())


def _all(flags: pa.Array) -> bool:
    return pc.all(flags).as_py() is not False
