"""Conversion between decoded JSON and models.

:func:`parse` turns a decoded JSON object into a model and checks it; :func:`to_wire` turns a model into what a JSON
encoder takes. Both look up a model's fields in :func:`_field_specs`, which reads the dataclass once per process. The
rest of the program handles models only: JSON objects are parsed where they arrive.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from roe_magic.errors import ProtocolError

T = TypeVar("T")

# Metadata of an optional field that `to_wire` leaves out of the JSON where it is None.
OMIT_IF_NONE = {"omit_if_none": True}
# Values of these types need no conversion for JSON.
_JSON_SCALARS = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, kw_only=True)
class Model:
    """Base class of the API's schemas.

    A field without a default is required. ``extra`` holds the fields of the JSON that the schema does not have.
    """

    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class _FieldSpec:
    """The type of a model's field; ``model`` is the model class inside ``M``, ``M | None`` or ``list[M]``, if any."""

    hint: Any
    required: bool
    omit_if_none: bool
    model: Any
    is_list: bool


def parse(model: type[T], payload: object) -> T:
    """Return a model made of a decoded JSON object.

    Parameters
    ----------
    model : type
        The model class.
    payload : object
        What a JSON decoder returned.

    Returns
    -------
    An instance of ``model``; times are time-zone aware (UTC where the server named no zone).

    Raises
    ------
    ProtocolError
        Names every required field that is missing, or the field whose value has the wrong type.
    """
    missing = list(_missing_fields(model, payload, ""))
    if missing:
        raise ProtocolError(
            f"The server's response is not a valid {_schema_name(model)}: it lacks {', '.join(missing)}.",
            hint="Check ROE_BASE_URL: is this address Roe's API?",
        )
    return typing.cast("T", _build(model, payload, _schema_name(model)))


def to_wire(model: Model) -> dict[str, Any]:
    """Return a model as a dict for a JSON encoder: UUIDs and times as strings, nested dicts, extra fields merged in."""
    model_class: Any = type(model)
    values = ((name, spec, getattr(model, name)) for name, spec in _field_specs(model_class).items())
    wire = {name: _to_json(spec, value) for name, spec, value in values if not (value is None and spec.omit_if_none)}
    return {**wire, **model.extra}


def _to_json(spec: _FieldSpec, value: Any) -> Any:
    if isinstance(value, Model):
        return to_wire(value)
    if spec.model is not None and isinstance(value, list):
        return [to_wire(item) for item in value]
    return value if type(value) in _JSON_SCALARS else msgspec.to_builtins(value)


def _missing_fields(model: Any, payload: object, path: str) -> Iterator[str]:
    """Yield the dotted path of every required field that the payload lacks, in nested models too."""
    if not isinstance(payload, Mapping):
        raise _wrong_shape(model, path.removesuffix(".") or "it", payload, "an object")
    for name, spec in _field_specs(model).items():
        if name not in payload:
            if spec.required:
                yield path + name
        elif spec.model is not None and payload[name] is not None:
            yield from _missing_in_field(model, spec, payload[name], path + name)


def _missing_in_field(model: Any, spec: _FieldSpec, value: object, path: str) -> Iterator[str]:
    if not spec.is_list:
        yield from _missing_fields(spec.model, value, f"{path}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _missing_fields(spec.model, item, f"{path}[{index}].")
    else:
        raise _wrong_shape(model, path, value, "a list")


def _build(model: Any, payload: Any, path: str) -> Any:
    specs = _field_specs(model)
    known = {name: _from_json(specs[name], item, f"{path}.{name}") for name, item in payload.items() if name in specs}
    return model(**known, extra={name: item for name, item in payload.items() if name not in specs})


def _from_json(spec: _FieldSpec, value: Any, path: str) -> Any:
    if spec.model is None or value is None:
        return _convert(spec.hint, value, path)
    if spec.is_list:
        return [_build(spec.model, item, f"{path}[{index}]") for index, item in enumerate(value)]
    return _build(spec.model, value, path)


def _convert(hint: Any, value: object, path: str) -> Any:
    if hint is Any:
        return value
    try:
        converted = msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, OverflowError, UnicodeEncodeError) as error:  # the last of a lone surrogate
        raise ProtocolError(f"The server's response has a field of the wrong type: {path}: {error}.") from None
    return _in_calendar(converted) if isinstance(converted, datetime) else converted


# A time of the calendar's first or last day may have another year in UTC, which Python does not have.
_FIRST, _LAST = (moment.replace(tzinfo=timezone.utc) for moment in (datetime.min, datetime.max))  # noqa: DTZ901  # it has


def _in_calendar(moment: datetime) -> datetime:
    """Return a moment with its time zone, UTC if it has none; one that UTC cannot express becomes the nearest."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        moment.astimezone(timezone.utc)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST
    return moment


@functools.cache
def _field_specs(model: Any) -> dict[str, _FieldSpec]:
    """Return a model's fields by name, without ``extra``."""
    hints = typing.get_type_hints(model)
    return {
        each.name: _FieldSpec(
            hint=hints[each.name],
            required=each.default is MISSING and each.default_factory is MISSING,
            omit_if_none="omit_if_none" in each.metadata,
            model=_model_in(hints[each.name]),
            is_list=_is_list(hints[each.name]),
        )
        for each in fields(model)
        if each.name != "extra"
    }


def _model_in(hint: Any) -> Any:
    """Return the model class inside a type hint, or None."""
    if is_dataclass(hint):
        return hint
    return next((model for arg in typing.get_args(hint) if (model := _model_in(arg)) is not None), None)


def _is_list(hint: Any) -> bool:
    """Whether a field holds a list, or a list or null."""
    return typing.get_origin(hint) is list or any(typing.get_origin(arg) is list for arg in typing.get_args(hint))


def _wrong_shape(model: Any, path: str, value: object, expected: str) -> ProtocolError:
    return ProtocolError(
        f"The server's response is not a valid {_schema_name(model)}: {path} is {_json_type(value)}, not {expected}.",
        hint="Check ROE_BASE_URL: is this address Roe's API?",
    )


def _schema_name(model: Any) -> str:
    """Return the contract's name of a model; WorksheetQueryResponse is its WorksheetQuery."""
    return str(model.__name__).removesuffix("Response")


def _json_type(value: object) -> str:
    """Return what JSON calls a value's type, with its article."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
