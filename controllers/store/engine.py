"""Opens the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from controllers.store.asks import Alarms, Asks, Audits
from controllers.store.journal import Journal
from controllers.store.migrations import migrate
from controllers.store.readings import Readings
from controllers.store.said import SaidRows
from vpp.errors import StoreError

__all__ = ["APPLICATION", "Store", "engine_of", "file_of", "open_store"]

#: Under this name our connections are known to PostgreSQL.
APPLICATION: Final = "vpp-ledger"

#: What a second process waits for the first one's transaction.
_BUSY_MS: Final = 5_000
#: A server that does not answer is away, and is asked again later: the thread that writes must not hang on it. [s, s, ms]
_POSTGRES: Final = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 10_000, "application_name": APPLICATION}
#: Per connection. FULL: what was answered is on disk also when the power fails, not only when the process does.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON")


class Store(Asks, Alarms, Audits, Journal, Readings, SaidRows):
    """The ledger of one park; methods may be called from any thread."""

    @property
    def engine(self) -> Engine:
        """Of SQLAlchemy."""
        return self._engine

    def check(self) -> None:
        """Asks the database for a sign of life.

        Raises:
            StoreError: There is none.
        """
        self.recall("check")

    def close(self) -> None:
        """Lets go of every connection."""
        self._engine.dispose()


def open_store(url: str) -> Store:
    """The ledger at a URL, made where it is missing and brought to this program's version where it is older.

    Raises:
        StoreError: It cannot be opened, or a newer program has written it; one line that never shows a password.
    """
    engine = engine_of(url, make=True)
    try:
        migrate(engine)
    except (SQLAlchemyError, OSError, ValueError) as error:
        engine.dispose()
        raise _cannot_be_opened(url, error) from error
    except StoreError:
        engine.dispose()
        raise
    return Store(engine)


def engine_of(url: str, *, make: bool = False) -> Engine:
    """A hand on the database at a URL, whatever is in it.

    Args:
        url: As SQLAlchemy takes it.
        make: A new file where there is none; else that is an error.

    Raises:
        StoreError: The URL or the file is none.
    """
    try:
        where = make_url(url)
        path = file_of(where)
        if path is not None and make:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif path is not None and not path.is_file():
            raise StoreError(f"store (sqlite): {path}: no such file; the service's ledger is vpp.sqlite3 in its state folder")
        if where.get_backend_name() == "sqlite":
            engine = create_engine(where)
            event.listen(engine, "connect", _prepare)
            return engine
        # A connection that died with its server is found out before it is used.
        return create_engine(where, pool_pre_ping=True, connect_args={k: v for k, v in _POSTGRES.items() if k not in where.query})
    except (SQLAlchemyError, OSError, ImportError, ValueError) as error:
        raise _cannot_be_opened(url, error) from error


def file_of(where: URL) -> Path | None:
    """The file of a ledger on SQLite; None for one that is none."""
    named = where.get_backend_name() == "sqlite" and where.database not in (None, "", ":memory:")
    return Path(str(where.database)) if named else None


def _cannot_be_opened(url: str, error: Exception) -> StoreError:
    cause = getattr(error, "orig", None) or error
    shown = url.partition("://")[0]
    return StoreError(f"store ({shown}): cannot be opened: {' '.join(str(cause).split())[:200]}")


def _prepare(connection: Any, _record: Any) -> None:
    """Pragmas are per connection."""
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
