"""What a cell says, and how it is laid out: decided by its column's ClickHouse type and its value.

Numbers, dates, identifiers and short texts are *lines*: they are never cut or wrapped. A text with a line of more than
60 characters, and the JSON text of an array, a map, a tuple or a document that is as long, *wraps* inside its cell, and
is cut after a number of characters that it tells.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from roe_magic.errors import RoeError
from roe_magic.formatting import clean, display_width

# A line may be so wide; one that is wider is wrapped.
LINE_WIDTH = 60
_NUMBER = re.compile(r"U?Int\d+|B?Float\d+|Decimal\d*|Interval\w+")


@dataclass(frozen=True)
class Cell:
    """What one cell says.

    Attributes
    ----------
    text : str
        With the white space that the value has; hidden characters are named.
    wraps : bool
        Whether it is wrapped, because a line of it is too wide.
    is_null : bool
        Whether it is NULL, and no text that reads so.
    """

    text: str
    wraps: bool = False
    is_null: bool = False


def cell_of(value: Any, *, is_number: bool, limit: int) -> Cell:
    """Return what a cell says of a JSON-ready value.

    Parameters
    ----------
    value : object
    is_number : bool
        Whether the column's type is one of numbers; these are never cut, however many digits they have.
    limit : int
        How many characters of another value are shown.
    """
    if value is None:
        return Cell("NULL", is_null=True)
    if is_number and not isinstance(value, (dict, list)):
        return Cell(clean(value, limit=1000))
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = clean(whole, limit=limit, lines=True)
    return Cell(text, any(display_width(line) > LINE_WIDTH for line in text.expandtabs().split("\n")))


def is_number_type(type_name: str) -> bool:
    """Whether a ClickHouse type, inside Nullable, LowCardinality and the like, is one of numbers."""
    from roe_magic.frames import type_properties  # loads pyarrow, which a query without rows does not need
    from roe_magic.frames.type_parser import parse

    try:
        return bool(_NUMBER.fullmatch(type_properties.unwrap(parse(type_name)).name))
    except RoeError:
        return False
