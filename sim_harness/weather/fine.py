"""From hourly or quarter-hourly means to minutes, with the energy of each mean kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np
from scipy.signal import lfilter

from vpp.errors import ScenarioError
from vpp.timegrid import require_utc
from vpp.units import FloatArray

__all__ = ["FINE_STEP", "FineSeries", "level_exponent", "refine", "unit_ar1"]

#: Resolution of the true series; the world holds a value for a minute.
FINE_STEP: Final = timedelta(minutes=1)
#: Memory of the made-up variability within the hour.
TURBULENCE_TIME: Final = timedelta(minutes=12)
#: Standard deviation of that variability at half power for a farm of 100 MW; it falls with the root of the size.
TURBULENCE_FRAC: Final = 0.03
TURBULENCE_CAPACITY_MW: Final = 100.0
BISECTIONS: Final = 60


def level_exponent(power_frac: FloatArray, capacity_factor_frac: float) -> float:
    """The g of `1 - (1 - p)^g` that gives a series a wanted mean.

    Zero stays zero and full stays full; the order of the hours is kept.

    Args:
        power_frac: Power 0..1, shape (T,), no NaN.
        capacity_factor_frac: Wanted mean (0..1).

    Raises:
        ScenarioError: No g in 0.05..20 reaches that mean.
    """
    low, high = 0.05, 20.0
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        mean = float(np.mean(1.0 - (1.0 - power_frac) ** middle))
        low, high = (middle, high) if mean < capacity_factor_frac else (low, middle)
    if abs(mean - capacity_factor_frac) > 1e-6:
        raise ScenarioError([f"weather: no level gives capacity_factor_frac {capacity_factor_frac} (nearest {mean:.3f})"])
    return middle


def unit_ar1(noise: FloatArray, memory_steps: float) -> FloatArray:
    """White noise to AR(1) noise of unit variance along the last axis, stationary from the first step."""
    keep = float(np.exp(-1.0 / memory_steps))
    shocks = noise * (1.0 - keep**2) ** 0.5
    shocks[..., 0] = noise[..., 0]
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks, axis=-1), dtype=np.float64)


def refine(mean_frac: FloatArray, step: timedelta, capacity_mw: float, rng: np.random.Generator) -> FloatArray:
    """A fine series whose mean over each coarse step is exactly the given one.

    A line through the middles of the steps, plus AR(1) variability that vanishes at zero and at full power. Each step's
    deviation from its mean is centred, and shrunk until the step stays within 0..1.

    Args:
        mean_frac: Coarse means (0..1), shape (T,).
        step: Their step, a multiple of `FINE_STEP`.
        capacity_mw: Larger farms are smoother. [MW]
        rng: Source of the made-up part.

    Returns:
        Fine values, shape (T * step / FINE_STEP,).
    """
    ratio = step // FINE_STEP
    middle = (np.arange(mean_frac.size) + 0.5) * ratio
    line = np.interp(np.arange(mean_frac.size * ratio) + 0.5, middle, mean_frac)
    spread = TURBULENCE_FRAC * min(2.0, (TURBULENCE_CAPACITY_MW / capacity_mw) ** 0.5)
    noise = unit_ar1(rng.standard_normal(line.size), TURBULENCE_TIME / FINE_STEP)
    fine = (line + spread * 4.0 * line * (1.0 - line) * noise).reshape(-1, ratio)
    deviation = fine - fine.mean(axis=1, keepdims=True)
    room_down = mean_frac / np.maximum(-deviation.min(axis=1), 1e-12)
    room_up = (1.0 - mean_frac) / np.maximum(deviation.max(axis=1), 1e-12)
    shrink = np.minimum(1.0, np.minimum(room_down, room_up))
    shaped: FloatArray = np.clip(mean_frac[:, None] + shrink[:, None] * deviation, 0.0, 1.0)
    return shaped.reshape(-1)


class FineSeries:
    """A series held constant over each `FINE_STEP`, asked by instant or by mean over intervals.

    Kept as its running sum, from which the mean over any interval is exact in energy.

    Args:
        name: For messages.
        start: Start of the first value (UTC).
        value: The values, shape (T,).
    """

    def __init__(self, name: str, start: datetime, value: FloatArray) -> None:
        self._name = name
        self.start = require_utc(start, f"{name}.start")
        self.end = start + FINE_STEP * value.size
        self._sum = np.concatenate(([0.0], np.cumsum(value)))

    def at(self, instant: datetime) -> float:
        """The value at an instant.

        Raises:
            ScenarioError: It lies outside the series.
        """
        if not self.start <= instant < self.end:
            raise self._out_of_bounds(instant)
        index = (instant - self.start) // FINE_STEP
        return max(0.0, float(self._sum[index + 1] - self._sum[index]))

    def means(self, start: datetime, step: timedelta, n: int) -> FloatArray:
        """Means over `n` intervals of `step` from `start`, shape (n,).

        Raises:
            ScenarioError: An interval lies outside the series.
        """
        end = start + step * n
        if start < self.start or end > self.end:
            raise self._out_of_bounds(start if start < self.start else end)
        width = step / FINE_STEP
        edge = (start - self.start) / FINE_STEP + width * np.arange(n + 1)
        whole = np.minimum(edge.astype(np.int64), self._sum.size - 2)
        at_edge = self._sum[whole] + (edge - whole) * (self._sum[whole + 1] - self._sum[whole])
        return np.asarray(np.clip(np.diff(at_edge) / width, 0.0, 1.0), dtype=np.float64)

    def _out_of_bounds(self, instant: datetime) -> ScenarioError:
        return ScenarioError([f"weather of {self._name}: {instant} is outside [{self.start}, {self.end})"])
