"""From coarse means to finer values, with the energy of each mean kept and no jump where two steps meet."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from vpp.errors import ScenarioError
from vpp.units import FloatArray

__all__ = [
    "FINE_STEP",
    "level_exponent",
    "local_spread",
    "quarter_hours",
    "refine",
    "shape_steps",
    "turbulence_spread",
    "unit_ar1",
]

#: Default resolution of `refine`.
FINE_STEP: Final = timedelta(minutes=1)
#: Memory of the made-up variability within the hour.
TURBULENCE_TIME: Final = timedelta(minutes=12)
#: Standard deviation of that variability at half power for a farm of 100 MW; it falls with the root of the size.
TURBULENCE_FRAC: Final = 0.03
TURBULENCE_CAPACITY_MW: Final = 100.0
#: Variability between the hour and the quarter hour: spread at half power, memory.
GUST_FRAC: Final = 0.065
GUST_MEMORY_QUARTERS: Final = 2.0
QUARTERS_PER_HOUR: Final = 4
#: A passing cloud moves a station within the quarter hour by about what the neighbouring quarters differ.
LOCAL_SPREAD_SHARE: Final = 0.7
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
    rest = np.log1p(-np.minimum(power_frac, 1.0 - 1e-12))
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        mean = float(-np.mean(np.expm1(middle * rest)))
        if abs(mean - capacity_factor_frac) < 1e-9:
            break
        low, high = (middle, high) if mean < capacity_factor_frac else (low, middle)
    if abs(mean - capacity_factor_frac) > 1e-6:
        raise ScenarioError([f"weather: no level gives capacity_factor_frac {capacity_factor_frac} (nearest {mean:.3f})"])
    return middle


def unit_ar1(noise: FloatArray, memory_steps: float) -> FloatArray:
    """White noise to AR(1) noise of unit variance along the last axis, stationary from the first step."""
    # Its import takes longer than everything else here; a service that starts does not wait for it.
    from scipy.signal import lfilter

    keep = float(np.exp(-1.0 / memory_steps))
    shocks = noise * (1.0 - keep**2) ** 0.5
    shocks[..., 0] = noise[..., 0]
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks, axis=-1), dtype=np.float64)


def turbulence_spread(mean_frac: FloatArray, capacity_mw: float) -> FloatArray:
    """Spread of a wind farm's power within the hour: none at rest and at full power, same shape as the means."""
    size = min(2.0, (TURBULENCE_CAPACITY_MW / capacity_mw) ** 0.5)
    return np.asarray(TURBULENCE_FRAC * size * 4.0 * mean_frac * (1.0 - mean_frac), dtype=np.float64)


def local_spread(mean_frac: FloatArray) -> FloatArray:
    """Spread of a PV station within the quarter hour: none under a clear sky, large where clouds come and go, shape (T,)."""
    bend = np.zeros_like(mean_frac)
    bend[1:-1] = np.abs(mean_frac[1:-1] - (mean_frac[:-2] + mean_frac[2:]) / 2)
    calm = np.minimum(bend, np.minimum(mean_frac, 1.0 - mean_frac))
    return np.asarray(LOCAL_SPREAD_SHARE * calm, dtype=np.float64)


def shape_steps(mean_frac: FloatArray, spread_frac: FloatArray, noise: FloatArray, ratio: int) -> FloatArray:
    """Fine values whose mean over each coarse step is exactly the given one.

    A parabola in each step that meets its neighbours half-way, plus noise from which each step's mean is taken out by a
    parabola as well, so that nothing jumps at the edges. Each step's deviation from its mean is shrunk until it stays within
    0..1.

    Args:
        mean_frac: Coarse means (0..1), with one more step at either end, shape (F, T + 2).
        spread_frac: Standard deviation of the noise in each step, shape (F, T).
        noise: Unit noise, shape (F, T * ratio).
        ratio: Fine steps in a coarse one.

    Returns:
        Fine values, shape (F, T * ratio).
    """
    part = (np.arange(ratio) + 0.5) / ratio
    bump = part * (1.0 - part)
    bump = bump / bump.mean()
    own = mean_frac[:, 1:-1, None]
    edge = (mean_frac[:, 1:] + mean_frac[:, :-1])[:, :, None] / 2
    left, right = edge[:, :-1], edge[:, 1:]
    deviation = left + (right - left) * part + (own - (left + right) / 2) * bump - own
    ripple = noise.reshape(*own.shape[:2], ratio)
    deviation += spread_frac[:, :, None] * (ripple - ripple.mean(axis=2, keepdims=True) * bump)
    deviation -= deviation.mean(axis=2, keepdims=True)
    room_down = own / np.maximum(-deviation.min(axis=2, keepdims=True), 1e-12)
    room_up = (1.0 - own) / np.maximum(deviation.max(axis=2, keepdims=True), 1e-12)
    shrink = np.minimum(1.0, np.minimum(room_down, room_up))
    fine = np.clip(own + shrink * deviation, 0.0, 1.0)
    return np.asarray(fine.reshape(mean_frac.shape[0], -1), dtype=np.float64)


def quarter_hours(mean_frac: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A wind farm's hours brought to quarter hours, the energy of each hour kept, shape (T * 4,).

    What is added continues the measured spectrum, which falls with the square of the frequency from 12 h to 2 h, so that steps
    over 15 min are about half as large as steps over an hour.
    """
    ratio = QUARTERS_PER_HOUR
    noise = unit_ar1(rng.standard_normal((1, mean_frac.size * ratio)), GUST_MEMORY_QUARTERS)
    padded = np.concatenate((mean_frac[:1], mean_frac, mean_frac[-1:]))[None]
    spread = GUST_FRAC * 4.0 * mean_frac * (1.0 - mean_frac)
    return shape_steps(padded, spread[None], noise, ratio).reshape(-1)


def refine(
    mean_frac: FloatArray, step: timedelta, capacity_mw: float, rng: np.random.Generator, fine_step: timedelta = FINE_STEP
) -> FloatArray:
    """A wind farm's series brought to a finer step, the energy of each coarse one kept.

    Args:
        mean_frac: Coarse means (0..1), shape (T,).
        step: Their step, a multiple of `fine_step`.
        capacity_mw: Larger farms are smoother. [MW]
        rng: Source of the made-up part.
        fine_step: Wanted step.

    Returns:
        Fine values, shape (T * step / fine_step,).
    """
    ratio = step // fine_step
    noise = unit_ar1(rng.standard_normal((1, mean_frac.size * ratio)), TURBULENCE_TIME / fine_step)
    padded = np.concatenate((mean_frac[:1], mean_frac, mean_frac[-1:]))[None]
    return shape_steps(padded, turbulence_spread(mean_frac, capacity_mw)[None], noise, ratio).reshape(-1)
