"""JSON values to models and back: each is read once, at the edge, by :func:`parse`; :func:`to_wire` is the inverse."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from roe_magic.errors import ProtocolError

T = TypeVar("T")

# The metadata of an optional field that is left out of the JSON when it is None.
OMIT = {"omit": True}
# What JSON has as it is.
_PLAIN = frozenset({str, int, float, bool, type(None)})


class Model:
    """A frozen dataclass of the wire; a field without a default is required, what it does not know is in ``extra``."""

    __slots__ = ()
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class _Field:
    """What there is to know of a model's field: its type, and the model inside ``M``, ``M | None`` or ``list[M]``."""

    hint: Any
    required: bool
    omit: bool
    model: Any
    is_list: bool


def parse(kind: type[T], payload: object) -> T:
    """Read one decoded JSON value as a model.

    Parameters
    ----------
    kind : type
        A model class.
    payload : object
        What a JSON decoder gave.

    Returns
    -------
    An instance of ``kind``; times are time-zone aware (UTC where the server named no zone).

    Raises
    ------
    ProtocolError
        Names every required field that is missing, or the field whose value has the wrong type.
    """
    missing = list(_missing(kind, payload, ""))
    if missing:
        raise ProtocolError(
            f"The server's answer is not a {_schema_name(kind)}: it lacks {', '.join(missing)}.",
            hint="Check ROE_BASE_URL: is this address Roe's API?",
        )
    assert isinstance(payload, Mapping)  # _missing has looked
    return typing.cast("T", _read(kind, payload, _schema_name(kind)))


def to_wire(model: Model) -> dict[str, Any]:
    """Turn a model into what a JSON encoder takes: strings for UUIDs and times, nested dicts, extra fields merged."""
    kind: Any = type(model)
    values = ((name, field, getattr(model, name)) for name, field in _shape(kind).items())
    wire = {name: _plain(field, value) for name, field, value in values if not (value is None and field.omit)}
    return {**wire, **model.extra}


def _plain(field: _Field, value: Any) -> Any:
    if isinstance(value, Model):
        return to_wire(value)
    if field.model is not None and isinstance(value, list):
        return [to_wire(item) for item in value]
    return value if type(value) in _PLAIN else msgspec.to_builtins(value)


def _missing(kind: Any, payload: object, where: str) -> Iterator[str]:
    """Yield the dotted path of every required field that the payload lacks, at all depths."""
    if not isinstance(payload, Mapping):
        raise _wrong_kind(kind, where.removesuffix(".") or "it", payload, "an object")
    for name, field in _shape(kind).items():
        if name not in payload:
            if field.required:
                yield where + name
        elif field.model is not None and payload[name] is not None:
            yield from _missing_inside(kind, field, payload[name], where + name)


def _missing_inside(kind: Any, field: _Field, value: object, where: str) -> Iterator[str]:
    if not field.is_list:
        yield from _missing(field.model, value, f"{where}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _missing(field.model, item, f"{where}[{index}].")
    else:
        raise _wrong_kind(kind, where, value, "a list")


def _read(kind: Any, payload: Mapping[str, Any], where: str) -> Any:
    shape = _shape(kind)
    known = {name: _value(shape[name], item, f"{where}.{name}") for name, item in payload.items() if name in shape}
    return kind(**known, extra={name: item for name, item in payload.items() if name not in shape})


def _value(field: _Field, value: Any, where: str) -> Any:
    if field.model is None or value is None:
        return _convert(field.hint, value, where)
    if field.is_list:
        return [_read(field.model, item, f"{where}[{index}]") for index, item in enumerate(value)]
    return _read(field.model, value, where)


def _convert(hint: Any, value: object, where: str) -> Any:
    if hint is Any:
        return value
    try:
        result = msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ProtocolError(f"The server's answer has a field of the wrong type: {where}: {error}.") from None
    if isinstance(result, datetime) and result.tzinfo is None:
        return result.replace(tzinfo=timezone.utc)
    return result


@functools.cache
def _shape(kind: Any) -> dict[str, _Field]:
    hints = typing.get_type_hints(kind)
    return {
        spec.name: _Field(
            hint=hints[spec.name],
            required=spec.default is MISSING and spec.default_factory is MISSING,
            omit=bool(spec.metadata.get("omit")),
            model=_model_in(hints[spec.name]),
            is_list=_is_list(hints[spec.name]),
        )
        for spec in fields(kind)
        if spec.name != "extra"
    }


def _model_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    return next((found for part in typing.get_args(hint) if (found := _model_in(part)) is not None), None)


def _is_list(hint: Any) -> bool:
    """Whether a field holds a list, or a list or null."""
    return typing.get_origin(hint) is list or any(typing.get_origin(part) is list for part in typing.get_args(hint))


def _wrong_kind(kind: Any, where: str, value: object, wanted: str) -> ProtocolError:
    return ProtocolError(
        f"The server's answer is not a {_schema_name(kind)}: {where} is {_kind_of(value)}, not {wanted}.",
        hint="Check ROE_BASE_URL: is this address Roe's API?",
    )


def _schema_name(kind: Any) -> str:
    """Return the contract's name of a model: ours says which WorksheetQuery it is."""
    return str(kind.__name__).removesuffix("Response")


def _kind_of(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
