"""Settings: which source wins, which key may go where, and what is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keyring.backend import KeyringBackend

from roe_magic import config
from roe_magic.config import profiles
from roe_magic.config.secret import Secret
from roe_magic.config.settings import DEFAULT_BASE_URL, Settings, SettingsSource, check_base_url, resolve
from roe_magic.errors import ConfigError

KEY = "roe-canary-51c3f7"
ORG = "5d9a6a3e-0c6e-4f1e-9a0b-6a2f3c4d5e6f"
HERE, THERE = "https://api.acme.roe-ai.com", "http://127.0.0.1:8123"


class MemoryKeyring(KeyringBackend):
    """A keyring that forgets."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring's
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_KEY", "ORGANIZATION_ID", "BASE_URL", "TIMEOUT", "MAX_RETRIES", "ALLOW_HTTP"):
        monkeypatch.delenv(f"ROE_{name}", raising=False)
    monkeypatch.setenv("ROE_CONFIG_FILE", str(tmp_path / "config.ini"))


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def key(name: str) -> Secret:
    return Secret(f"key-of-{name}")


# Which source wins


def sources() -> st.SearchStrategy[list[SettingsSource]]:
    """Make lists of sources; a source's key and organisation tell which one it was."""
    addresses = st.sampled_from([None, DEFAULT_BASE_URL, HERE, THERE, HERE.upper().replace("HTTPS", "https") + "/"])
    parts = st.tuples(addresses, st.booleans(), st.booleans(), st.none() | st.just(5.0), st.none() | st.just(0))
    return st.lists(parts, max_size=5).map(
        lambda items: [
            SettingsSource(
                name=str(at),
                base_url=address,
                api_key=key(str(at)) if keyed else None,
                organization_id=f"org-of-{at}" if organised else None,
                timeout=timeout,
                max_retries=retries,
            )
            for at, (address, keyed, organised, timeout, retries) in enumerate(items)
        ]
    )


def asked_address(given: list[SettingsSource]) -> str:
    """Tell which address is asked for: the strongest source that names one, or has a key, decides."""
    return next((check_base_url(each.address) for each in given if each.base_url or each.api_key), DEFAULT_BASE_URL)


@settings(deadline=None)
@given(sources())
def test_a_key_never_goes_to_another_sources_address(given: list[SettingsSource]) -> None:
    """Whatever is set where: the key's own source has the address that the key is sent to."""
    try:
        settings = resolve(*given)
    except ConfigError:
        return
    owner = next(each for each in given if each.api_key == settings.api_key)
    assert settings.base_url == check_base_url(owner.address) == asked_address(given)
    assert settings.source == owner.name


@settings(deadline=None)
@given(sources())
def test_the_strongest_key_of_the_address_is_found(given: list[SettingsSource]) -> None:
    """There are settings exactly when some source has a key for the address that is asked for."""
    fitting = [each for each in given if each.api_key and check_base_url(each.address) == asked_address(given)]
    if fitting:
        assert resolve(*given).api_key == fitting[0].api_key
    else:
        with pytest.raises(ConfigError):
            resolve(*given)


ASKED, OWNER = SettingsSource(name="0", base_url=HERE), SettingsSource(name="2", base_url=HERE, api_key=key("2"))


@settings(deadline=None)
@given(sources())
@example([ASKED, SettingsSource(name="1", api_key=key("1"), organization_id="org-of-1"), OWNER])
@example([ASKED, SettingsSource(name="1", base_url=THERE, organization_id="org-of-1"), OWNER])
@example([ASKED, SettingsSource(name="1", organization_id="org-of-1"), OWNER])
def test_an_organisation_stays_with_its_address(given: list[SettingsSource]) -> None:
    """It comes from the key's own source, or from a stronger one that speaks of no other server."""
    try:
        settings = resolve(*given)
    except ConfigError:
        return
    if settings.organization_id is None:
        return
    at = int(settings.organization_id.removeprefix("org-of-"))
    source = given[at]
    assert at <= int(settings.source)
    assert not (source.base_url or source.api_key) or check_base_url(source.address) == settings.base_url


@settings(deadline=None)
@given(sources())
def test_the_first_source_that_names_a_limit_wins(given: list[SettingsSource]) -> None:
    """0 is a value like any other, not an absent one."""
    try:
        settings = resolve(*given)
    except ConfigError:
        return
    timeouts = [each.timeout for each in given if each.timeout is not None]
    assert settings.timeout == (timeouts[0] if timeouts else 60.0)
    assert settings.max_retries == (0 if any(each.max_retries == 0 for each in given) else 3)


