"""Labels in an order, as an Enum."""

from __future__ import annotations

from collections.abc import Sequence

from roe_magic.frames.type_parser import ClickHouseType, NamedArgument

# With more, the type's text would be longer than anybody wants to see in a list of columns.
_MOST_LABELS = 1_000


def enum_of(labels: Sequence[str]) -> ClickHouseType | None:
    """Return the Enum with these labels in their order; None where there are too many, or none."""
    if not 0 < len(labels) <= _MOST_LABELS:
        return None
    name = "Enum8" if len(labels) <= 127 else "Enum16"
    return ClickHouseType(name, tuple(NamedArgument(label, number) for number, label in enumerate(labels, 1)))
