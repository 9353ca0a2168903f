"""Server-sent events: what has changed, to whoever listens, without ever holding anything up for one who listens slowly.

A follower's memory is bounded by two rules, one for each sort of news:

- **The latest counts** (assets and connections): of each only that it has changed is kept; when the follower is ready it gets
  the present, however much happened between. Nothing is queued.
- **The oldest goes first** (commands, acks, plans, events, overrides, alarms): up to `JOURNAL_MAX` wait; of more the oldest are
  dropped, and the follower is told how many by a `lost` event, after which it had better read the state anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from controllers.api.live import LiveView

__all__ = ["JOURNAL_MAX", "STATE_KINDS", "Follower", "Hub", "sse"]

JOURNAL_MAX: Final = 500
STATE_KINDS: Final = frozenset({"asset", "connection"})
#: A line now and then, so that proxies keep the connection and a dead one is found.
_HEARTBEAT_S: Final = 15.0
_HEARTBEAT: Final = b": still here\n\n"


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """How many events a follower was too slow for."""

    lost: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stream ends."""

    reason: str


def sse(event: str, data: bytes, number: int | None = None) -> bytes:
    """One event as it travels; JSON holds no line break, so one data line is enough."""
    head = b"" if number is None else b"id: %d\n" % number
    return b"event: %s\n%sdata: %s\n\n" % (event.encode(), head, data)


@dataclass(slots=True)
class Follower:
    """One open stream.

    Args:
        kinds: What it wants to hear of; None for everything.
        pace_s: Least time between two reports of state. [s]
    """

    kinds: Collection[str] | None
    pace_s: float
    changed: dict[str, set[str]] = field(default_factory=dict)
    journal: deque[tuple[int, str, bytes]] = field(default_factory=lambda: deque(maxlen=JOURNAL_MAX))
    lost: int = 0
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, kind: str) -> bool:
        """Whether it asked for this kind."""
        return self.kinds is None or kind in self.kinds

    def note(self, number: int, kind: str, data: bytes) -> None:
        """Takes a journal event; a full journal lets its oldest go."""
        if len(self.journal) == JOURNAL_MAX:
            self.lost += 1
        self.journal.append((number, kind, data))
        self.woken.set()


class Hub:
    """Hands news to followers.

    Args:
        live: The present.
        now: Park time.
        most: Streams open at once.
    """

    def __init__(self, live: LiveView, now: Callable[[], datetime], most: int) -> None:
        self._live, self._now, self._most = live, now, most
        self._open: list[Follower] = []
        self._number = 0
        self.lost = 0
        live.on_news = self.news

    @property
    def followers(self) -> int:
        """Streams that are open."""
        return len(self._open)

    def news(self, kind: str, subject: str, what: msgspec.Struct) -> None:
        """Something has changed or happened; never waits."""
        if not self._open:
            return
        if kind in STATE_KINDS:
            for follower in self._open:
                if follower.wants(kind):
                    # The first change wakes it; what comes before it has looked is taken along.
                    if not follower.changed:
                        follower.woken.set()
                    follower.changed.setdefault(kind, set()).add(subject)
            return
        self._number += 1
        data = msgspec.json.encode({"id": subject, kind: what})
        for follower in self._open:
            if follower.wants(kind):
                follower.note(self._number, kind, data)

    def has_room(self) -> bool:
        """Whether one more may follow."""
        return len(self._open) < self._most

    async def follow(self, follower: Follower, until: Callable[[], float | None]) -> AsyncIterator[bytes]:
        """The bytes of one stream: the whole state first, then what changes.

        Args:
            follower: Who listens.
            until: Seconds that are left to the credential it was opened with; None for one without an end.
        """
        loop = asyncio.get_running_loop()
        self._open.append(follower)
        try:
            yield sse("state", msgspec.json.encode(self._live.state(self._now())))
            told_s = loop.time()
            while True:
                left_s = until()
                if left_s is not None and left_s <= 0.0:
                    yield sse("end", msgspec.json.encode(Ended(reason="the key or token this stream was opened with has ended")))
                    return
                for part in self._journal(follower):
                    yield part
                wait_s = _HEARTBEAT_S if left_s is None else min(_HEARTBEAT_S, left_s)
                if follower.changed:
                    due_s = told_s + follower.pace_s - loop.time()
                    if due_s <= 0.0:
                        told_s = loop.time()
                        for part in self._states(follower):
                            yield part
                        continue
                    wait_s = min(wait_s, due_s)
                if not await _woken(follower, wait_s) and wait_s == _HEARTBEAT_S:
                    yield _HEARTBEAT
        finally:
            self._open.remove(follower)

    def _journal(self, follower: Follower) -> Iterator[bytes]:
        if follower.lost:
            self.lost += follower.lost
            yield sse("lost", msgspec.json.encode(Lost(lost=follower.lost)))
            follower.lost = 0
        while follower.journal:
            number, kind, data = follower.journal.popleft()
            yield sse(kind, data, number)

    def _states(self, follower: Follower) -> Iterator[bytes]:
        """The present of everything that has changed since the last time, all of a kind in one event."""
        changed, follower.changed = follower.changed, {}
        at = self._now()
        if names := changed.get("asset"):
            yield sse("assets", msgspec.json.encode([self._live.asset(name, at) for name in sorted(names)]))
        if names := changed.get("connection"):
            rows = [row for row in self._live.connections(at) if row.id in names]
            yield sse("connections", msgspec.json.encode(rows))


async def _woken(follower: Follower, wait_s: float) -> bool:
    """Whether a journal event came within the time; changes of state wait for their pace anyway."""
    follower.woken.clear()
    if follower.journal:
        return True
    try:
        async with asyncio.timeout(wait_s):
            await follower.woken.wait()
    except TimeoutError:
        return False
    return True
