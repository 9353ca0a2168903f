"""The ledger as it was before versions were written down.

Every table is made where it is missing and left where it is there: so a ledger of that time is adopted, also one that a
process left half made. What stands here never changes again.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

_ROW: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Makes what is missing."""
    _asks()
    _records()
    _series()


def _asks() -> None:
    _table(
        "overrides",
        _number(),
        _word("asset_id", 120),
        _word("kind", 20),
        sa.Column("power_mw", sa.Float),
        _instant("start"),
        _instant("end", nullable=True),
        _word("who", 120),
        _text("why"),
        _instant("asked_at"),
        _instant("closed_at", nullable=True),
        sa.Column("closed_by", sa.String(120)),
    )
    _table(
        "events",
        _number(),
        sa.Column("event_id", sa.String(120), nullable=False, unique=True),
        _word("connection", 120),
        _word("kind", 20),
        sa.Column("target_mw", sa.Float, nullable=False),
        _instant("start"),
        _instant("end"),
        sa.Column("priority", sa.Integer, nullable=False),
        _text("note"),
        _word("who", 120),
        _instant("asked_at"),
        sa.Column("revision", sa.Integer, nullable=False),
        _word("state", 20),
        _text("reason"),
        _instant("changed_at"),
    )
    _table("asks", _number(), _word("kind", 20), sa.Column("row", sa.BigInteger, nullable=False))
    _table(
        "alarms",
        _number(),
        _word("key", 200),
        _word("level", 20),
        _text("text"),
        _instant("raised_at"),
        _instant("acknowledged_at", nullable=True),
        sa.Column("acknowledged_by", sa.String(120)),
        _instant("cleared_at", nullable=True),
    )
    op.create_index("alarms_by_key", "alarms", ["key"], if_not_exists=True)


def _records() -> None:
    _table(
        "audit",
        _number(),
        _instant("at"),
        _word("who", 120),
        _word("action", 120),
        _word("subject", 200),
        _word("outcome", 20),
        _text("detail"),
    )
    op.create_index("ix_audit_at", "audit", ["at"], if_not_exists=True)
    _table("memory", _key("key", sa.String(120)), _bytes("value"))
    _table(
        "plans",
        _key("plan_id", sa.String(120)),
        _instant("made_at"),
        _word("source", 40),
        sa.Column("gap_frac", sa.Float),
        sa.Column("cost_cny", sa.Float),
        _bytes("facts"),
    )
    op.create_index("ix_plans_made_at", "plans", ["made_at"], if_not_exists=True)
    _table("forecasts", _key("issued_at", sa.BigInteger), _bytes("message"))
    _table(
        "said",
        _key("asset_id", sa.String(120)),
        _key("epoch", sa.BigInteger),
        _key("seq", sa.BigInteger),
        _key("word", sa.String(10)),
        _instant("at"),
        _bytes("message"),
    )
    op.create_index("said_by_time", "said", ["asset_id", "at"], if_not_exists=True)


def _series() -> None:
    _table("readings", *_of_series("measured_at"), _instant("received_at"), _value("value"), clustered=True)
    _table("latest", *_of_series(), _instant("measured_at"), _instant("received_at"), _value("value"), clustered=True)
    _table("minutes", *_of_series("measured_at"), _value("value"), clustered=True)
    _table("registers", *_of_series("start"), _value("mean"), _value("measured_share"), clustered=True)
    op.create_index("registers_by_start", "registers", ["start"], if_not_exists=True)


def _table(name: str, *columns: sa.Column[Any], clustered: bool = False) -> None:
    """Clustered: the row stands in its key, which saves SQLite a second look."""
    op.create_table(name, *columns, if_not_exists=True, sqlite_with_rowid=not clustered)


def _number() -> sa.Column[int]:
    return sa.Column("number", _ROW, primary_key=True, autoincrement=True)


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _of_series(time: str | None = None) -> list[sa.Column[Any]]:
    named = [_key("subject", sa.String(120)), _key("quantity", sa.String(60))]
    return named if time is None else [*named, _key(time, sa.BigInteger)]


def _word(name: str, size: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _value(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=False)
