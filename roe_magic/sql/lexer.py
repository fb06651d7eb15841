"""The tokenizer of ClickHouse SQL: it follows the engine's own lexer and needs no server.

``tokenize`` applies the rules of ClickHouse's ``src/Parsers/Lexer.cpp`` and names the kinds as it does, so its tokens
equal those of the engine's function ``tokenizeQuery``; the tests compare the two. The one difference is that offsets
count characters, where the engine counts bytes of UTF-8.

The regular expression ``_NEXT`` matches where a token begins. A group whose name is a kind matches the whole token. A
group in small letters (``operator``, ``quote``, ``number``, ...) recognises only its beginning, and a method of
``_Lexer`` finds its kind and its end. Every rule takes time that is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import ClassVar, NamedTuple

# The kinds that mean nothing to the statement.
INSIGNIFICANT = frozenset({"Whitespace", "Comment"})
# The kinds that name something; a BareWord may be a keyword as well.
IDENTIFIERS = frozenset({"BareWord", "QuotedIdentifier"})
_OPERATORS = {
    "(": "OpeningRoundBracket",
    ")": "ClosingRoundBracket",
    "[": "OpeningSquareBracket",
    "]": "ClosingSquareBracket",
    "{": "OpeningCurlyBrace",
    "}": "ClosingCurlyBrace",
    ",": "Comma",
    ";": "Semicolon",
    "\\G": "VerticalDelimiter",
    "*": "Asterisk",
    "+": "Plus",
    "-": "Minus",
    "\u2212": "Minus",
    "/": "Slash",
    "%": "Percent",
    "->": "Arrow",
    "?": "QuestionMark",
    ":": "Colon",
    "::": "DoubleColon",
    "^": "Caret",
    "=": "Equals",
    "==": "Equals",
    "!=": "NotEquals",
    "<>": "NotEquals",
    "<": "Less",
    ">": "Greater",
    "<=": "LessOrEquals",
    ">=": "GreaterOrEquals",
    "<=>": "Spaceship",
    "|": "PipeMark",
    "||": "Concatenation",
    "|>": "PipeOperator",
    "~": "Tilde",
    "~*": "TildeAsterisk",
    "!~": "NotTilde",
    "!~*": "NotTildeAsterisk",
    "@": "At",
    "@@": "DoubleAt",
    "!": "ErrorSingleExclamationMark",
}
# After these a dot separates names or elements of tuples; elsewhere it may begin a number.
_BEFORE_DOT = frozenset({*IDENTIFIERS, "Number", "ClosingRoundBracket", "ClosingSquareBracket"})
_QUOTED = {
    "'": ("StringLiteral", "ErrorSingleQuoteIsNotClosed"),
    '"': ("QuotedIdentifier", "ErrorDoubleQuoteIsNotClosed"),
    "`": ("QuotedIdentifier", "ErrorBackQuoteIsNotClosed"),
}
_CURLY_QUOTED = {
    "\u2018": ("\u2019", "StringLiteral", "ErrorSingleQuoteIsNotClosed"),
    "\u201c": ("\u201d", "QuotedIdentifier", "ErrorDoubleQuoteIsNotClosed"),
}
_SPACES = r" \t\n\r\f\v"
_WIDE_SPACES = r"\x85\xa0\u180e\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_HEX_DIGITS = "[0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*"
# The engine reads neither an exponent nor its sign in the text's last character.
_EXPONENT = rf"(?!\Z)(?:[+-](?!\Z))?(?:{_DIGITS})?"
_RULES = {
    "Whitespace": rf"[{_SPACES}]+|[{_WIDE_SPACES}][{_SPACES}{_WIDE_SPACES}]*",
    "Comment": r"(?:--|//|#[ !])[^\n]*",
    "StringLiteral": "[xX]'[0-9A-Fa-f]*'|[bB]'[01]*'",
    "ErrorSingleQuoteIsNotClosed": "[xXbB]'.+",
    "BareWord": "[A-Za-z_][A-Za-z0-9_$]*",
    "comment": r"/\*",
    "operator": "|".join(map(re.escape, sorted(_OPERATORS, key=len, reverse=True))),
    "quote": "['\"`]",
    "number": "[0-9]",
    "dot": r"\.",
    "dollar": r"\$",
    "curly_quote": "[\u2018\u201c]",
    "Error": ".",
}
_NEXT = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES.items()), re.DOTALL)
_NUMBER = re.compile(
    rf"0[xX]{_HEX_DIGITS}(?:\.(?:{_HEX_DIGITS})?)?(?:[pP]{_EXPONENT})?"
    rf"|(?:0[bB](?=[01]))?{_DIGITS}(?:\.(?:{_DIGITS})?)?(?:[eE]{_EXPONENT})?"
)
_INTEGER = re.compile(_DIGITS)
_FRACTION = re.compile(rf"\.(?:{_DIGITS})?(?:[eE]{_EXPONENT})?")
_WORD = re.compile("[A-Za-z0-9_]*")
_WORD_AFTER_DOLLAR = re.compile("[A-Za-z0-9_][A-Za-z0-9_$]*")
_HEREDOC_TAG = re.compile(r"\$[A-Za-z0-9_]*\$")
_ANY_HEREDOC_TAG = re.compile(rf"(?=({_HEREDOC_TAG.pattern}))")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_QUOTE_MARKS = {quote: re.compile(rf"\\.|{quote}{quote}|{quote}", re.DOTALL) for quote in _QUOTED}


class Token(NamedTuple):
    """One token: its kind as ClickHouse names it, and the offsets of its first character and of the one after it."""

    kind: str
    begin: int
    end: int


def tokenize(sql: str) -> Iterator[Token]:
    """Yield the tokens of any text, white space and comments included, one by one as they are asked for.

    Every character belongs to exactly one token. What ClickHouse cannot read is a token too, whose kind begins with
    ``Error``; an open quote or comment reaches to the end of the text.
    """
    lexer, position = _Lexer(sql), 0
    while match := _NEXT.match(sql, position):
        token = lexer.token(match)
        yield token
        position = token.end


class _Lexer:
    """The rules that one regular expression cannot hold, with the state that they need."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        # The kind of the last significant token: ``.5`` is a number, but in ``x.5`` the dot stands alone.
        self._previous = ""

    def token(self, match: re.Match[str]) -> Token:
        """Return the token that begins where ``_NEXT`` matched."""
        kind, begin, end = match.lastgroup or "", match.start(), match.end()
        if finish := self._METHODS.get(kind):
            kind, end = finish(self, begin, end)
        if kind not in INSIGNIFICANT:
            self._previous = kind
        return Token(kind, begin, end)

    def _operator(self, begin: int, end: int) -> tuple[str, int]:
        return _OPERATORS[self._sql[begin:end]], end

    def _quoted(self, begin: int, end: int) -> tuple[str, int]:
        quote = self._sql[begin]
        closed, unclosed = _QUOTED[quote]
        while mark := _QUOTE_MARKS[quote].search(self._sql, end):
            end = mark.end()
            if mark[0] == quote:
                return closed, end
        return unclosed, len(self._sql)

    def _curly_quoted(self, begin: int, end: int) -> tuple[str, int]:
        # The engine takes it for a quote only where three bytes of UTF-8 or more follow.
        if len(self._sql[end : end + 3].encode("utf-8", "surrogatepass")) < 3:
            return "Error", end
        closing, closed, unclosed = _CURLY_QUOTED[self._sql[begin]]
        at = self._sql.find(closing, end)
        return (closed, at + 1) if at >= 0 else (unclosed, len(self._sql))

    def _comment(self, _begin: int, end: int) -> tuple[str, int]:
        depth = 1
        while mark := _COMMENT_MARK.search(self._sql, end):
            end = mark.end()
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return "Comment", end
        return "ErrorMultilineCommentIsNotClosed", len(self._sql)

    def _number(self, begin: int, _end: int) -> tuple[str, int]:
        rule = _INTEGER if self._previous == "Dot" else _NUMBER
        digits = _end_of(rule, self._sql, begin)
        end = _end_of(_WORD, self._sql, digits)
        if end == digits:
            return "Number", end
        # Names such as 1st are allowed; 1.5th is none.
        return "BareWord" if _end_of(_WORD, self._sql, begin) == end else "ErrorWrongNumber", end

    def _dot(self, begin: int, end: int) -> tuple[str, int]:
        before_digit = "0" <= self._sql[end : end + 1] <= "9"
        if begin > 0 and (self._previous in _BEFORE_DOT or not before_digit):
            return "Dot", end
        return "Number", _end_of(_FRACTION, self._sql, begin)

    def _dollar(self, begin: int, end: int) -> tuple[str, int]:
        tag = _HEREDOC_TAG.match(self._sql, begin)
        if tag and self._last_tags[tag[0]] >= tag.end():
            return "HereDoc", self._sql.index(tag[0], tag.end()) + len(tag[0])
        word = _WORD_AFTER_DOLLAR.match(self._sql, end)
        return ("BareWord", word.end()) if word else ("DollarSign", end)

    @cached_property
    def _last_tags(self) -> dict[str, int]:
        """Where each heredoc tag of the text stands last; to search anew for each could take quadratic time."""
        return {match[1]: match.start() for match in _ANY_HEREDOC_TAG.finditer(self._sql)}

    _METHODS: ClassVar[dict[str, Callable[[_Lexer, int, int], tuple[str, int]]]] = {
        "operator": _operator,
        "quote": _quoted,
        "curly_quote": _curly_quoted,
        "comment": _comment,
        "number": _number,
        "dot": _dot,
        "dollar": _dollar,
    }


def _end_of(rule: re.Pattern[str], sql: str, begin: int) -> int:
    match = rule.match(sql, begin)
    return match.end() if match else begin
