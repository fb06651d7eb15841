"""The parser of ClickHouse type names."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roe_magic.errors import ProtocolError
from roe_magic.frames.type_parser import MAX_DEPTH, parse
from roe_magic.frames.type_parser import ClickHouseType as Type
from roe_magic.frames.type_parser import NamedArgument as Named


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("UInt64", Type("UInt64")),
        ("Tuple()", Type("Tuple")),
        ("Decimal(76, 20)", Type("Decimal", (76, 20))),
        ("FixedString(16)", Type("FixedString", (16,))),
        ("Array(Nullable(String))", Type("Array", (Type("Nullable", (Type("String"),)),))),
        ("DateTime64(3, 'Europe/Paris')", Type("DateTime64", (3, "Europe/Paris"))),
        ("Enum8('a' = -1, 'b' = 2)", Type("Enum8", (Named("a", -1), Named("b", 2)))),
        ("Tuple(a UInt8, `b c` String)", Type("Tuple", (Named("a", Type("UInt8")), Named("b c", Type("String"))))),
        ("Dynamic(max_types=3)", Type("Dynamic", (Named("max_types", 3),))),
        ("AggregateFunction(quantiles(0.5, 0.9), Float64)",
         Type("AggregateFunction", (Type("quantiles", (0.5, 0.9)), Type("Float64")))),
        ("AggregateFunction(1, sum, UInt64)", Type("AggregateFunction", (1, Type("sum"), Type("UInt64")))),
        ("JSON(max_dynamic_paths=8, `a.b` UInt32, SKIP q, SKIP REGEXP 'x.*')",
         Type("JSON", (Named("max_dynamic_paths", 8), Named("a.b", Type("UInt32")), Named("SKIP", Type("q")),
                       Named("SKIP", Named("REGEXP", "x.*"))))),
    ],
)  # fmt: skip
def test_a_type_is_read_into_its_tree(text: str, tree: Type) -> None:
    """Each kind of argument has its place in the tree, and the tree writes the same type."""
    assert parse(text) == tree
    assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    ("written", "label"),
    [(r"'it\'s'", "it's"),
     ("'it''s'", "it's"), (r"'a\\b'", "a\\b"), (r"'\n\t\0'", "\n\t\0"), (r"'\x41'", "A"), ("'='", "="),
     ("','", ","), ("')'", ")"), ("''", ""), ("'`'", "`"), ("'é'", "é"), (r"'\xc3\xa9'", "é"),
     (r"'\xff'", "\udcff"), (r"'\\xff'", r"\xff")],
)  # fmt: skip
def test_escapes_in_a_label_are_undone(written: str, label: str) -> None:
    """Quotes, backslashes and marks inside a label are part of it."""
    assert parse(f"Enum8({written} = 1)").args == (Named(label, 1),)


def test_a_type_printed_over_several_lines_is_the_same_type() -> None:
    """ClickHouse indents long types in DESCRIBE."""
    assert parse("Tuple(\n    a UInt8,\n    b Array(String))") == parse("Tuple(a UInt8, b Array(String))")


@pytest.mark.parametrize(
    ("kind", "names", "types"),
    [
        ("Tuple(a UInt8, b String)", ("a", "b"), ("UInt8", "String")),
        ("Tuple(UInt8, String)", None, ("UInt8", "String")),
        ("Map(String, Array(UInt8))", None, ("String", "Array(UInt8)")),
        ("Decimal(10, 2)", None, ()),
    ],
)
def test_names_and_types_of_the_arguments_are_told_apart(
    kind: str, names: tuple[str, ...] | None, types: tuple[str, ...]
) -> None:
    """A tuple's elements have names or numbers, and numbers are no types."""
    assert parse(kind).names == names
    assert tuple(map(str, parse(kind).types)) == types


@pytest.mark.parametrize(
    "text",
    ["", " ", "Array(", "Array(String))", "Foo Bar", "Enum8('a' = )", "A(,)", "A(B,)",
     "'x'", "A('x)", "A(B C", "1", "A(=)", "A(b=)"],
)  # fmt: skip
def test_what_is_not_a_type_is_refused_by_name(text: str) -> None:
    """The error quotes the type and says where reading stopped."""
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    assert repr(text) in str(caught.value)
    assert "position" in str(caught.value)


def test_a_type_nested_too_deeply_is_refused() -> None:
    """A hostile type ends in the parser's own error, not in Python's."""
    with pytest.raises(ProtocolError, match="nested deeper"):
        parse("Array(" * 100_000 + "UInt8" + ")" * 100_000)
    deepest = "Array(" * MAX_DEPTH + "UInt8" + ")" * MAX_DEPTH
    assert str(parse(deepest)) == deepest


NAMES = st.text(min_size=1, max_size=8).filter(lambda name: "\x00" not in name)
WORDS = st.sampled_from(["UInt8", "String", "Date", "Point", "DateTime64"])
TREES = st.recursive(
    st.builds(Type, WORDS),
    lambda inner: st.one_of(
        st.builds(lambda kind: Type("Array", (kind,)), inner),
        st.builds(lambda kinds: Type("Tuple", tuple(kinds)), st.lists(inner, max_size=3)),
        st.builds(
            lambda pairs: Type("Tuple", tuple(Named(name, kind) for name, kind in pairs.items())),
            st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        ),
        st.builds(
            lambda labels: Type("Enum16", tuple(Named(label, at) for at, label in enumerate(labels))),
            st.lists(st.text(max_size=8), min_size=1, max_size=3, unique=True),
        ),
        st.builds(lambda zone: Type("DateTime", (zone,)), NAMES),
    ),
    max_leaves=8,
)


@given(TREES)
def test_every_tree_is_read_back_from_what_it_writes(tree: Type) -> None:
    """Writing a tree and reading it gives the same tree, whatever the names hold."""
    assert parse(str(tree)) == tree


@given(st.text(alphabet="ATuple(),'`=\\ 1x.", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the parser fail with anything but its own error."""
    with contextlib.suppress(ProtocolError):
        assert parse(str(parse(text))) == parse(text)
