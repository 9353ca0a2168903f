"""What the service says about calls that were made: measured import, what was declared before, and what could still be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.grid_door import Away, GridDoor, Refused
from controllers.adapters.openadr3.reports import Facts, Sample
from controllers.api.ledger_facts import EventFacts, PlanFacts
from controllers.api.offer import ConnectionOffer

__all__ = ["Look", "facts_of", "look", "planned"]

_STEP: Final = timedelta(minutes=5)


def planned(plan: PlanFacts, spans: Mapping[str, tuple[datetime, datetime]]) -> dict[str, list[tuple[datetime, float]]]:
    """What a plan has for connections and clusters over spans, as rows `(from when, power in MW)`: the declared schedule."""
    found: dict[str, list[tuple[datetime, float]]] = {}
    for row in (*plan.connections, *plan.assets):
        if row.id in spans:
            start, end = spans[row.id]
            inside = zip(plan.edges, plan.edges[1:], row.power_mw, strict=False)
            found[row.id] = [(a, mw) for a, b, mw in inside if a < end and b > start]
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """What the service says at one moment, asked once for all events.

    Args:
        at: In park time (UTC).
        events: Calls by name.
        offers: By connection what could be called.
    """

    at: datetime
    events: Mapping[str, EventFacts]
    offers: Mapping[str, ConnectionOffer]


async def look(door: GridDoor, who: str) -> Look | Away:
    """Asks the service.

    Args:
        door: To it.
        who: In whose name.
    """
    live, events, offer = await door.live(who), await door.events(who), await door.offer(who)
    if isinstance(live, Refused | Away) or isinstance(events, Refused | Away):
        fault = live if isinstance(live, Refused | Away) else events
        return Away(fault.reason if isinstance(fault, Refused | Away) else "")
    offers = {} if isinstance(offer, Refused | Away) else {row.connection: row for row in offer.connections}
    return Look(live.at, {event.event_id: event for event in events.events}, offers)


async def facts_of(
    door: GridDoor,
    names: Sequence[str],
    baselines: Mapping[str, Sequence[tuple[datetime, float]]],
    seen: Look,
    who: str,
) -> list[Facts]:
    """What is known of every meter that was called; nothing where the service knows none of the calls.

    Args:
        door: To the service.
        names: Of the calls.
        baselines: See `planned`, as of before the calls.
        seen: See there.
        who: In whose name it is asked.
    """
    events = [seen.events[name] for name in names if name in seen.events]
    found = []
    for meter, at_asset in sorted({(e.asset or e.connection, e.asset is not None) for e in events}):
        mine = tuple(event for event in events if (event.asset or event.connection) == meter)
        start, end = min(e.start for e in mine), min(max(e.end for e in mine), seen.at)
        samples: tuple[Sample, ...] = ()
        if end - start >= _STEP:
            read = (meter, "power_mw" if at_asset else "import_mw")
            answer = await door.read(read, (start, start + _STEP * ((end - start) // _STEP)), _STEP, who)
            if not isinstance(answer, Refused | Away):
                declared = baselines.get(meter, ())
                rows = [pair for one in answer.series for pair in zip(one.times, one.values, strict=True)]
                samples = tuple(Sample(t, _STEP, value, _at(declared, t)) for t, value in rows)
        # What could still be called is known of connections alone.
        found.append(Facts(meter, mine, samples, None if at_asset else seen.offers.get(meter), seen.at))
    return found


def _at(declared: Sequence[tuple[datetime, float]], t: datetime) -> float | None:
    """What was declared for an instant."""
    before = [mw for start, mw in declared if start <= t]
    return before[-1] if before else None