def test_the_order_is_flag_config_environment_file() -> None:
    """The strongest source that says something is believed, for each setting on its own."""
    flag = SettingsSource(name="flag", organization_id="flag-org")
    set_by_config = SettingsSource(name="config", timeout=1.0)
    environment = SettingsSource(name="env", api_key=key("env"), organization_id="env-org", timeout=2.0, max_retries=0)
    file = SettingsSource(name="file", api_key=key("file"), max_retries=9)
    settings = resolve(flag, set_by_config, environment, file)
    assert settings == Settings(
        base_url=DEFAULT_BASE_URL,
        api_key=key("env"),
        organization_id="flag-org",
        timeout=1.0,
        max_retries=0,
        source="env",
    )


def test_a_missing_key_says_what_to_set_and_what_needs_none() -> None:
    """Two lines: the variables, and the local service."""
    with pytest.raises(ConfigError) as caught:
        resolve(SettingsSource(name="the environment"))
    first, second = str(caught.value).splitlines()
    assert "ROE_API_KEY" in first
    assert "ROE_ORGANIZATION_ID" in first
    assert "%roe connect local" in second


def test_an_address_without_a_key_of_its_own_says_whose_key_was_held_back() -> None:
    """Neither address nor reason has to be guessed, and the key is not in the message."""
    with pytest.raises(ConfigError) as caught:
        resolve(
            SettingsSource(name="%config", base_url=HERE), SettingsSource(name="the environment", api_key=Secret(KEY))
        )
    text = str(caught.value)
    assert HERE in text
    assert f"the environment belongs to {DEFAULT_BASE_URL} and is not sent elsewhere" in text
    assert KEY not in text


# The environment, as the official SDK reads it


def test_the_environment_is_read_as_the_official_sdk_reads_it() -> None:
    """All five variables."""
    names = {
        "ROE_API_KEY": f" {KEY}\n",
        "ROE_ORGANIZATION_ID": f" {ORG.upper()}\n",
        "ROE_BASE_URL": f"{HERE}/",
        "ROE_TIMEOUT": "0",
        "ROE_MAX_RETRIES": "0",
    }
    settings = resolve(config.from_environment(names))
    assert (settings.base_url, settings.api_key.reveal(), settings.organization_id) == (HERE, KEY, ORG)
    assert (settings.timeout, settings.max_retries) == (0.0, 0)


def test_empty_variables_say_nothing() -> None:
    """As after `export ROE_API_KEY=`."""
    names = dict.fromkeys(("ROE_API_KEY", "ROE_ORGANIZATION_ID", "ROE_BASE_URL", "ROE_TIMEOUT", "ROE_MAX_RETRIES"), "")
    assert config.from_environment(names) == SettingsSource(name="the environment")


@pytest.mark.parametrize("name", ["org", "1234", f"{ORG}0", "secret\x1b[31m"])
def test_an_organisation_that_is_no_id_is_refused_where_it_is_set(name: str) -> None:
    """With the name of what sets it: the server would only say that some field is wrong."""
    with pytest.raises(ConfigError, match="ROE_ORGANIZATION_ID") as caught:
        config.from_environment({"ROE_ORGANIZATION_ID": name})
    assert "\x1b" not in str(caught.value)
    assert "UUID" in str(caught.value)


@pytest.mark.parametrize("name", ["ROE_TIMEOUT", "ROE_MAX_RETRIES"])
@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "-inf", "1e400"])
def test_a_limit_that_is_no_number_is_named(name: str, value: str) -> None:
    """The variable and its value stand in the error."""
    with pytest.raises(ConfigError, match=name):
        config.from_environment({name: value})


@pytest.mark.parametrize(
    "limits", [{"timeout": -1.0}, {"timeout": 1e300}, {"timeout": float("nan")}, {"max_retries": -1}]
)
def test_limits_that_cannot_work_are_refused_before_they_are_used(limits: dict[str, float]) -> None:
    """Whoever sets them."""
    with pytest.raises(ConfigError, match=r"must be between 0 and|must be a whole number, 0 or more"):
        Settings(base_url=HERE, api_key=Secret(KEY), **limits)  # type: ignore[arg-type]  # the point of the test


