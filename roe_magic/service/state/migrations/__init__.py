"""The migrations of the service's database, run by Alembic without a configuration file."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy as sa


def config() -> alembic.config.Config:
    """Return Alembic's configuration."""
    configuration = alembic.config.Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return configuration


def upgrade(connection: sa.Connection) -> None:
    """Run every migration that the database lacks, inside the connection's transaction."""
    configuration = config()
    configuration.attributes["connection"] = connection
    alembic.command.upgrade(configuration, "head")
