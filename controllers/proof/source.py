"""Evidence out of the ledger: its registers and readings, the plan known before the call, and what devices confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from controllers.baselines import Registers
from controllers.proof.evidence import AFTER, BEFORE, AssetEvidence, Call, Evidence, Steps
from controllers.store.rows import EventRow, PlanRow, SaidRow
from vpp.errors import AccountError, StoreError
from vpp.park import Park, areas_behind
from vpp.timegrid import TimeGrid, floor_to
from vpp.units import SECONDS_PER_MINUTE, FloatArray
from vpp.wire.codec import decode
from vpp.wire.messages import Ack

__all__ = ["ProofStore", "evidence_of"]

_QUARTER: Final = timedelta(minutes=15)
#: Registers are read so far back: twenty days for errors, each with the ten working days that its own baseline needs.
_BACK: Final = timedelta(days=45)
#: Declared schedules of so many earlier days are held against the meter.
_DECLARED_DAYS: Final = 10
#: Devices are asked so far back for the last thing that they confirmed: a lease that was only renewed is not written anew.
_ACKED_BACK: Final = timedelta(hours=12)
#: Readings by the second are kept for two days; a long event is looked at by the minute, as old ones are.
_FINE_FOR: Final = timedelta(hours=44)
_FINE_LENGTH: Final = timedelta(hours=6)
_NOT_CALLED: Final = frozenset({"refused", "cancelled"})


class ProofStore(Protocol):
    """What is needed of the store."""

    def event(self, event_id: str) -> EventRow | None:
        """The one of that name."""
        ...

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span."""
        ...

    def many_series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[tuple[datetime, ...], FloatArray]:
        """Means over steps, NaN where nothing was measured."""
        ...

    def newest_plan(self, known_at: datetime) -> PlanRow | None:
        """The newest that was known by then."""
        ...

    def said(self, asset_id: str, start: datetime, end: datetime) -> tuple[SaidRow, ...]:
        """Commands and acks of an asset."""
        ...


def evidence_of(store: ProofStore, park: Park, event_id: str, now: datetime) -> Evidence:
    """All that the ledger knows of an event.

    Args:
        store: The ledger.
        park: As of the event's day.
        event_id: Which.
        now: Park time (UTC).

    Raises:
        AccountError: There is no such event, or it is on no connection of the park.
        StoreError: The ledger cannot be read.
    """
    row = store.event(event_id)
    if row is None:
        raise AccountError(f"{event_id}: no such event")
    if all(c.id != row.connection for c in park.connections):
        raise AccountError(f"{event_id}: on {row.connection}, which {park.id} does not have on that day")
    call = _call(row)
    if call.asset is not None and all(a.id != call.asset for a in park.assets_of("compute")):
        raise AccountError(f"{event_id}: at the meter of {call.asset}, which {park.id} does not have on that day")
    start, end = call.start - BEFORE, min(call.end + AFTER, max(now, call.start))
    fine_s = 1.0 if now - start <= _FINE_FOR and call.end - call.start <= _FINE_LENGTH else SECONDS_PER_MINUTE
    others = tuple(_call(r) for r in store.events(call.start - _BACK, call.end + AFTER) if r.state not in _NOT_CALLED)
    declared = _declared(store, call.asked_at)
    assets, sums_up = _behind(park, call)
    span = (start, end)
    return Evidence(
        park=park.id,
        park_name_zh=park.site.name_zh,
        time_zone=str(park.zone),
        made_at=now,
        call=call,
        fine=Steps(start, fine_s, _metered(store, call, *span, timedelta(seconds=fine_s))),
        registers=_registers(store, park, call, others, end),
        declared=_declared_flow(store, call, declared),
        past_declared=_past_declared(store, call, park, others),
        assets=_assets(store, park, (call, assets), span, declared),
        sums_up=sums_up,
        others=others,
        neighbours=_assets(store, park, (call, _neighbours(park, call)), span, declared),
    )


