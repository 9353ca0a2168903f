"""What a weather looks like in numbers: the same statistics of any weather, so that made-up ones can be held against measured.

Pure functions over arrays; power is a share of capacity, steps are regular, no NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = [
    "RunError",
    "autocorrelation",
    "daily_clearness",
    "excess_kurtosis",
    "quantiles",
    "ramp_std",
    "ramps",
    "run_error",
    "spectrum",
]

#: Classes of equal size over which the power that belongs to a forecast wind is learnt.
CURVE_CLASSES: Final = 40
SEGMENT_STEPS: Final = 2048
DAY_H: Final = int(HOURS_PER_DAY)
#: Below this clear output an index is noise.
LOW_SUN_FRAC: Final = 0.15


def quantiles(power_frac: FloatArray, levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> FloatArray:
    """Marginal distribution, shape (levels,)."""
    return np.asarray(np.quantile(power_frac, levels), dtype=np.float64)


def ramps(power_frac: FloatArray, steps: int) -> FloatArray:
    """Change of power over so many steps, shape (..., T - steps)."""
    return np.asarray(power_frac[..., steps:] - power_frac[..., :-steps], dtype=np.float64)


def ramp_std(power_frac: FloatArray, steps: int) -> float:
    """Standard deviation of the ramps over so many steps."""
    return float(ramps(power_frac, steps).std())


def excess_kurtosis(value: FloatArray) -> float:
    """How much heavier the tails are than a normal distribution's (0)."""
    centred = value - value.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2 - 3.0)


def autocorrelation(value: FloatArray, lag: int) -> float:
    """Correlation of a series, shape (T,), with itself `lag` steps later."""
    return float(np.corrcoef(value[lag:], value[:-lag])[0, 1])


def spectrum(power_frac: FloatArray, step_h: float) -> tuple[FloatArray, FloatArray]:
    """Welch's power spectrum of a series, shape (T,).

    Returns:
        Frequencies above zero [1/h] and power density [h].
    """
    # Its import takes longer than everything else here; a service that starts does not wait for it.
    from scipy.signal import welch

    frequency, density = welch(power_frac, fs=1.0 / step_h, nperseg=min(SEGMENT_STEPS, power_frac.size))
    return np.asarray(frequency[1:], dtype=np.float64), np.asarray(density[1:], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RunError:
    """What is left of a farm's power once its forecast wind is known.

    Args:
        residual: Hour by hour over the runs, shape (R, L), NaN where a run or the power has no value.
    """

    residual: FloatArray

    def rms(self, first_lead: int, last_lead: int) -> float:
        """Root mean square over leads `first_lead..last_lead`, as a share of capacity."""
        part = self.residual[:, first_lead - 1 : last_lead]
        return float(np.sqrt(np.nanmean(part**2)))

    def newest(self) -> FloatArray:
        """The first day of each run in a row: one series of hours, shape (R * 24,)."""
        return self.residual[:, :DAY_H].reshape(-1)


def run_error(power_frac: FloatArray, wind_m_s: FloatArray) -> RunError:
    """Error of the best power curve on a run's wind, lead day by lead day.

    The curve (means over classes of wind) is fitted in sample for each day of lead, so that a bias of the runs does not count.

    Args:
        power_frac: Mean power of the hour that ends at each lead of each run, shape (R, L).
        wind_m_s: Forecast speed at 100 m, shape (R, L).
    """
    residual = np.full(power_frac.shape, np.nan)
    for first in range(0, power_frac.shape[1], DAY_H):
        span = slice(first, first + DAY_H)
        known = np.isfinite(power_frac[:, span]) & np.isfinite(wind_m_s[:, span])
        power, wind = power_frac[:, span][known], wind_m_s[:, span][known]
        edges = np.quantile(wind, np.linspace(0.0, 1.0, CURVE_CLASSES + 1)[1:-1])
        place = np.digitize(wind, edges)
        curve = np.bincount(place, power, CURVE_CLASSES) / np.maximum(np.bincount(place, minlength=CURVE_CLASSES), 1)
        part = np.full(known.shape, np.nan)
        part[known] = power - curve[place]
        residual[:, span] = part
    return RunError(residual)


def daily_clearness(
    power_frac: FloatArray, steps_per_day: int, days: int = 31, top: float = 0.93
) -> tuple[FloatArray, FloatArray]:
    """Power of a PV station over what its clear days give, without any model.

    Args:
        power_frac: From a midnight on, shape (D * steps_per_day,).
        steps_per_day: Steps of a day.
        days: Window in which clear days are looked for.
        top: Quantile that counts as clear.

    Returns:
        Index by day and step, NaN where the sun is low, shape (D, steps_per_day); index of each whole day, shape (D,).
    """
    daily = power_frac.reshape(-1, steps_per_day)
    clear = np.empty_like(daily)
    for day in range(daily.shape[0]):
        low = min(max(day - days // 2, 0), max(daily.shape[0] - days, 0))
        clear[day] = np.quantile(daily[low : low + days], top, axis=0)
    index = np.divide(daily, clear, out=np.full_like(daily, np.nan), where=clear > LOW_SUN_FRAC)
    return index, np.asarray(daily.sum(axis=1) / np.maximum(clear.sum(axis=1), 1e-9), dtype=np.float64)
