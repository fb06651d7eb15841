"""What the JSON text of a JSON, Dynamic or Variant value must say, as docs/types.md tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support.moment_text import day_text, iso_text, span_text
from tests.support.type_text import Type, named, type_of
from tests.support.typed_values import Document, Typed


def parse_document(text: str) -> Any:
    """Return JSON text with every number as a Decimal; text that is not JSON comes as it is."""
    try:
        return json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except ValueError:
        return f"not JSON: {text}"


def comparable(value: Any, type_: Type) -> Any:
    """Return a value with each JSON, Dynamic and Variant in it as the Document that must be sent for it."""
    if value is None:
        return None
    if type_.name == "Nullable":
        return comparable(value, type_of(type_.args[0]))
    if type_.name in {"JSON", "Dynamic", "Variant"}:
        return Document(document(value, type_))
    if type_.name == "Array":
        return [comparable(each, type_of(type_.args[0])) for each in value]
    if type_.name == "Map":
        key, item = map(type_of, type_.args)
        return [(comparable(k, key), comparable(v, item)) for k, v in value]
    if type_.name == "Tuple":
        return tuple(comparable(each, type_of(named(arg)[1])) for each, arg in zip(value, type_.args, strict=True))
    return value


def document(value: Any, type_: Type) -> Any:
    """Return a value as the JSON that stands for it inside a document."""
    if value is None:
        return None
    if isinstance(value, Typed):
        return document(value.value, type_of(value.type))
    if type_.name == "Nullable":
        return document(value, type_of(type_.args[0]))
    if type_.name.startswith("Interval") or type_.name.removeprefix("U").startswith("Int"):
        return Decimal(value)
    return _MAKERS.get(type_.name, _text)(value, type_)


def _text(value: Any, _: Type) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _float(value: Any, _: Type) -> Any:
    number = value.value
    if number != number or number in (float("inf"), float("-inf")):
        return "-nan" if number != number and value.bits >> (value.width - 1) else str(number)
    return value.shortest


def _decimal(value: Decimal, _: Type) -> str:
    # The engine's text of a decimal has no zeros at its end.
    return format(value.normalize(), "f") if value else "0"


def _digits(type_: Type) -> int:
    return int(type_.args[0]) if type_.name.endswith("64") else 0


def _array(value: Any, type_: Type) -> Any:
    return [document(each, type_of(type_.args[0])) for each in value]


def _tuple(value: Any, type_: Type) -> Any:
    items = [document(each, type_of(named(arg)[1])) for each, arg in zip(value, type_.args, strict=True)]
    return dict(zip(type_.names, items, strict=True)) if type_.names else items


def _map(value: Any, type_: Type) -> Any:
    key, item = map(type_of, type_.args)
    return [{"keys": document(k, key), "values": document(v, item)} for k, v in value]


def _json(value: dict[str, Any], _: Type) -> Any:
    result: dict[str, Any] = {}
    for path, each in value.items():
        if each is None:
            continue
        *parents, name = path.split(".")
        inner = result
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = document(each, type_of("Dynamic"))
    return result


_MAKERS: dict[str, Callable[[Any, Type], Any]] = {
    **dict.fromkeys(("Float32", "Float64", "BFloat16"), _float),
    **dict.fromkeys(("Array", "QBit"), _array),
    "Decimal": _decimal,
    "Tuple": _tuple,
    "Map": _map,
    "JSON": _json,
    "Date": lambda value, _: day_text(value),
    "Date32": lambda value, _: day_text(value),
    "DateTime": lambda value, _: iso_text(value, 0),
    "DateTime64": lambda value, type_: iso_text(value, _digits(type_)),
    "Time": lambda value, _: span_text(value, 0),
    "Time64": lambda value, type_: span_text(value, _digits(type_)),
}
