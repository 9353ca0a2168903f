"""Hours that say nothing about available power: farms that stand still in good wind, meters that are stuck."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecasting.stack.panel import WindPanel
from vpp.units import BoolArray, FloatArray

__all__ = ["find_stopped", "find_stuck"]

GOOD_WIND_M_S: Final = 8.0
#: Hours of good wind within one unbroken zero after which it is a stop and not a calm.
STOP_H: Final = 6
#: Equal non-zero readings in a row after which the meter, not the wind, stands still.
STUCK_H: Final = 6


def find_stopped(panel: WindPanel) -> BoolArray:
    """True where power is zero throughout a spell with six hours or more of good forecast wind, shape (T, Z)."""
    windy = np.hypot(panel.wind_m_s[:, :, 2], panel.wind_m_s[:, :, 3]) > GOOD_WIND_M_S
    power = panel.power_frac
    spells = [_spells(column, counted, STOP_H) for column, counted in zip(power.T, windy.T, strict=True)]
    return np.asarray(np.column_stack(spells) & (power == 0.0))


def find_stuck(panel: WindPanel) -> BoolArray:
    """True where a non-zero reading repeats to the last digit for six hours or more, shape (T, Z)."""
    power = panel.power_frac
    every = np.ones(power.shape[0], dtype=np.bool_)
    return np.asarray(np.column_stack([_spells(column, every, STUCK_H) for column in power.T]) & (power > 0.0))


def _spells(value: FloatArray, counted: BoolArray, least_h: int) -> BoolArray:
    """True within spells of equal values that hold at least `least_h` counted hours, shape (T,); NaN equals nothing."""
    starts = np.concatenate(([0], np.flatnonzero(value[1:] != value[:-1]) + 1))
    hours = np.add.reduceat(counted.astype(np.int64), starts)
    return np.asarray(np.repeat(hours >= least_h, np.diff(np.append(starts, value.size))))
