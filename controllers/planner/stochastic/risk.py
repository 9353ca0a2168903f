"""What many costs are worth as one: their mean, or the mean of the worst of them, or something between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.errors import PlanError
from vpp.units import FloatArray

__all__ = ["Risk"]


@dataclass(frozen=True, slots=True)
class Risk:
    """`(1 - weight) mean + weight CVaR`, the conditional value at risk being the mean cost of the worst `1 - level` of cases.

    Args:
        weight: 0 minds the mean alone, 1 the worst alone.
        level: 0.9 minds the worst tenth.

    Source:
        R. T. Rockafellar and S. Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2(3), 2000.
    """

    weight: float = 0.0
    level: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight <= 1.0 or not 0.0 <= self.level < 1.0:
            raise PlanError(f"risk: weight {self.weight} must lie in 0..1 and level {self.level} in 0..1, less than 1")

    def value_cny(self, cost_cny: FloatArray, probability: FloatArray) -> float:
        """One number for the costs of scenarios, both shape (S,).

        >>> Risk(weight=1.0, level=0.5).value_cny(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 0.25))
        3.5
        """
        mean = float(probability @ cost_cny)
        return mean if self.weight == 0.0 else (1.0 - self.weight) * mean + self.weight * self.worst_cny(cost_cny, probability)

    def worst_cny(self, cost_cny: FloatArray, probability: FloatArray) -> float:
        """The mean of the worst `1 - level` of cases."""
        order = np.argsort(-cost_cny)
        tail = 1.0 - self.level
        before = np.cumsum(probability[order]) - probability[order]
        part = np.clip(tail - before, 0.0, probability[order])
        return float(part @ cost_cny[order] / tail)
