"""What people and the grid have asked by way of the ledger: read on the doorbell and every few seconds, answered there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from controllers.bus.base import Bus
from controllers.dispatch.events import judge
from controllers.loops.inbox import Inbox
from controllers.loops.ticks import Wakes
from controllers.store.rows import EventRow, OverrideRow
from controllers.supervisor import Trouble, no_trouble
from vpp.errors import PlanError, StoreError
from vpp.events import Override, Pin, PinLocal, PinOut, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.wire.codec import decode
from vpp.wire.messages import Ask, GridEvent
from vpp.wire.topics import Channel, filter_of

__all__ = ["AskDesk", "AskStore", "LOOK_EVERY", "listen", "next_state", "run_asks"]

log = structlog.get_logger(__name__)

#: A lost bell costs so long.
LOOK_EVERY: Final = timedelta(seconds=5)
_OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
#: Import is within its target if it misses it by no more than this. [MW]
_NEAR_MW: Final = 1.0


class AskStore(Protocol):
    """The part of the ledger that is needed here."""

    def overrides_open(self, at: datetime) -> tuple[OverrideRow, ...]:
        """Those that stand or are still to come."""
        ...

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span."""
        ...

    def set_event_state(self, number: int, state: str, reason: str, at: datetime) -> None:
        """What the controller makes of it."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """How well an event's target was kept so far, look by look."""

    looks: int = 0
    inside: int = 0

    def seen(self, inside: bool) -> _Kept:
        return _Kept(self.looks + 1, self.inside + inside)

    def __str__(self) -> str:
        return f"target kept in {self.inside} of {self.looks} looks" if self.looks else "nobody looked while it ran"


@dataclass(slots=True)
class AskDesk:
    """Carries asks into the snapshot, and the life of events back into the ledger.

    Args:
        park: Whose assets and connections.
        store: The ledger; it is asked in a thread, never on the loop.
        inbox: Where overrides and events go.
        replan: Called when something new binds.
        now: Park time.
        trouble: Told when the ledger cannot be read.
    """

    park: Park
    store: AskStore
    inbox: Inbox
    replan: Callable[[], None]
    now: Callable[[], datetime]
    trouble: Trouble = no_trouble
    _overrides: tuple[Override, ...] = ()
    _revisions: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _kept: dict[str, _Kept] = field(default_factory=dict)

    async def look(self) -> None:
        """Once: reads, books what is new, writes back what has changed."""
        at = self.now()
        try:
            overrides = await asyncio.to_thread(self.store.overrides_open, at)
            events = await asyncio.to_thread(self.store.events, at - timedelta(hours=1), None)
        except StoreError as error:
            log.error("asks.unread", reason=str(error))  # noqa: TRY400  one line says it all
            self.trouble("asks.unread", f"orders of people cannot be read: {error}")
            return
        self._decide(overrides)
        for row in events:
            await self._live(row, at)

    def _decide(self, rows: Iterable[OverrideRow]) -> None:
        decided = tuple(self._override(row) for row in rows)
        known = tuple(override for override in decided if override is not None)
        if known != self._overrides:
            self._overrides = known
            self.inbox.decided(known)
            log.info("overrides.changed", overrides=len(known))
            self.replan()

    def _override(self, row: OverrideRow) -> Override | None:
        """None for what cannot be: the API refuses such a row, but a ledger may be written by others."""
        pins: dict[str, Pin] = {
            "local": PinLocal(),
            "maintenance": PinOut(),
            "pin": PinPower(0.0 if row.power_mw is None else row.power_mw),
        }
        if row.kind not in pins or all(asset.id != row.asset_id for asset in self.park.assets):
            log.warning("override.unknown", number=row.number, kind=row.kind, asset_id=row.asset_id)
            return None
        try:
            return Override(
                AssetId(row.asset_id), pins[row.kind], row.start, row.end, row.who, row.why, row.asked_at, row.asked_at
            )
        except PlanError as error:
            log.warning("override.unknown", number=row.number, reason=str(error))
            return None

    async def _live(self, row: EventRow, at: datetime) -> None:
        """Books an event once a revision, and moves it on in its life."""
        refused = self._booked(row, at)
        moved = next_state(row, refused, at, str(self._kept.get(row.event_id, _Kept())))
        if row.state == "running":
            import_mw = self.inbox.snapshot(at).import_mw.get(ConnectionId(row.connection))
            if import_mw is not None:
                before = self._kept.get(row.event_id, _Kept())
                self._kept[row.event_id] = before.seen(_is_inside(row, import_mw))
        if moved is None:
            return
        state, reason = moved
        log.info("event.state", event_id=row.event_id, state=state, reason=reason)
        try:
            await asyncio.to_thread(self.store.set_event_state, row.number, state, reason, at)
        except StoreError as error:
            log.error("event.state_unwritten", event_id=row.event_id, reason=str(error))  # noqa: TRY400  one line

    def _booked(self, row: EventRow, at: datetime) -> str | None:
        """Why it is refused; None if it is kept in mind."""
        cancelled = row.state == "cancelled"
        said = GridEvent(
            event_id=row.event_id,
            revision=row.revision,
            kind=row.kind,  # type: ignore[arg-type]  # the API takes no other
            target_mw=row.target_mw,
            start=row.start,
            end=row.end,
            issued_at=row.asked_at,
            priority=row.priority,
            cancelled=cancelled,
        )
        connection = ConnectionId(row.connection)
        refused = judge(self.park, said, connection, min(at, row.end - timedelta(microseconds=1)))
        if self._revisions.get(row.event_id) != (row.revision, cancelled):
            self._revisions[row.event_id] = (row.revision, cancelled)
            if refused is None and (at < row.end or cancelled):
                self.inbox.called(connection, said)
                self.replan()
        return None if refused is None else refused.text


def next_state(row: EventRow, refused: str | None, at: datetime, kept: str) -> tuple[str, str] | None:
    """Where an event goes from where it is, and why; None if it stays. Pure.

    Args:
        row: As it stands.
        refused: Why it cannot be kept; None if it can.
        at: Now.
        kept: What became of it, in words.
    """
    if row.state in _OVER:
        return None
    if refused is not None and row.state != "running":
        return "refused", refused
    if row.state in ("received", "assessed"):
        return "accepted", "taken into plan and dispatch"
    if row.state == "accepted" and at >= row.start:
        return "running", f"binds since {row.start.isoformat()}"
    if row.state == "running" and at >= row.end:
        return "delivered", kept
    return None


def _is_inside(row: EventRow, import_mw: float) -> bool:
    if row.kind in ("valley", "export_limit"):
        return import_mw >= row.target_mw - _NEAR_MW
    return import_mw <= row.target_mw + _NEAR_MW


def listen(bus: Bus, park: str, wakes: Wakes) -> None:
    """The doorbell: whoever rings, the ledger says what is new."""

    def rung(topic: str, payload: bytes) -> None:
        wakes.bell.ring()
        decode(Ask, topic, payload)  # what is malformed is counted, as everywhere

    bus.subscribe(filter_of(park, Channel.ASK), rung)


async def run_asks(ticks: AsyncIterator[datetime], desk: AskDesk) -> None:
    """The loop: look at once, then on the bell and every few seconds."""
    await desk.look()
    async for _ in ticks:
        await desk.look()
