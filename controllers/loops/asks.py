"""What people and the grid have asked by way of the ledger: read on the doorbell and every few seconds, answered there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeAlias

import structlog

from controllers.bus.base import Bus
from controllers.dispatch.events import judge
from controllers.flexibility.assess import ALWAYS_TAKEN, Verdict
from controllers.loops.call_rows import event_of_row, keeps_target, next_state, said_of
from controllers.loops.inbox import Inbox
from controllers.loops.meter_calls import at_meter, declared_mw, left_mw
from controllers.loops.ticks import Wakes
from controllers.store.rows import EventRow, OverrideRow, PlanRow, PromiseRow
from controllers.supervisor import Trouble, no_trouble
from vpp.errors import PlanError, StoreError, VppError
from vpp.events import Event, Override, Pin, PinLocal, PinOut, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.wire.codec import decode
from vpp.wire.messages import Ask, GridEvent, Reason
from vpp.wire.topics import Channel, filter_of

__all__ = ["AskDesk", "AskStore", "Judge", "LOOK_EVERY", "TellGrid", "listen", "run_asks"]

log = structlog.get_logger(__name__)

#: A lost bell costs so long.
LOOK_EVERY: Final = timedelta(seconds=5)
#: Nobody can say today what can be held beyond the plan's two days; such a call is judged when its end comes within reach.
_JUDGED_WITHIN: Final = timedelta(hours=44)
#: A call that begins within this is taken into dispatch before it is judged: seconds count.
_SOON: Final = timedelta(minutes=1)
#: Judges a call: what of it can be promised, and how surely; it may raise a VppError.
Judge: TypeAlias = Callable[[Event, float, datetime], Awaitable[Verdict]]
#: Tells the grid what becomes of a call.
TellGrid: TypeAlias = Callable[[ConnectionId, GridEvent, Reason | None, Verdict | None], None]
_TO_JUDGE: Final = ("received", "assessed")
#: States in which a call is in the controller's mind; one that was taken back is booked as such.
_BOOKED: Final = (*_TO_JUDGE, "accepted", "running", "cancelled")


class AskStore(Protocol):
    """The part of the ledger that is needed here."""

    def overrides_open(self, at: datetime) -> tuple[OverrideRow, ...]:
        """Those that stand or are still to come."""
        ...

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span."""
        ...

    def events_open(self) -> tuple[EventRow, ...]:
        """Those that are neither over nor refused."""
        ...

    def set_event_state(
        self,
        number: int,
        state: str,
        reason: str,
        at: datetime,
        promised: PromiseRow | None = None,
        *,
        seen: EventRow | None = None,
    ) -> None:
        """What the controller makes of it, and what it promises; nothing where it is no longer what was seen."""
        ...

    def ask_event(self, row: EventRow, seen: EventRow | None = None) -> int:
        """Writes an event's terms anew; nothing where it is no longer what was seen."""
        ...

    def newest_plan(self, known_at: datetime) -> PlanRow | None:
        """The newest that was known by then."""
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
class _Judging:
    """One call on its way to a verdict; one at a time, so that none is promised what another just got."""

    row: EventRow
    task: asyncio.Task[Verdict]


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
        judge: Who says what of a call can be promised; without it every call is taken as far as it goes, and nothing promised.
        tell: Told what becomes of every call that is judged.
        again: Brings the next look on.
    """

    park: Park
    store: AskStore
    inbox: Inbox
    replan: Callable[[], None]
    now: Callable[[], datetime]
    trouble: Trouble = no_trouble
    judge: Judge | None = None
    tell: TellGrid | None = None
    again: Callable[[], None] = lambda: None
    _overrides: tuple[Override, ...] = ()
    _revisions: dict[str, tuple[int, str]] = field(default_factory=dict)
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _judging: _Judging | None = None
    #: Terms that were accepted last, by event: they stand until a change of them is accepted.
    _stands: dict[str, EventRow] = field(default_factory=dict)

    async def look(self) -> None:
        """Once: reads, books what is new, writes back what has changed."""
        at = self.now()
        try:
            overrides = await asyncio.to_thread(self.store.overrides_open, at)
            events = await asyncio.to_thread(self._events, at)
        except StoreError as error:
            log.error("asks.unread", reason=str(error))  # noqa: TRY400  one line says it all
            self.trouble("asks.unread", f"orders of people cannot be read: {error}")
            return
        self._decide(overrides)
        self._forget_judging(events)
        # What is taken in any case waits for no judgement of others.
        for row in sorted(events, key=lambda one: one.kind not in ALWAYS_TAKEN):
            await self._live(row, at)

    def _events(self, at: datetime) -> tuple[EventRow, ...]:
        """Those of now and later, and those that an outage left open."""
        since = at - timedelta(hours=1)
        left = tuple(row for row in self.store.events_open() if row.end <= since)
        return left + self.store.events(since, None)

    def close(self) -> None:
        """Judges no more."""
        self._forget_judging(())

    def _forget_judging(self, rows: Iterable[EventRow]) -> None:
        """A call that was taken back while it was judged, or is not there any more."""
        judging = self._judging
        if judging is None or any(r.event_id == judging.row.event_id and r.state in _TO_JUDGE for r in rows):
            return
        self._judging = None
        if not judging.task.cancel() and not judging.task.cancelled():
            judging.task.exception()  # nobody asks for it any more

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
        refused = self._at_the_door(row, at)
        if (judge := self._judge_of(row)) is not None and refused is None and row.state in _TO_JUDGE and at < row.end:
            await self._judge(row, judge, at)
            return
        if refused is None and row.state in _BOOKED:
            self._book(row, at)
        if row.state == "refused":
            self._forget(row, at)
        moved = next_state(row, None if refused is None else refused.text, at, str(self._kept.get(row.event_id, _Kept())))
        self._watch(row, at)
        if moved is not None:
            await self._move(row, *moved, at)

    def _forget(self, row: EventRow, at: datetime) -> None:
        """What was refused does not bind; called again to a controller that has begun since, it is refused again."""
        is_news = self._revisions.get(row.event_id) != (row.revision, row.state)
        self._revisions[row.event_id] = (row.revision, row.state)
        if any(e.event_id == row.event_id and e.revision == row.revision for e in self.inbox.snapshot(at).events):
            self.inbox.refused(row.event_id, row.revision)
            if not is_news and self.tell is not None:
                self.tell(ConnectionId(row.connection), said_of(row), Reason(code="refused_before", text=row.reason), None)

    def _watch(self, row: EventRow, at: datetime) -> None:
        """Looks whether a running call is kept."""
        if row.state != "running":
            return
        known = self.inbox.snapshot(at)
        if row.asset is None:
            read_mw = known.import_mw.get(ConnectionId(row.connection))
        else:
            cluster = known.clusters.get(AssetId(row.asset))
            read_mw = None if cluster is None else cluster.power_mw
        if read_mw is not None:
            self._kept[row.event_id] = self._kept.get(row.event_id, _Kept()).seen(keeps_target(row, read_mw))

    async def _move(self, row: EventRow, state: str, reason: str, at: datetime, promised: PromiseRow | None = None) -> None:
        log.info("event.state", event_id=row.event_id, state=state, reason=reason)
        try:
            await asyncio.to_thread(self.store.set_event_state, row.number, state, reason, at, promised, seen=row)
        except StoreError as error:
            log.error("event.state_unwritten", event_id=row.event_id, reason=str(error))  # noqa: TRY400  one line

    def _judge_of(self, row: EventRow) -> Judge | None:
        """A cluster's own meter needs no courses of wind and sun, but the plan that was known when the call came."""
        return self.judge if row.asset is None else partial(self._judge_at_meter, row)

    async def _judge_at_meter(self, row: EventRow, event: Event, confidence: float, at: datetime) -> Verdict:
        cluster = AssetId(row.asset or "")
        plan = await asyncio.to_thread(self.store.newest_plan, row.asked_at)
        declared = declared_mw(plan, cluster, max(event.start, at), event.end)
        known = self.inbox.snapshot(at)
        ceilings = [o for o in known.overrides if o.asset_id == cluster and o.event_id is not None]
        others = [o for o in ceilings if o.event_id != event.event_id]
        declared = left_mw(declared, others, max(event.start, at), event.end)
        return at_meter(self.park.asset(cluster).plate, known.clusters.get(cluster), event, declared, at)

    async def _judge(self, row: EventRow, judge: Judge, at: datetime) -> None:
        """Brings a call to its verdict: begins to judge it, or carries the verdict out."""
        if row.kind in ALWAYS_TAKEN or (row.start - at <= _SOON and row.event_id not in self._stands):
            self._book(row, at)
        if row.end - at > _JUDGED_WITHIN:
            return
        if self._judging is None:
            task = asyncio.ensure_future(judge(event_of_row(row, at), row.confidence, at))
            self._judging = _Judging(row, task)
            task.add_done_callback(lambda _: self.again())
            return
        if self._judging.row.event_id != row.event_id or not self._judging.task.done():
            return
        judging, self._judging = self._judging, None
        if judging.row.revision != row.revision:
            self.again()  # it was changed meanwhile
            return
        try:
            verdict = judging.task.result()
        except VppError as error:
            self._book(row, at)
            await self._move(row, "accepted", f"taken as far as it goes, nothing is promised: {error}", at)
            return
        await self._carry_out(row, verdict, at)

    async def _carry_out(self, row: EventRow, verdict: Verdict, at: datetime) -> None:
        text = verdict.reason.text
        if verdict.outcome == "refused":
            self.inbox.refused(row.event_id, row.revision)
            self._tell(row, verdict.reason, verdict)
            before = self._stands.get(row.event_id)
            if before is None:
                await self._move(row, "refused", text, at)
            else:
                await self._restore(row, before, f"revision {row.revision} refused: {text}; what was accepted before stands", at)
        else:
            promised = PromiseRow(
                revision=row.revision, asked_mw=verdict.asked_mw, accepted_mw=verdict.accepted_mw, held_mw=verdict.target_mw
            )
            taken = replace(row, state="accepted", asked_mw=promised.asked_mw, accepted_mw=promised.accepted_mw)
            taken = replace(taken, held_mw=promised.held_mw)
            self._stands[row.event_id] = taken
            self._book(taken, at)
            self._tell(row, None, verdict)
            await self._move(row, "accepted", text, at, promised)
        self.replan()
        self.again()  # the next one that waits

    async def _restore(self, row: EventRow, before: EventRow, reason: str, at: datetime) -> None:
        """The terms of before, under the new revision: a change that is refused leaves what was taken as it is."""
        restored = replace(before, revision=row.revision, state="accepted", reason=reason, changed_at=at)
        self._stands[row.event_id] = restored
        self._book(restored, at)
        try:
            await asyncio.to_thread(self.store.ask_event, restored, row)
        except StoreError as error:
            log.error("event.state_unwritten", event_id=row.event_id, reason=str(error))  # noqa: TRY400  one line

    def _tell(self, row: EventRow, refused: Reason | None, verdict: Verdict) -> None:
        if self.tell is not None:
            self.tell(ConnectionId(row.connection), said_of(row), refused, verdict)

    def _at_the_door(self, row: EventRow, at: datetime) -> Reason | None:
        return judge(self.park, said_of(row), ConnectionId(row.connection), min(at, row.end - timedelta(microseconds=1)))

    def _book(self, row: EventRow, at: datetime) -> None:
        """Keeps an event in mind, once for each word about it."""
        accepted = row.state in ("accepted", "running")
        if accepted:
            self._stands.setdefault(row.event_id, row)
        word = (row.revision, "accepted" if accepted else row.state)
        if self._revisions.get(row.event_id) == word:
            return
        self._revisions[row.event_id] = word
        if at < row.end or row.state == "cancelled":
            # What came over the bus was booked in the caller's terms; those that were accepted take their place.
            book = self.inbox.judged if accepted else self.inbox.called
            book(ConnectionId(row.connection), said_of(row))
            self.replan()


def listen(bus: Bus, park: str, wakes: Wakes) -> None:
    """The doorbell: whoever rings, the ledger says what is new."""

    def rung(topic: str, payload: bytes) -> None:
        wakes.bell.ring()
        decode(Ask, topic, payload)  # what is malformed is counted, as everywhere

    bus.subscribe(filter_of(park, Channel.ASK), rung)


async def run_asks(ticks: AsyncIterator[datetime], desk: AskDesk) -> None:
    """The loop: look at once, then on the bell and every few seconds."""
    try:
        await desk.look()
        async for _ in ticks:
            await desk.look()
    finally:
        desk.close()
