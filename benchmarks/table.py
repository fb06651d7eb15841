"""The table: what was measured, beside its peer, against its goal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("what", "ours", "peer", "ratio", "goal", "")


@dataclass(frozen=True)
class Measured:
    """Figures of the same thing, one per round.

    Parameters
    ----------
    name : str
        Who was measured.
    values : sequence of float
        In ``unit``; empty where it could not be measured.
    unit : str
        What stands behind a figure; ``s`` is written in the unit that fits.
    """

    name: str
    values: Sequence[float]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        if not self.values:
            return f"{self.name}: not installed"
        low, high = min(self.values), max(self.values)
        if len(self.values) > 7:
            *_, high = deciles = statistics.quantiles(self.values, n=10, method="inclusive")
            low = deciles[0]
        scale, unit = (1000, "ms") if self.unit == "s" and self.median < 1 else (1, self.unit)
        middle, *spread = (_short(value * scale) for value in (self.median, low, high))
        return f"{middle} {unit}" + (f" ({'–'.join(spread)})" if len(self.values) > 1 else "")


@dataclass(frozen=True)
class Row:
    """One line.

    Parameters
    ----------
    what : str
    ours, peer : Measured
        Round n of the one was run beside round n of the other, where there is more than one.
    goal : str
        In words; empty where the line is there to be looked at.
    most : float, optional
        The most that the ratio may be, or, with ``of_ours``, our own median.
    """

    what: str
    ours: Measured
    peer: Measured
    goal: str = ""
    most: float | None = None
    of_ours: bool = False

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: what slows both of a pair down cancels out."""
        if not self.peer.values:
            return None
        if len(self.ours.values) != len(self.peer.values):
            return self.ours.median / self.peer.median
        return statistics.median(a / b for a, b in zip(self.ours.values, self.peer.values, strict=True))

    @property
    def verdict(self) -> str:
        value = self.ours.median if self.of_ours else self.ratio
        if self.most is None or value is None:
            return ""
        return "ok" if value < self.most else "MISS"

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{_short(self.ratio)}x"
        peer = f"{self.peer.name}: {self.peer}" if self.peer.values else str(self.peer)
        return self.what, str(self.ours), peer, ratio, self.goal, self.verdict


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def text(rows: Sequence[Row]) -> str:
    """Write the table for a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(rows: Sequence[Row]) -> str:
    """Write the table for a page."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
