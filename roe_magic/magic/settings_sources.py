"""The settings sources that a notebook adds: a cell's flags, and ``%config RoeMagic``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from roe_magic import config
from roe_magic.config.hidden_frames import hides_frames
from roe_magic.config.secret import Secret, secret_of
from roe_magic.config.settings import SettingsSource
from roe_magic.errors import ConfigError


def from_flags(arguments: Any) -> SettingsSource:
    """Return what the flags of a cell say of where its query goes."""
    if arguments.section:
        profile = config.from_profile(arguments.section)
        return config.with_organization(profile, arguments.organization)
    return SettingsSource(name="the cell's flags", organization_id=arguments.organization)


def below_flags(traits: Any, connection: SettingsSource | None) -> Iterator[SettingsSource]:
    """Yield what can set something below a cell's flags, the strongest first.

    Parameters
    ----------
    traits : RoeMagic
    connection : SettingsSource or None
        What ``%roe connect`` chose.
    """
    if connection is not None:
        yield connection
    yield from_traits(traits)
    if traits.profile:
        yield config.from_profile(traits.profile)
    yield config.from_environment()
    yield config.from_user_file()


def from_traits(traits: Any) -> SettingsSource:
    """Return what ``%config RoeMagic`` sets.

    Parameters
    ----------
    traits : RoeMagic

    Raises
    ------
    ConfigError
        The environment variable that is to hold the API key is not set.
    """
    variable = traits.api_key_variable
    return SettingsSource(
        name="%config RoeMagic",
        base_url=traits.base_url or None,
        api_key=_key_in(variable) if variable else None,
        organization_id=traits.organization_id or None,
        timeout=traits.timeout,
        max_retries=traits.max_retries,
    )


@hides_frames
def _key_in(variable: str) -> Secret:
    key = secret_of(os.environ.get(variable))
    if key is None:
        raise ConfigError(
            f"The environment variable {variable}, which %config RoeMagic.api_key_variable names, is not set."
        )
    return key
