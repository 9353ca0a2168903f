"""What must not be learnt as available power: a farm that stands still in good wind."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from forecasting.features import newest_run, speed100_m_s
from forecasting.history import STEP, STEP_US, PowerHistory
from forecasting.known import WeatherRuns
from vpp.units import BoolArray

__all__ = ["find_standstills"]

GOOD_WIND_M_S: Final = 8.0
STANDSTILL: Final = timedelta(hours=6)


def find_standstills(history: PowerHistory, runs: WeatherRuns) -> BoolArray:
    """True where zero power went on while six hours or more of good wind were forecast, shape (T,).

    Args:
        history: Metered power.
        runs: The runs of the same place; the newest run of each quarter hour tells its wind.
    """
    zero: BoolArray = np.asarray(history.value == 0.0, dtype=np.bool_)
    if not zero.any():
        return zero
    speed = speed100_m_s(runs, newest_run(runs, history.measured_at), history.measured_at + STEP_US // 2)
    starts = np.concatenate(([0], np.flatnonzero(zero[1:] != zero[:-1]) + 1))
    windy = np.add.reduceat((speed > GOOD_WIND_M_S).astype(np.int64), starts)
    stood = np.repeat(windy >= STANDSTILL // STEP, np.diff(np.append(starts, zero.size)))
    return np.asarray(stood & zero, dtype=np.bool_)
