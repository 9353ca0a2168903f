"""Whether calls that were accepted can still be held: judged again as time passes, and the grid is told what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, TypeAlias

import structlog

from controllers.dispatch.snapshot import Snapshot
from controllers.flexibility.assess import ALWAYS_TAKEN, Verdict
from controllers.flexibility.window import direction_of
from controllers.loops.asks import Judge, TellGrid
from controllers.loops.call_rows import event_of_row, said_of
from controllers.store.rows import EventRow
from vpp.errors import StoreError, VppError
from vpp.ids import ConnectionId
from vpp.wire.messages import Reason

__all__ = [
    "JUDGE_EVERY",
    "LOOK_EVERY",
    "Outlook",
    "PromiseDesk",
    "PromiseStore",
    "failing",
    "missing_mw",
    "promised_mw",
    "run_promises",
]

log = structlog.get_logger(__name__)

#: A call is judged again so long after the last time, if no plan was made meanwhile.
JUDGE_EVERY: Final = timedelta(minutes=15)
LOOK_EVERY: Final = timedelta(minutes=5)
#: What is left of a call at its very end is told by the meter, not by a plan.
_LAST: Final = timedelta(minutes=2)
#: Nine tenths count as delivered; less than this is no news: the larger of a megawatt and a tenth of what was accepted.
_LEAST_MW: Final = 1.0
_LEAST_FRAC: Final = 0.1
#: It is possible again when less than this share of the tolerance is missing, so many times in a row.
_AGAIN_FRAC: Final = 0.5
_AGAIN_LOOKS: Final = 2
_DIGITS: Final = 3

News: TypeAlias = Literal["short", "again"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was last told of an accepted call.

    Args:
        told_mw: Of the accepted change so much was said to be missing; 0 while all of it can be held. [MW]
        looks_again: How often in a row it could be held since.
    """

    told_mw: float = 0.0
    looks_again: int = 0

    @property
    def is_short(self) -> bool:
        """Whether the grid was told that it cannot be held."""
        return self.told_mw > 0.0

    def seen(self, missing_mw: float, accepted_mw: float) -> tuple[Outlook, News | None]:
        """After another judgement: what stands now, and what there is to tell.

        Args:
            missing_mw: Between what was promised and what can be held now. [MW]
            accepted_mw: What was promised, as a change of import. [MW]
        """
        tolerance_mw = max(_LEAST_MW, _LEAST_FRAC * accepted_mw)
        if self.is_short and missing_mw <= _AGAIN_FRAC * tolerance_mw:
            looks = self.looks_again + 1
            return (Outlook(), "again") if looks >= _AGAIN_LOOKS else (replace(self, looks_again=looks), None)
        if missing_mw > tolerance_mw and abs(missing_mw - self.told_mw) > tolerance_mw:
            return Outlook(missing_mw), "short"
        return replace(self, looks_again=0), None


def promised_mw(row: EventRow) -> float:
    """Import that was promised: what is kept in mind, without what an emergency or a limit asks beyond the promise. [MW]."""
    if row.kind not in ALWAYS_TAKEN:
        return row.kept_mw
    return row.kept_mw + _sign(row) * ((row.asked_mw or 0.0) - (row.accepted_mw or 0.0))


def missing_mw(row: EventRow, level_mw: float) -> float:
    """How much of what was promised is missing where import can be held at a level; at most what was accepted. [MW]."""
    return min(max(0.0, _sign(row) * (level_mw - promised_mw(row))), row.accepted_mw or 0.0)


def _sign(row: EventRow) -> float:
    return 1.0 if direction_of(event_of_row(row, row.asked_at).kind) == "give" else -1.0


