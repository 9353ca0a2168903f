"""API keys: 256 random bits each, of which only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from datetime import datetime
from typing import Final, Protocol

import msgspec

from controllers.api.roles import Caller, Role
from vpp.errors import AccessError

__all__ = ["KEY_PREFIX", "KeyBook", "KeyRecord", "Memory"]

KEY_PREFIX: Final = "vpp_"
_KEPT_UNDER: Final = "api.keys"
_SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"vpp_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Memory(Protocol):
    """Where small things outlive the process; the store."""

    def remember(self, key: str, value: bytes) -> None:
        """Keeps a value under a name; on disk when it returns."""
        ...

    def recall(self, key: str) -> bytes | None:
        """What is kept under a name; None for nothing."""
        ...


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret.

    Args:
        id: Its public part.
        name: Whom it was made for.
        role: What it may do.
        cluster: For a scheduler: the cluster it speaks for.
        sha256: Of the whole key, hexadecimal.
        created_at: When (UTC).
        created_by: By whom.
        expires_at: From when it is worth nothing; None: until revoked.
        revoked_at: When it was taken back; None while it holds.
    """

    id: str
    name: str
    role: Role
    cluster: str | None = None
    sha256: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it opens anything at an instant."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class KeyBook:
    """All keys; written by the API process alone.

    Args:
        memory: Where they are kept.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory, self._lock = memory, threading.Lock()
        kept = memory.recall(_KEPT_UNDER)
        rows = msgspec.json.decode(kept, type=list[KeyRecord]) if kept else []
        self._keys = {row.id: row for row in rows}

    def all(self) -> tuple[KeyRecord, ...]:
        """Every key that was ever made, oldest first."""
        return tuple(self._keys.values())

    def get(self, key_id: str) -> KeyRecord | None:
        """The key with that public part."""
        return self._keys.get(key_id)

    def create(
        self, name: str, role: Role, *, by: str, at: datetime, cluster: str | None = None, expires_at: datetime | None = None
    ) -> tuple[str, KeyRecord]:
        """A new key and its record; the key itself is shown this once and kept nowhere.

        Raises:
            AccessError: A scheduler without a cluster, or another role with one.
        """
        if (role is Role.SCHEDULER) != (cluster is not None):
            raise AccessError(f"role {role}, cluster {cluster}: a scheduler's key names its cluster, and no other key does")
        key_id = secrets.token_hex(6)
        text = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        record = KeyRecord(
            id=key_id,
            name=name,
            role=role,
            cluster=cluster,
            sha256=_digest(text),
            created_at=at,
            created_by=by,
            expires_at=expires_at,
        )
        self._keep(record)
        return text, record

    def revoke(self, key_id: str, at: datetime) -> KeyRecord | None:
        """Takes a key back, and with it every token that was got by it; None if there is no such key."""
        record = self._keys.get(key_id)
        if record is None or record.revoked_at is not None:
            return record
        record = msgspec.structs.replace(record, revoked_at=at)
        self._keep(record)
        return record

    def caller(self, text: str, at: datetime) -> Caller:
        """Whose key this is.

        Raises:
            AccessError: Nobody's, or no longer.
        """
        shape = _SHAPE.fullmatch(text)
        record = self._keys.get(shape.group(1)) if shape else None
        # Compared in constant time, and only against what the key itself names.
        if record is None or not hmac.compare_digest(record.sha256, _digest(text)):
            raise AccessError("this key is unknown")
        if not record.holds(at):
            raise AccessError(f"key {record.id} of {record.name} is {'revoked' if record.revoked_at else 'expired'}")
        until_s = None if record.expires_at is None else record.expires_at.timestamp()
        return Caller(record.name, record.role, record.cluster, f"key:{record.id}", until_s)

    def _keep(self, record: KeyRecord) -> None:
        with self._lock:
            keys = {**self._keys, record.id: record}
            self._memory.remember(_KEPT_UNDER, msgspec.json.encode(list(keys.values())))
            self._keys = keys


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
