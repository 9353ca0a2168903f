"""What people have decided about single assets, carried into one period's snapshot and guidance. Pure.

An asset in somebody's own hand is commanded nothing and counted with what its meter says. One that is pinned bids nothing but its
power and is told to hold it, whatever the plan had in mind.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final, TypeVar

from controllers.dispatch.guidance import BandGuidance, Guidance, ShiftGuidance
from controllers.dispatch.snapshot import Reported, Snapshot
from vpp.events import Override, PinLimit, PinLocal, PinOut, PinPower
from vpp.ids import AssetId
from vpp.park import Asset, Park
from vpp.park.rating import reach_mw
from vpp.wire.messages import Reason

__all__ = ["OVERRIDE", "in_force", "with_overrides", "with_pinned_clusters"]

#: The code of every command that carries a person's decision.
OVERRIDE: Final = "override"
#: Of a reason's text.
_LONGEST: Final = 200
#: Of a signal, what has one value an interval.
_BY_INTERVAL: Final = (
    "cap_mw",
    "target_mw",
    "floor_mw",
    "green_share_frac",
    "carbon_kg_per_mwh",
    "price_cny_per_mwh",
    "confidence_frac",
)

V = TypeVar("V")


def in_force(overrides: Iterable[Override], at: datetime) -> dict[AssetId, Override]:
    """The one that binds each asset at an instant: of several, the one that became known last."""
    found: dict[AssetId, Override] = {}
    for override in sorted(overrides, key=lambda o: o.received_at):
        if override.in_force(at):
            found[override.asset_id] = override
    return found


def with_overrides(park: Park, snapshot: Snapshot, guidance: Guidance) -> tuple[Snapshot, Guidance]:
    """Both as dispatch is to see them.

    Args:
        park: What is in service.
        snapshot: With everything that was decided.
        guidance: Of the plan or the rules, which may not have known it yet.
    """
    binding = in_force(snapshot.overrides, snapshot.at)
    if not binding:
        return snapshot, guidance
    bound = frozenset(binding)
    assets, held = dict(snapshot.assets), _without(guidance.held_mw, bound)
    bands, reasons = _without(guidance.bands, bound), _without(guidance.reasons, bound)
    for asset_id, override in binding.items():
        said = assets.get(asset_id)
        if said is None:
            continue
        if isinstance(override.pin, PinLocal | PinOut):
            assets[asset_id] = replace(said, online=False)
            continue
        low_mw, high_mw = _span(park.asset(asset_id), said, override)
        reasons[asset_id] = Reason(code=OVERRIDE, text=f"{override.who}: {override.why}"[:_LONGEST])
        # What a farm has available is in the span already: it is held like everything else, and not curtailed by price.
        assets[asset_id] = replace(said, available_mw=None)
        if low_mw == high_mw:
            held[asset_id] = low_mw
        else:
            bands[asset_id] = BandGuidance(low_mw, ((high_mw - low_mw, 0.0),))
    return replace(snapshot, assets=assets), replace(
        guidance,
        stores=_without(guidance.stores, bound),
        stacks=_without(guidance.stacks, bound),
        heats=_without(guidance.heats, bound),
        tails=_without(guidance.tails, bound),
        held_mw=held,
        bands=bands,
        reasons=reasons,
    )


def with_pinned_clusters(shifts: Mapping[AssetId, ShiftGuidance], overrides: Iterable[Override]) -> dict[AssetId, ShiftGuidance]:
    """Signals to clusters: one in somebody's own hand gets none, one that is pinned is asked for its power and capped there.

    Where a pin begins or ends inside an interval the interval is cut there: nothing is asked for before it or after it.
    """
    found, known = dict(shifts), tuple(overrides)
    for cluster, shift in shifts.items():
        own = [o for o in known if o.asset_id == cluster]
        if any(isinstance(o.pin, PinLocal | PinOut) and o.in_force(shift.edges[0]) for o in own):
            del found[cluster]
            continue
        for override in own:
            most_mw = _most_mw(override)
            if most_mw is None:
                continue
            shift = _cut(shift, override)
            inside = [_meets(override, a, b) for a, b in pairwise(shift.edges)]
            cap = tuple(min(mw, most_mw) if i else mw for i, mw in zip(inside, shift.cap_mw, strict=True))
            pinned = isinstance(override.pin, PinPower)
            target = tuple(
                (most if pinned else min(mw, most)) if i else mw for i, mw, most in zip(inside, shift.target_mw, cap, strict=True)
            )
            floor = tuple(map(min, shift.floor_mw, target))
            shift = found[cluster] = replace(shift, cap_mw=cap, target_mw=target, floor_mw=floor)
    return found


def _cut(shift: ShiftGuidance, override: Override) -> ShiftGuidance:
    first, last = shift.edges[0], shift.edges[-1]
    more = {at for at in (override.start, override.end) if at is not None and first < at < last} - set(shift.edges)
    if not more:
        return shift
    edges = tuple(sorted({*shift.edges, *more}))
    row = [bisect_right(shift.edges, at) - 1 for at in edges[:-1]]
    rows = {name: tuple(getattr(shift, name)[i] for i in row) for name in _BY_INTERVAL}
    return replace(shift, edges=edges, **rows)


def _most_mw(override: Override) -> float | None:
    match override.pin:
        case PinPower(power_mw=held_mw):
            return max(held_mw, 0.0)
        case PinLimit(high_mw=high_mw):
            return max(high_mw, 0.0)
        case _:
            return None


def _meets(override: Override, start: datetime, end: datetime) -> bool:
    return override.start < end and (override.end is None or start < override.end)


def _span(asset: Asset, said: Reported, override: Override) -> tuple[float, float]:
    """What is asked for, inside what the asset can."""
    least_mw, most_mw = reach_mw(asset)
    least_mw = max(least_mw, -said.available_mw) if said.available_mw is not None else least_mw
    match override.pin:
        case PinPower(power_mw=asked_mw):
            held_mw = min(max(asked_mw, least_mw), most_mw)
            return held_mw, held_mw
        case PinLimit(low_mw=low_mw, high_mw=high_mw):
            return min(max(low_mw, least_mw), most_mw), max(min(high_mw, most_mw), least_mw)
        case _:
            return said.power_mw, said.power_mw


def _without(given: Mapping[AssetId, V], bound: frozenset[AssetId]) -> dict[AssetId, V]:
    return {asset_id: value for asset_id, value in given.items() if asset_id not in bound}
