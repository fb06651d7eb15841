"""What a caller may ask for: each check raises a UsageError that says what is wrong, and what to write instead."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any, Literal, get_args

from roe_magic.errors import UsageError

DtypeBackend = Literal["numpy_nullable", "pyarrow"]
# The value of an option that is left out, where None says something.
LEFT_OUT: Any = ...
# Some 30 years; threads wait no longer than this everywhere.
_LONGEST_WAIT = 1e9


def check_zone(name: Any) -> None:
    """Accept the name of a time zone that is known here, an empty one, and None."""
    try:
        if name is not None and name != "":
            zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, TypeError, AttributeError, ValueError, OSError):
        raise UsageError(f"{name!r} is not a known time zone.", hint="Examples: 'Europe/Paris', 'UTC'.") from None


def check_choice(option: str, value: object, accepted: tuple[object, ...]) -> None:
    """Accept one of several values of an option."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in accepted):
        names = " or ".join(map(repr, accepted))
        raise UsageError(f"{option} cannot be {value!r}.", hint=f"It is {names}.")


def checked_frame_options(defaults: Mapping[str, Any] | None, **given: Any) -> dict[str, Any]:
    """Return the options of a DataFrame: those that are given, and ``defaults`` for those that are left out."""
    options = {**(defaults or {}), **{name: value for name, value in given.items() if value is not LEFT_OUT}}
    check_frame_options(**options)
    return options


def check_frame_options(dtype_backend: Any = "numpy_nullable", tz: Any = None, categories: Any = False) -> None:
    """Accept what a DataFrame can be made with."""
    check_choice("dtype_backend", dtype_backend, get_args(DtypeBackend))
    check_choice("categories", categories, (True, False))
    check_zone(tz)


def check_timeout(seconds: Any) -> None:
    """Accept a number of seconds to wait, and None for no limit."""
    if seconds is not None and not (_is_number(seconds) and 0 < seconds <= _LONGEST_WAIT):
        raise UsageError(
            f"timeout is {seconds!r}; it must be more than 0 s and at most {_LONGEST_WAIT:,.0f} s.",
            hint="Leave it out for no limit.",
        )


def check_delay(seconds: Any) -> None:
    """Accept a number of seconds, zero among them."""
    if not (_is_number(seconds) and 0 <= seconds <= _LONGEST_WAIT):
        raise UsageError(
            f"progress_after is {seconds!r}; it must be a number of seconds, 0 or more, at most {_LONGEST_WAIT:,.0f}."
        )


def check_display_limit(rows: Any) -> int | None:
    """Return a number of rows to show, or None for as many as can be shown."""
    if rows is not None and not (_is_whole(rows) and rows > 0):
        hint = "None shows up to 1,000 rows; a `;` at the end of a cell hides them."
        raise UsageError(f"displaylimit is {rows!r}; it must be a whole number, 1 or more.", hint=hint)
    return None if rows is None else int(rows)


def check_max_bytes(limit: Any, name: str = "max_bytes") -> None:
    """Accept a number of bytes, and None for no limit."""
    if limit is not None and not (_is_whole(limit) and limit >= 0):
        raise UsageError(f"{name} is {limit!r}; it must be a whole number of bytes.", hint="None sets no limit.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())
