"""API keys: made at random, kept as a digest, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_PREFIX = "roe_local_"


def make() -> tuple[str, str, bytes]:
    """Make a new key.

    Returns
    -------
    The key for its owner, and what to keep of it: a public id to find it by, and the digest of the whole.
    """
    key_id = secrets.token_hex(8)
    key = f"{_PREFIX}{key_id}_{secrets.token_hex(32)}"
    return key, key_id, digest(key)


def digest(key: str) -> bytes:
    """Digest a key; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def id_of(key: str) -> str | None:
    """Read the public id out of a key, or None when the text is no key of ours."""
    head, _, secret = key.removeprefix(_PREFIX).partition("_")
    return head if key.startswith(_PREFIX) and head and secret else None


def matches(key: str, kept: bytes) -> bool:
    """Compare a key with a kept digest, in a time that tells nothing."""
    return hmac.compare_digest(digest(key), kept)
