"""What an edge keeps through outages and its own restarts: readings not yet sent, the lease, what is armed."""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from controllers.edge.lease import Lease
from vpp.errors import AssetError
from vpp.wire.messages import Arm, Command

__all__ = ["Buffer", "DiskKeep", "Keep", "MemoryBuffer", "MemoryKeep"]

log = logging.getLogger(__name__)

#: Readings that fit into memory while the disk takes none: an hour at one a second.
_SPARE: Final = 3_600
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS reading (number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
#: Further back than any lease and tail reach.
_LONG_AGO_S: Final = 1e9


_KindT = TypeVar("_KindT", bound=msgspec.Struct)


class Buffer(Protocol):
    """Readings in the order they came; bounded, the oldest go first."""

    def __len__(self) -> int:
        """How many wait."""
        ...

    def put(self, payload: bytes) -> int:
        """Takes one; tells how many were lost for it."""
        ...

    def first(self, n: int) -> list[bytes]:
        """The oldest, which stay."""
        ...

    def drop(self, n: int) -> None:
        """Forgets the oldest."""
        ...


class Keep(Protocol):
    """What an edge keeps."""

    @property
    def buffer(self) -> Buffer:
        """Readings that wait for the bus."""
        ...

    def lease(self, now_s: float) -> Lease:
        """The lease that was held, on a monotonic clock that reads `now_s`; long over if the machine has restarted since."""
        ...

    def arm(self) -> Arm | None:
        """What was armed."""
        ...

    def remember_lease(self, lease: Lease) -> None:
        """After each command that acts."""
        ...

    def remember_arm(self, arm: Arm) -> None:
        """After each arming."""
        ...


class MemoryBuffer:
    """A buffer that ends with the process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, payload: bytes) -> int:
        """Takes one; tells how many were lost for it."""
        lost = len(self._waiting) >= self._size
        if lost:
            self._waiting.popleft()
        self._waiting.append(payload)
        return int(lost)

    def first(self, n: int) -> list[bytes]:
        """The oldest, which stay."""
        return list(islice(self._waiting, n))

    def drop(self, n: int) -> None:
        """Forgets the oldest."""
        for _ in range(min(n, len(self._waiting))):
            self._waiting.popleft()


class MemoryKeep:
    """Forgets everything with the process: for simulated devices."""

    def __init__(self, size: int) -> None:
        self.buffer: Buffer = MemoryBuffer(size)

    def lease(self, now_s: float) -> Lease:  # noqa: ARG002  Protocol
        """None was held."""
        return Lease()

    def arm(self) -> Arm | None:
        """Nothing was armed."""
        return None

    def remember_lease(self, lease: Lease) -> None:
        """Nothing to do."""

    def remember_arm(self, arm: Arm) -> None:
        """Nothing to do."""


class _KeptLease(msgspec.Struct, frozen=True):
    boot_id: str
    received_s: float
    last_seq: tuple[tuple[int, int], ...]
    held: Command


class DiskKeep:
    """One SQLite file beside the device; survives kill -9, and a full disk costs readings, never the edge.

    Args:
        path: The file.
        size: Readings it holds.
        boot_id: Of the machine's present run: a monotonic clock means something only within one.

    Raises:
        AssetError: The file cannot be opened, or is no such file.
    """

    def __init__(self, path: Path, size: int, boot_id: str) -> None:
        self._boot_id = boot_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise AssetError(f"{path}: {error}; give a state_dir that can be written, or delete a damaged file") from error
        self.buffer: Buffer = _DiskBuffer(self._db, size)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def lease(self, now_s: float) -> Lease:
        """The lease that was held; long over if the machine has restarted since, since nobody knows for how long it was off."""
        kept = self._recall("lease", _KeptLease)
        if kept is None:
            return Lease()
        here = kept.boot_id == self._boot_id and kept.boot_id != ""
        return Lease(kept.held, kept.received_s if here else now_s - _LONG_AGO_S, kept.last_seq)

    def arm(self) -> Arm | None:
        """What was armed."""
        return self._recall("arm", Arm)

    def remember_lease(self, lease: Lease) -> None:
        """After each command that acts."""
        if lease.held is not None:
            self._remember("lease", _KeptLease(self._boot_id, lease.received_s, lease.last_seq, lease.held))

    def remember_arm(self, arm: Arm) -> None:
        """After each arming."""
        self._remember("arm", arm)

    def _remember(self, name: str, value: msgspec.Struct) -> None:
        try:
            self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, msgspec.json.encode(value)))
        except sqlite3.Error as error:
            log.warning("edge.not_kept what=%s error=%s", name, error)

    def _recall(self, name: str, kind: type[_KindT]) -> _KindT | None:
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else msgspec.json.decode(row[0], type=kind)
        except msgspec.DecodeError as error:
            log.warning("edge.not_recalled what=%s error=%s", name, error)
            return None


class _DiskBuffer:
    """Readings in a table; while the disk takes none they go to memory, an hour of them."""

    def __init__(self, db: sqlite3.Connection, size: int) -> None:
        self._db, self._size, self._spare = db, size, MemoryBuffer(_SPARE)
        self._stored = int(db.execute("SELECT count(*) FROM reading").fetchone()[0])

    def __len__(self) -> int:
        return self._stored + len(self._spare)

    def put(self, payload: bytes) -> int:
        """Takes one; tells how many were lost for it."""
        lost = 0
        try:
            if self._stored >= self._size:
                lost = self._forget(self._stored - self._size + 1)
            self._db.execute("INSERT INTO reading (payload) VALUES (?)", (payload,))
        except sqlite3.Error as error:
            if not len(self._spare):
                log.warning("edge.disk_takes_nothing kept_in_memory=%d error=%s", _SPARE, error)
            return lost + self._spare.put(payload)
        self._stored += 1
        return lost

    def first(self, n: int) -> list[bytes]:
        """The oldest, which stay."""
        rows = self._db.execute("SELECT payload FROM reading ORDER BY number LIMIT ?", (n,)).fetchall()
        return [row[0] for row in rows] + self._spare.first(n - len(rows))

    def drop(self, n: int) -> None:
        """Forgets the oldest."""
        self._spare.drop(n - self._forget(min(n, self._stored)))

    def _forget(self, n: int) -> int:
        oldest = "SELECT number FROM reading ORDER BY number LIMIT ?"
        gone = self._db.execute(f"DELETE FROM reading WHERE number IN ({oldest})", (n,)).rowcount if n > 0 else 0
        self._stored -= gone
        return gone
