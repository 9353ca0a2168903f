"""Calls of the grid as the controller takes them: what stands, what is refused at the door, and what binds now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, TypeAlias

from vpp.events import Event, Override, PinLimit
from vpp.ids import AssetId, ConnectionId
from vpp.park import Connection, Park
from vpp.wire.messages import GridEvent, Reason

__all__ = [
    "EVENT_CNY_PER_MWH",
    "RECOVERY_SPAN",
    "TO_TARGET_CNY_PER_MWH",
    "EventBook",
    "EventBounds",
    "bounded",
    "bounds_of",
    "event_of",
    "judge",
]

#: What keeping an event's target is worth: above everything that may move by itself, below nothing that must not. [CNY/MWh]
EVENT_CNY_PER_MWH: Final = 20_000.0

#: Under a call machines whose worths tie go to its target and not to the plan: more than twice what a tie to the plan is worth
#: (`controllers.dispatch.bids.TIE_CNY_PER_MWH`). Else a battery that the plan lets give more than is asked goes on to do so.
TO_TARGET_CNY_PER_MWH: Final = 20.0

#: How long after its end a call to cut is remembered: what was shed is not all to be taken back at once.
RECOVERY_SPAN: Final = timedelta(hours=2)
#: A reading this long before a call's start still tells what was drawn without it; so does one taken as a late call is booked.
_NOTED_WITHIN: Final = timedelta(minutes=5)

#: Width and worth of a bid, as in `controllers.dispatch.bids`.
Segment: TypeAlias = tuple[float, float]
#: A target this many times beyond a connection's limits is a wrong unit, not a wish.
_ABSURD: Final = 10.0
#: Kinds that ask for a level; the others only limit.
_SERVICES: Final = frozenset({"peak", "valley"})
#: Who stands behind a call at an asset's meter.
_CALLER: Final = "grid"
#: Taken back: "done" is a call that had begun when its caller ended it, and then ends there.
_ENDED: Final = frozenset({"cancelled", "done"})


@dataclass(frozen=True, slots=True)
class EventBounds:
    """Between what the import of a connection is to stay while events bind.

    Args:
        at_least_mw: None where nothing binds. [MW]
        at_most_mw: None where nothing binds. [MW]
        is_service: Whether a peak or a valley is among them: its target is to be met, while a limit is only not to be broken.
    """

    at_least_mw: float | None = None
    at_most_mw: float | None = None
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class EventBook:
    """Events by identity, each in its newest revision.

    Args:
        events: Those that are over stay for as long as what was shed may come back.
        before_mw: What their connections drew just before them, by event; none where nothing was measured. [MW]
    """

    events: Mapping[str, Event]
    before_mw: Mapping[str, float] = field(default_factory=dict)

    def taken(self, said: GridEvent, connection: ConnectionId, now: datetime, *, judged: bool = False) -> EventBook:
        """With a message booked; one that is not newer changes nothing, and events that are long over fall out.

        Args:
            said: The message.
            connection: Where.
            now: Now (UTC).
            judged: Whether these are the terms that were accepted of that very revision, which then replace the caller's.
        """
        kept = {name: event for name, event in self.events.items() if now < event.end + RECOVERY_SPAN}
        last = kept.get(said.event_id)
        same = judged and last is not None and said.revision == last.revision and last.status not in _ENDED
        # A call may be taken back under the revision that it has.
        taken_back = said.cancelled and last is not None and said.revision == last.revision and last.status not in _ENDED
        if last is None or said.revision > last.revision or same or taken_back:
            kept[said.event_id] = _ended(said, last, now) or event_of(said, connection, now, last)
        return EventBook(kept, {name: mw for name, mw in self.before_mw.items() if name in kept})

    def refused(self, event_id: str, revision: int) -> EventBook:
        """Without one revision of an event; another one stays as it is."""
        known = self.events.get(event_id)
        if known is None or known.revision != revision or known.status in _ENDED:
            return self
        return replace(self, events={**self.events, event_id: replace(known, status="refused")})

    def noted(self, connection: ConnectionId, import_mw: float, now: datetime) -> EventBook:
        """With a reading kept as the import before each call to cut that is about to start, or was booked as it did.

        Args:
            connection: Where.
            import_mw: What it draws now. [MW]
            now: Now (UTC).
        """
        cuts = [e for e in self._open(now) if e.connection == connection and e.asset_id is None and not e.is_floor]
        # What is drawn under one call is not what was drawn before the next one.
        under = [self.before_mw[e.event_id] for e in cuts if e.start < now and e.event_id in self.before_mw]
        drawn_mw = max([import_mw, *under])
        found = {e.event_id: drawn_mw for e in cuts if now <= e.start <= now + _NOTED_WITHIN}
        for event in cuts:
            if event.start < now <= event.start + _NOTED_WITHIN and event.event_id not in self.before_mw:
                found[event.event_id] = max(drawn_mw, event.target_mw)
        return replace(self, before_mw={**self.before_mw, **found}) if found else self

    def open_at(self, at: datetime) -> tuple[Event, ...]:
        """Those on connections that bind at an instant or later, by start and name."""
        return tuple(event for event in self._open(at) if event.asset_id is None)

    def recovering_at(self, at: datetime) -> tuple[Event, ...]:
        """Calls to cut import of connections that ended a short while ago, by end and name; they bind nothing any more."""
        cuts = [e for e in self.events.values() if e.asset_id is None and not e.is_floor]
        over = [e for e in cuts if e.end <= at < e.end + RECOVERY_SPAN and e.status not in ("refused", "cancelled")]
        return tuple(sorted(over, key=lambda event: (event.end, event.event_id)))

    def drawn_before(self, at: datetime) -> dict[str, float]:
        """What was drawn just before calls that have begun, in MW by event, where it was measured."""
        return {name: mw for name, mw in self.before_mw.items() if self.events[name].start <= at}

    def pins_at(self, at: datetime) -> tuple[Override, ...]:
        """Calls at the meters of single assets that bind at an instant or later: a ceiling on each, like a person's."""
        return tuple(_ceiling(event.asset_id, event) for event in self._open(at) if event.asset_id is not None)

    def _open(self, at: datetime) -> list[Event]:
        found = [e for e in self.events.values() if at < e.end and e.status not in ("refused", "cancelled", "done")]
        return sorted(found, key=lambda event: (event.start, event.event_id))


