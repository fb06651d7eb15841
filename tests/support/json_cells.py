"""Reads the rows of the result endpoint's JSON as exact values, for comparison with the engine's own."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support.moment_text import day, moment, span
from tests.support.type_text import Type, named, type_of
from tests.support.typed_values import Document, Float, float_of


def decode(body: bytes) -> Any:
    """Return a JSON body with exact numbers."""
    return json.loads(body, parse_float=Decimal, parse_int=lambda text: Decimal(text) if text == "-0" else int(text))


def json_rows(rows: list[list[Any]], types: list[str]) -> list[tuple[Any, ...]]:
    """Return rows with each cell as the value that it stands for."""
    columns = [type_of(text) for text in types]
    return [tuple(cell(value, type_) for value, type_ in zip(row, columns, strict=True)) for row in rows]


def cell(value: Any, type_: Type) -> Any:
    """Return the value of a cell; a cell of another form than docs/types.md says comes as it is."""
    if type_.name == "Nullable":
        return cell(value, type_of(type_.args[0]))
    if type_.name in {"JSON", "Dynamic", "Variant"}:
        return None if value is None else Document(_exact(value))
    if value is None:
        return None
    if type_.name.endswith(("Int128", "Int256")):
        return int(value) if isinstance(value, str) else f"not text: {value}"
    return _READERS.get(type_.name, lambda value, _: value)(value, type_)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _exact(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def without_nan_signs(value: Any) -> Any:
    """Return a value with every nan alike: JSON has one text for them all."""
    if isinstance(value, Float):
        return float_of(math.nan, value.width) if math.isnan(value.value) else value
    if isinstance(value, Document):
        return Document(without_nan_signs(value.value))
    if isinstance(value, dict):
        return {key: without_nan_signs(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(without_nan_signs, value)) if type(value) in {list, tuple} else value
    return value


def _float(value: Any, type_: Type) -> Any:
    width = 64 if type_.name == "Float64" else 32
    if isinstance(value, bool) or (isinstance(value, str) and value not in {"nan", "inf", "-inf"}):
        return value
    if width == 32 and not isinstance(value, str):
        try:
            result = float_of(float(value), 32)
        except (OverflowError, struct.error):
            return value
        # The shortest number, as the engine writes it: 0.1, not 0.10000000149011612.
        return result if Decimal(value) == result.shortest or not math.isfinite(result.value) else value
    return float_of(float(value), width)


def _string(value: Any, _: Type) -> Any:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _decimal(value: Any, _: Type) -> Any:
    return Decimal(value) if isinstance(value, str) else f"not text: {value}"


def _time_64(value: Any, type_: Type) -> Any:
    digits = len(str(value).partition(".")[2])
    return span(value) if digits == int(type_.args[0]) else f"{digits} digits: {value}"


def _of_text(read: Callable[[str], Any]) -> Callable[[Any, Type], Any]:
    return lambda value, _: read(value) if isinstance(value, str) else value


def _list(value: Any, type_: Type) -> Any:
    return [cell(each, type_of(type_.args[0])) for each in value] if isinstance(value, list) else value


def _tuple(value: Any, type_: Type) -> Any:
    if type_.names:
        if not isinstance(value, dict) or list(value) != list(type_.names):
            return value
        value = list(value.values())
    if not isinstance(value, list) or len(value) != len(type_.args):
        return value
    return tuple(cell(each, type_of(named(arg)[1])) for each, arg in zip(value, type_.args, strict=True))


def _map(value: Any, type_: Type) -> Any:
    key, item = map(type_of, type_.args)
    if isinstance(value, dict):
        return [(cell(_key(name, key), key), cell(each, item)) for name, each in value.items()]
    return [(cell(name, key), cell(each, item)) for name, each in value]


def _key(name: str, type_: Type) -> Any:
    # An object's keys are text; those of numbers and booleans are their JSON.
    is_wide = type_.name.endswith(("Int128", "Int256"))
    is_number = type_.name.removeprefix("U").startswith("Int") or type_.name == "Bool"
    return json.loads(name) if is_number and not is_wide else name


_READERS: dict[str, Callable[[Any, Type], Any]] = {
    **dict.fromkeys(("Float32", "Float64", "BFloat16"), _float),
    **dict.fromkeys(("String", "FixedString", "AggregateFunction"), _string),
    **dict.fromkeys(("Date", "Date32"), _of_text(day)),
    **dict.fromkeys(("DateTime", "DateTime64"), _of_text(moment)),
    "Time": _of_text(span),
    "Time64": _time_64,
    **dict.fromkeys(("Array", "QBit"), _list),
    "Decimal": _decimal,
    "Map": _map,
    "Tuple": _tuple,
}
