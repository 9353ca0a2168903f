"""What a station knows at an origin about its power in the next hours: rows up to the origin, and the sun's clock ahead.

On-site weather is measured, not forecast: nothing of it later than the origin goes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.history import STEP_US
from forecasting.physics import STANDARD_SUN_W_M2, Plane, SunPosition, clear_plane_frac, sun_position
from forecasting.sun.clean import STEPS_PER_DAY
from forecasting.sun.record import StationRecord
from vpp.series import StampArray
from vpp.units import FloatArray, IntArray

__all__ = ["FARTHEST_STEPS", "STEPS_AHEAD", "Basis", "basis_of", "columns", "smart_persistence_frac", "station_features"]

#: 15 min to 4 h.
STEPS_AHEAD: Final = 16
#: A row needs so much history: the same quarter hour of ten days.
SAME_TIME_DAYS: Final = 10
FARTHEST_STEPS: Final = SAME_TIME_DAYS * STEPS_PER_DAY
#: Under less sky than this a ratio to it says nothing.
DIM_FRAC: Final = 0.08
FAINT_FRAC: Final = 0.03
FAINT_SUN_W_M2: Final = 60.0
#: The same for the mean of a window that may hold a night.
FAINT_MEAN_FRAC: Final = 0.01
#: A cloud's edge can give more than the clear sky, for a while.
HIGHEST_RATIO: Final = 1.3
POWER_LAGS: Final = (0, 1, 2, 3, 4, 6, 8, 12)
RATIO_LAGS: Final = (0, 1, 2, 3, 4, 8)
RATIO_WINDOWS: Final = (2, 4, 8, 16, 32, 96)
SUN_LAGS: Final = (0, 1, 2, 4)
SUN_WINDOWS: Final = (2, 4, 8, 16, 96)
SPREAD_WINDOWS: Final = (4, 8, 16)
YIELD_WINDOWS: Final = (4, 16, 96)
WEATHER_LAGS: Final = (4, 12, 96)
DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class Basis:
    """All columns that do not depend on the horizon, by step of the record, and the sun some steps past its end.

    Args:
        origin: What is known at each step, shape (T, A).
        target: What is known of each step from the day before and from the sun's clock, shape (T + 16, B).
        sky: Clear sky on the plane, shape (T + 16,).
        elevation_deg: Of the sun, shape (T + 16,).
        power: Share of capacity, NaN as 0, shape (T,).
        ratio: Last known ratio to the clear sky, carried through the night, shape (T,).
        mean_ratios: Windowed ratios of power (1 h, 2 h, a day) and sun (1 h) to the sky, shape (T, 4).
    """

    origin: NDArray[np.float32]
    target: NDArray[np.float32]
    sky: FloatArray
    elevation_deg: FloatArray
    power: FloatArray
    ratio: FloatArray
    mean_ratios: FloatArray

    @property
    def n(self) -> int:
        """Steps of the record."""
        return int(self.power.size)


_TARGET: Final = ("elevation", "hour_angle", "sky", "usual_mean", "usual_best", "usual_q75", "usual_q50", "yesterday",
                  "before_yesterday", "sun_mean", "sun_best", "year_sin", "year_cos", "sky_slope")  # fmt: skip
_JOINT: Final = ("smart", "smart_best", "smart_q75", "smart_mean", "smart_sky", "best_at_origin", "q75_at_origin", "best_change",
                 "sky_change", "ratio_1h_sky", "ratio_2h_sky", "ratio_24h_sky", "sun_1h_sky")  # fmt: skip
_BEST, _Q75, _MEAN = _TARGET.index("usual_best"), _TARGET.index("usual_q75"), _TARGET.index("usual_mean")


def columns() -> tuple[str, ...]:
    """Names of the features, in order."""
    own = [f"power_{k}" for k in POWER_LAGS] + [f"ratio_{k}" for k in RATIO_LAGS] + [f"ratio_mean_{w}" for w in RATIO_WINDOWS]
    own += [f"ratio_spread_{w}" for w in SPREAD_WINDOWS] + [f"sun_spread_{w}" for w in (4, 16)]
    own += [f"sun_ratio_{k}" for k in SUN_LAGS] + ["irradiance_0", "irradiance_1"] + [f"sun_mean_{w}" for w in SUN_WINDOWS]
    own += ["yield_0"] + [f"yield_{w}" for w in YIELD_WINDOWS]
    for name in ("temperature", "pressure", "humidity"):
        own += [name] + [f"{name}_change_{k}" for k in WEATHER_LAGS]
    return ("ahead", *own, "elevation_0", "sky_0", "hour_angle_0", "flat_4", "power_best_4", *_TARGET, *_JOINT)


def basis_of(record: StationRecord, plane: Plane) -> Basis:
    """The columns of a whole record; row t uses readings up to t only."""
    at = record.measured_at
    # One step further than is asked for, so that the sky's slope is known at the last one too.
    further = np.concatenate((at, at[-1] + STEP_US * np.arange(1, STEPS_AHEAD + 2)))
    ahead, sky_further = further[:-1], clear_plane_frac(further, plane)
    sky, slope = sky_further[:-1], np.diff(sky_further)
    sun = sun_position(ahead, plane.latitude_deg, plane.longitude_deg)
    n = record.n
    power, light = np.nan_to_num(record.power_frac), record.irradiance_w_m2 / STANDARD_SUN_W_M2
    here = sky[:n]
    bright = here > DIM_FRAC
    ratio = np.where(bright & ~np.isnan(record.power_frac), power / np.maximum(here, FAINT_FRAC), np.nan)
    sun_ratio = np.where(bright, light / np.maximum(here, FAINT_FRAC), np.nan)
    power_means = {w: _ratio_mean(power, here, w) for w in RATIO_WINDOWS}
    sun_means = {w: _ratio_mean(light, here, w) for w in SUN_WINDOWS}
    own = [_lag(power, k) for k in POWER_LAGS] + [_lag(ratio, k) for k in RATIO_LAGS] + list(power_means.values())
    own += [_spread(ratio, w) for w in SPREAD_WINDOWS] + [_spread(sun_ratio, w) for w in (4, 16)]
    own += [_lag(sun_ratio, k) for k in SUN_LAGS] + [light, _lag(light, 1)] + list(sun_means.values())
    own += _yields(power, light)
    for value in (record.temperature_c, record.pressure_hpa, record.humidity_pct):
        own += [value] + [value - _lag(value, k) for k in WEATHER_LAGS]
    own += [sun.elevation_deg[:n], here, sun.hour_angle_deg[:n], _spread(power, 4)]
    own += [pd.Series(power).rolling(4, min_periods=1).max().to_numpy()]
    held = np.asarray(pd.Series(np.minimum(ratio, HIGHEST_RATIO)).ffill().fillna(0.5), dtype=np.float64)
    means = np.column_stack([power_means[4], power_means[8], power_means[96], sun_means[4]])
    origin = np.column_stack(own).astype(np.float32)
    target = _target(record, ahead, sky, slope, sun).astype(np.float32)
    return Basis(origin, target, sky, sun.elevation_deg, power, held, means)


def station_features(basis: Basis, origin: IntArray, ahead: int) -> FloatArray:
    """Features for origins and one number of steps ahead, `columns()`, shape (N, C), float32."""
    then = origin + ahead
    row, usual, now = basis.origin[origin], basis.target[then], basis.target[origin]
    power, sky = basis.power[origin], basis.sky[then]
    means = basis.mean_ratios[origin]
    joint: tuple[FloatArray | NDArray[np.float32], ...] = (
        smart_persistence_frac(basis, origin, ahead),
        *(_scaled(power, now[:, column], usual[:, column]) for column in (_BEST, _Q75, _MEAN)),
        _scaled(power, basis.sky[origin], sky),
        now[:, _BEST],
        now[:, _Q75],
        usual[:, _BEST] - now[:, _BEST],
        sky - basis.sky[origin],
        *(means[:, column] * sky for column in range(means.shape[1])),
    )
    return np.column_stack((np.full(origin.size, ahead), row, usual, *joint)).astype(np.float32)


def smart_persistence_frac(basis: Basis, origin: IntArray, ahead: int) -> FloatArray:
    """The last ratio to the clear sky, kept, shape (N,); through the night it is the evening's."""
    return np.clip(basis.ratio[origin] * basis.sky[origin + ahead], 0.0, 1.0)