def _ended(said: GridEvent, last: Event | None, now: datetime) -> Event | None:
    """A call that its caller ends while it runs: what it shed comes back from then on. None for every other message."""
    if not said.cancelled or last is None:
        return None
    kept_to_end = last.end <= now and last.status not in ("refused", "cancelled")
    if last.status == "done" or kept_to_end:
        return replace(last, revision=said.revision)
    if last.in_force(now) and last.start < now:
        return replace(last, revision=said.revision, status="done", end=now)
    return None


def judge(park: Park, said: GridEvent, connection: ConnectionId, now: datetime) -> Reason | None:
    """Why an event cannot be kept in mind at all; None if it can."""
    known = {c.id: c for c in park.connections}
    if connection not in known:
        return Reason(code="unknown_connection", text=f"{connection}: no such connection; known are {', '.join(known)}")
    if said.end <= now and not said.cancelled:
        return Reason(code="past", text=f"ended at {said.end.isoformat()}, it is {now.isoformat()}")
    if said.asset is not None:
        return _judge_at_meter(park, said, said.asset)
    most_mw = _ABSURD * max(known[connection].import_limit_mw, known[connection].export_limit_mw)
    if abs(said.target_mw) > most_mw:
        return Reason(code="absurd", text=f"target {said.target_mw:g} MW on a connection of {most_mw / _ABSURD:g} MW")
    return None


