"""The oracle as a controller's foresight: the true future on the grid of every plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planner.assemble import ELECTRICITY_DAYS_PER_MONTH
from controllers.planner.horizon import HOUR, QUARTER, SPAN, planning_grid, resample
from controllers.planner.problem import ComputeNeed, EndValues, Problem, WorkItem
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from sim_harness.oracle import Coming, TrueFuture
from sim_harness.prices import FIXED
from vpp.ids import AssetId
from vpp.park import Asset, Park, tariff_prices
from vpp.timegrid import TimeGrid
from vpp.units import hours

__all__ = ["SEES", "Oracle", "seeing_grid"]

#: A window of the perfect policy, longer than the longest slack. It is planned anew every quarter of an hour, so that of each
#: window far less is kept than the seven days that it could be trusted for.
SEES: Final = timedelta(days=11)
_COARSE: Final = 3


def seeing_grid(at: datetime, end: datetime, zone: ZoneInfo) -> TimeGrid:
    """The planning grid of two days, then three hours each, in step with the park's days, up to an instant.

    >>> from datetime import UTC
    >>> at = datetime(2030, 10, 1, tzinfo=UTC)
    >>> seeing_grid(at, at + SEES, ZoneInfo("Asia/Shanghai")).n
    145
    """
    edges = [edge for edge in planning_grid(at).edges if edge < end]
    while edges[-1] < end:
        step = HOUR * (1 if edges[-1].astimezone(zone).hour % _COARSE else _COARSE)
        edges.append(min(edges[-1] + step, end))
    return TimeGrid(tuple(edges))


@dataclass(frozen=True, slots=True)
class Oracle:
    """Foresight of a world.

    Args:
        park: As the run has it.
        future: What will be.
        sees: How far ahead a plan looks.
        until: The run's end, if plans are to end there at the prices that the run's bill has for what is left; None for plans
            that look beyond it, as those of a controller do.
    """

    park: Park
    future: TrueFuture
    sees: timedelta = SPAN
    until: datetime | None = None

    def horizon(self, at: datetime) -> TimeGrid:
        """Two days as any plan's; beyond them coarser, as far as it sees; at the run's very end one quarter."""
        if self.until is None:
            return planning_grid(at) if self.sees <= SPAN else seeing_grid(at, at + self.sees, self.park.zone)
        return seeing_grid(at, max(min(at + self.sees, self.until), at + QUARTER), self.park.zone)

    def forecast(self, grid: TimeGrid) -> Forecast:
        """What wind and sun will give, without any doubt."""
        future = self.future
        frac = resample(future.available_frac, future.grid, grid)
        frac = np.clip(frac, 0.0, 1.0)
        fresh: tuple[Quality, ...] = tuple("fresh" for _ in future.farms)
        return Forecast(
            grid=grid,
            quantile_levels=QUANTILE_LEVELS,
            asset_ids=future.farms,
            quantile_frac=np.repeat(frac[:, :, np.newaxis], len(QUANTILE_LEVELS), axis=2),
            mean_frac=frac,
            issued_at=grid.start,
            quality=fresh,
        )

    def corrected(self, problem: Problem) -> Problem:
        """With loads, arriving work and vehicles, and prices as they will be."""
        future, grid = self.future, problem.grid
        loads = {i: resample(mw, future.grid, grid) for i, mw in future.load_mw.items()}
        compute = {i: self._compute(problem, self.park.asset(i), need) for i, need in problem.compute.items()}
        charging = {i: self._charging(problem, i, need) for i, need in problem.charging.items()}
        # Whoever knows what tomorrow needs does not pay twice for fear of it: one highest import over the whole horizon.
        terms = {c: replace(one, near_steps=0) for c, one in problem.connections.items()}
        known = replace(problem, load_mw={**problem.load_mw, **loads}, compute=compute, charging=charging, connections=terms)
        if future.spot_cny_per_mwh is not None:
            known = self._priced(known)
        return known if self.until is None else self._billed(known)

    def _compute(self, problem: Problem, cluster: Asset, need: ComputeNeed) -> ComputeNeed:
        names = [c.name for c in cluster.plate.job_classes]
        waiting = tuple(item for item in need.items if item.release_h <= 0.0)
        coming = tuple(_items(self.future.coming[cluster.id], names, self._begin_h(problem), problem.grid))
        firm_mw = resample(self.future.firm_mw[cluster.id], self.future.grid, problem.grid)
        # What runs now is measured; the world's own cooling follows with a lag that no plan needs to know.
        firm_mw[0] = need.firm_mw[0]
        return replace(need, firm_mw=firm_mw, items=waiting + coming)

    def _charging(self, problem: Problem, station: AssetId, need: ComputeNeed) -> ComputeNeed:
        waiting = tuple(item for item in need.items if item.release_h < 0.0)
        coming = _items(self.future.coming[station], [station, station], self._begin_h(problem), problem.grid)
        return replace(need, items=waiting + tuple(coming))

    def _begin_h(self, problem: Problem) -> float:
        return hours(problem.grid.start - self.future.grid.start)

    def _billed(self, problem: Problem) -> Problem:
        """What is left at the end, the month's peak, and nothing that no bill has, at the prices of the run's bill."""
        end_values = EndValues(
            energy_cny_per_mwh=problem.end_values.energy_cny_per_mwh,
            hydrogen_cny_per_kg=self.park.prices.hydrogen_cny_per_kg,
            work_cny_per_mwh=FIXED.pending_work_cny_per_mwh,
            stored_cny_per_mwh=FIXED.stored_cny_per_mwh,
        )
        days = (self.until - self.future.grid.start) / timedelta(days=1) if self.until is not None else 0.0
        terms = dict(problem.connections)
        for connection in self.park.connections:
            if connection.tariff is not None:
                charge = self.park.tariff(connection.tariff).demand_charge_cny_per_mw_month
                share = min(1.0, days / ELECTRICITY_DAYS_PER_MONTH)
                terms[connection.id] = replace(terms[connection.id], demand_cny_per_mw=charge * share)
        return replace(problem, end_values=end_values, connections=terms, curtail_cny_per_mwh=0.0, published=None)

    def _priced(self, problem: Problem) -> Problem:
        """Connections at what energy will come to at the market, instead of what was published."""
        spot = resample(np.asarray(self.future.spot_cny_per_mwh), self.future.grid, problem.grid)
        terms = dict(problem.connections)
        for connection in self.park.connections:
            if connection.tariff is not None and (tariff := self.park.tariff(connection.tariff)).pricing == "spot":
                prices = tariff_prices(tariff, problem.grid, self.park.zone, spot)
                terms[connection.id] = replace(terms[connection.id], import_cny_per_mwh=prices.import_cny_per_mwh)
        return replace(problem, connections=terms)


def _items(coming: Coming, names: Sequence[str], begin_h: float, grid: TimeGrid) -> Iterator[WorkItem]:
    """What comes in each interval and group as one item, to be used from the interval's middle on and due when its first is."""
    edges_h = np.append(grid.offset_h, hours(grid.end - grid.start)) + begin_h
    first, last = np.searchsorted(coming.release_h, (edges_h[0] - 1e-9, edges_h[-1] - 1e-9))
    step = np.searchsorted(edges_h, coming.release_h[first:last] + 1e-9, side="right") - 1
    key = step * len(names) + coming.group[first:last]
    energy = np.bincount(key, weights=coming.energy_mwh[first:last], minlength=grid.n * len(names))
    due = np.full(energy.size, np.inf)
    np.minimum.at(due, key, coming.deadline_h[first:last] - begin_h)
    middle_h = grid.offset_h + 0.5 * grid.step_h
    for cell in np.flatnonzero(energy > 0.0):
        t, group = divmod(int(cell), len(names))
        yield WorkItem(names[group], float(energy[cell]), float(middle_h[t]), float(due[cell]))