def _target(record: StationRecord, ahead: StampArray, sky: FloatArray, slope: FloatArray, sun: SunPosition) -> FloatArray:
    usual = _same_time(record.available_frac())
    light = _same_time(record.irradiance_w_m2 / STANDARD_SUN_W_M2)
    year = 2 * np.pi * ((ahead - ahead.astype("datetime64[Y]")) / np.timedelta64(1, "D")) / DAYS_PER_YEAR
    return np.column_stack((
        sun.elevation_deg, sun.hour_angle_deg, sky, _mean(usual), _level(usual, 1.0), _level(usual, 0.75), _level(usual, 0.5),
        usual[:, 0], usual[:, 1], _mean(light), _level(light, 1.0), np.sin(year), np.cos(year), slope,
    ))  # fmt: skip


def _same_time(value: FloatArray) -> FloatArray:
    """The same quarter hour of the last days, also for the steps past the record's end, shape (T + 16, days)."""
    longer = value.size + STEPS_AHEAD
    result = np.full((longer, SAME_TIME_DAYS), np.nan)
    for day in range(1, SAME_TIME_DAYS + 1):
        lag = day * STEPS_PER_DAY
        shifted = value[: max(0, longer - lag)]
        result[lag : lag + shifted.size, day - 1] = shifted
    return result


