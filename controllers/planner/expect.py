"""What the planner expects of inflexible load and arriving work.

What is forecast of a load is taken; where nothing is, and for all else, it comes from the plate and the last reading, and what
that assumes stands in each docstring.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from controllers.planner.problem import WorkItem
from forecasting.arrival_outlook import ArrivalOutlook
from forecasting.forecast import Forecast
from forecasting.load_sites import reference_mw
from vpp.park import Asset
from vpp.park.plates import BaseLoadPlate, ComputePlate, EvChargingPlate
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray, hours

__all__ = ["arriving_mw", "arriving_work", "expected_load_mw", "firm_compute_mw", "forecast_load_mw"]

#: How fast the difference between the last reading and the calendar is forgotten. [h]
_MEMORY_H = 6.0
_NIGHT_ENDS_H, _NIGHT_BEGINS_H = 6, 23
_NIGHT_SHARE = (HOURS_PER_DAY - _NIGHT_BEGINS_H + _NIGHT_ENDS_H) / HOURS_PER_DAY
_WEEKEND_DAYS, _WEEK_DAYS = 2, 7


def forecast_load_mw(asset: Asset, forecast: Forecast) -> FloatArray | None:
    """What a forecast says of an inflexible load, shape (T,); None where it knows no more than the plate. [MW]."""
    if asset.id not in forecast.loads or forecast.quality[forecast.row(asset.id)] == "climatology":
        return None
    mean_mw: FloatArray = forecast.mean_frac[forecast.row(asset.id)] * reference_mw(asset)
    return mean_mw


def expected_load_mw(plate: BaseLoadPlate | EvChargingPlate, now_mw: float | None, grid: TimeGrid, zone: ZoneInfo) -> FloatArray:
    """Load that follows its users: the calendar's shape, pulled towards the last reading, shape (T,). [MW].

    Args:
        plate: Its mean, and what night and weekend add to it.
        now_mw: Last reading; None where there is none.
        grid: The intervals.
        zone: Park time.
    """
    if isinstance(plate, EvChargingPlate):
        shape = np.full(grid.n, plate.energy_mwh_per_day / HOURS_PER_DAY)
    else:
        shape = plate.mean_mw * _calendar(plate, grid, zone)
    if now_mw is None or shape[0] <= 0:
        return shape
    pull = np.exp(-grid.offset_h / _MEMORY_H)
    pulled: FloatArray = shape * (1.0 + (now_mw / shape[0] - 1.0) * pull)
    return pulled


def _calendar(plate: BaseLoadPlate, grid: TimeGrid, zone: ZoneInfo) -> FloatArray:
    local = [at.astimezone(zone) for at in grid.starts]
    night = np.array([at.hour < _NIGHT_ENDS_H or at.hour >= _NIGHT_BEGINS_H for at in local], dtype=float)
    weekend = np.array([at.isoweekday() > _WEEK_DAYS - _WEEKEND_DAYS for at in local], dtype=float)
    shape: FloatArray = (
        1.0 + plate.night_frac * (night - _NIGHT_SHARE) + plate.weekend_frac * (weekend - _WEEKEND_DAYS / _WEEK_DAYS)
    )
    return shape


def firm_compute_mw(plate: ComputePlate, now_mw: float | None, offset_h: FloatArray) -> FloatArray:
    """Idle power and work that does not wait: the plate's mean, pulled towards what was last reported. [MW].

    Args:
        plate: Its mean use, and the share of it that may wait.
        now_mw: Last report; None where there is none.
        offset_h: Hours from now, shape (T,).
    """
    mean_mw = plate.rated_mw * plate.idle_frac + _busy_mw(plate) * (1.0 - plate.deferrable_frac)
    beside_mw = 0.0 if now_mw is None else now_mw - mean_mw
    firm_mw: FloatArray = mean_mw + beside_mw * np.exp(-offset_h / _MEMORY_H)
    return firm_mw


def arriving_mw(plate: ComputePlate, share_frac: float) -> float:
    """Mean rate at which deferrable work of a class with that share arrives. [MW]."""
    return _busy_mw(plate) * plate.deferrable_frac * share_frac


def arriving_work(
    plate: ComputePlate, grid: TimeGrid, outlook: ArrivalOutlook | None = None, level: float | None = None
) -> tuple[WorkItem, ...]:
    """Deferrable work that is expected to arrive, as items that begin with the interval after the one they come in.

    Args:
        plate: Its classes.
        grid: The plan's intervals.
        outlook: What is expected, a row for each class of the plate; None for the plate's mean rate.
        level: So likely it is no more: above one half a reserve that keeps room for late work, so that deadlines are kept in most
            cases and not in the mean of all. None for the expected value.
    """
    rows = np.array([arriving_mw(plate, c.share_frac) for c in plate.job_classes])[:, np.newaxis] * grid.step_h
    if outlook is not None:
        since_h = hours(grid.start - outlook.at)
        edges = np.maximum(np.append(grid.offset_h, grid.offset_h[-1] + grid.step_h[-1]) + since_h, 0.0)
        rows = np.diff(outlook.by(edges, level), axis=1)
    return tuple(
        WorkItem(c.name, float(energy), float(offset_h), float(offset_h) + c.slack_h)
        for c, row in zip(plate.job_classes, rows, strict=True)
        for energy, offset_h in zip(row[:-1], grid.offset_h[1:], strict=True)
    )


def _busy_mw(plate: ComputePlate) -> float:
    """Mean power above idle: work of every sort."""
    return plate.rated_mw * max(0.0, plate.mean_use_frac - plate.idle_frac)
