"""What a ledger holds, and whether it is sound; read as it is, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from controllers.store import schema as t
from controllers.store.chain import ChainEnd
from controllers.store.engine import Store, file_of
from controllers.store.migrations import HEAD, refuse_newer, version_of
from vpp.errors import StoreError

__all__ = ["LedgerFacts", "TableFacts", "columns_of", "driver_error", "faults_of", "ledger_facts", "one_line", "tables_of"]

#: By which time a table is told.
_TIMES: Final = {
    "readings": "measured_at",
    "latest": "measured_at",
    "minutes": "measured_at",
    "registers": "start",
    "forecasts": "issued_at",
    "plans": "made_at",
    "said": "at",
    "overrides": "asked_at",
    "events": "asked_at",
    "alarms": "raised_at",
    "audit": "at",
}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table.

    Args:
        name: Of it.
        rows: How many.
        first: Oldest of its times; None without any.
        last: Newest of them.
        size_bytes: On disk with its indices; None where the database does not say.
    """

    name: str
    rows: int
    first: datetime | None
    last: datetime | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """A ledger.

    Args:
        database: sqlite or postgresql.
        version: Of its tables; None: from before versions were written down.
        size_bytes: On disk.
        tables: Each.
    """

    database: str
    version: str | None
    size_bytes: int
    tables: tuple[TableFacts, ...]


def ledger_facts(engine: Engine) -> LedgerFacts:
    """Rows, spans and sizes.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with engine.connect() as connection:
            there = tables_of(connection)
            tables = tuple(_table_facts(connection, name) for name in there)
            return LedgerFacts(engine.dialect.name, version_of(connection), _whole_size(connection), tables)
    except SQLAlchemyError as error:
        raise StoreError(f"store: {one_line(error)}") from error


def faults_of(engine: Engine, kept: ChainEnd | None = None) -> Iterator[str]:
    """What is wrong with a ledger, one line for each fault: pages, tables, and the chain of the audit.

    Args:
        engine: Of the ledger.
        kept: An end of the chain that was copied earlier.

    Raises:
        StoreError: It cannot be read, or is of a newer program.
    """
    try:
        version = version_of(engine)
        refuse_newer(version)
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                told = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            yield from (f"database: {line}" for line in told if line != "ok")
        if version != HEAD:
            yield f"tables are of version {version or 'none'}, not of {HEAD}: the service brings them up when it starts"
            return
        yield from (f"tables: {line}" for line in _differences(engine))
    except SQLAlchemyError as error:
        yield f"database: {one_line(error)}"
        return
    store = Store(engine)
    yield from store.chain_faults()
    if kept is not None:
        yield from store.chain_faults(kept)


def tables_of(connection: Any) -> list[str]:
    """Ours, as far as they are there, in one order."""
    if isinstance(connection, Connection):
        there = set(inspect(connection).get_table_names())
    else:  # the driver's own
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return sorted(there & t.METADATA.tables.keys())


def columns_of(connection: Any, table: str) -> list[str]:
    """Names of the columns of a table of SQLite."""
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def driver_error(engine: Engine) -> type[Exception]:
    """What the driver raises where it is asked directly."""
    found: type[Exception] = engine.dialect.loaded_dbapi.Error
    return found


def one_line(error: BaseException) -> str:
    """What a database or the system has to say, without its many lines."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


def _table_facts(connection: Connection, name: str) -> TableFacts:
    table = t.METADATA.tables[name]
    at = table.c.get(_TIMES.get(name, ""))
    if at is None:
        rows, first, last = connection.scalar(select(func.count()).select_from(table)) or 0, None, None
    else:
        rows, first, last = connection.execute(select(func.count(), func.min(at), func.max(at)).select_from(table)).one()
    return TableFacts(name, rows, first, last, _size(connection, name))


def _size(connection: Connection, name: str) -> int | None:
    if connection.dialect.name == "postgresql":
        found = connection.scalar(text("SELECT pg_total_relation_size(CAST(:name AS regclass))"), {"name": name})
        return int(found)
    pages = (
        "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)"
    )
    try:
        return int(connection.scalar(text(pages), {"name": name}) or 0)
    except SQLAlchemyError:  # SQLite was built without it
        return None


def _whole_size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")))
    path = file_of(connection.engine.url)
    if path is None:
        return 0
    beside = (path.with_name(path.name + tail) for tail in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in beside if file.exists())


def _differences(engine: Engine) -> Iterator[str]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with closing(engine.connect()) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _ours})
        for found in compare_metadata(context, t.METADATA):
            yield " ".join(str(found).split())[:200]


def _ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Somebody else's tables in the same database are none of our business."""
    return kind != "table" or name in t.METADATA.tables
