"""What the VTN keeps: objects of the specification and the calls behind them, in memory and on disk at once.

The process is the only one that writes, so the memory is the truth of every read; a write is on disk when it returns.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from controllers.adapters.openadr3.words import ObjectType
from vpp.errors import StoreError

__all__ = ["ObjectBook", "Record", "new_id", "stamp"]

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS objects (kind TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (kind, id))"
)
#: Types that show whose they are.
_OWNED: Final = frozenset({"REPORT", "SUBSCRIPTION", "VEN", "RESOURCE"})


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One object.

    Args:
        kind: Which type.
        id: Made here.
        owner: The client it belongs to: of a VEN and its resources the VEN's client, of all others who made it.
        created: When, as it is shown.
        modified: Likewise.
        body: As it is shown, without what stands above.
        calls: Names of the calls on the park that it stands for.
        pending: Written before the park was called, and not yet answered.
        over: Nothing more will be reported on it.
        baselines: Declared power by meter, a connection's or a cluster's, as `(start, mw)` rows, as of before the call.
        key: By which a repeated request is known again.
    """

    kind: ObjectType
    id: str
    owner: str
    created: str
    modified: str
    body: dict[str, Any]
    calls: tuple[str, ...] = ()
    pending: bool = False
    over: bool = False
    baselines: dict[str, list[tuple[datetime, float]]] = {}
    key: str = ""

    def shown(self) -> dict[str, Any]:
        """As the specification has it."""
        head = {
            "id": self.id,
            "createdDateTime": self.created,
            "modificationDateTime": self.modified,
            "objectType": self.kind,
        }
        owned = {"clientID": self.owner} if self.kind in _OWNED else {}
        return {**self.body, **owned, **head}


class ObjectBook:
    """All objects.

    Args:
        path: Of the file.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            # What was answered is on disk also when the power fails.
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(_TABLE)
            rows = self._file.execute("SELECT record FROM objects ORDER BY rowid").fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"openadr: {path.name}: {error}") from error
        self._records: dict[tuple[str, str], Record] = {}
        for (blob,) in rows:
            record = msgspec.msgpack.decode(blob, type=Record)
            self._records[record.kind, record.id] = record

    def close(self) -> None:
        """Lets go of the file once a write that is under way is done: closed under it, the library takes the process down."""
        with self._lock:
            self._file.close()

    def all(self, kind: ObjectType) -> list[Record]:
        """Every one of a type, oldest first."""
        return [record for (k, _), record in self._records.items() if k == kind]

    def get(self, kind: ObjectType, object_id: str) -> Record | None:
        """The one with that id."""
        return self._records.get((kind, object_id))

    def put(self, *records: Record) -> None:
        """Writes some, all or none.

        Raises:
            StoreError: The disk does not take it; nothing has changed.
        """
        rows = [(record.kind, record.id, msgspec.msgpack.encode(record)) for record in records]
        with self._transaction() as file:
            file.executemany(
                "INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET record = excluded.record", rows
            )
            self._records |= {(record.kind, record.id): record for record in records}

    def drop(self, *records: Record) -> None:
        """Forgets some, all or none.

        Raises:
            StoreError: See `put`.
        """
        with self._transaction() as file:
            file.executemany("DELETE FROM objects WHERE kind = ? AND id = ?", [(record.kind, record.id) for record in records])
            for record in records:
                self._records.pop((record.kind, record.id), None)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._file, self._lock)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())


class _Transaction:
    def __init__(self, file: sqlite3.Connection, lock: threading.Lock) -> None:
        self._file, self._lock = file, lock

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            self._file.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock.release()
            raise StoreError(f"openadr: {error}") from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            self._file.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as failed:
            raise StoreError(f"openadr: {failed}") from failed
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"openadr: {error}") from error


def stamp(at: datetime) -> str:
    """An instant as it is shown."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """An object's id."""
    return uuid4().hex
