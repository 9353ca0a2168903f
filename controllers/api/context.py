"""What every route of one application has at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, ParamSpec, TypeAlias, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import Request

from controllers.api.bell import Bell
from controllers.api.counts import RequestCounts
from controllers.api.door import Door
from controllers.api.ledger import Ledger
from controllers.api.ledger_facts import AlarmFacts
from controllers.api.live import LiveView
from controllers.api.stream import Hub
from controllers.api.unwritten import unwritten
from controllers.clock import Clock
from controllers.settings import Settings
from vpp.park import Park
from vpp.wire.messages import AskKind

__all__ = ["ParkOn", "Parts", "Present", "parts_of"]

P = ParamSpec("P")
T = TypeVar("T")

#: The park as it is on a day.
ParkOn: TypeAlias = Callable[[date], Park]

#: Threads that may wait for the store at once; of more requests the rest queue, and the loop stays free.
_THREADS: Final = 8
_BUS_S: Final = 5.0
#: An answer to "all that is live" is kept for so long; nobody sees ten changes a second.
_PRESENT_S: Final = 0.1


class Present:
    """All that is live, encoded once for everybody who asks within a tenth of a second.

    Args:
        live: The present.
        now: Park time.
    """

    def __init__(self, live: LiveView, now: Callable[[], datetime]) -> None:
        self._live, self._now = live, now
        self._bytes, self._until_s = b"", 0.0

    def encoded(self) -> bytes:
        """`LiveState` as JSON."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._until_s:
            self._bytes = msgspec.json.encode(self._live.state(self._now()))
            self._until_s = now_s + _PRESENT_S
        return self._bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one application.

    Args:
        settings: How the process runs.
        park: What is in service.
        ledger: What stands in the store.
        live: What comes over the bus.
        present: The same, encoded.
        clock: Park time.
        door: Who is let in; it runs on real time, whatever the park's speed.
        hub: Streams.
        bell: To the controller.
        counts: Of requests.
        park_on: The park as of a day, for accounts of the past.
        asking: Held while an ask is looked up and written, so that one sent twice at once is written once.
        accounting: Held while accounts are added up.
        nudge: Set when something was written, for who looks into the ledger.
        threads: How many may wait for the store at once; made in the loop that they belong to.
    """

    settings: Settings
    park: Park
    ledger: Ledger
    live: LiveView
    present: Present
    clock: Clock
    door: Door
    hub: Hub
    bell: Bell
    counts: RequestCounts
    park_on: ParkOn
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    accounting: asyncio.Lock = field(default_factory=asyncio.Lock)
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    threads: list[CapacityLimiter] = field(default_factory=list)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Runs what waits for a disk, or computes for long, beside the event loop."""
        if not self.threads:
            self.threads.append(CapacityLimiter(_THREADS))
        return await to_thread.run_sync(lambda: work(*args, **more), limiter=self.threads[0])

    async def alarms(self) -> tuple[AlarmFacts, ...]:
        """Those that stand or that nobody has seen, and that the ledger is not written, which it cannot say itself."""
        rows = await self.in_thread(self.ledger.alarms_open)
        more = unwritten(await self.in_thread(self.ledger.controller_health), self.live.controller_heard_at, self.clock.now())
        return rows if more is None else (more, *rows)

    def told(self, kind: AskKind, number: int) -> None:
        """Something was written: the controller is rung for, and those who follow the stream will see it."""
        self.bell.ring(kind, number)
        self.nudge.set()

    async def handed_over(self) -> None:
        """Returns when the broker has all that was posted.

        Raises:
            TimeoutError: It has not answered for some seconds.
        """
        async with asyncio.timeout(_BUS_S):
            await self.live.bus.flush()

    async def audited(self, who: str, action: str, subject: str, detail: str, outcome: str = "done") -> None:
        """Writes a line of the audit that belongs to no row of its own."""
        await self.in_thread(self.ledger.audit, who, action, subject, outcome, detail, self.clock.now())

    async def refused(self, who: str, address: str, method: str, path: str, why: str) -> None:
        """Writes that somebody was turned away; they are turned away also where that cannot be written."""
        try:
            await self.audited(who or address, f"{method} {path}"[:120], address, why, outcome="refused")
        except Exception:  # noqa: BLE001
            self.counts.refused.labels("unaudited").inc()

    @property
    def silent_after(self) -> timedelta:
        """After which the controller counts as gone: slow assets are renewed after half of two minutes."""
        return timedelta(minutes=2)


def parts_of(request: Request) -> Parts:
    """The parts of the application that a request came to."""
    parts: Parts = request.app.state.parts
    return parts
