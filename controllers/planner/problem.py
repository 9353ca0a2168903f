"""What a plan is made from: frozen facts, no clock, no wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vpp.errors import PlanError
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = [
    "BandNeed",
    "ComputeNeed",
    "ConnectionTerms",
    "EndValues",
    "FeedIn",
    "FlowLimit",
    "HeatNeed",
    "Held",
    "Pin",
    "Problem",
    "Published",
    "Rebound",
    "Reserve",
    "WorkItem",
]


@dataclass(frozen=True, slots=True)
class ConnectionTerms:
    """What crossing a connection costs and how much may cross.

    Args:
        import_cny_per_mwh: Price of energy into the area, shape (T,).
        export_cny_per_mwh: Price paid for energy out of it, shape (T,).
        import_limit_mw: Shape (T,).
        export_limit_mw: Shape (T,).
        demand_cny_per_mw: What one more MW of the month's highest import costs over this horizon (amortised).
        peak_so_far_mw: The month's highest 15-min import until now; below it a MW of import adds nothing to the demand charge.
        near_steps: The first so many intervals pay for a highest import of their own, and the rest for theirs: what tomorrow is
            feared to need is no free licence for today. 0 for one highest import over all of them.
        near_frac: Their part of the price.
    """

    import_cny_per_mwh: FloatArray
    export_cny_per_mwh: FloatArray
    import_limit_mw: FloatArray
    export_limit_mw: FloatArray
    demand_cny_per_mw: float
    peak_so_far_mw: float
    near_steps: int = 0
    near_frac: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Deferrable computing work: what waits, or is expected to arrive, with its window in hours after the grid's start.

    Args:
        max_mw: Most that its jobs can draw together, however much power there is.
    """

    job_class: str
    energy_mwh: float
    release_h: float
    deadline_h: float
    max_mw: float = math.inf


@dataclass(frozen=True, slots=True)
class ComputeNeed:
    """What a cluster must draw and what it may move.

    Args:
        firm_mw: Idle power and work that does not wait, at the cluster's own meter, shape (T,).
        items: Deferrable work, in any order.
        max_mw: The meter's limit.
    """

    firm_mw: FloatArray
    items: tuple[WorkItem, ...]
    max_mw: float


@dataclass(frozen=True, slots=True)
class HeatNeed:
    """What the arc furnaces of one caster owe.

    Args:
        running_mw: Power of heats that have begun, over the grid, shape (T,).
        free_from_step: First step at which each furnace can start a heat, shape (furnaces,) as a tuple.
        earliest: Most heats that may have been started by the end of each step (production order), shape (T,).
        latest: Fewest heats that must have been started by then, so that the day's count is still reached, shape (T,).
        day_ends: Steps that end a production day; a heat missing there is missing for good.
        sequence_open: Heats already cast in the running sequence; 0 when the caster stands.
    """

    running_mw: FloatArray
    free_from_step: tuple[int, ...]
    earliest: FloatArray
    latest: FloatArray
    day_ends: tuple[int, ...]
    sequence_open: int


@dataclass(frozen=True, slots=True)
class EndValues:
    """What is left at the horizon's end is worth, per area: no plan empties its stores for nothing.

    Args:
        energy_cny_per_mwh: Value of a MWh at the area's bus after the horizon.
        hydrogen_cny_per_kg: Value of hydrogen in the tank.
        work_cny_per_mwh: What computing work that still waits will cost then.
        stored_cny_per_mwh: What each MWh in a battery or cavern counts for then, where a bill has one price for all; None to
            work it out from the area's value, losses and wear.
    """

    energy_cny_per_mwh: Mapping[AreaId, float]
    hydrogen_cny_per_kg: float
    work_cny_per_mwh: float
    stored_cny_per_mwh: float | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a store should keep in hand against a wrong forecast; going below costs by depth and time.

    Args:
        level: In the store's own unit, MWh or kg.
        price_cny_per_unit_h: For each unit missing, each hour.
    """

    level: float
    price_cny_per_unit_h: float


@dataclass(frozen=True, slots=True)
class BandNeed:
    """What a load with a daily quota owes.

    Args:
        day_ends: Last interval of each park day that ends inside the horizon, and the horizon's last.
        owed_mwh: Energy owed from the start until the end of each of them; for a day cut off by the horizon its even share.
    """

    day_ends: tuple[int, ...]
    owed_mwh: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Net import that an event or a declared schedule asks of a connection; missing it costs money and is named.

    Args:
        name: Whose call it is.
        low_mw: Least net import, -inf where nothing is asked, shape (T,).
        high_mw: Most net import, inf where nothing is asked, shape (T,).
        price_cny_per_mwh: For each MWh missed.
    """

    name: str
    low_mw: FloatArray
    high_mw: FloatArray
    price_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Rebound:
    """After an event not all that was shed is taken back at once: net import stays near what it was before.

    Args:
        name: After which event.
        before_step: The interval before the event; None when it had begun, then `before_mw` counts.
        before_mw: Net import before the event, where no interval of the plan shows it.
        steps: Intervals in which the limit holds.
        most_mw: How far net import may rise above what it was.
        price_cny_per_mwh: For each MWh above.
    """

    name: str
    before_step: int | None
    before_mw: float
    steps: tuple[int, ...]
    most_mw: float
    price_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Pin:
    """What a person decided about an asset's power; -inf and inf where nothing, shape (T,) each."""

    low_mw: FloatArray
    high_mw: FloatArray


