"""Commands with their reasons, and what devices answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from controllers.store import schema as t
from controllers.store.asks import Transactions
from controllers.store.rows import SaidRow
from vpp.errors import StoreError
from vpp.wire.messages import Ack, Command, HeatStart

__all__ = ["SaidRows"]

#: A command that only renews a lease is not news; what is news is kept for so long.
SAID_KEPT: Final = timedelta(days=90)
_FORGET_EVERY: Final = timedelta(hours=1)


class SaidLike(Protocol):
    """What passed on the wire."""

    @property
    def asset_id(self) -> str:
        """To or from whom."""
        ...

    @property
    def message(self) -> Command | Ack:
        """What."""
        ...

    @property
    def at(self) -> datetime:
        """When, in park time."""
        ...


class SaidRows(Transactions):
    """The journal of commands and acks.

    Args:
        engine: Of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._last: dict[tuple[str, str], Command] = {}
        self._renewals: dict[str, tuple[int, int]] = {}
        self._forgot_at: datetime | None = None

    def save_said(self, rows: Iterable[SaidLike]) -> None:
        """Keeps what is news: a command that differs from the one before, and its ack; every clamp and every refusal."""
        before = dict(self._last), dict(self._renewals)
        try:
            self._save(rows)
        except StoreError:
            # What was not written is news again when it is tried again.
            self._last, self._renewals = before
            raise

    def _save(self, rows: Iterable[SaidLike]) -> None:
        given: list[dict[str, Any]] = [
            {
                "asset_id": row.asset_id,
                "word": "ack" if isinstance(row.message, Ack) else "command",
                "epoch": row.message.epoch,
                "seq": row.message.seq,
                "at": row.at,
                "message": msgspec.json.encode(row.message),
            }
            for row in rows
            if self._is_news(row.asset_id, row.message)
        ]
        if not given:
            return
        newest: datetime = max(row["at"] for row in given)
        with self._begin() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            connection.execute(insert(t.SAID).on_conflict_do_nothing(), given)
            if self._forgot_at is None or newest - self._forgot_at >= _FORGET_EVERY:
                connection.execute(delete(t.SAID).where(t.SAID.c.at < newest - SAID_KEPT))
                self._forgot_at = newest

    def said(self, asset_id: str, start: datetime, end: datetime) -> tuple[SaidRow, ...]:
        """What was said to an asset and by it, in order."""
        at = t.SAID.c.at
        mine = select(t.SAID).where(t.SAID.c.asset_id == asset_id, at >= start, at < end)
        with self._begin() as connection:
            rows = connection.execute(mine.order_by(at, t.SAID.c.seq, t.SAID.c.word.desc())).mappings()
            return tuple(SaidRow(**row) for row in rows)

    def _is_news(self, asset_id: str, message: Command | Ack) -> bool:
        order = message.epoch, message.seq
        if isinstance(message, Ack):
            return message.outcome != "accepted" or self._renewals.get(asset_id) != order
        part = message.command.furnace if isinstance(message.command, HeatStart) else ""
        last = self._last.get((asset_id, part))
        self._last[asset_id, part] = message
        if last is not None and (last.command, last.plan_id, last.reason) == (message.command, message.plan_id, message.reason):
            self._renewals[asset_id] = order
            return False
        return True
