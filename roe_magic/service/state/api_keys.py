"""API keys: random, stored as a digest, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_PREFIX = "roe_local_"


def new_key() -> tuple[str, str, bytes]:
    """Return a new key, and what to store of it: the public id by which it is found, and the key's digest."""
    key_id = secrets.token_hex(8)
    key = f"{_PREFIX}{key_id}_{secrets.token_hex(32)}"
    return key, key_id, digest(key)


def digest(key: str) -> bytes:
    """Return the digest of a key; 256 random bits need neither a salt nor a slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def id_of(key: str) -> str | None:
    """Return the public id in a key, None if the text does not have the form of a key."""
    head, _, secret = key.removeprefix(_PREFIX).partition("_")
    return head if key.startswith(_PREFIX) and head and secret else None


def matches(key: str, stored_digest: bytes) -> bool:
    """Whether a key has the stored digest; the time it takes does not depend on how much of them is equal."""
    return hmac.compare_digest(digest(key), stored_digest)
