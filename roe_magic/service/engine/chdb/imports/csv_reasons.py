"""Says in a few words why a column of a CSV file has its type: for text, what keeps it from being something else.

Every text is of one kind, such as a number, or a number with a leading zero. The kinds of a column's texts are counted,
and the first text of each kind is the example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roe_magic.service.engine.chdb.imports import csv_times
from roe_magic.service.engine.chdb.imports.column_choice import share
from roe_magic.service.engine.chdb.imports.csv_candidates import BOOL, digits_lost, no_float
from roe_magic.service.engine.chdb.imports.csv_reading import matches
from roe_magic.service.engine.chdb.imports.csv_text import CsvText, cell
from roe_magic.service.engine.chdb.imports.csv_types import CsvColumn, Findings

_EXAMPLE_LENGTH = 40
# One value in so many is few.
_FEW = 10
_OTHER = "other"


# A condition on the text t for each kind; they are tried in this order.
_CONDITIONS = {
    "zero": matches("t", r"[-+]?0[0-9]+([.][0-9]*)?"),
    "plus": matches("t", r"[+]([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?"),
    "comma": matches(
        "t", r"[-+]?([0-9]+,[0-9]+|[0-9]{1,3}([,.' \x{a0}\x{2009}\x{2019}\x{202f}_][0-9]{3})+([.,][0-9]+)?)"
    ),
    "spaces": matches("t", r"(\s.*|.*\s)") + " AND " + matches("t", r"\s*[-+]?[0-9][-+0-9.,:/eE]*\s*"),
    "long": f"{matches('t', '-?[0-9]*[.]?[0-9]*([eE][-+]?[0-9]+)?')} AND {digits_lost('t')}",
    "number": f"NOT ({no_float('t')})",
    "boolean": f"NOT ({BOOL.misfit('t')})",
    "date": f"NOT ({csv_times.DATES[-1].misfit('t')})",
    "reordered": f"{matches('t', csv_times.ANY_ORDER)}",
    "time": f"{matches('t', csv_times.WITHOUT_ZONE)} AND NOT ({csv_times.DATES[-1].misfit('left(t, 10)')})",
    "zone": f"{matches('t', csv_times.WITH_ZONE)} AND NOT ({csv_times.DATES[-1].misfit('left(t, 10)')})",
}
_KINDS = (_OTHER, *_CONDITIONS)
# What a value is, and what several are.
Verbs = tuple[str, str]
_ODDITIES: dict[str, Verbs] = {
    "zero": ("has a leading zero", "have a leading zero"),
    "plus": ("has a plus sign", "have a plus sign"),
    "comma": ("has commas or separators of thousands", "have commas or separators of thousands"),
    "spaces": ("has spaces around it", "have spaces around them"),
}
_LONG = ("has more digits than Float64 holds", "have more digits than Float64 holds")
# What a column might have been, if half of its values or more are of some kinds.
_GROUPS: tuple[tuple[tuple[str, ...], Verbs], ...] = (
    (("number", "long", *_ODDITIES), ("is not a number", "are not numbers")),
    (("date", "reordered", "time", "zone"), ("is not a date or time", "are not dates or times")),
    (("boolean",), ("is neither true nor false", "are neither true nor false")),
)
_NO_TYPE: Verbs = ("is text", "are text")


@dataclass(frozen=True)
class Reason:
    """Why a column has its type.

    Parameters
    ----------
    text : str
        A part of a sentence.
    is_surprising : bool
        Whether it is text because of a few values among many that are not.
    """

    text: str
    is_surprising: bool = False


@dataclass(frozen=True)
class _Kinds:
    """How many texts of a column are of each kind, the first of each, and whether all rows were looked at."""

    counts: Mapping[str, int]
    examples: Mapping[str, str]
    are_all: bool

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def most(self) -> str:
        """The kind that most texts are of."""
        return max(_KINDS, key=lambda kind: self.counts[kind])

    def reason(self) -> Reason:
        """Return why the texts are not values of one type."""
        for kinds, verbs in _GROUPS:
            outside = max((kind for kind in _KINDS if kind not in kinds), key=lambda kind: self.counts[kind])
            others = self.total - sum(self.counts[kind] for kind in kinds)
            if others * 2 <= self.total:
                text = self._oddity(kinds, others) or self._sentence(others, verbs, outside)
                return Reason(text, 0 < others * _FEW <= self.total)
        return Reason(self._sentence(self.total - self.counts["number"], _NO_TYPE, _OTHER))

    def _oddity(self, kinds: Sequence[str], others: int) -> str:
        """Return what is odd about values of these kinds, if more are odd than are of other kinds."""
        kind = max(_ODDITIES, key=lambda kind: self.counts[kind])
        if kind in kinds and self.counts[kind] > others:
            return self._sentence(self.counts[kind], _ODDITIES[kind], kind)
        if others:
            return ""
        if self.counts["long"]:
            return self._sentence(self.counts["long"], _LONG, "long")
        if self.counts["reordered"] == self.total:
            return f"no order of day, month and year fits all values ({self.examples['reordered']})"
        return f"the values are not all written in the same way ({self.examples[self.most]})"

    def _sentence(self, number: int, verbs: Verbs, kind: str) -> str:
        """Return "2 of 3 values have a leading zero (02134)"."""
        example = self.examples[kind] or self.examples[self.most]
        return f"{share(number, self.total, are_all=self.are_all)} {verbs[number > 1]} ({example})"


def reasons(texts: CsvText, findings: Findings) -> list[Reason]:
    """Return for each column why it has its type."""
    unknown = [c for c in findings.columns if c.reading.is_text and c.values and not c.declared]
    kinds = _kinds_of(texts, findings, unknown) if unknown else {}
    return [_reason(column, kinds.get(column.position), findings) for column in findings.columns]


def _reason(column: CsvColumn, kinds: _Kinds | None, findings: Findings) -> Reason:
    if column.declared:
        return Reason("as asked for")
    if kinds and column.reading.meaning:
        return Reason(f"all values are {column.reading.meaning} ({kinds.examples[kinds.most]})")
    if kinds:
        return kinds.reason()
    if not column.values:
        return Reason("there are no values")
    number = f"{column.values:,} " if findings.is_complete and column.values > 1 else ""
    return Reason(f"all {number}values are {column.reading.meaning}")


def _kinds_of(texts: CsvText, findings: Findings, columns: Sequence[CsvColumn]) -> dict[int, _Kinds]:
    """Return the kinds of texts in some columns, by the columns' positions."""
    cells = ", ".join(f"nullIf({cell(column.position)}, '')" for column in columns)
    branches = ", ".join(f"{condition}, {number}" for number, condition in enumerate(_CONDITIONS.values(), 1))
    # The number of its kind for each text; NULL for none.
    kinds = f"[{cells}] AS texts, arrayMap(t -> if(t IS NULL, NULL, multiIf({branches}, 0)), texts) AS kinds"
    sums = [f"sumForEach(arrayMap(n -> ifNull(n = {number}, 0), kinds))" for number in range(len(_KINDS))]
    firsts = [
        f"anyForEach(arrayMap((n, t) -> if(n = {number}, leftUTF8(t, {_EXAMPLE_LENGTH}), NULL), kinds, texts))"
        for number in range(len(_KINDS))
    ]
    values = texts.aggregate([*sums, *firsts], None if findings.is_complete else findings.rows, kinds)
    counts, examples = values[: len(_KINDS)], values[len(_KINDS) :]
    return {
        column.position: _Kinds(
            dict(zip(_KINDS, (int(of_kind[index]) for of_kind in counts), strict=True)),
            dict(zip(_KINDS, (of_kind[index] or "" for of_kind in examples), strict=True)),
            findings.is_complete,
        )
        for index, column in enumerate(columns)
    }
