"""A string that is never shown: an API key."""

from __future__ import annotations

from typing import NoReturn

from roe_magic.config.hidden_frames import hides_frames
from roe_magic.errors import ConfigError

# What stands in a text where a secret was.
CONCEALED = b"<secret>"
# A key shorter than this is none that was given out, and may be a part of any word.
_SHORTEST = 8


class Secret:
    """A string that shows itself nowhere: not in a repr, a log, a pickle or a traceback."""

    __slots__ = ("_value",)

    @hides_frames
    def __init__(self, value: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(
                "The API key is empty or contains a space, a line break or a character outside ASCII.",
                hint="Copy the key again, without the quotes or line break around it.",
            )
        self._value = value

    def reveal(self) -> str:
        """Return the plain string, for the one place that sends it."""
        return self._value

    def conceal(self, text: bytes) -> bytes:
        """Return a text without the secret, which somebody who was sent it may have repeated."""
        return text.replace(self._value.encode(), CONCEALED) if len(self._value) >= _SHORTEST else text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is never pickled.")


@hides_frames
def secret_of(text: str | None) -> Secret | None:
    """Return a text as a Secret, freed of white space and of quotes around it; None where there is no text."""
    text = (text or "").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    return Secret(text) if text else None
