"""A string that is never shown: an API key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from roe_magic.config.hidden_frames import hides_frames
from roe_magic.errors import ConfigError
from roe_magic.formatting import keep_secret

# What stands in a text where a secret was.
CONCEALED = "<secret>"
# Such a key is none that was given out: it may be a part of any word, or a number.
_COMMON = re.compile(r".{0,7}|\d{0,15}")


class Secret:
    """A string that shows itself nowhere: not in a repr, a log, a pickle or a traceback."""

    __slots__ = ("__weakref__", "_value")

    @hides_frames
    def __init__(self, value: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(
                "The API key is empty or contains a space, a line break or a character outside ASCII.",
                hint="Copy the key again, without the quotes or line break around it.",
            )
        self._value = value
        if not _COMMON.fullmatch(value):
            keep_secret(self)

    def reveal(self) -> str:
        """Return the plain string, for the one place that sends it."""
        return self._value

    def conceal(self, text: str) -> str:
        """Return a text without the secret, which somebody who was sent it may have repeated."""
        return text if _COMMON.fullmatch(self._value) else text.replace(self._value, CONCEALED)

    def conceal_bytes(self, data: bytes, *, same_length: bool = False) -> bytes:
        """Return bytes without the secret; where their number must stay the same, asterisks follow what replaces it."""
        if _COMMON.fullmatch(self._value):
            return data
        instead = CONCEALED.ljust(len(self._value), "*") if same_length else CONCEALED
        return data.replace(self._value.encode(), instead.encode())

    def conceal_chunks(self, chunks: Iterable[bytes], *, same_length: bool = False) -> Iterator[bytes]:
        """Yield the chunks of a body without the secret, which may begin in one and end in another.

        What may be its beginning is held back, as a view, which shows no bytes in a traceback.
        """
        held = memoryview(b"")
        for chunk in chunks:
            chunk = self.conceal_bytes(bytes(held) + chunk, same_length=same_length)  # noqa: PLW2901  # no variable keeps it
            end = len(chunk) - self._begun_at_end(chunk)
            held = memoryview(chunk)[end:]
            if end:
                yield chunk[:end]
        if held:
            yield bytes(held)

    def _begun_at_end(self, data: bytes) -> int:
        """Return how many of the last bytes may be the beginning of the secret."""
        value = "" if _COMMON.fullmatch(self._value) else self._value
        return next((size for size in range(len(value) - 1, 0, -1) if data.endswith(value[:size].encode())), 0)

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