def _judge_at_meter(park: Park, said: GridEvent, name: str) -> Reason | None:
    clusters = {asset.id: asset for asset in park.assets_of("compute")}
    cluster = clusters.get(AssetId(name))
    if cluster is None:
        return Reason(code="unknown_asset", text=f"{name}: no computing cluster; calls at a meter are for {', '.join(clusters)}")
    rated_mw: float = cluster.plate.rated_mw
    if not 0.0 <= said.target_mw <= _ABSURD * rated_mw:
        return Reason(code="absurd", text=f"target {said.target_mw:g} MW at the meter of a cluster of {rated_mw:g} MW")
    return None


def _ceiling(asset_id: AssetId, event: Event) -> Override:
    most = PinLimit(0.0, event.target_mw)
    why = f"{event.kind} call {event.event_id}"
    times = (event.start, event.end)
    return Override(asset_id, most, *times, _CALLER, why, event.issued_at, event.received_at, event.event_id)


def bounds_of(events: Iterable[Event], connection: Connection, at: datetime) -> EventBounds:
    """What all events that bind now ask of a connection's import.

    Between bounds that contradict each other the event with the lower priority number keeps its own, emergencies before all.
    """
    least: float | None = None
    most: float | None = None
    binding = [e for e in events if e.connection == connection.id and e.in_force(at)]
    for event in sorted(binding, key=lambda e: (e.kind != "emergency", e.priority, e.start, e.event_id)):
        if event.is_floor:
            wanted = event.target_mw if least is None else max(least, event.target_mw)
            least = wanted if most is None else min(wanted, most)
        else:
            wanted = event.target_mw if most is None else min(most, event.target_mw)
            most = wanted if least is None else max(wanted, least)
    return EventBounds(least, most, any(event.kind in _SERVICES for event in binding))


def bounded(segments: Sequence[Segment], base_mw: float, bounds: EventBounds) -> tuple[Segment, ...]:
    """A connection's bids with its import held between bounds at the price of an event.

    Args:
        segments: `(width_mw, worth_cny_per_mwh)` from full import up to full export.
        base_mw: Where they begin: minus the import limit. [MW]
        bounds: See `EventBounds`.
    """
    cuts = [-b for b in (bounds.at_most_mw, bounds.at_least_mw) if b is not None]
    if not cuts:
        return tuple(segments)
    found: list[Segment] = []
    left = base_mw
    for width_mw, worth in segments:
        right = left + width_mw
        inside = sorted({left, right, *(cut for cut in cuts if left < cut < right)})
        for a, b in pairwise(inside):
            drawn = (a + b) / 2.0
            if bounds.at_most_mw is not None and drawn < -bounds.at_most_mw:
                found.append((b - a, worth + EVENT_CNY_PER_MWH))
            elif bounds.at_least_mw is not None and drawn > -bounds.at_least_mw:
                found.append((b - a, worth - EVENT_CNY_PER_MWH))
            else:
                found.append((b - a, worth + _to_target(bounds)))
        left = right
    return tuple(found)


def _to_target(bounds: EventBounds) -> float:
    """What import inside the bounds is made dearer or cheaper by, so that ties end at the target; nothing between two targets."""
    if not bounds.is_service or (bounds.at_most_mw is None) == (bounds.at_least_mw is None):
        return 0.0
    return TO_TARGET_CNY_PER_MWH if bounds.at_most_mw is None else -TO_TARGET_CNY_PER_MWH


def event_of(said: GridEvent, connection: ConnectionId, now: datetime, last: Event | None = None) -> Event:
    """A message as an event; of one that was known before, the time of its first receipt stays."""
    event = Event(
        event_id=said.event_id,
        kind=said.kind,
        connection=connection,
        target_mw=said.target_mw,
        start=said.start,
        end=said.end,
        issued_at=said.issued_at,
        received_at=now if last is None else last.received_at,
        priority=said.priority,
        status="acknowledged",
        revision=said.revision,
        asset_id=None if said.asset is None else AssetId(said.asset),
    )
    return replace(event, status="cancelled") if said.cancelled else event
