"""What people and the grid ask of a plan, from events, overrides and contracts to rows of a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.dispatch.events import RECOVERY_SPAN
from controllers.planner.horizon import resample
from controllers.planner.problem import FeedIn, FlowLimit, Held, Pin, Published, Rebound
from vpp.events import Event, Override, PinLimit, PinOut, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.park import Contract, Park
from vpp.park.network import sensitivities
from vpp.park.rating import reach_mw
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = [
    "Asks",
    "ChangeRule",
    "feed_in_duties",
    "flow_limits",
    "held_by_events",
    "lines_at_risk",
    "pins_of",
    "published_on",
    "rebounds_after",
]

#: What a MWh missed of a called response costs: less than lost load, more than any energy.
EVENT_CNY_PER_MWH: Final = 5_000.0
#: Ordinary price of net import above the limit after an event.
REBOUND_CNY_PER_MWH: Final = 1_500.0
REBOUND_SPAN: Final = RECOVERY_SPAN
#: Share of the import limit that may be taken back at once on top of what was drawn before.
REBOUND_FRAC: Final = 0.1
#: Energy beside a contract on feed-in or own use. Its true price is the loss of the direct connection; far above curtailing.
CONTRACT_CNY_PER_MWH: Final = 600.0
FLOW_CNY_PER_MWH: Final = 3_000.0
#: Sensitivities below this move no line.
LEAST_PER_MW: Final = 1e-4


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """What it costs a plan to ask others for something else than the plan before it has told them.

    Args:
        cny_per_mwh: For each MWh beside the published power; moving one to another hour costs it twice. 0 for nothing.
        span: How far ahead others rely on it.
        kinds: Whose power people or schedulers act on: what dispatch moves every second nobody was promised.
    """

    cny_per_mwh: float = 2.0
    span: timedelta = timedelta(hours=4)
    kinds: tuple[str, ...] = ("compute", "ammonia_loop", "zinc_electrowinning", "copper_refining", "submerged_arc")


@dataclass(frozen=True, slots=True)
class Asks:
    """All that is asked from outside.

    Args:
        events: Calls in force or announced.
        overrides: What people decided.
        published: The plan that is known outside.
        lines: Branches whose limits the plan keeps, by id; empty for none.
        ammonia_arrears_t: By loop, what the contract's month is behind, negative where it is ahead.
    """

    events: tuple[Event, ...] = ()
    overrides: tuple[Override, ...] = ()
    published: Published | None = None
    lines: frozenset[str] = field(default_factory=frozenset)
    ammonia_arrears_t: Mapping[AssetId, float] = field(default_factory=dict)


def published_on(power_mw: Mapping[AssetId, FloatArray], told: TimeGrid, grid: TimeGrid, rule: ChangeRule) -> Published | None:
    """A published plan on the grid of the next one; None where they have no whole interval in common.

    Args:
        power_mw: As published, shape (told.n,) each.
        told: Its grid.
        grid: Of the plan to be made; it begins no earlier.
        rule: See `ChangeRule`.
    """
    until = min(told.end, grid.start + rule.span)
    known = int(sum(edge <= until for edge in grid.edges[1:]))
    if known == 0 or grid.start < told.start or rule.cny_per_mwh <= 0.0:
        return None
    near = TimeGrid(grid.edges[: known + 1])
    later = np.full(grid.n - known, np.nan)
    found = {i: np.concatenate([resample(np.asarray(mw), told, near), later]) for i, mw in power_mw.items()}
    return Published(found, rule.cny_per_mwh)


def held_by_events(events: Sequence[Event], grid: TimeGrid) -> dict[ConnectionId, tuple[Held, ...]]:
    """Bounds on net import: a call to cut is a ceiling, a call to absorb a floor."""
    found: dict[ConnectionId, tuple[Held, ...]] = {}
    for event in events:
        inside = np.array([_binds(event, *edges) for edges in zip(grid.edges, grid.edges[1:], strict=False)])
        if not inside.any():
            continue
        floor = event.is_floor
        low = np.where(inside & floor, event.target_mw, -np.inf)
        high = np.where(inside & (not floor), event.target_mw, np.inf)
        found[event.connection] = (
            *found.get(event.connection, ()),
            Held(event.event_id, low, high, EVENT_CNY_PER_MWH),
        )
    return found


def _binds(event: Event, start: datetime, end: datetime) -> bool:
    """An interval that an event covers in part is bound as a whole: half a promise is not kept by a mean."""
    first = max(start, event.start)
    return first < end and event.in_force(first)


def rebounds_after(
    events: Sequence[Event],
    grid: TimeGrid,
    import_mw: Mapping[ConnectionId, float],
    park: Park,
    recovering: Sequence[Event] = (),
    noted_mw: Mapping[str, float] | None = None,
) -> dict[ConnectionId, tuple[Rebound, ...]]:
    """For two hours after a call to cut, net import stays near what it was in the last interval before it.

    Args:
        events: In force or announced.
        grid: Of the plan.
        import_mw: What connections draw now. [MW]
        park: Whose connections.
        recovering: Calls that ended a short while ago.
        noted_mw: What was measured just before a call that has begun, by event: it stays the same from plan to plan. [MW]
    """
    noted = noted_mw or {}
    found: dict[ConnectionId, tuple[Rebound, ...]] = {}
    for event in (*recovering, *events):
        if event.is_floor or event.status in ("refused", "cancelled"):
            continue
        steps = tuple(t for t, start in enumerate(grid.starts) if event.end <= start < event.end + REBOUND_SPAN)
        if not steps:
            continue
        before = [t for t, start in enumerate(grid.starts) if start < event.start]
        limit = park.connection(event.connection).import_limit_mw
        found[event.connection] = (
            *found.get(event.connection, ()),
            Rebound(
                name=event.event_id,
                before_step=before[-1] if before and event.event_id not in noted else None,
                before_mw=noted.get(event.event_id, max(import_mw.get(event.connection, 0.0), event.target_mw)),
                steps=steps,
                most_mw=REBOUND_FRAC * limit,
                price_cny_per_mwh=REBOUND_CNY_PER_MWH,
            ),
        )
    return found


def pins_of(overrides: Sequence[Override], grid: TimeGrid, power_mw: Mapping[AssetId, float]) -> dict[AssetId, Pin]:
    """Bounds on the power of each asset that a person holds; one left to its own control room stays where it is."""
    found: dict[AssetId, Pin] = {}
    for override in overrides:
        inside = np.array([override.in_force(start) for start in grid.starts])
        if not inside.any():
            continue
        low_mw, high_mw = _span(override, power_mw)
        old = found.get(override.asset_id)
        low: FloatArray = np.where(inside, low_mw, -np.inf if old is None else old.low_mw)
        high: FloatArray = np.where(inside, high_mw, np.inf if old is None else old.high_mw)
        found[override.asset_id] = Pin(low, high)
    return found


def _span(override: Override, power_mw: Mapping[AssetId, float]) -> tuple[float, float]:
    match override.pin:
        case PinPower(power_mw=held):
            return held, held
        case PinLimit(low_mw=low, high_mw=high):
            return low, high
        case PinOut():
            return 0.0, 0.0
        case _:
            now = power_mw.get(override.asset_id, 0.0)
            return now, now


def feed_in_duties(park: Park) -> tuple[FeedIn, ...]:
    """Contracts on own use and feed-in: what may leave an area as a share of its own generation.

    Duties settled over an hour hold in every interval; those over longer spans over the horizon, which keeps the year's share
    without knowing what the year has been so far.
    """
    found: list[FeedIn] = []
    for contract in park.contracts:
        most = _most_leaving_frac(contract)
        if most is None:
            continue
        for area in contract.areas:
            if park.connections_of(area):
                each = contract.settled_over == "hour"
                found.append(FeedIn(contract.id, area, most, each, CONTRACT_CNY_PER_MWH))
    return tuple(found)


def _most_leaving_frac(contract: Contract) -> float | None:
    if contract.metric == "own_use_of_generation_frac" and contract.sense == "at_least":
        return 1.0 - contract.value
    if contract.metric == "feed_in_of_generation_frac" and contract.sense == "at_most":
        return contract.value
    return None


def lines_at_risk(park: Park) -> frozenset[str]:
    """Branches that the park's own assets can overload when all push one way; the others need no rows in a plan."""
    if park.network.basis.main_bus is None:
        return frozenset()
    branches = frozenset(sensitivities(park).branches)
    reach = {asset.id: reach_mw(asset) for asset in park.assets}
    found = set()
    for limit in flow_limits(park, branches):
        ends = [(share * low, share * high) for share, (low, high) in ((s, reach[i]) for i, s in limit.per_mw.items())]
        worst_mw = max(sum(max(pair) for pair in ends), -sum(min(pair) for pair in ends))
        if worst_mw > limit.limit_mw:
            found.add(limit.name)
    return frozenset(found)


def flow_limits(park: Park, lines: frozenset[str]) -> tuple[FlowLimit, ...]:
    """Branches as linear sensitivities to what each asset draws; an asset on several buses draws equal parts."""
    if not lines:
        return ()
    factors = sensitivities(park)
    column = {bus: j for j, bus in enumerate(factors.buses)}
    found: list[FlowLimit] = []
    for branch, row, limit in zip(factors.branches, factors.ptdf_frac, factors.limit_mw.tolist(), strict=True):
        if branch not in lines:
            continue
        per_mw = {
            asset.id: float(np.mean([row[column[bus]] for bus in asset.buses if bus in column]))
            for asset in park.assets
            if any(bus in column for bus in asset.buses)
        }
        moving = {asset_id: share for asset_id, share in per_mw.items() if abs(share) > LEAST_PER_MW}
        found.append(FlowLimit(branch, moving, limit, FLOW_CNY_PER_MWH))
    return tuple(found)
