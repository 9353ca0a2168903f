"""Opens the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from controllers.store.asks import Alarms, Asks, Audits
from controllers.store.journal import Journal
from controllers.store.readings import Readings
from controllers.store.said import SaidRows
from controllers.store.schema import METADATA
from vpp.errors import StoreError

__all__ = ["Store", "open_store"]

#: What a second process waits for the first one's transaction.
_BUSY_MS: Final = 5_000
#: Each failed one means that somebody else has made one more of the tables.
_ATTEMPTS: Final = 2 * len(METADATA.tables)
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
    """The ledger at a URL, its tables made where they are missing.

    Raises:
        StoreError: It cannot be opened; one line that never shows a password.
    """
    try:
        where = make_url(url)
        if where.get_backend_name() == "sqlite" and where.database not in (None, "", ":memory:"):
            Path(str(where.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(where)
        if where.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _prepare)
        _make_tables(engine)
    except (SQLAlchemyError, OSError, ImportError, ValueError) as error:
        cause = getattr(error, "orig", None) or error
        shown = url.partition("://")[0]
        raise StoreError(f"store ({shown}): cannot be opened: {' '.join(str(cause).split())[:200]}") from error
    return Store(engine)


def _make_tables(engine: Engine) -> None:
    """Tables where they are missing; controller and API may come to a new file in the same moment, each making some of them."""
    for attempt in range(_ATTEMPTS):
        try:
            METADATA.create_all(engine)
        except OperationalError as error:
            if attempt == _ATTEMPTS - 1 or "already exists" not in str(error.orig):
                raise
        else:
            return


def _prepare(connection: Any, _record: Any) -> None:
    """Pragmas are per connection."""
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