def _call(row: EventRow) -> Call:
    return Call(
        event_id=row.event_id,
        kind=row.kind,
        connection=row.connection,
        asset=row.asset,
        target_mw=row.target_mw,
        start=row.start,
        end=row.end,
        asked_at=row.asked_at,
        state=row.state,
        reason=row.reason,
        by=row.who,
        priority=row.priority,
        promised_mw=row.accepted_mw,
        held_mw=row.held_mw,
    )


def _metered(store: ProofStore, call: Call, start: datetime, end: datetime, step: timedelta) -> FloatArray:
    """Power of the called cluster; else import less export, and where only one of them was written it stands alone."""
    if call.asset is not None:
        power_mw: FloatArray = store.many_series((call.asset,), "power_mw", start, end, step)[1][0]
        return power_mw
    meter = (call.connection,)
    into, out = (store.many_series(meter, quantity, start, end, step)[1][0] for quantity in ("import_mw", "export_mw"))
    known = np.isfinite(into) | np.isfinite(out)
    net: FloatArray = np.where(known, np.nan_to_num(into) - np.nan_to_num(out), np.nan)
    return net


def _registers(store: ProofStore, park: Park, call: Call, others: Sequence[Call], end: datetime) -> Registers:
    """Quarter hours until the event's own are over; days on which something was called say nothing of a day without."""
    first, last = floor_to(call.start - _BACK, _QUARTER), floor_to(max(end, call.start), _QUARTER) + _QUARTER
    n = (last - first) // _QUARTER
    called = {day for one in (call, *others) if one.overlaps(call) for day in _days(one, park)}
    return Registers(TimeGrid.regular(first, _QUARTER, n), _metered(store, call, first, last, _QUARTER), park.zone, (), called)


def _days(call: Call, park: Park) -> set[Any]:
    first, last = call.start.astimezone(park.zone).date(), (call.end - timedelta(seconds=1)).astimezone(park.zone).date()
    return {first + timedelta(days=k) for k in range((last - first).days + 1)}


