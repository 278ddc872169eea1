"""Audits have names, for people."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was submitted before has no name."""
    op.add_column("audit", sa.Column("name", sa.String(200)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("audit", "name")