@dataclass(frozen=True, slots=True)
class FeedIn:
    """A contract on how much of an area's own generation may leave it.

    Args:
        name: The contract.
        area: Whose generation.
        most_frac: Largest part of the generation used that may leave.
        each_interval: Whether every interval counts by itself, or the horizon as a whole.
        price_cny_per_mwh: For each MWh that leaves beyond it.
    """

    name: str
    area: AreaId
    most_frac: float
    each_interval: bool
    price_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class FlowLimit:
    """A line or transformer as a linear sensitivity: `|sum_i per_mw[i] p_i| <= limit`.

    Args:
        name: Of the branch.
        per_mw: Flow for each MW that an asset draws (PTDF), by asset.
        limit_mw: Either way.
        price_cny_per_mwh: For each MWh above it.
    """

    name: str
    per_mw: Mapping[AssetId, float]
    limit_mw: float
    price_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Published:
    """The plan that is known outside: changing it has a price, so that plans do not flap.

    Args:
        power_mw: By asset, NaN where it says nothing, shape (T,).
        change_cny_per_mwh: For each MWh beside it.
    """

    power_mw: Mapping[AssetId, FloatArray]
    change_cny_per_mwh: float


@dataclass(frozen=True, slots=True)
class Problem:
    """One planning problem; day-ahead and rolling are the same.

    Args:
        park: What is in service.
        grid: The horizon.
        states: Each asset's state as its telemetry tells it.
        available_mw: Expected available power of each wind and solar farm, shape (T,).
        load_mw: Expected power of each inflexible load, shape (T,); a feeder that is not here goes on as it is.
        connections: Terms of each connection to the grid, and limits of those between areas.
        compute: What each cluster needs.
        heats: What each furnace group owes.
        end_values: See `EndValues`.
        reserves: What stores of an island keep in hand; where a grid stands behind, it is the reserve.
        curtail_cny_per_mwh: Price on curtailment in the plan (not in the score).
        unserved_cny_per_mwh: Price on an unmet balance; high enough that only physics makes it bind.
        bands: What each load with a quota owes; without it the mean over the horizon.
        charging: What each charging station must draw and may move; without it the load is no decision.
        held: By connection, what events ask of it.
        rebounds: By connection, what may be taken back after an event.
        pins: By asset, what a person decided.
        feed_in: Contracts on energy that leaves an area.
        flows: Lines that may bind.
        published: The plan known outside.
        must_run: Units of each thermal plant that heat needs on.
        steam_mw: What a steam-led plant generates, shape (T,).
        ammonia_owed_t: What each loop owes by contract over the horizon, the month's arrears included, in ammonia or in hydrogen
            left in the tank.
    """

    park: Park
    grid: TimeGrid
    states: Mapping[AssetId, Mapping[str, float]]
    available_mw: Mapping[AssetId, FloatArray]
    load_mw: Mapping[AssetId, FloatArray]
    connections: Mapping[ConnectionId, ConnectionTerms]
    end_values: EndValues
    compute: Mapping[AssetId, ComputeNeed] = field(default_factory=dict)
    heats: Mapping[AssetId, HeatNeed] = field(default_factory=dict)
    reserves: Mapping[AssetId, Reserve] = field(default_factory=dict)
    curtail_cny_per_mwh: float = 50.0
    unserved_cny_per_mwh: float = 10_000.0
    bands: Mapping[AssetId, BandNeed] = field(default_factory=dict)
    charging: Mapping[AssetId, ComputeNeed] = field(default_factory=dict)
    held: Mapping[ConnectionId, tuple[Held, ...]] = field(default_factory=dict)
    rebounds: Mapping[ConnectionId, tuple[Rebound, ...]] = field(default_factory=dict)
    pins: Mapping[AssetId, Pin] = field(default_factory=dict)
    feed_in: tuple[FeedIn, ...] = ()
    flows: tuple[FlowLimit, ...] = ()
    published: Published | None = None
    must_run: Mapping[AssetId, int] = field(default_factory=dict)
    steam_mw: Mapping[AssetId, FloatArray] = field(default_factory=dict)
    ammonia_owed_t: Mapping[AssetId, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.grid.n
        for what, rows in (("available_mw", self.available_mw), ("load_mw", self.load_mw)):
            for asset_id, row in rows.items():
                if row.shape != (n,):
                    raise PlanError(f"{what}[{asset_id}] has shape {row.shape}, the grid has {n} intervals")

    def fact(self, asset_id: AssetId, key: str, otherwise: float) -> float:
        """One number of an asset's state, or a cautious stand-in where telemetry does not tell."""
        return float(self.states.get(asset_id, {}).get(key, otherwise))
