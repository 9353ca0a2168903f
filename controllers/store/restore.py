"""A backup back into a ledger, in one transaction: all of it, or nothing has changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from controllers.store.backup import Manifest, opened_backup
from controllers.store.engine import APPLICATION, engine_of, file_of, open_store
from controllers.store.facts import columns_of, driver_error, one_line, tables_of
from controllers.store.migrations import migrate
from vpp.errors import StoreError

__all__ = ["restore"]

#: Tables whose rows are counted by the database.
_COUNTED: Final = ("overrides", "events", "asks", "alarms", "audit")
_IN_USE: Final = "store: the ledger is in use: stop the service first, and begin it again afterwards"


def restore(path: Path, url: str, *, replace: bool = False) -> Manifest:
    """Puts a backup into a ledger, whichever database either of them is on.

    Args:
        path: Of the backup.
        url: Of the ledger; made where there is none.
        replace: What is in it may go.

    Raises:
        StoreError: The backup is not whole, the ledger is in use, or it is not empty and may not be replaced.
    """
    with opened_backup(path, _room(url)) as (manifest, source):
        migrate(source)
        copy = str(source.url.database)
        source.dispose()
        open_store(url).close()
        engine = engine_of(url)
        try:
            if engine.dialect.name == "sqlite":
                _into_sqlite(engine, copy, replace=replace)
            else:
                _into_postgresql(engine, copy, replace=replace)
        except (SQLAlchemyError, OSError, sqlite3.Error, driver_error(engine)) as error:
            raise StoreError(f"store: nothing was restored: {one_line(error)}") from error
        finally:
            engine.dispose()
    return manifest


def _room(url: str) -> Path | None:
    engine = engine_of(url, make=True)
    engine.dispose()
    path = file_of(engine.url)
    return None if path is None else path.parent


def _into_sqlite(engine: Engine, copy: str, *, replace: bool) -> None:
    with closing(engine.raw_connection()) as held:
        driver: Any = held.driver_connection
        driver.isolation_level = None
        _alone(driver)
        driver.execute("ATTACH ? AS backup", (copy,))
        driver.execute("BEGIN IMMEDIATE")
        try:
            tables = tables_of(driver)
            _may_replace({name: driver.execute(f'SELECT count(*) FROM main."{name}"').fetchone()[0] for name in tables}, replace)
            for name in tables:
                listed = ", ".join(f'"{column}"' for column in columns_of(driver, name))
                driver.execute(f'DELETE FROM main."{name}"')
                driver.execute(f'INSERT INTO main."{name}" ({listed}) SELECT {listed} FROM backup."{name}"')
            driver.execute("COMMIT")
        except BaseException:
            driver.execute("ROLLBACK")
            raise
        finally:
            driver.execute("DETACH backup")
            driver.execute("PRAGMA journal_mode=WAL")


def _alone(driver: Any) -> None:
    """Only who is alone with a file may take it out of the mode that is for several."""
    try:
        driver.execute("PRAGMA busy_timeout=0")
        driver.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise StoreError(_IN_USE) from error


def _into_postgresql(engine: Engine, copy: str, *, replace: bool) -> None:
    with engine.begin() as connection, closing(sqlite3.connect(copy)) as source:
        _nobody_else(connection)
        tables = tables_of(connection)
        listed = ", ".join(f'"{name}"' for name in tables)
        connection.exec_driver_sql(f"LOCK TABLE {listed} IN ACCESS EXCLUSIVE MODE")
        counts = {name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar() or 0 for name in tables}
        _may_replace(counts, replace)
        connection.exec_driver_sql(f"TRUNCATE {listed}")
        for name in tables:
            _copied(connection, source, name)
        for name in _COUNTED:
            sequence = f"pg_get_serial_sequence('{name}', 'number')"
            connection.execute(text(f"SELECT setval({sequence}, coalesce(max(number), 0) + 1, false) FROM {name}"))


def _nobody_else(connection: Connection) -> None:
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name "
        "AND pid <> pg_backend_pid()"
    )
    if connection.scalar(text(others), {"name": APPLICATION}):
        raise StoreError(_IN_USE)


def _copied(connection: Connection, source: Any, name: str) -> None:
    columns = columns_of(source, name)
    listed = ", ".join(f'"{column}"' for column in columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{name}" ({listed}) FROM STDIN') as copy:
        for row in source.execute(f'SELECT {listed} FROM "{name}"'):
            copy.write_row(row)


def _may_replace(counts: dict[str, int], replace: bool) -> None:
    rows = {name: n for name, n in counts.items() if n}
    if rows and not replace:
        held = ", ".join(f"{name} {n}" for name, n in rows.items())
        raise StoreError(f"store: the ledger is not empty (rows: {held}): say --replace to lose what is in it")
