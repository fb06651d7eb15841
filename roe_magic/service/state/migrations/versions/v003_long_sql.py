"""Add the table of long SQL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "003"
down_revision = "002"


def upgrade() -> None:
    """Add it; queries of before keep theirs where it is."""
    op.create_table(
        "long_sql",
        sa.Column("query_id", sa.Uuid(), sa.ForeignKey("queries.id"), primary_key=True),
        sa.Column("sql", sa.String(), nullable=False),
    )
