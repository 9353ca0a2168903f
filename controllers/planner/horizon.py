"""The planner's time: 15 minutes near, hours far, with every coarse edge on a whole hour; one structure for each quarter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.forecast import Forecast
from vpp.errors import TimeGridError
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, hours

__all__ = ["forecast_on", "planning_grid", "resample"]

QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
FINE: Final = timedelta(hours=8)
SPAN: Final = timedelta(hours=48)


def planning_grid(at: datetime, span: timedelta = SPAN, fine: timedelta = FINE) -> TimeGrid:
    """Quarters of an hour for 8 h and up to the next whole hour, then hours until 48 h have passed: about 72 intervals.

    Whole hours keep the edges on the tariff's and the day's, whatever quarter the plan starts in; there are four structures.

    Args:
        at: Start, a whole quarter of an hour (UTC).
        span: Least length.
        fine: Length planned in quarters.

    Raises:
        TimeGridError: The start is not a whole quarter.

    >>> from datetime import UTC
    >>> [planning_grid(datetime(2030, 10, 1, 0, 15 * q, tzinfo=UTC)).n for q in range(4)]
    [72, 75, 74, 73]
    """
    if at.minute % 15 or at.second or at.microsecond:
        raise TimeGridError(f"{at} is not a whole quarter of an hour; a plan starts on one")
    edges = [at]
    while edges[-1] < at + fine or edges[-1].minute:
        edges.append(edges[-1] + QUARTER)
    while edges[-1] < at + span:
        edges.append(edges[-1] + HOUR)
    return TimeGrid(tuple(edges))


def resample(values: FloatArray, source: TimeGrid, target: TimeGrid) -> FloatArray:
    """Means over the intervals of a coarser or shifted grid, along the first axis that has the source's length last.

    Args:
        values: Shape (..., T).
        source: Grid of the values.
        target: Inside the source.

    Returns:
        Shape (..., target.n).

    Raises:
        TimeGridError: The target reaches beyond the source.
    """
    if target.start < source.start or target.end > source.end:
        raise TimeGridError(f"[{target.start}, {target.end}) reaches beyond [{source.start}, {source.end})")
    marks = np.append(source.offset_h, hours(source.end - source.start))
    summed = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values * source.step_h, axis=-1)], axis=-1)
    shift = hours(target.start - source.start)
    wanted = np.append(target.offset_h, hours(target.end - target.start)) + shift
    left = np.clip(np.searchsorted(marks, wanted, side="right") - 1, 0, source.n - 1)
    part = (wanted - marks[left]) / source.step_h[left]
    at = summed[..., left] + part * (summed[..., left + 1] - summed[..., left])
    means: FloatArray = np.diff(at, axis=-1) / target.step_h
    return means


def forecast_on(forecast: Forecast, grid: TimeGrid) -> Forecast:
    """A forecast on the planner's grid; quantiles are averaged too, as errors within an hour go together."""
    quantiles = np.moveaxis(resample(np.moveaxis(forecast.quantile_frac, 1, -1), forecast.grid, grid), -1, 1)
    return replace(
        forecast,
        grid=grid,
        quantile_frac=np.sort(quantiles, axis=2),
        mean_frac=resample(forecast.mean_frac, forecast.grid, grid),
    )
