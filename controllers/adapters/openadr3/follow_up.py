"""What the service says about calls that were made: measured import, what was declared before, and what could still be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from controllers.adapters.grid_door import Away, GridDoor, Refused
from controllers.adapters.openadr3.reports import Facts, Sample
from controllers.api.ledger_facts import EventFacts, PlanFacts

__all__ = ["facts_of", "planned"]

_STEP: Final = timedelta(minutes=5)


def planned(plan: PlanFacts, spans: Mapping[str, tuple[datetime, datetime]]) -> dict[str, list[tuple[datetime, float]]]:
    """What a plan has for connections over spans, as rows `(from when, import in MW)`: the declared schedule."""
    found: dict[str, list[tuple[datetime, float]]] = {}
    for row in plan.connections:
        if row.id in spans:
            start, end = spans[row.id]
            inside = zip(plan.edges, plan.edges[1:], row.power_mw, strict=False)
            found[row.id] = [(a, mw) for a, b, mw in inside if a < end and b > start]
    return found


async def facts_of(
    door: GridDoor,
    events: Sequence[EventFacts],
    baselines: Mapping[str, Sequence[tuple[datetime, float]]],
    at: datetime,
    who: str,
) -> list[Facts]:
    """What is known of every connection that was called.

    Args:
        door: To the service.
        events: The calls.
        baselines: See `planned`, as of before the calls.
        at: Now, in park time (UTC).
        who: In whose name it is asked.
    """
    offer = await door.offer(who)
    rows = {} if isinstance(offer, Refused | Away) else {row.connection: row for row in offer.connections}
    found = []
    for connection in sorted({event.connection for event in events}):
        mine = tuple(event for event in events if event.connection == connection)
        start, end = min(e.start for e in mine), min(max(e.end for e in mine), at)
        samples: tuple[Sample, ...] = ()
        if end - start >= _STEP:
            answer = await door.imports(connection, (start, start + _STEP * ((end - start) // _STEP)), _STEP, who)
            if not isinstance(answer, Refused | Away):
                declared = baselines.get(connection, ())
                samples = tuple(
                    Sample(t, _STEP, value, _at(declared, t))
                    for one in answer.series
                    for t, value in zip(one.times, one.values, strict=True)
                )
        found.append(Facts(connection, mine, samples, rows.get(connection), at))
    return found


def _at(declared: Sequence[tuple[datetime, float]], t: datetime) -> float | None:
    """What was declared for an instant."""
    before = [mw for start, mw in declared if start <= t]
    return before[-1] if before else None
