"""Supply and demand of an area over a day behind and a day ahead, measured and planned, by category."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.console.flows import category_of
from controllers.console.palette import CATEGORIES, GRID, LINK, SOURCES
from vpp.ids import AssetId
from vpp.park import Park
from vpp.timegrid import floor_to
from vpp.units import FloatArray
from vpp.wire.messages import ForecastCurrent

__all__ = ["QUARTER", "AreaCurves", "Matrix", "PlanMemory", "area_curves", "columns_of", "span_of"]

QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
#: Index of the median among the seven quantiles.
_MEDIAN: Final = 3


@dataclass(frozen=True, slots=True)
class Matrix:
    """Power of subjects over quarters; NaN where it is not known.

    Args:
        subjects: Assets and connections, the rows.
        power_mw: Shape (N, T); a connection's import is positive. [MW]
    """

    subjects: Mapping[str, int]
    power_mw: FloatArray

    def of(self, subject: str) -> FloatArray:
        """One row, shape (T,); NaN for a subject that is not in it."""
        row = self.subjects.get(subject)
        if row is None:
            return np.full(self.power_mw.shape[1], np.nan)
        found: FloatArray = self.power_mw[row]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCurves:
    """One area, or the whole park, over T quarters.

    Args:
        supply_mw: By category, measured until now and planned from now on, never negative, NaN where not known, shape (T,). [MW]
        demand_mw: The same of what draws.
        planned_supply_mw: Sum of what the plan in force had, shape (T,). [MW]
        planned_demand_mw: The same of what draws.
        available_mw: Wind and sun that could be generated: measured, then the forecast's median, shape (T,). [MW]
    """

    supply_mw: Mapping[str, FloatArray]
    demand_mw: Mapping[str, FloatArray]
    planned_supply_mw: FloatArray
    planned_demand_mw: FloatArray
    available_mw: FloatArray


@dataclass(slots=True)
class PlanMemory:
    """What the plan in force had for every quarter: a newer plan rules from its own first edge on."""

    _kept: dict[datetime, dict[str, float]] = field(default_factory=dict)

    def take(self, edges: Sequence[datetime], rows: Mapping[str, Sequence[float]]) -> None:
        """A plan, in the order in which they were made."""
        for start in [at for at in self._kept if at >= edges[0]]:
            del self._kept[start]
        at = floor_to(edges[0], QUARTER)
        while at < edges[-1]:
            i = max(bisect_right(edges, at) - 1, 0)
            self._kept[at] = {name: powers[i] for name, powers in rows.items()}
            at += QUARTER

    def forget(self, before: datetime) -> None:
        """Nobody looks further back."""
        for start in [at for at in self._kept if at < before]:
            del self._kept[start]

    def matrix(self, subjects: Sequence[str], starts: Sequence[datetime]) -> Matrix:
        """Planned power over quarters; NaN where no plan was in force."""
        power: FloatArray = np.full((len(subjects), len(starts)), np.nan)
        for t, start in enumerate(starts):
            kept = self._kept.get(start)
            if kept is not None:
                power[:, t] = [kept.get(subject, np.nan) for subject in subjects]
        return Matrix({subject: i for i, subject in enumerate(subjects)}, power)


def span_of(now: datetime) -> tuple[datetime, ...]:
    """Starts of the quarters from a day before this one to a day after it."""
    first = floor_to(now, QUARTER) - _DAY
    return tuple(first + t * QUARTER for t in range(round(2 * _DAY / QUARTER)))


def columns_of(forecast: ForecastCurrent | None, starts: Sequence[datetime], park: Park) -> Matrix:
    """The median of what each farm could generate, shape (N, T), in MW."""
    capacity_mw = {a.id: float(a.plate.capacity_mw) for a in park.assets if category_of(a.kind) in SOURCES}
    told = [] if forecast is None else forecast.series
    series = [one for one in told if one.quantity == "available_frac" and one.id in capacity_mw]
    power: FloatArray = np.full((len(series), len(starts)), np.nan)
    if forecast is not None:
        for t, start in enumerate(starts):
            if forecast.edges[0] <= start < forecast.edges[-1]:
                i = bisect_right(forecast.edges, start) - 1
                power[:, t] = [one.values[i][_MEDIAN] * capacity_mw[AssetId(one.id)] for one in series]
    return Matrix({one.id: n for n, one in enumerate(series)}, power)


def area_curves(
    park: Park, area: str | None, measured: Matrix, planned: Matrix, available: tuple[Matrix, Matrix], now_index: int
) -> AreaCurves:
    """The curves of an area.

    Args:
        park: What is in service.
        area: None for the whole park, inside which what areas send each other cancels out.
        measured: Of the quarters behind.
        planned: Of all quarters.
        available: What farms could generate, measured and forecast.
        now_index: The quarter that is running; its mean so far is shown, and from the next one on the plan.
    """
    supply: dict[str, FloatArray] = {}
    demand: dict[str, FloatArray] = {}
    n = planned.power_mw.shape[1]
    sums = np.zeros((2, n))
    for subject, category, sign in _members(park, area):
        plan = sign * planned.of(subject)
        shown = _joined(sign * measured.of(subject), plan, now_index)
        for rows, way in ((demand, 1.0), (supply, -1.0)):
            _add(rows, category, np.where(np.isnan(shown), np.nan, np.maximum(way * shown, 0.0)))
        sums[0] += np.nan_to_num(np.maximum(-plan, 0.0))
        sums[1] += np.nan_to_num(np.maximum(plan, 0.0))
    blank = np.all(np.isnan(planned.power_mw), axis=0)
    farms = [a.id for a in park.assets if category_of(a.kind) in SOURCES and area in (None, a.area)]
    could = np.zeros(n)
    for farm in farms:
        could += np.where(np.arange(n) < now_index, available[0].of(farm), available[1].of(farm))
    return AreaCurves(
        supply_mw=_in_order(supply),
        demand_mw=_in_order(demand),
        planned_supply_mw=np.where(blank, np.nan, sums[0]),
        planned_demand_mw=np.where(blank, np.nan, sums[1]),
        available_mw=could if farms else np.full(n, np.nan),
    )


def _joined(measured: FloatArray, plan: FloatArray, now_index: int) -> FloatArray:
    """What was measured, then what is planned.

    A step is drawn up to the next point: without a plan the running quarter is closed by its own value.
    """
    quarters = np.arange(plan.shape[0])
    running = measured[now_index] if np.isfinite(measured[now_index]) else plan[now_index]
    shown = np.where(quarters < now_index, measured, np.where(quarters == now_index, running, plan))
    after = min(now_index + 1, plan.shape[0] - 1)
    if np.isnan(shown[after]):
        shown[after] = running
    return shown


def _members(park: Park, area: str | None) -> list[tuple[str, str, float]]:
    """Who feeds an area or draws from it: id, category, and +1 where a positive power draws."""
    found: list[tuple[str, str, float]] = [(a.id, category_of(a.kind), 1.0) for a in park.assets if area in (None, a.area)]
    for connection in park.connections:
        if connection.is_grid:
            if area in (None, connection.area):
                found.append((connection.id, GRID, -1.0))
        elif area == connection.area:
            found.append((connection.id, LINK, -1.0))
        elif area == connection.to:
            found.append((connection.id, LINK, 1.0))
    return found


def _add(rows: dict[str, FloatArray], category: str, power: FloatArray) -> None:
    """What is not known of one leaves the sum of the others; where nothing is known the sum is not either."""
    known = rows.get(category)
    if known is None:
        rows[category] = power
        return
    both = np.isnan(known) & np.isnan(power)
    rows[category] = np.where(both, np.nan, np.nan_to_num(known) + np.nan_to_num(power))


def _in_order(rows: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """In the palette's order, those that ever flow."""
    return {name: rows[name] for name in CATEGORIES if name in rows and float(np.nansum(rows[name])) > 0.0}