def _mean(rows: FloatArray) -> FloatArray:
    present = ~np.isnan(rows)
    count = present.sum(axis=1)
    summed = np.where(present, rows, 0.0).sum(axis=1)
    mean: FloatArray = np.divide(summed, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def _level(rows: FloatArray, level: float) -> FloatArray:
    """The reading nearest to a level of each row's known ones, NaN without any."""
    ordered = np.sort(rows, axis=1)
    count = (~np.isnan(rows)).sum(axis=1)
    place = np.clip(np.round((count - 1) * level).astype(np.int64), 0, rows.shape[1] - 1)
    return np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]


def _scaled(power: FloatArray, now: FloatArray | NDArray[np.float32], then: FloatArray | NDArray[np.float32]) -> FloatArray:
    """Power kept at its share of what is usual, NaN where hardly anything is usual now."""
    known = now > DIM_FRAC / 1.6
    ratio = np.divide(power, now, out=np.full_like(power, np.nan, dtype=np.float64), where=known)
    kept: FloatArray = np.clip(ratio * then, 0.0, 1.0)
    return kept


def _lag(value: FloatArray, k: int) -> FloatArray:
    return value if k == 0 else np.concatenate((np.full(min(k, value.size), np.nan), value[:-k]))[: value.size]


def _ratio_mean(value: FloatArray, sky: FloatArray, window: int) -> FloatArray:
    """Sum of a value over the sum of the sky in a window, bright steps only."""
    known = (sky > DIM_FRAC / 1.6) & ~np.isnan(value)
    above = pd.Series(np.where(known, value, 0.0)).rolling(window, min_periods=1).sum().to_numpy()
    below = pd.Series(np.where(known, sky, 0.0)).rolling(window, min_periods=1).sum().to_numpy()
    ratio: FloatArray = np.divide(above, below, out=np.full(value.shape, np.nan), where=below > DIM_FRAC / 1.6)
    return ratio


def _spread(value: FloatArray, window: int) -> FloatArray:
    return np.asarray(pd.Series(value).rolling(window, min_periods=2).std().to_numpy(), dtype=np.float64)


def _yields(power: FloatArray, light: FloatArray) -> list[FloatArray]:
    """Power over irradiance, now and over windows: what tells curtailment from clouds."""
    result = [np.divide(power, light, out=np.full(power.shape, np.nan), where=light > FAINT_SUN_W_M2 / STANDARD_SUN_W_M2)]
    for window in YIELD_WINDOWS:
        sun = pd.Series(np.nan_to_num(light)).rolling(window, min_periods=1).mean().to_numpy()
        above = pd.Series(power).rolling(window, min_periods=1).mean().to_numpy()
        result.append(np.divide(above, sun, out=np.full(power.shape, np.nan), where=sun > FAINT_MEAN_FRAC))
    return result
