"""From the levels that were fitted to the levels that were asked for."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from vpp.units import FloatArray

__all__ = ["at_levels"]


def at_levels(quantile: FloatArray, fitted: tuple[float, ...], asked: tuple[float, ...]) -> FloatArray:
    """Quantiles at other levels, linear in the normal score of the level; beyond the last fitted level its line goes on.

    Args:
        quantile: Not decreasing, shape (..., Q).
        fitted: Q increasing levels.
        asked: R levels.

    Returns:
        Shape (..., R), not decreasing.
    """
    have, want = ndtri(np.array(fitted)), ndtri(np.array(asked))
    left = np.clip(np.searchsorted(have, want, side="right") - 1, 0, have.size - 2)
    share = (want - have[left]) / (have[left + 1] - have[left])
    return np.asarray(quantile[..., left] * (1.0 - share) + quantile[..., left + 1] * share)
