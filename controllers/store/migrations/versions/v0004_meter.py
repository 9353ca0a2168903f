"""At which cluster's own meter a call is counted."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Adds the column; calls of before were on connections."""
    op.add_column("events", sa.Column("asset", sa.String(120)))
