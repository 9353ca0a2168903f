"""From what was known at an origin to one row of numbers for each interval ahead: few features, all of them physical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.history import STEP, STEP_US, PowerHistory
from forecasting.known import FarmSite, WeatherRuns
from forecasting.physics import STANDARD_SUN_W_M2, clear_sky_ghi_w_m2, sun_position
from vpp.series import StampArray
from vpp.units import HOURS_PER_DAY, FloatArray, hours

__all__ = ["SOLAR_COLUMNS", "WIND_COLUMNS", "Rows", "solar_features", "solar_yield_frac", "wind_features"]

ONE_HOUR: Final = np.timedelta64(1, "h").astype("timedelta64[us]")
ONE_DAY: Final = np.timedelta64(1, "D").astype("timedelta64[us]")
STEPS_PER_H: Final = round(1.0 / hours(STEP))
STEPS_PER_DAY: Final = round(HOURS_PER_DAY / hours(STEP))
DAYS_PER_YEAR: Final = 365.2425

WIND_COLUMNS: Final = (
    "farm", "speed100_m_s", "speed100_before_m_s", "speed100_after_m_s", "speed10_m_s", "heading_sin", "heading_cos",
    "park_speed100_m_s", "lead_h", "horizon_h", "last_frac", "mean_1h_frac", "mean_3h_frac", "speed100_at_origin_m_s", "hour",
    "speed100_3h_before_m_s", "speed100_3h_after_m_s", "speed100_smooth_m_s", "shear", "mean_24h_frac", "speed100_24h_m_s",
)  # fmt: skip
SOLAR_COLUMNS: Final = (
    "farm", "elevation_deg", "hour_angle_deg", "clear_sky_frac", "horizon_h", "index_15min", "index_1h", "index_6h",
    "index_24h", "same_time_mean", "same_time_best", "year_sin", "year_cos", "run_ghi_frac", "run_ghi_smooth_frac", "run_index",
    "run_index_at_origin", "run_temperature_c", "run_lead_h",
)  # fmt: skip
#: Days of the same quarter hour that show what this station gives at this time of the year.
SAME_TIME_DAYS: Final = 7
#: Below this share of standard sun a ratio to the clear sky says nothing.
DIM_FRAC: Final = 0.02
#: Twilight still gives something on a tilted plane.
TWILIGHT_DEG: Final = -1.0
#: What a run for the sun may hold; each is taken where there is one.
GHI: Final = "ghi_w_m2"
TEMPERATURE: Final = "temperature_c"
#: Instants of the last day at which the run's wind stands beside the measured mean of that day.
LAST_DAY_H: Final = (1, 4, 7, 10, 13, 16, 19, 22)


@dataclass(frozen=True, slots=True)
class Rows:
    """What to build features for.

    Args:
        origin: When the forecast is made (UTC), shape (N,).
        middle: Middle of the interval it is for (UTC), shape (N,).
    """

    origin: StampArray
    middle: StampArray

    @property
    def horizon_h(self) -> FloatArray:
        """From origin to the interval's middle, shape (N,), in hours."""
        return np.asarray((self.middle - self.origin) / ONE_HOUR, dtype=np.float64)


def wind_features(rows: Rows, code: int, history: PowerHistory, runs: WeatherRuns, park: FloatArray) -> FloatArray:
    """Features of one wind farm; NaN where the run or the measurement is missing.

    Args:
        rows: N origins and intervals.
        code: The farm's number in the model.
        history: Its metered past.
        runs: Its weather runs.
        park: Forecast speed at 100 m over all the park's farms for the same rows, shape (N,). [m/s]

    Returns:
        `WIND_COLUMNS`, shape (N, C).
    """
    newest = newest_run(runs, rows.origin)
    now = wind_at(runs, newest, rows.middle)
    speed = np.hypot(now[:, 2], now[:, 3])
    known = history.known_count(rows.origin)
    fresh = (rows.origin - (history.start + known * STEP_US)) <= ONE_HOUR
    before, after, long_before, long_after = (speed100_m_s(runs, newest, rows.middle + h * ONE_HOUR) for h in (-1, 1, -3, 3))
    columns = (
        np.full(speed.shape, float(code)),
        speed,
        before,
        after,
        np.hypot(now[:, 0], now[:, 1]),
        now[:, 2] / np.maximum(speed, 0.1),
        now[:, 3] / np.maximum(speed, 0.1),
        park,
        _lead_h(runs, newest, rows.middle),
        rows.horizon_h,
        np.where(fresh, history.at(known - 1), np.nan),
        np.where(fresh, history.mean_before(known, STEPS_PER_H), np.nan),
        np.where(fresh, history.mean_before(known, 3 * STEPS_PER_H), np.nan),
        speed100_m_s(runs, newest, rows.origin),
        _hour(rows.middle),
        long_before,
        long_after,
        (speed + before + after + long_before + long_after) / 5.0,
        speed / np.maximum(np.hypot(now[:, 0], now[:, 1]), 0.1),
        np.where(fresh, history.mean_before(known, STEPS_PER_DAY), np.nan),
        _last_day_m_s(runs, rows.origin),
    )
    return np.column_stack(columns)


