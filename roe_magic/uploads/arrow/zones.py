"""The names of Python's time zones in Arrow."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

import pyarrow as pa


def zone_name(zone: dt.tzinfo) -> str | None:
    """Return a zone's name, or its offset such as ``+01:00``; None if it has none that others know it by."""
    try:
        name = str(pa.lib.tzinfo_to_string(zone))
    except (ValueError, TypeError, NotImplementedError):
        # An offset with seconds; a ZoneInfo that was read from a file; a class of the user's own without tzname().
        return None
    return name if re.fullmatch(r"[+-]\d\d:\d\d", name) or _is_known(name) else None


def _is_known(name: str) -> bool:
    """Whether the zone is in the database of zones: dateutil's may have any name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # not there; no path; the path of a folder
        return False
    return True
