"""The driver's own way for what comes by the thousand: many times faster than a statement built from parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from controllers.store.rows import Reading
from controllers.store.schema import micros_of

__all__ = ["AHEAD", "write_bulk"]

#: Clocks of devices may differ from ours by so much.
AHEAD: Final = timedelta(minutes=1)

_Values: TypeAlias = tuple[str, str, int, int, float]

_MICRO: Final = timedelta(microseconds=1)
_INTO: Final = "(subject, quantity, measured_at, received_at, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT"
_SET: Final = "received_at = excluded.received_at, value = excluded.value"
#: Of one moment the last word stands; of a series the newest reading.
_READING: Final = f"INSERT INTO readings {_INTO} (subject, quantity, measured_at) DO UPDATE SET {_SET}"
#: One that was dated ahead, by an older program, is no reason to hold back what comes after it.
_LATEST: Final = (
    f"INSERT INTO latest {_INTO} (subject, quantity) DO UPDATE SET measured_at = excluded.measured_at, {_SET} "
    f"WHERE excluded.measured_at >= latest.measured_at OR latest.measured_at > latest.received_at + {AHEAD // _MICRO}"
)


def write_bulk(connection: Connection, rows: Sequence[Reading], newest: Iterable[Reading]) -> None:
    """Writes readings, and of each series the newest one where that is news.

    Args:
        connection: In a transaction.
        rows: All of them.
        newest: One of each series.
    """
    _many(connection, _READING, [_values(row) for row in rows])
    _many(connection, _LATEST, [_values(row) for row in newest])


def _many(connection: Connection, statement: str, values: list[_Values]) -> None:
    marked = statement.replace("?", "%s") if connection.dialect.name == "postgresql" else statement
    many: Any = values
    connection.exec_driver_sql(marked, many)


def _values(row: Reading) -> _Values:
    return row.subject, row.quantity, micros_of(row.measured_at), micros_of(row.received_at), row.value
