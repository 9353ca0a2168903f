"""Calibration that goes on after training: each known outcome moves the quantile it missed.

Each level of each horizon group has a stretch, the logarithm of how far the quantile is moved away from the forecast's own
median. It follows the outcomes as they come in:

    stretch += rate * (missed - wanted)

where `missed` is 1 if the outcome lay beyond the quantile. Whatever the weather does, the share of misses over n outcomes is
then within (largest stretch + rate) / (rate * n) of the one wanted. A stretch and not a shift: where the forecast is sure, as at
dusk, it stays sure, and neighbouring levels do not overtake each other.

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

#: A hundred misses of a 95 % quantile in a row stretch it by a factor of 2.6.
RATE: Final = 0.01
#: No forecast is widened without end: a broken meter would do it.
FARTHEST: Final = 2.0
MEDIAN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Tracker:
    """Stretches by group and level.

    Args:
        levels: Increasing, Q of them, 0.5 among them.
        stretch: Logarithm of the factor on the distance from the median, shape (G, Q).
    """

    levels: tuple[float, ...]
    stretch: FloatArray

    def __post_init__(self) -> None:
        if self.stretch.ndim != 2 or self.stretch.shape[1] != len(self.levels):
            raise ForecastError(f"tracker: {len(self.levels)} levels, but stretches {self.stretch.shape}")
        if MEDIAN not in self.levels:
            raise ForecastError(f"tracker: no median among the levels {self.levels}; it is what stays in place")

    @classmethod
    def fresh(cls, levels: tuple[float, ...], groups: int) -> Tracker:
        """Nothing is stretched yet."""
        return cls(levels, np.zeros((groups, len(levels))))

    def applied(self, quantile: FloatArray, group: IntArray) -> FloatArray:
        """Quantiles with their stretches, never crossing, shape (N, Q); values from 0 to 1 stay in there.

        Args:
            quantile: As predicted, shape (N, Q).
            group: Of each row, shape (N,).
        """
        middle = self.levels.index(MEDIAN)
        median = quantile[:, middle : middle + 1]
        moved = median + (quantile - median) * np.exp(self.stretch[group])
        # Outwards from the median each level lies at least as far as the one before.
        lower = np.minimum.accumulate(moved[:, middle::-1], axis=1)[:, ::-1]
        upper = np.maximum.accumulate(moved[:, middle:], axis=1)
        shut: FloatArray = np.clip(np.concatenate((lower, upper[:, 1:]), axis=1), 0.0, 1.0)
        return shut

    def learnt(self, quantile: FloatArray, group: IntArray, outcome: FloatArray, rate: float | FloatArray = RATE) -> Tracker:
        """The tracker after outcomes became known, all of them judged by the stretches before; NaN outcomes teach nothing.

        Args:
            quantile: As predicted, before `applied`, shape (N, Q).
            group: Of each row, shape (N,).
            outcome: Shape (N,).
            rate: Step of a stretch, one for all or one for each row, shape (N,).
        """
        known = ~np.isnan(outcome)
        if not known.any():
            return self
        said = self.applied(quantile[known], group[known])
        level = np.array(self.levels)
        # An outcome on the quantile itself is inside: zero power at dusk is no miss of a quantile that says zero.
        above = (outcome[known][:, None] > said) - (1.0 - level)
        below = (outcome[known][:, None] < said) - level
        step = np.where(level == MEDIAN, 0.0, np.where(level < MEDIAN, below, above))
        stretch = self.stretch.copy()
        rate = np.broadcast_to(rate, group.shape)[known][:, None]
        np.add.at(stretch, group[known], rate * step)
        return Tracker(self.levels, np.clip(stretch, -FARTHEST, FARTHEST))


def replay(tracker: Tracker, quantile: FloatArray, outcome: FloatArray, delay: IntArray, rate: float = RATE) -> FloatArray:
    """Quantiles as they would have been issued, each origin knowing only the outcomes that had come in by then.

    Args:
        tracker: At the first origin; group h is the h-th horizon.
        quantile: Predicted at N origins in order for H horizons, NaN where none was issued, shape (N, H, Q).
        outcome: Shape (N, H), NaN where unknown.
        delay: Origins that pass until the outcome of each horizon is known, shape (H,).
        rate: Step of a stretch.

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
