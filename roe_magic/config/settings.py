"""Settings of a client, resolved from several sources; which API key may go to which address is decided here.

A source is one place that can set something: a cell's flags, ``%config``, the environment, the user's file. A key is
bound to the base URL of its own source: :func:`resolve` never combines one source's key with another source's address.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from roe_magic.config.hidden_frames import hides_frames
from roe_magic.config.secret import Secret, secret_of
from roe_magic.errors import ConfigError

DEFAULT_BASE_URL = "https://api.roe-ai.com"
DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 3
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1", re.IGNORECASE)
_BASE_URL = re.compile(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?(/[^\s\\]*)?")
# Some 30 years; sockets accept no longer timeout.
_LONGEST_TIMEOUT = 1e9
_NO_CREDENTIALS = (
    "No API key is set: set ROE_API_KEY and ROE_ORGANIZATION_ID, or store a profile with `roe-magic login`."
)
_TRY_LOCAL = "To try it without an account, run `%roe connect local`: it starts a service on this machine."


@dataclass(frozen=True, kw_only=True)
class SettingsSource:
    """What one place sets; None for what it does not set."""

    name: str
    base_url: str | None = None
    api_key: Secret | None = None
    organization_id: str | None = None
    timeout: float | None = None
    max_retries: int | None = None
    is_current: Callable[[], bool] | None = None

    @property
    def address(self) -> str:
        """The base URL that this source's key is bound to."""
        return self.base_url or DEFAULT_BASE_URL


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a client needs.

    Attributes
    ----------
    base_url : str
        Without a slash at its end.
    api_key : Secret
    organization_id : str or None
        A UUID in text; None leaves the choice to the key.
    timeout : float
        The deadline of one HTTP request in seconds; 0 means none.
    max_retries : int
        How often a request that is safe to repeat is sent again.
    source : str
        Where the key came from, in words.
    is_current : callable, optional
        Returns whether the server at the address is still the one that the key is for. If it is not, nothing is sent.
    """

    base_url: str
    api_key: Secret
    organization_id: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    source: str = "the caller"
    is_current: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", check_base_url(self.base_url))
        check_request_timeout(self.timeout)
        check_max_retries(self.max_retries)

    @property
    def host(self) -> str:
        """The server's name as people read it."""
        return urlsplit(self.base_url).netloc

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(self.base_url)


def resolve(*sources: SettingsSource) -> Settings:
    """Return the settings from several sources, the strongest first.

    Raises
    ------
    ConfigError
        No source has a key, or the address that is asked for has none.
    """
    owner, api_key = _owner(sources)
    stronger = sources[: sources.index(owner)]
    # Like a key, an organisation belongs to an address: one that comes with another address is not for this server.
    ours = [
        each for each in stronger if not (each.base_url or each.api_key) or same_address(each.address, owner.address)
    ]
    timeout = _first(sources, "timeout")
    max_retries = _first(sources, "max_retries")
    return Settings(
        base_url=owner.address,
        api_key=api_key,
        organization_id=_first([*ours, owner], "organization_id"),
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        max_retries=DEFAULT_MAX_RETRIES if max_retries is None else max_retries,
        source=owner.name,
        is_current=owner.is_current,
    )


def _owner(sources: Sequence[SettingsSource]) -> tuple[SettingsSource, Secret]:
    """Return the strongest source whose key is bound to the address that is asked for, and that key."""
    wanted: SettingsSource | None = None
    refused: SettingsSource | None = None
    for source in sources:
        wanted = wanted or (source if source.base_url else None)
        if source.api_key is None:
            continue
        if wanted is None or same_address(source.address, wanted.address):
            return source, source.api_key
        refused = refused or source
    if wanted is None or refused is None:
        where = f" for {wanted.address}" if wanted and wanted.base_url != DEFAULT_BASE_URL else ""
        raise ConfigError(_NO_CREDENTIALS.replace("No API key is set", f"No API key is set{where}"), hint=_TRY_LOCAL)
    raise ConfigError(
        f"There is no API key for {wanted.address}, the address set by {wanted.name}.",
        hint=f"The key of {refused.name} belongs to {refused.address} and is not sent elsewhere. "
        "Store one for this address with `roe-magic login`.",
    )


