"""What the flags of ``%%roe`` and the settings of ``%config RoeMagic`` may be set to: refused where they are set."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from traitlets import TraitError
from traitlets.config import Config

from roe_magic.config import settings
from roe_magic.errors import ConfigError
from roe_magic.magic.arguments import checked
from roe_magic.query import checks


def _organization(text: str) -> None:
    settings.check_organization(text, "organization_id")


def _base_url(url: str) -> None:
    if url:
        settings.check_base_url(url)


def _variable(name: str) -> None:
    if name and not re.fullmatch(r"[A-Za-z_]\w*", name):  # not repeated in the message: it may be the key itself
        raise ConfigError("api_key_variable is no name of an environment variable. Never write the key itself there.")


# By the name of the trait.
TRAIT_CHECKS: dict[str, Callable[[Any], object]] = {
    "base_url": _base_url,
    "organization_id": _organization,
    "api_key_variable": _variable,
    "timeout": settings.check_request_timeout,
    "max_retries": settings.check_max_retries,
    "displaylimit": checks.check_display_limit,
    "tz": checks.check_zone,
    "max_result_bytes": partial(checks.check_max_bytes, name="max_result_bytes"),
    "progress_after": checks.check_delay,
}
# The types of the flags.
TIMEOUT = checked(checks.check_timeout, float)
DELAY = checked(checks.check_delay, float)
ORGANIZATION = checked(_organization)


def drop_bad_settings(configurable: Any, configuration: Config, in_force: Any = None) -> None:
    """Remove what a class's traits do not accept from a shell's configuration, and print which settings those are.

    Where there is an object whose settings are ``in_force``, its own take their place.

    ``%config RoeMagic.x = bad`` is refused when it is typed, yet stays there, and would break each later load.
    """
    section = configuration.get(configurable.__name__, {})
    for name, value in list(section.items()):
        try:
            configurable(None, config=Config({configurable.__name__: {name: value}}))
        except TraitError as error:
            if in_force is None:
                del section[name]
            else:
                section[name] = getattr(in_force, name)
            print(f"roe-magic: %config {configurable.__name__}.{name} is ignored: {error}")
