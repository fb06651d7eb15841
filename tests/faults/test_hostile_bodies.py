"""Bodies that would take minutes or gigabytes, or end the process: refused within seconds and 300 MB.

Each is read in a process of its own, so that its memory can be measured, and so that a crash is a failed test.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from roe_magic.client.response_errors import decode_json
from roe_magic.errors import ProtocolError
from roe_magic.json_limits import MAX_VALUES, count_values
from tests.faults.conftest import Record
from tests.support.hostile_bodies import ARROW, LIMIT, MB, REPEATED, WHOLE, Outcome, outcome

# On a slow machine beside other tests; alone each takes three seconds at most.
SECONDS = 30
MEGABYTES = LIMIT / MB + 300
BOUNDED = f"within {SECONDS} s, and 300 MB beyond the limit"
# Those that are bounded by the limit that the user set, or by what the rows take beside it; all others are refused for
# what they are, with a ProtocolError.
TOO_LARGE = {
    *("white space", "brackets as a cell", "numbers as a row", "a cell", "a cell of backslashes", "empty rows"),
    *("rows before their types", "a number that grows", "a cell of lists", "a cell of objects"),
    *("an array of wide decimals", "an array of empty arrays"),
}
# A type that cannot be read makes a column of text.
READ = {"a number of a million digits"}
NAMES = [*REPEATED, *WHOLE, *ARROW]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Future[Outcome]]]:
    """Read all bodies, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(outcome, name) for name in NAMES}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_body_takes_neither_minutes_nor_gigabytes(
    name: str, outcomes: dict[str, Future[Outcome]], seen: Record
) -> None:
    """It is refused with an error of ours, and its reading is bounded."""
    found = outcomes[name].result()
    error = "NoneType" if name in READ else "ResultTooLarge" if name in TOO_LARGE else "ProtocolError"
    is_bounded = found.seconds < SECONDS and found.megabytes < MEGABYTES
    cost = BOUNDED if is_bounded else f"in {found.seconds:.0f} s and {found.megabytes:.0f} MB"
    seen(f"a body of {name}", f"{error} {BOUNDED}", f"{found.error} {cost}")


@pytest.mark.parametrize("unit", [b"[],", b"0,", b'{"a":1},', b'"",', b'"\\"",', b'{"a":{}},'])
def test_a_small_body_of_too_many_values_is_not_decoded(unit: bytes, seen: Record) -> None:
    """A response that is read whole has 64 MB at most, and 20 million lists in them."""
    body = b"[" + unit * (60 * MB // len(unit)) + b"1]"
    with pytest.raises(ProtocolError, match="2,000,000 values"):
        decode_json(body)
    seen(f"a body of {unit.decode()} without end", "refused", "refused")


def test_separators_inside_strings_are_no_values() -> None:
    """SQL of many megabytes may be echoed in a response."""
    text = ",[{" * 1_000_000
    assert decode_json(b'{"query": "%s", "x": ["\\\\", "\\""]}' % text.encode()) == {"query": text, "x": ["\\", '"']}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b"[1, 2]", 2),
        (b'{"a": [1, {"b": 2}]}', 4),
        (b'["a,b", "c"]', 3),
    ],
)
def test_values_are_counted_by_their_separators(text: bytes, count: int) -> None:
    """Where they are few, those inside strings are counted too; then strings are left out."""
    assert count_values(text) == count
    assert MAX_VALUES == 2_000_000


@pytest.mark.parametrize("text", [b'["a,b,c", "\\",\\\\", 1]', b'["a,b,c,d,e'])
def test_strings_are_left_out_where_values_seem_to_be_many(text: bytes) -> None:
    """The exact count never exceeds the quick one, and unfinished texts have one, too."""
    assert count_values(text, 0) > 0
    assert count_values(text, 1) > 1
    assert count_values(b'{"a": "' + b"," * 100 + b'"}', 10) == 3
