"""The driver's own way for what comes by the thousand: many times faster than a statement built from parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from controllers.store.rows import Reading
from controllers.store.schema import micros_of

__all__ = ["AHEAD", "write_bulk"]

#: Clocks of devices may differ from ours by so much.
AHEAD: Final = timedelta(minutes=1)

_Key: TypeAlias = tuple[str, str, int]
_Rest: TypeAlias = tuple[int, float]

_MICRO: Final = timedelta(microseconds=1)
_NAMES: Final = "subject, quantity, measured_at, received_at, value"
_SET: Final = "received_at = excluded.received_at, value = excluded.value"
#: Of one moment the last word stands; of a series the newest reading.
_LAST_WORD: Final = f"ON CONFLICT (subject, quantity, measured_at) DO UPDATE SET {_SET}"
#: One that was dated ahead, by an older program, is no reason to hold back what comes after it.
_NEWEST: Final = (
    f"ON CONFLICT (subject, quantity) DO UPDATE SET measured_at = excluded.measured_at, {_SET} "
    f"WHERE excluded.measured_at >= latest.measured_at OR latest.measured_at > latest.received_at + {AHEAD // _MICRO}"
)
_READINGS: Final = f"INSERT INTO readings ({_NAMES}) VALUES (?, ?, ?, ?, ?) {_LAST_WORD}"
_LATEST: Final = f"INSERT INTO latest ({_NAMES}) VALUES (?, ?, ?, ?, ?) {_NEWEST}"
#: PostgreSQL takes rows fastest by COPY, which knows no conflict: they come into a table of this connection first.
_INCOMING: Final = "CREATE TEMPORARY TABLE IF NOT EXISTS incoming (LIKE readings) ON COMMIT DELETE ROWS"
_COPY: Final = f"COPY incoming ({_NAMES}) FROM STDIN (FORMAT BINARY)"
_TYPES: Final = ("text", "text", "int8", "int8", "float8")
_FROM_INCOMING: Final = f"INSERT INTO readings ({_NAMES}) SELECT {_NAMES} FROM incoming {_LAST_WORD}"
_LATEST_OF_INCOMING: Final = (
    f"INSERT INTO latest ({_NAMES}) SELECT DISTINCT ON (subject, quantity) {_NAMES} FROM incoming "
    f"ORDER BY subject, quantity, measured_at DESC {_NEWEST}"
)


def write_bulk(connection: Connection, rows: Sequence[Reading]) -> None:
    """Writes readings, and of each series the newest one where that is news.

    Args:
        connection: In a transaction.
        rows: All of them; of one moment the last one counts.
    """
    given: dict[_Key, _Rest] = {
        (row.subject, row.quantity, micros_of(row.measured_at)): (micros_of(row.received_at), row.value) for row in rows
    }
    if connection.dialect.name == "postgresql":
        _copied(connection, given)
        return
    newest: dict[tuple[str, str], int] = {}
    for subject, quantity, at in given:
        series = subject, quantity
        if at >= newest.get(series, at):
            newest[series] = at
    many: Any = [(*key, *rest) for key, rest in given.items()]
    last: Any = [(*series, at, *given[*series, at]) for series, at in newest.items()]
    connection.exec_driver_sql(_READINGS, many)
    connection.exec_driver_sql(_LATEST, last)


def _copied(connection: Connection, given: Mapping[_Key, _Rest]) -> None:
    connection.exec_driver_sql(_INCOMING)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for key, rest in given.items():
            copy.write_row((*key, *rest))
    connection.exec_driver_sql(_FROM_INCOMING)
    connection.exec_driver_sql(_LATEST_OF_INCOMING)
