"""From one version of the ledger to the next, in order, whole or not at all, by one process at a time.

A version is a script in `versions/`, run by Alembic. A ledger from before versions were written down has the tables of the
first: that script makes what is missing and leaves what is there, and with that it is adopted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, inspect, text

from vpp.errors import StoreError

__all__ = ["FIRST", "HEAD", "SCRIPTS", "migrate", "refuse_newer", "version_of"]

FIRST: Final = "0001"
#: What this program writes; the newest script's.
HEAD: Final = "0005"
SCRIPTS: Final = Path(__file__).parent

_VERSION_TABLE: Final = "alembic_version"
#: A large ledger takes its time; who comes meanwhile waits for it.
_PATIENCE_MS: Final = 600_000
#: Of PostgreSQL's advisory locks; any number, as long as nobody else in this database uses it.
_LOCK: Final = 7_163_402_115
#: Alembic keeps what its scripts speak to in one place of the process.
_ONE_AT_A_TIME: Final = threading.Lock()


def version_of(where: Engine | Connection) -> str | None:
    """The version of a ledger; None where none is written down: a new one, or one from before there were versions."""
    if not inspect(where).has_table(_VERSION_TABLE):
        return None
    query = text(f"SELECT version_num FROM {_VERSION_TABLE}")
    if isinstance(where, Connection):
        found = where.execute(query).scalar()
    else:
        with where.connect() as connection:
            found = connection.execute(query).scalar()
    return None if found is None else str(found)


def migrate(engine: Engine, to: str = HEAD) -> None:
    """Brings a ledger to a version; does nothing if it is there.

    Raises:
        StoreError: It is of a version that this program does not know.
    """
    refuse_newer(version_of(engine))
    if version_of(engine) == to:
        return
    with _ONE_AT_A_TIME, _alone(engine) as connection:
        _upgrade(connection, to)


def refuse_newer(version: str | None, name: str = "the ledger") -> None:
    """Nobody writes into, or reads out of, what a newer program has made.

    Raises:
        StoreError: It is of a version that this program does not know.
    """
    if version is not None and (not version.isdecimal() or not int(FIRST) <= int(version) <= int(HEAD)):
        raise StoreError(
            f"store: {name} is of version {version}, this program knows {FIRST} to {HEAD}: "
            "run the newer program, or restore a backup that was made before it"
        )


def _upgrade(connection: Connection, to: str) -> None:
    # Most processes find a ledger that is up to date and need none of this.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    # What was done while this one waited for its turn is not done again.
    refuse_newer(version_of(connection))
    script = ScriptDirectory(str(SCRIPTS))

    def steps(heads: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs(to, heads)  # noqa: SLF001  as Alembic's own `command.upgrade` does

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """One transaction that nobody else writes beside: all of it or nothing."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection
        return
    # The driver opens a transaction before data is changed, not before tables are: it is opened here.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waits_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_PATIENCE_MS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={waits_ms}")
