"""What can still be held of a call that was accepted."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Adds the column; of calls of before all is taken to be possible until they are judged again."""
    op.add_column("events", sa.Column("possible_mw", sa.Float))
