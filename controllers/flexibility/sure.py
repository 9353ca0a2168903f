"""From the levels of single courses to one that is kept with a confidence. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from controllers.flexibility.window import Direction
from vpp.errors import PlanError
from vpp.units import FloatArray

__all__ = ["CONFIDENCES", "Spread", "sure_level_mw"]

CONFIDENCES: Final = (0.5, 0.9, 0.99)
#: A spread is never taken for narrower than this share of the connection's import limit: courses of wind are not all that varies.
_LEAST_FRAC: Final = 0.01


@dataclass(frozen=True, slots=True)
class Spread:
    """Levels of the courses of one window.

    Args:
        direction: See `Direction`.
        level_mw: Shape (S,). [MW]
        limit_mw: Import limit of the meter, a measure of its size. [MW]
    """

    direction: Direction
    level_mw: FloatArray
    limit_mw: float

    def __post_init__(self) -> None:
        if not self.level_mw.size or not np.isfinite(self.level_mw).all():
            raise PlanError(f"offer: levels {self.level_mw} of a window; at least one course, and numbers, are needed")

    @property
    def width_mw(self) -> float:
        """Standard deviation over the courses, at least a hundredth of the import limit: what a correction is counted in."""
        return max(float(self.level_mw.std()), _LEAST_FRAC * self.limit_mw)

    def raw_mw(self, confidence: float) -> float:
        """The level that so many of the courses keep; the outermost one where that is more than their number can say."""
        rank = min(math.ceil((self.level_mw.size + 1) * confidence), self.level_mw.size)
        rising = np.sort(self.level_mw)
        return float(rising[rank - 1] if self.direction == "give" else rising[-rank])

    def missed_by(self, level_mw: float, confidence: float) -> float:
        """How far what could be held lay on the wrong side of the raw level, in widths; negative where there was room."""
        beyond = level_mw - self.raw_mw(confidence)
        return (beyond if self.direction == "give" else -beyond) / self.width_mw


def sure_level_mw(spread: Spread, confidence: float, shift: float = 0.0) -> float:
    """The level that is promised.

    Args:
        spread: Of the window.
        confidence: Above 0 and below 1.
        shift: What replays have taught, in widths; positive is more careful.

    Returns:
        At most so much import for give, at least so much for take. [MW]
    """
    if not 0.0 < confidence < 1.0:
        raise PlanError(f"offer: confidence {confidence}; write a share between 0 and 1, as 0.99")
    careful = shift * spread.width_mw
    return spread.raw_mw(confidence) + (careful if spread.direction == "give" else -careful)
