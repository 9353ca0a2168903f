"""Calibration that goes on after training: each known outcome moves the quantile it missed.

A shift of each level and horizon group, counted in widths of the forecast's own interval, follows the outcomes as they come in:

    shift += rate * (missed - wanted)

where `missed` is 1 if the outcome lay beyond the quantile. Whatever the weather does, the share of misses over n outcomes is
then within (largest shift + rate) / (rate * n) of the one wanted.

Source:
    I. Gibbs, E. Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021; A. Angelopoulos et al., "Conformal
    PID control for time series prediction", NeurIPS 2023 (the quantile tracker).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp.errors import ForecastError
from vpp.units import FloatArray, IntArray

__all__ = ["RATE", "Tracker", "replay"]

#: Moves a shift by a tenth of a width within some hundred misses.
RATE: Final = 0.02
#: No forecast is widened without end: a broken meter would do it.
FARTHEST: Final = 2.0
NARROWEST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Tracker:
    """Shifts in widths of the own interval, by group and level.

    Args:
        levels: Increasing, Q of them.
        shift: Shape (G, Q).
    """

    levels: tuple[float, ...]
    shift: FloatArray

    def __post_init__(self) -> None:
        if self.shift.ndim != 2 or self.shift.shape[1] != len(self.levels):
            raise ForecastError(f"tracker: {len(self.levels)} levels, but shifts {self.shift.shape}")

    @classmethod
    def fresh(cls, levels: tuple[float, ...], groups: int) -> Tracker:
        """No shift yet."""
        return cls(levels, np.zeros((groups, len(levels))))

    def applied(self, quantile: FloatArray, group: IntArray) -> FloatArray:
        """Quantiles with their shifts, never crossing, shape (N, Q); values from 0 to 1 stay in there.

        Args:
            quantile: As predicted, shape (N, Q).
            group: Of each row, shape (N,).
        """
        return np.clip(np.sort(quantile + self.shift[group] * _width(quantile), axis=1), 0.0, 1.0)

    def learnt(self, quantile: FloatArray, group: IntArray, outcome: FloatArray, rate: float = RATE) -> Tracker:
        """The tracker after outcomes became known, all of them judged by the shifts before; NaN outcomes teach nothing.

        Args:
            quantile: As predicted, before `applied`, shape (N, Q).
            group: Of each row, shape (N,).
            outcome: Shape (N,).
            rate: Step of a shift.
        """
        known = ~np.isnan(outcome)
        if not known.any():
            return self
        said = self.applied(quantile[known], group[known])
        level = np.array(self.levels)
        # An outcome on the quantile itself is inside: zero power at dusk is no miss of a quantile that says zero.
        above = (outcome[known][:, None] > said) - (1.0 - level)
        below = level - (outcome[known][:, None] < said)
        step = np.where(level < 0.5, below, above)
        shift = self.shift.copy()
        np.add.at(shift, group[known], rate * step)
        return Tracker(self.levels, np.clip(shift, -FARTHEST, FARTHEST))


def replay(tracker: Tracker, quantile: FloatArray, outcome: FloatArray, delay: IntArray, rate: float = RATE) -> FloatArray:
    """Quantiles as they would have been issued, each origin knowing only the outcomes that had come in by then.

    Args:
        tracker: At the first origin; group h is the h-th horizon.
        quantile: Predicted at N origins in order for H horizons, NaN where none was issued, shape (N, H, Q).
        outcome: Shape (N, H), NaN where unknown.
        delay: Origins that pass until the outcome of each horizon is known, shape (H,).
        rate: Step of a shift.

    Returns:
        Shape (N, H, Q).
    """
    origins, horizons, _ = quantile.shape
    group = np.arange(horizons)
    result = np.full_like(quantile, np.nan)
    for now in range(origins):
        then = now - delay
        came = (then >= 0) & ~np.isnan(quantile[np.maximum(then, 0), group, 0])
        if came.any():
            rows = then[came], group[came]
            tracker = tracker.learnt(quantile[rows], group[came], outcome[rows], rate)
        issued = ~np.isnan(quantile[now, :, 0])
        result[now, issued] = tracker.applied(quantile[now, issued], group[issued])
    return result


def _width(quantile: FloatArray) -> FloatArray:
    return np.maximum(quantile[:, -1:] - quantile[:, :1], NARROWEST)
