"""What was promised of a call: how surely it was asked, how much was asked and promised, and the import that is held."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    """Adds the columns; calls of before were taken without a promise."""
    op.add_column("events", sa.Column("confidence", sa.Float, nullable=False, server_default=sa.text("0.99")))
    for name in ("asked_mw", "accepted_mw", "held_mw"):
        op.add_column("events", sa.Column(name, sa.Float))
