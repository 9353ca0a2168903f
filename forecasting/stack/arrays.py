"""Array types and moves in time that every part of the stack needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vpp.units import FloatArray

__all__ = ["Float32Array", "IntArray", "centred_mean", "moved"]

IntArray = NDArray[np.int64]
Float32Array = NDArray[np.float32]


def moved(values: FloatArray, lead_h: int) -> FloatArray:
    """Values `lead_h` rows later (earlier if negative) along the first axis; the ends repeat the last known row."""
    rows = np.clip(np.arange(values.shape[0]) + lead_h, 0, values.shape[0] - 1)
    return np.asarray(values[rows])


def centred_mean(values: FloatArray, half_width_h: int) -> FloatArray:
    """Mean over `half_width_h` rows to each side along the first axis; the ends repeat the last known row."""
    leads = range(-half_width_h, half_width_h + 1)
    return np.asarray(sum(moved(values, lead) for lead in leads) / len(leads))