def _declared(store: ProofStore, known_at: datetime) -> Mapping[str, Any] | None:
    """The plan that was in force when the call came, as the planner wrote it down."""
    row = store.newest_plan(known_at)
    if row is None:
        return None
    try:
        facts: Mapping[str, Any] = msgspec.json.decode(row.facts, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise StoreError(f"plan {row.plan_id}: its facts cannot be read: {error}") from error
    return facts


def _declared_flow(store: ProofStore, call: Call, declared: Mapping[str, Any] | None) -> Steps | None:
    """Of the plan before the call; for the time before that plan, of the one in force then."""
    span = (call.start - BEFORE, call.end + AFTER)
    found = None if declared is None else _flow(declared, call, *span)
    earlier = _declared(store, span[0])
    return None if found is None else found.filled(None if earlier is None else _flow(earlier, call, *span))


def _flow(facts: Mapping[str, Any], call: Call, start: datetime, end: datetime) -> Steps | None:
    """Of a cluster it is what the target of its compute-shift signal is taken from."""
    if call.asset is not None:
        plan = facts.get("assets", {}).get(call.asset)
        return None if plan is None else _on_quarters(facts, np.array(plan["power_mw"], dtype=np.float64), start, end)
    said = facts.get("connections", {}).get(call.connection)
    if said is None:
        return None
    net = np.array(said["import_mw"], dtype=np.float64) - np.array(said["export_mw"], dtype=np.float64)
    return _on_quarters(facts, net, start, end)


def _on_quarters(facts: Mapping[str, Any], values: FloatArray, start: datetime, end: datetime) -> Steps | None:
    """Values of a plan's intervals, which may be longer than a quarter, on quarters of a span; None where it says nothing."""
    edges = np.array([datetime.fromisoformat(edge).timestamp() for edge in facts["edges"]])
    first = floor_to(start, _QUARTER)
    n = max(1, -((first - end) // _QUARTER))
    at = first.timestamp() + np.arange(n) * _QUARTER.total_seconds()
    place = np.searchsorted(edges, at, side="right") - 1
    inside = (place >= 0) & (place < len(values))
    found: FloatArray = np.full(n, np.nan)
    found[inside] = values[place[inside]]
    return Steps(first, _QUARTER.total_seconds(), found) if inside.any() else None


def _past_declared(store: ProofStore, call: Call, park: Park, others: Sequence[Call]) -> FloatArray | None:
    """At the same hours of earlier days: what the plan of as long before had declared, and what was metered."""
    ahead = max(call.start - call.asked_at, timedelta(0))
    called = {day for one in others if one.overlaps(call) for day in _days(one, park)}
    start, end = floor_to(call.start, _QUARTER), call.end
    pairs: list[FloatArray] = []
    for back in range(1, _DECLARED_DAYS + 1):
        past = timedelta(days=back)
        if (start - past).astimezone(park.zone).date() in called:
            continue
        facts = _declared(store, start - past - ahead)
        planned = None if facts is None else _flow(facts, call, start - past, end - past)
        if planned is None:
            continue
        metered = _metered(store, call, start - past, end - past, _QUARTER)
        both = np.stack((planned.window(start - past, end - past)[: len(metered)], metered), axis=1)
        pairs.append(both[np.isfinite(both).all(axis=1)])
    known = [pair for pair in pairs if len(pair)]
    return np.concatenate(known) if known else None


def _neighbours(park: Park, call: Call) -> tuple[str, ...]:
    return () if call.asset is None else tuple(a.id for a in park.assets_of("compute") if a.id != call.asset)


def _behind(park: Park, call: Call) -> tuple[tuple[str, ...], bool]:
    """Assets of the areas that hang on the connection, and whether nothing else flows into these; a called cluster alone."""
    if call.asset is not None:
        return (call.asset,), False
    one = next(c for c in park.connections if c.id == call.connection)
    areas = areas_behind(park, one)
    alone = not any(c.id != one.id and (c.area in areas) != (c.to in areas) for c in park.connections)
    return tuple(asset.id for asset in park.assets if asset.area in areas), alone


def _assets(
    store: ProofStore,
    park: Park,
    whose: tuple[Call, tuple[str, ...]],
    span: tuple[datetime, datetime],
    declared: Mapping[str, Any] | None,
) -> tuple[AssetEvidence, ...]:
    call, ids = whose
    minute = timedelta(seconds=SECONDS_PER_MINUTE)
    _, metered = store.many_series(ids, "power_mw", *span, minute)
    known = {str(asset.id): asset for asset in park.assets}
    found = []
    for name, values in zip(ids, metered, strict=True):
        asset = known[name]
        plan = None if declared is None else declared.get("assets", {}).get(name)
        planned = (
            None if plan is None or declared is None else _on_quarters(declared, np.array(plan["power_mw"]), call.start, call.end)
        )
        found.append(
            AssetEvidence(
                asset_id=name,
                kind=asset.kind,
                name_zh=asset.name_zh,
                metered=Steps(span[0], SECONDS_PER_MINUTE, values),
                planned=planned or Steps(call.start, SECONDS_PER_MINUTE, np.array([np.nan])),
                acked=_acked(store.said(name, call.start - _ACKED_BACK, call.end)),
            )
        )
    return tuple(found)


def _acked(rows: Sequence[SaidRow]) -> tuple[tuple[datetime, float], ...]:
    """Powers that a device said it goes to; a refusal confirms nothing."""
    found = []
    for row in rows:
        if row.word == "ack":
            ack = decode(Ack, "ack", row.message)
            if ack.outcome != "rejected" and ack.power_mw is not None:
                found.append((row.at, ack.power_mw))
    return tuple(found)
