"""Add the notices of a query."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "002"
down_revision = "001"


def upgrade() -> None:
    """Add their column; a query of before has none."""
    op.add_column("queries", sa.Column("notices", sa.JSON(), nullable=False, server_default="[]"))