def _first(sources: Sequence[SettingsSource], name: str) -> Any:
    return next((value for source in sources if (value := getattr(source, name)) is not None), None)


@hides_frames
def from_environment(environ: Mapping[str, str] = os.environ) -> SettingsSource:
    """Return what the environment variables set; they are those of the official SDK."""
    return SettingsSource(
        name="the environment",
        base_url=environ.get("ROE_BASE_URL") or None,
        api_key=secret_of(environ.get("ROE_API_KEY")),
        organization_id=check_organization(environ.get("ROE_ORGANIZATION_ID"), "ROE_ORGANIZATION_ID"),
        timeout=read_number(environ.get("ROE_TIMEOUT"), float, "ROE_TIMEOUT"),
        max_retries=read_number(environ.get("ROE_MAX_RETRIES"), int, "ROE_MAX_RETRIES"),
    )


def with_organization(source: SettingsSource, organization_id: str | None) -> SettingsSource:
    """Return the source with another organisation, where one is named."""
    return replace(source, organization_id=organization_id) if organization_id else source


@hides_frames
def check_base_url(url: str) -> str:
    """Return a base URL in its one normal form; raise ConfigError where it cannot be used."""
    return _normalized(url.strip(), allow_http=os.environ.get("ROE_ALLOW_HTTP") == "1")


@functools.lru_cache
def _normalized(url: str, *, allow_http: bool) -> str:
    if set(url) & set("@?#"):  # not repeated in the message: it may hold a password
        raise ConfigError("The base URL must not contain a user name, a password, a query or a fragment.")
    if not _BASE_URL.fullmatch(url.lower()) or not _has_good_port(url):
        raise ConfigError(f"The base URL {url!r} is not an http or https address.", hint=f"Example: {DEFAULT_BASE_URL}")
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_loopback(url) and not allow_http:
        raise ConfigError(
            f"Over plain http, the API key would be sent to {parts.netloc} unencrypted.",
            hint="Use https://, or set ROE_ALLOW_HTTP=1 if you trust the network.",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/').removesuffix('/v1')}"


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def same_address(one: str, other: str) -> bool:
    """Whether two base URLs are the same address."""
    return check_base_url(one).lower() == check_base_url(other).lower()


def _is_loopback(url: str) -> bool:
    return bool(_LOOPBACK.fullmatch(urlsplit(url.strip()).hostname or ""))


def check_request_timeout(seconds: float | None, name: str = "timeout") -> None:
    """Raise ConfigError for what is no deadline of an HTTP request; 0 is none, and None stands for the default."""
    if seconds is not None and not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise ConfigError(
            f"{name} is {seconds} s; it must be between 0 and {_LONGEST_TIMEOUT:,.0f} s.", hint="0 sets no limit."
        )


def check_max_retries(number: int | None, name: str = "max_retries") -> None:
    """Raise ConfigError for what is no number of retries; None stands for the default."""
    if number is not None and number < 0:
        raise ConfigError(f"{name} is {number}; it must be a whole number, 0 or more.")


def check_organization(text: str | None, name: str) -> str | None:
    """Return the id of an organisation, None where there is none; raise ConfigError where it is no UUID."""
    if not (text and text.strip()):
        return None
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise ConfigError(
            f"{name} is {text[:80]!r}, which is not an organisation's id.",
            hint="An id is a UUID, such as 5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6f.",
        ) from None


def read_number(text: str | None, kind: type, name: str) -> Any:
    """Return a number that may not be negative; None where there is no text."""
    if text is None or not text.strip():
        return None
    try:
        number = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{name} is {text!r}, which is not {what}.") from None
    (check_max_retries if kind is int else check_request_timeout)(number, name)
    return number