# Addresses


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://api.roe-ai.com", "https://api.roe-ai.com"),
        (" HTTPS://API.Roe-AI.com/ ", "https://api.roe-ai.com"),
        ("https://api.acme.roe-ai.com/base//", "https://api.acme.roe-ai.com/base"),
        ("http://localhost:8123/", "http://localhost:8123"),
        ("http://[::1]:8123", "http://[::1]:8123"),
        ("http://127.8.9.10", "http://127.8.9.10"),
    ],
)
def test_a_base_url_is_brought_into_one_form(url: str, form: str) -> None:
    """Case, white space and slashes do not make another address."""
    assert check_base_url(url) == form
    assert check_base_url(form) == form


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.roe-ai.com", "ftp://api.roe-ai.com", "https://", "https:///path", "file:///etc/passwd"),
        *("http://localhost:abc", "https://x:99999", "https://x:0", "http://[::1", "https://[g::]", "https://a b"),
        *("http://[::1].evil.test", "http://127.0.0.1:80\\.evil.test", "https://a\nb", "http://loc\u2100lhost"),
        *("https://user@host", "https://u:secret-pw@host", "https://host?x=1", "https://host#f", "ftp://u:secret-pw@h"),
        "http://localhost\\@evil.test",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    """With a ConfigError, never another exception, and without repeating a password."""
    with pytest.raises(ConfigError) as caught:
        check_base_url(url)
    assert "secret-pw" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"https?://[\w.:\[\]@%\\-]{0,20}", fullmatch=True))
def test_any_text_is_an_address_or_a_config_error(url: str) -> None:
    """And an address over plain http is this machine."""
    try:
        form = check_base_url(url)
    except ConfigError:
        return
    settings = Settings(base_url=form, api_key=Secret(KEY))
    assert form.startswith("https://") or settings.is_loopback


# Profiles and the keyring


def test_a_saved_profile_is_found_again_with_its_key_in_the_keyring_alone(ring: MemoryKeyring) -> None:
    """The file holds no secret; the entry is bound to the address."""
    path = profiles.save_profile("acme", HERE, ORG, Secret(KEY))
    assert KEY not in path.read_text()
    assert list(ring.kept) == [("roe-magic", f"acme@{HERE}")]
    settings = resolve(profiles.from_profile("acme"))
    assert (settings.base_url, settings.api_key, settings.organization_id) == (HERE, Secret(KEY), ORG)


def test_a_profile_whose_address_was_changed_has_no_key(ring: MemoryKeyring) -> None:
    """Whoever edits the file cannot have the key sent elsewhere."""
    path = profiles.save_profile("acme", HERE, None, Secret(KEY))
    path.write_text(path.read_text().replace(HERE, "https://evil.test"))
    with pytest.raises(ConfigError, match="no API key"):
        profiles.from_profile("acme")


def test_a_profile_may_name_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For machines without a keyring; limits may stand in a profile too."""
    path = tmp_path / "config.ini"
    path.write_text(
        "[ci]\nbase_url = https://api.ci.roe-ai.com\napi_key_variable = CI_KEY\ntimeout = 5\nmax_retries = 0\n"
    )
    monkeypatch.setenv("CI_KEY", KEY)
    settings = resolve(profiles.from_profile("ci"))
    assert (settings.api_key, settings.timeout, settings.max_retries) == (Secret(KEY), 5.0, 0)


def test_a_profile_that_is_not_there_lists_the_ones_that_are(tmp_path: Path) -> None:
    """A typing error is mended at once."""
    (tmp_path / "config.ini").write_text("[acme]\n[beta]\n")
    with pytest.raises(ConfigError, match="acme, beta"):
        profiles.from_profile("acne")


@pytest.mark.parametrize("content", [b"no section = 1\n", b"[a]\n[a]\n", b"\xff\xfe\0", b"[a\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    """With its path."""
    (tmp_path / "config.ini").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.ini"):
        profiles.read_profiles()


def test_without_a_file_there_is_no_default() -> None:
    """And no keyring is asked."""
    assert profiles.from_user_file() == SettingsSource(name="the user's file")


# Secrets


def test_a_secret_shows_itself_nowhere() -> None:
    """Not in a repr, a format, a pickle or a copy; it can be compared and used as a key of a dict."""
    secret = Secret(KEY)
    settings = Settings(base_url=HERE, api_key=secret)
    source = SettingsSource(name="x", api_key=secret)
    assert not any(KEY in text for text in (repr(secret), str(secret), f"{secret}", repr(settings), repr(source)))
    for thing in (secret, settings, source):
        for make in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="never pickled"):
                make(thing)
    assert {secret: 1}[Secret(KEY)] == 1
    assert secret != Secret("other")
    assert secret != KEY
