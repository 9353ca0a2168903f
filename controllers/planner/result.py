"""What a plan says: schedules, prices, values of what is stored, and what it could not meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.plan import ValueCurve
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["AssetSchedule", "Binding", "PlanSource", "PlanStatus", "Result", "Unmet"]

#: How the answer was found: counts relaxed, rounded and fixed; improved by a search; the last plan moved on; over scenarios.
PlanSource = Literal["rounded", "searched", "shifted", "scenarios"]
#: How good the answer is: proven to the gap asked for, stopped early with an incumbent, or nothing found.
PlanStatus = Literal["optimal", "incumbent", "none"]


@dataclass(frozen=True, slots=True)
class AssetSchedule:
    """One asset over the horizon.

    Args:
        power_mw: Positive when consuming, shape (T,). [MW]
        quantities: Named series of the kind, each (T,), as in `stacks_on`, `stored_mwh`, `heat_starts`.
        store_value: Worth of one more unit in its store at the end of each interval, shape (T,): CNY/MWh stored, or CNY/kg.
        values: The same for each of several stores, as for the job classes of a cluster: what one more MWh done is worth.
    """

    asset_id: AssetId
    power_mw: FloatArray
    quantities: Mapping[str, FloatArray]
    store_value: FloatArray | None
    values: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unmet:
    """A promise the plan cannot keep.

    Args:
        where: Asset, area or connection.
        what: Which, with its unit.
        amount: How much over the horizon.
        reason: What stood in its way.
        since: Begin of the first interval in which it is broken; None where it is not counted by the interval. (UTC)
    """

    where: str
    what: str
    amount: float
    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A limit that holds the plan in an interval.

    Args:
        step: The interval.
        where: Asset, connection or area.
        what: The quantity at its limit.
        at_most: Whether its upper limit holds it, or its lower.
        limit: Where that is, in the quantity's unit.
        worth_cny: What one more unit of room would save.
    """

    step: int
    where: str
    what: str
    at_most: bool
    limit: float
    worth_cny: float

    def words(self) -> str:
        """The same in a sentence."""
        side = "cannot rise above" if self.at_most else "cannot fall below"
        return f"{self.where}: {self.what} {side} {self.limit:.4g}; one unit more of room would save {self.worth_cny:.0f} CNY"


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one problem.

    Args:
        status: See `PlanStatus`.
        objective_cny: Cost of the schedule under the plan's own prices (end values included).
        bound_cny: No schedule can cost less.
        area_price_cny_per_mwh: What one more MWh drawn in the area would cost, shape (T,) each.
        import_mw: By connection, shape (T,).
        export_mw: By connection, shape (T,).
        unmet: What is not kept, with the reason.
        source: How it was found.
        cost_items_cny: Its cost by item; the sum is the objective.
        binding: Limits that hold it, the dearest of each interval first.
        curves: Worth of one more unit in each store by its level, at the first interval.
        emissions_t: CO2 of what is imported from the grid and burnt.
    """

    grid: TimeGrid
    status: PlanStatus
    objective_cny: float
    bound_cny: float
    assets: Mapping[AssetId, AssetSchedule]
    area_price_cny_per_mwh: Mapping[AreaId, FloatArray]
    import_mw: Mapping[ConnectionId, FloatArray]
    export_mw: Mapping[ConnectionId, FloatArray]
    unmet: tuple[Unmet, ...]
    source: PlanSource = "rounded"
    cost_items_cny: Mapping[str, float] = field(default_factory=dict)
    binding: tuple[Binding, ...] = ()
    curves: Mapping[AssetId, ValueCurve] = field(default_factory=dict)
    emissions_t: float = 0.0

    @property
    def gross_cny(self) -> float:
        """Sum of what costs, income not set against it: what percentages refer to."""
        return sum(max(amount, 0.0) for amount in self.cost_items_cny.values())

    @property
    def gap_frac(self) -> float:
        """How far the answer may be from the best, as a share of gross cost."""
        return max(self.gap_cny, 0.0) / max(self.gross_cny, 1.0)

    @property
    def gap_cny(self) -> float:
        """How far the answer may be from the best."""
        return self.objective_cny - self.bound_cny
