"""The portrait of a weather: every statistic that the generator was fitted on, of a measured weather or of a generated one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from sim_harness.weather.base import STEP, Weather
from sim_harness.weather.calendar import PARK_UTC_OFFSET
from sim_harness.weather.statistics import (
    RunError,
    autocorrelation,
    daily_clearness,
    excess_kurtosis,
    quantiles,
    ramp_std,
    ramps,
    run_error,
)
from vpp.ids import AssetId
from vpp.series import to_stamp
from vpp.units import FloatArray

__all__ = ["LAGS_H", "LEAD_CLASS_H", "LEADS_H", "RAMPS_H", "SunPortrait", "WindPortrait", "sun_portrait", "wind_portrait"]

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
PER_HOUR: Final = HOUR // STEP
#: Lags of the autocorrelation, lengths of ramps, longest lead, width of a class of leads. [h]
LAGS_H: Final = (1, 3, 6, 12, 24, 48, 96)
RAMPS_H: Final = (1, 4, 12)
LEADS_H: Final = 72
LEAD_CLASS_H: Final = 4
ZERO_FRAC: Final = 0.01


@dataclass(frozen=True, slots=True)
class WindPortrait:
    """Statistics of the wind farms of a weather, F farms, power as a share of capacity.

    Args:
        farms: Which.
        hourly_frac: Hourly means, shape (F, T).
        quarter_frac: Quarter-hour means, shape (F, 4 T).
        std_frac: Spread, shape (F,).
        zero_frac: Share of hours with next to no power, shape (F,).
        quantile_frac: At 5, 25, 50, 75 and 95 %, shape (F, 5).
        ramp_std_frac: Of ramps over `RAMPS_H`, shape (F, 3).
        quarter_ramp_std_frac: Of ramps over 15 min, shape (F,).
        ramp_kurtosis: Excess kurtosis of ramps over an hour, shape (F,).
        memory: Autocorrelation at `LAGS_H`, shape (F, 7).
        correlation: Of hourly power between farms, shape (F, F).
        error_rms_frac: Error of the best curve on the forecast wind, by class of leads, shape (F, LEADS_H / LEAD_CLASS_H).
        error_memory: Autocorrelation of that error on day 1 at `LAGS_H`, shape (F, 7).
        error_correlation: Of that error between farms, shape (F, F).
    """

    farms: tuple[AssetId, ...]
    hourly_frac: FloatArray
    quarter_frac: FloatArray
    std_frac: FloatArray
    zero_frac: FloatArray
    quantile_frac: FloatArray
    ramp_std_frac: FloatArray
    quarter_ramp_std_frac: FloatArray
    ramp_kurtosis: FloatArray
    memory: FloatArray
    correlation: FloatArray
    error_rms_frac: FloatArray
    error_memory: FloatArray
    error_correlation: FloatArray


@dataclass(frozen=True, slots=True)
class SunPortrait:
    """Statistics of one PV station, index = power over what clear days give.

    Args:
        quarter_frac: Quarter-hour means of power from a park midnight on, shape (T,).
        index: By day and quarter of the day, NaN where the sun is low, shape (D, 96).
        index_quantile: At 5, 25, 50, 75 and 95 %, shape (5,).
        step_std: Of the index over 15 min, 1 h and 4 h, shape (3,).
        daily: Index of each whole day, shape (D,).
        daily_memory: Autocorrelation of `daily` after one day.
    """

    quarter_frac: FloatArray
    index: FloatArray
    index_quantile: FloatArray
    step_std: FloatArray
    daily: FloatArray
    daily_memory: float


def wind_portrait(weather: Weather) -> WindPortrait:
    """The wind farms of a weather over all the time it knows."""
    farms = tuple(farm.asset_id for farm in weather.farms if farm.kind == "wind")
    start = weather.start if not weather.start.minute else weather.start.replace(minute=0) + HOUR
    n = (weather.end - start) // HOUR
    quarter = weather.available_frac_array(farms, start, STEP, n * PER_HOUR)
    hourly = quarter.reshape(len(farms), n, PER_HOUR).mean(axis=2)
    errors = [_residual(weather, farm, hourly[row]) for row, farm in enumerate(farms)]
    newest = np.stack([error.newest() for error in errors])
    newest = newest[:, np.isfinite(newest).all(axis=0)]
    classes = range(1, LEADS_H, LEAD_CLASS_H)
    return WindPortrait(
        farms=farms,
        hourly_frac=hourly,
        quarter_frac=quarter,
        std_frac=hourly.std(axis=1),
        zero_frac=(hourly < ZERO_FRAC).mean(axis=1),
        quantile_frac=np.stack([quantiles(own) for own in hourly]),
        ramp_std_frac=np.array([[ramp_std(own, steps) for steps in RAMPS_H] for own in hourly]),
        quarter_ramp_std_frac=ramps(quarter, 1).std(axis=1),
        ramp_kurtosis=np.array([excess_kurtosis(ramps(own, 1)) for own in hourly]),
        memory=np.array([[autocorrelation(own, lag) for lag in LAGS_H] for own in hourly]),
        correlation=np.atleast_2d(np.corrcoef(hourly)),
        error_rms_frac=np.array([[error.rms(lead, lead + LEAD_CLASS_H - 1) for lead in classes] for error in errors]),
        error_memory=np.array([[autocorrelation(own, lag) for lag in LAGS_H] for own in newest]),
        error_correlation=np.atleast_2d(np.corrcoef(newest)),
    )


def sun_portrait(weather: Weather, farm: AssetId) -> SunPortrait:
    """One PV station over the whole park days that a weather knows."""
    midnight = (weather.start + PARK_UTC_OFFSET).replace(hour=0, minute=0) + DAY - PARK_UTC_OFFSET
    days = (weather.end - midnight) // DAY
    per_day = DAY // STEP
    power = weather.available_frac_array([farm], midnight, STEP, days * per_day)[0]
    index, daily = daily_clearness(power, per_day)
    seen = index[np.isfinite(index)]
    steps = [index[:, gap:] - index[:, :-gap] for gap in (1, PER_HOUR, 4 * PER_HOUR)]
    return SunPortrait(
        quarter_frac=power,
        index=index,
        index_quantile=quantiles(seen),
        step_std=np.array([float(np.nanstd(step)) for step in steps]),
        daily=daily,
        daily_memory=autocorrelation(daily, 1),
    )


def _residual(weather: Weather, farm: AssetId, hourly_frac: FloatArray) -> RunError:
    """Error of a farm's runs: power of the hours that end at the leads, against forecast speed."""
    runs = weather.runs_known(farm, weather.end)
    wind = np.hypot(runs.value[:, :LEADS_H, 2], runs.value[:, :LEADS_H, 3])
    first = ((runs.issued_at - to_stamp(weather.start)) // np.timedelta64(HOUR)).astype(np.int64)
    hour = first[:, None] + np.arange(LEADS_H)
    known = (hour >= 0) & (hour < hourly_frac.size)
    power = np.where(known, hourly_frac[np.clip(hour, 0, hourly_frac.size - 1)], np.nan)
    keep = known.any(axis=1)
    return run_error(power[keep], wind[keep])