class PromiseStore(Protocol):
    """The part of the ledger that is needed here."""

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span."""
        ...

    def set_event_possible(self, row: EventRow, possible_mw: float | None, reason: str, at: datetime) -> None:
        """Import that can be held of one revision, where that is less than was promised; None where all of it can."""
        ...


def failing(snapshot: Snapshot) -> tuple[str, ...]:
    """Assets that are silent, not in service or do not do as told."""
    return tuple(sorted({*snapshot.silent, *(i for i, said in snapshot.assets.items() if not (said.online and said.follows))}))


@dataclass(slots=True)
class PromiseDesk:
    """Judges what was accepted again, after every plan and every quarter of an hour.

    Plan and dispatch go on to aim at what was accepted: only what can be counted on is told anew.

    Args:
        store: The ledger; it is asked in a thread, never on the loop.
        judge: Says what can be held of a call now, itself left out of the plan.
        tell: Tells the grid.
        failing: Assets that are silent or do not do as told, for the reason.
        ring: Brings the next look on.
    """

    store: PromiseStore
    judge: Judge
    tell: TellGrid
    failing: Callable[[datetime], tuple[str, ...]] = lambda _: ()
    ring: Callable[[], None] = lambda: None
    _outlooks: dict[tuple[str, int], Outlook] = field(default_factory=dict)
    #: What stands as an alarm, by call and revision, and until when.
    _short: dict[tuple[str, int], tuple[datetime, str]] = field(default_factory=dict)
    _last: datetime | None = None
    _is_due: bool = False

    def planned(self) -> None:
        """There is a new plan."""
        self._is_due = True
        self.ring()

    def alarms(self, at: datetime) -> Mapping[str, str]:
        """Calls that cannot be held as accepted, in words, by the key of their alarm."""
        return {f"promise.{name}": f"{name}: {text}" for (name, _), (end, text) in self._short.items() if at < end}

    async def look(self, at: datetime) -> None:
        """Judges each call that was accepted and is not over, if there is a new plan or the last time is long ago."""
        if not self._is_due and self._last is not None and at - self._last < JUDGE_EVERY:
            return
        self._is_due, self._last = False, at
        try:
            rows = await asyncio.to_thread(self.store.events, at, None)
        except StoreError as error:
            log.error("promises.unread", reason=str(error))  # noqa: TRY400  one line says it all; the asks raise the alarm
            return
        rows = tuple(row for row in rows if _is_promised(row) and row.end - at > _LAST)
        standing = {_key(row) for row in rows}
        self._outlooks = {key: value for key, value in self._outlooks.items() if key in standing}
        self._short = {key: value for key, value in self._short.items() if key in standing}
        for row in sorted(rows, key=lambda one: one.start):
            await self._judge(row, at)

    async def _judge(self, row: EventRow, at: datetime) -> None:
        try:
            verdict = await self.judge(replace(event_of_row(row, at), target_mw=promised_mw(row)), row.confidence, at)
        except VppError as error:
            log.warning("promise.unjudged", event_id=row.event_id, reason=str(error))
            return
        missing, accepted = missing_mw(row, verdict.level_mw), row.accepted_mw or 0.0
        before = self._outlooks.get(_key(row), _remembered(row))
        after, news = before.seen(missing, accepted)
        self._outlooks[_key(row)] = after
        if news is not None:
            self._say(row, news, missing, verdict, at)
            await self._write(row, news, verdict.level_mw, at)
        elif after.is_short:  # a controller that has just begun has not said it yet
            self._short.setdefault(_key(row), (row.end, _text(row, missing, verdict.level_mw, self.failing(at))))

    def _say(self, row: EventRow, news: News, missing: float, verdict: Verdict, at: datetime) -> None:
        accepted = row.accepted_mw or 0.0
        if news == "short":
            reason = Reason(
                code="held_less", text=_text(row, missing, verdict.level_mw, self.failing(at)), limit=verdict.reason.limit
            )
            said = replace(verdict, outcome="part", target_mw=verdict.level_mw, accepted_mw=round(accepted - missing, _DIGITS))
            self._short[_key(row)] = row.end, reason.text
        else:
            reason = Reason(code="held_again", text=_text_again(row), limit=verdict.reason.limit)
            said = replace(verdict, outcome="accepted", target_mw=row.kept_mw, accepted_mw=accepted)
            self._short.pop(_key(row), None)
        log.warning("promise.news", event_id=row.event_id, news=news, reason=reason.text)
        asked = verdict.asked_mw if row.asked_mw is None else row.asked_mw
        self.tell(ConnectionId(row.connection), said_of(row), None, replace(said, asked_mw=asked, reason=reason))

    async def _write(self, row: EventRow, news: News, level_mw: float, at: datetime) -> None:
        short = self._short.get(_key(row))
        possible, text = (level_mw, short[1]) if news == "short" and short is not None else (None, _text_again(row))
        try:
            await asyncio.to_thread(self.store.set_event_possible, row, possible, text, at)
        except StoreError as error:
            log.error("promise.unwritten", event_id=row.event_id, reason=str(error))  # noqa: TRY400  one line


def _is_promised(row: EventRow) -> bool:
    """A call at a cluster's own meter is kept by its scheduler, who says so itself."""
    return row.state in ("accepted", "running") and row.asset is None and bool(row.accepted_mw)


def _key(row: EventRow) -> tuple[str, int]:
    return row.event_id, row.revision


def _remembered(row: EventRow) -> Outlook:
    """What the controller before this one has told."""
    return Outlook() if row.possible_mw is None else Outlook(missing_mw(row, row.possible_mw))


def _text(row: EventRow, missing: float, level_mw: float, failing: tuple[str, ...]) -> str:
    accepted = row.accepted_mw or 0.0
    side = "at most" if _sign(row) > 0.0 else "at least"
    why = f"; not following: {', '.join(failing[:3])}" if failing else ""
    return (
        f"of {accepted:.1f} MW accepted {accepted - missing:.1f} MW can be held now: {side} {level_mw:.1f} MW "
        f"at {100 * row.confidence:g} %, {promised_mw(row):.1f} MW was promised{why}"
    )


def _text_again(row: EventRow) -> str:
    return f"all of {row.accepted_mw or 0.0:.1f} MW accepted can be held again, at {100 * row.confidence:g} %"


async def run_promises(ticks: AsyncIterator[datetime], desk: PromiseDesk) -> None:
    """The loop."""
    async for at in ticks:
        await desk.look(at)
