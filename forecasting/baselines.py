"""Forecasts that need no model: climatology and persistence, the rivals and the flagged fall-backs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.features import ONE_DAY, ONE_HOUR, solar_yield_frac
from forecasting.forecast import MODEL_LEVELS
from forecasting.history import STEP_US, PowerHistory
from forecasting.known import FarmSite
from vpp.series import StampArray
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["Climatology", "fit_climatology", "ignorance", "persistence", "scale_frac"]

HOURS: Final = int(HOURS_PER_DAY)
#: A measured deviation from climatology fades with this time.
FADING_H: Final = 6.0


@dataclass(frozen=True, slots=True)
class Climatology:
    """What a farm gives by hour of the day (UTC), in the model's unit (sun: ratio to the clear sky).

    Args:
        quantile: At `MODEL_LEVELS`, shape (24, Q).
        mean: Shape (24,).
    """

    quantile: FloatArray
    mean: FloatArray

    @property
    def knows_nothing(self) -> bool:
        """Whether not a single value was behind it."""
        return bool(np.all(self.quantile == np.array(MODEL_LEVELS)))

    def at(self, middle: StampArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Quantiles (T, Q) and means (T,) as shares of capacity for intervals with these middles and scales."""
        hour = ((middle - middle.astype("datetime64[D]")) // ONE_HOUR).astype(np.int64)
        quantile = np.clip(self.quantile[hour] * scale[:, None], 0.0, 1.0)
        return quantile, np.clip(self.mean[hour] * scale, 0.0, 1.0)


def scale_frac(site: FarmSite, middle: StampArray) -> FloatArray:
    """What turns the model's unit into a share of capacity, shape (T,): 1 for wind, the clear sky for sun."""
    return solar_yield_frac(middle, site) if site.kind == "solar" else np.ones(middle.shape)


def ignorance() -> Climatology:
    """Nothing is known of the farm: anything from 0 to 1 is as likely."""
    return Climatology(np.tile(MODEL_LEVELS, (HOURS, 1)), np.full(HOURS, 0.5))


def fit_climatology(site: FarmSite, history: PowerHistory) -> Climatology:
    """Quantiles and mean by hour of the day; an hour without a single value knows nothing (as `ignorance`)."""
    known_nothing = ignorance()
    quantile, mean = known_nothing.quantile.copy(), known_nothing.mean.copy()
    middle = history.measured_at + STEP_US // 2
    scale = scale_frac(site, middle)
    hour = ((middle - middle.astype("datetime64[D]")) // ONE_HOUR).astype(np.int64)
    usable = ~np.isnan(history.value) & (scale > 0)
    for h in range(HOURS):
        rows = usable & (hour == h)
        if rows.any():
            ratio = history.value[rows] / scale[rows]
            quantile[h] = np.quantile(ratio, MODEL_LEVELS)
            mean[h] = ratio.mean()
    return Climatology(quantile, mean)


def persistence(
    last_frac: float, last_scale_frac: float, horizon_h: FloatArray, base: tuple[FloatArray, FloatArray], scale: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The last value (sun: its ratio to the clear sky) fading into climatology, the spread growing from none to all.

    Args:
        last_frac: Last measured share of capacity.
        last_scale_frac: Its scale; zero (night) leaves climatology alone.
        horizon_h: Shape (T,). [h]
        base: Climatology's quantiles (T, Q) and means (T,).
        scale: Of each interval, shape (T,).

    Returns:
        Quantiles (T, Q) and means (T,), shares of capacity.
    """
    if last_scale_frac <= 0:
        return base
    held = np.clip(last_frac / last_scale_frac * scale, 0.0, 1.0)
    keep = np.exp(-np.maximum(horizon_h, 0.0) / FADING_H)
    quantile, mean = base
    return keep[:, None] * held[:, None] + (1 - keep[:, None]) * quantile, keep * held + (1 - keep) * mean


def same_hour_yesterday(history: PowerHistory, middle: StampArray) -> FloatArray:
    """The measured value a day before each instant, shape (T,); the naive rival for the sun."""
    return history.at(history.position(middle - ONE_DAY))
