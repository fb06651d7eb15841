"""The steps that bring the service's state on disk to the present schema."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy as sa


def config() -> alembic.config.Config:
    """Make Alembic's configuration, without a file of its own."""
    made = alembic.config.Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade(connection: sa.Connection) -> None:
    """Take every step that the state has not taken yet, inside the connection's transaction."""
    made = config()
    made.attributes["connection"] = connection
    alembic.command.upgrade(made, "head")
