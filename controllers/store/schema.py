"""Tables of the ledger: one schema for SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, TypeDecorator, text
from sqlalchemy.engine import Dialect

__all__ = ["METADATA", "Instant", "micros_of"]

_MICROS: Final = 1_000_000
_SECONDS_OF_A_DAY: Final = int(timedelta(days=1).total_seconds())
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(at: datetime) -> int:
    """As an instant stands in the tables."""
    since = at - _EPOCH
    return (since.days * _SECONDS_OF_A_DAY + since.seconds) * _MICROS + since.microseconds


class Instant(TypeDecorator[datetime]):
    """Aware UTC, kept as microseconds since 1970: exact, sortable, and the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Into the table."""
        return None if value is None else micros_of(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Out of it."""
        if value is None:
            return None
        return datetime.fromtimestamp(value // _MICROS, UTC).replace(microsecond=value % _MICROS)


#: Longest names of a series.
SUBJECT_SIZE: Final = 120
QUANTITY_SIZE: Final = 60
#: SHA-256 in hexadecimal digits.
HASH_SIZE: Final = 64

METADATA: Final = MetaData()

_ROW: Final = BigInteger().with_variant(Integer, "sqlite")


def _number() -> Column[int]:
    return Column("number", _ROW, primary_key=True, autoincrement=True)


MEMORY: Final = Table(
    "memory", METADATA, Column("key", String(120), primary_key=True), Column("value", LargeBinary, nullable=False)
)

OVERRIDES: Final = Table(
    "overrides",
    METADATA,
    _number(),
    Column("asset_id", String(120), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("power_mw", Float),
    Column("start", Instant, nullable=False),
    Column("end", Instant),
    Column("who", String(120), nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("closed_by", String(120)),
)

EVENTS: Final = Table(
    "events",
    METADATA,
    _number(),
    Column("event_id", String(120), nullable=False, unique=True),
    Column("connection", String(120), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("target_mw", Float, nullable=False),
    Column("start", Instant, nullable=False),
    Column("end", Instant, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("who", String(120), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("confidence", Float, nullable=False, server_default=text("0.99")),
    Column("asked_mw", Float),
    Column("accepted_mw", Float),
    Column("held_mw", Float),
    Column("asset", String(120)),
    Column("possible_mw", Float),
)

#: Order of arrival over overrides and events: each new one and each change is a row.
ASKS: Final = Table(
    "asks", METADATA, _number(), Column("kind", String(20), nullable=False), Column("row", BigInteger, nullable=False)
)

ALARMS: Final = Table(
    "alarms",
    METADATA,
    _number(),
    Column("key", String(200), nullable=False),
    Column("level", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(120)),
    Column("cleared_at", Instant),
    Index("alarms_by_key", "key"),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _number(),
    Column("at", Instant, nullable=False, index=True),
    Column("who", String(120), nullable=False),
    Column("action", String(120), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    # A chain (`controllers.store.chain`): the hash of the entry before, and of this one.
    Column("previous", String(HASH_SIZE), nullable=False, server_default=text("''")),
    Column("hash", String(HASH_SIZE), nullable=False, server_default=text("''")),
)

PLANS: Final = Table(
    "plans",
    METADATA,
    Column("plan_id", String(120), primary_key=True),
    Column("received_at", Instant, primary_key=True, autoincrement=False),
    Column("made_at", Instant, nullable=False, index=True),
    Column("source", String(40), nullable=False),
    Column("gap_frac", Float),
    Column("cost_cny", Float),
    Column("facts", LargeBinary, nullable=False),
    Index("plans_by_receipt", "received_at"),
)

FORECASTS: Final = Table(
    "forecasts",
    METADATA,
    Column("issued_at", Instant, primary_key=True, autoincrement=False),
    Column("received_at", Instant, primary_key=True, autoincrement=False),
    Column("message", LargeBinary, nullable=False),
    Index("forecasts_by_receipt", "received_at"),
)

READINGS: Final = Table(
    "readings",
    METADATA,
    Column("subject", String(SUBJECT_SIZE), primary_key=True),
    Column("quantity", String(QUANTITY_SIZE), primary_key=True),
    Column("measured_at", Instant, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)

SAID: Final = Table(
    "said",
    METADATA,
    Column("asset_id", String(120), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("word", String(10), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Index("said_by_time", "asset_id", "at"),
)

#: The newest of each series.
LATEST: Final = Table(
    "latest",
    METADATA,
    Column("subject", String(SUBJECT_SIZE), primary_key=True),
    Column("quantity", String(QUANTITY_SIZE), primary_key=True),
    Column("measured_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)

#: Means over minutes; `measured_at` is the start, `received_at` when the last of it was heard (empty: not known).
MINUTES: Final = Table(
    "minutes",
    METADATA,
    Column("subject", String(SUBJECT_SIZE), primary_key=True),
    Column("quantity", String(QUANTITY_SIZE), primary_key=True),
    Column("measured_at", Instant, primary_key=True),
    Column("value", Float, nullable=False),
    Column("received_at", Instant),
    sqlite_with_rowid=False,
)

REGISTERS: Final = Table(
    "registers",
    METADATA,
    Column("subject", String(SUBJECT_SIZE), primary_key=True),
    Column("quantity", String(QUANTITY_SIZE), primary_key=True),
    Column("start", Instant, primary_key=True),
    Column("mean", Float, nullable=False),
    Column("measured_share", Float, nullable=False),
    Column("received_at", Instant),
    Index("registers_by_start", "start"),
    sqlite_with_rowid=False,
)