def solar_features(rows: Rows, code: int, history: PowerHistory, site: FarmSite, runs: WeatherRuns) -> FloatArray:
    """Features of one PV plant, `SOLAR_COLUMNS`, shape (N, C).

    Ratios are output over a clear sky's, NaN at night; what a run says is NaN where there is none.
    """
    sun = sun_position(rows.middle, site.latitude_deg, site.longitude_deg)
    known = history.known_count(rows.origin)
    sky = PowerHistory(history.start, history.received_at, solar_yield_frac(history.measured_at + STEP_US // 2, site))
    measured = PowerHistory(history.start, history.received_at, np.where(np.isnan(history.value), np.nan, sky.value))

    def index(steps: int) -> FloatArray:
        above, below = history.mean_before(known, steps), measured.mean_before(known, steps)
        return np.divide(above, below, out=np.full_like(above, np.nan), where=below > DIM_FRAC)

    days_back = np.floor(rows.horizon_h / HOURS_PER_DAY).astype(np.int64)[:, None] + np.arange(1, SAME_TIME_DAYS + 1)
    same_time = history.position(rows.middle)[:, None] - STEPS_PER_DAY * days_back
    same_time = np.where(same_time < known[:, None], same_time, -1)
    mean, best = _mean_and_best(history.at(same_time) / np.maximum(sky.at(same_time), DIM_FRAC))
    year = 2 * np.pi * ((rows.middle - rows.middle.astype("datetime64[Y]")) / ONE_DAY) / DAYS_PER_YEAR
    columns = (
        np.full(known.shape, float(code)),
        sun.elevation_deg,
        sun.hour_angle_deg,
        clear_sky_ghi_w_m2(sun.elevation_deg) / STANDARD_SUN_W_M2,
        rows.horizon_h,
        index(1),
        index(STEPS_PER_H),
        index(6 * STEPS_PER_H),
        index(STEPS_PER_DAY),
        mean,
        best,
        np.sin(year),
        np.cos(year),
        *_sun_run(rows, site, runs),
    )
    return np.column_stack(columns)


def _sun_run(rows: Rows, site: FarmSite, runs: WeatherRuns) -> tuple[FloatArray, ...]:
    """Irradiance, its mean over two hours, its clear-sky index then and now, temperature and lead of the newest run."""
    if GHI not in runs.features or runs.n == 0:
        return (np.full(rows.middle.shape, np.nan),) * 6
    newest = newest_run(runs, rows.origin)

    def index(at: StampArray) -> tuple[FloatArray, FloatArray]:
        ghi = run_column(runs, newest, at, GHI)
        sky = clear_sky_ghi_w_m2(sun_position(at, site.latitude_deg, site.longitude_deg).elevation_deg)
        return ghi, np.divide(ghi, sky, out=np.full_like(ghi, np.nan), where=sky > DIM_FRAC * STANDARD_SUN_W_M2)

    ghi, clear = index(rows.middle)
    around = [run_column(runs, newest, rows.middle + h * ONE_HOUR, GHI) for h in (-1, 1)]
    return (
        ghi / STANDARD_SUN_W_M2,
        (ghi + around[0] + around[1]) / 3.0 / STANDARD_SUN_W_M2,
        clear,
        index(rows.origin)[1],
        run_column(runs, newest, rows.middle, TEMPERATURE),
        _lead_h(runs, newest, rows.middle),
    )


def run_column(runs: WeatherRuns, newest: FloatArray, at: StampArray, name: str) -> FloatArray:
    """One of a run's quantities at instants, NaN where the run does not have it, shape (N,)."""
    if name not in runs.features:
        return np.full(at.shape, np.nan)
    return wind_at(runs, newest, at)[:, runs.features.index(name)]


def _last_day_m_s(runs: WeatherRuns, origin: StampArray) -> FloatArray:
    """Mean wind that the runs of the last day said for it, each hour from the newest run of then, shape (N,)."""
    # A forecast has one origin for all its rows.
    origins, row = np.unique(origin, return_inverse=True)
    then = (origins[:, None] - np.array(LAST_DAY_H) * ONE_HOUR).reshape(-1)
    means: FloatArray = speed100_m_s(runs, newest_run(runs, then), then).reshape(origins.size, -1).mean(axis=1)
    return means[row]


def solar_yield_frac(middle: StampArray, site: FarmSite) -> FloatArray:
    """Clear-sky sun over standard sun, never below `DIM_FRAC` by day and exactly zero at night, shape (T,)."""
    elevation_deg = sun_position(middle, site.latitude_deg, site.longitude_deg).elevation_deg
    sky = clear_sky_ghi_w_m2(elevation_deg) / STANDARD_SUN_W_M2
    return np.where(elevation_deg > TWILIGHT_DEG, np.maximum(sky, DIM_FRAC), 0.0)


def newest_run(runs: WeatherRuns, origin: StampArray) -> FloatArray:
    """Index of the newest run received by each origin, NaN where there is none, shape (N,).

    Runs may be received out of order: among those received, the last issued counts.
    """
    order = np.argsort(runs.received_at, kind="stable")
    newest = np.maximum.accumulate(order) if order.size else order
    count = np.searchsorted(runs.received_at[order], origin, side="right")
    if newest.size == 0:
        return np.full(origin.shape, np.nan)
    return np.where(count > 0, newest[np.maximum(count - 1, 0)].astype(np.float64), np.nan)


def wind_at(runs: WeatherRuns, newest: FloatArray, at: StampArray) -> FloatArray:
    """All of a run's features at instants, on a straight line between leads, NaN outside them, shape (N, K)."""
    result = np.full((at.size, len(runs.features)), np.nan)
    lead = _lead_h(runs, newest, at)
    if runs.n == 0 or runs.lead_h.size < 2:
        return result
    inside = (lead >= runs.lead_h[0]) & (lead <= runs.lead_h[-1])
    row = newest[inside].astype(np.int64)
    left = np.clip(np.searchsorted(runs.lead_h, lead[inside], side="right") - 1, 0, runs.lead_h.size - 2)
    weight = ((lead[inside] - runs.lead_h[left]) / (runs.lead_h[left + 1] - runs.lead_h[left]))[:, None]
    result[inside] = (1.0 - weight) * runs.value[row, left] + weight * runs.value[row, left + 1]
    return result


def speed100_m_s(runs: WeatherRuns, newest: FloatArray, at: StampArray) -> FloatArray:
    """Forecast speed at 100 m at instants, NaN outside the run, shape (N,)."""
    wind = wind_at(runs, newest, at)
    return np.asarray(np.hypot(wind[:, 2], wind[:, 3]), dtype=np.float64)


def _lead_h(runs: WeatherRuns, newest: FloatArray, at: StampArray) -> FloatArray:
    if runs.n == 0:
        return np.full(at.shape, np.nan)
    has = ~np.isnan(newest)
    issued_at = runs.issued_at[np.where(has, newest, 0).astype(np.int64)]
    return np.where(has, (at - issued_at) / ONE_HOUR, np.nan)


def _hour(at: StampArray) -> FloatArray:
    return np.asarray((at - at.astype("datetime64[D]")) / ONE_HOUR, dtype=np.float64)


def _mean_and_best(ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and largest of each row, NaN where all are NaN, shapes (N,)."""
    present = ~np.isnan(ratio)
    count = present.sum(axis=1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(present, ratio, 0.0).sum(axis=1), count, out=mean, where=count > 0)
    best = np.where(present, ratio, -np.inf).max(axis=1)
    return mean, np.where(count > 0, best, np.nan)
