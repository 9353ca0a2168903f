"""What a plan says: schedules, prices, values of what is stored, and what it could not meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["AssetSchedule", "PlanStatus", "Result", "Unmet"]

#: How good the answer is: proven to the gap asked for, stopped early with an incumbent, or nothing found.
PlanStatus = Literal["optimal", "incumbent", "none"]


@dataclass(frozen=True, slots=True)
class AssetSchedule:
    """One asset over the horizon.

    Args:
        power_mw: Positive when consuming, shape (T,). [MW]
        quantities: Named series of the kind, each (T,), as in `stacks_on`, `stored_mwh`, `heat_starts`.
        store_value: Worth of one more unit in its store at the end of each interval, shape (T,): CNY/MWh stored, or CNY/kg.
    """

    asset_id: AssetId
    power_mw: FloatArray
    quantities: Mapping[str, FloatArray]
    store_value: FloatArray | None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A promise the plan cannot keep: what, how much over the horizon, in the unit its name says."""

    where: str
    what: str
    amount: float


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

    @property
    def gap_cny(self) -> float:
        """How far the answer may be from the best."""
        return self.objective_cny - self.bound_cny
