"""The readings that are tried for every column of a CSV file, in this order: see ``csv_reading``.

A column has the first reading that all of its values fit. So narrow types come before wide ones, and readings as text
that say why it is no number or date come before the readings that the same values would fit.
"""

from __future__ import annotations

from dataclasses import replace

from roe_magic.service.engine.chdb.imports import csv_times
from roe_magic.service.engine.chdb.imports.csv_reading import TEXT, Reading, call, matches, unchanged, written_again

# As the usual programs write them. 0 and 1 are numbers, and yes and no are words.
_TRUE = "'true', 'True', 'TRUE'"
_BOOLEANS = f"{_TRUE}, 'false', 'False', 'FALSE'"
_NUMPY_NUMBER = "-?[0-9][.][0-9]{18}e[-+][0-9]{2,3}"
INTEGERS = ("Int64", "UInt64", "Int128", "Int256", "UInt256")


def no_float(text: str) -> str:
    """Return the condition that a text is no number, or one that Float64 cannot hold."""
    value = f"toFloat64OrNull({text})"
    conditions = [
        f"{value} IS NULL AND {text} IS NOT NULL",
        f"NOT match({text}, '^-?([1-9.]|0([^0-9]|$)|[iI]nf$|[nN]a[nN]$)')",
        f"isInfinite({value}) AND match({text}, '[0-9]')",
        f"{value} = 0 AND match({text}, '^[-0.]*[1-9]')",
        digits_lost(text),
    ]
    return " OR ".join(f"({condition})" for condition in conditions)


def digits_lost(text: str) -> str:
    """Return the condition that a number becomes another one as Float64, which a person would write otherwise.

    A whole number must be the same one. Of others, the significant digits must be those of the float as it is written
    again: any 15 digits are, and up to 17 as other programs write a float. NumPy's ``savetxt`` writes more.
    """
    value = f"toFloat64OrNull({text})"
    whole = f"match({text}, '^-?[0-9]+$') AND toInt256OrNull({text}) IS NOT DISTINCT FROM toInt256({value})"
    same = f"{_significant_digits(text)} = {_significant_digits(f'toString({value})')}"
    kept = f"({same}) OR ({whole}) OR {matches(text, _NUMPY_NUMBER)}"
    return f"length({text}) > 15 AND toString({value}) != {text} AND NOT ({kept})"


def _significant_digits(number: str) -> str:
    return f"trimBoth(replaceRegexpAll({number}, '[eE].*|[-.]', ''), '0')"


NO_VALUES = Reading(TEXT, lambda text: f"{text} IS NOT NULL", unchanged, "")
NAN_ALONE = Reading(TEXT, lambda text: f"NOT {matches(text, '-?([iI]nf|[nN]a[nN])')}", unchanged, "nan or inf")
BOOL = Reading(
    "Bool", lambda text: f"{text} NOT IN ({_BOOLEANS})", lambda text: f"{text} IN ({_TRUE})", "true or false"
)
FLOAT = Reading("Float64", no_float, call("toFloat64OrNull"), "numbers")
# Numbers such as 1E5, beside whole ones; other programs write 1e+05, but article numbers look like this.
MAYBE_IDS = replace(FLOAT, misfit=lambda text: f"NOT {matches(text, '[0-9]+([eE][0-9]+)?')} OR {no_float(text)}")

READINGS = (
    NO_VALUES,
    BOOL,
    *(
        Reading(name, written_again(call(f"to{name}OrNull")), call(f"to{name}OrNull"), "whole numbers")
        for name in INTEGERS
    ),
    NAN_ALONE,
    MAYBE_IDS,
    FLOAT,
    *csv_times.READINGS,
)
