"""Where settings and API keys come from: the environment, the user's profiles, and what the caller names."""

from roe_magic.config.profiles import ask_for_key, from_profile, from_user_file, keyed_profiles, read_profiles
from roe_magic.config.secret import Secret, secret_of
from roe_magic.config.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    Settings,
    SettingsSource,
    check_base_url,
    from_environment,
    resolve,
    same_address,
    with_organization,
)

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "Secret",
    "Settings",
    "SettingsSource",
    "ask_for_key",
    "check_base_url",
    "from_environment",
    "from_profile",
    "from_user_file",
    "keyed_profiles",
    "read_profiles",
    "resolve",
    "same_address",
    "secret_of",
    "with_organization",
]
