"""How good a forecast was; intervals without an outcome (NaN) are left out of every score."""

from __future__ import annotations

import numpy as np

from vpp.errors import ForecastError
from vpp.units import FloatArray

__all__ = ["coverage_frac", "nrmse_frac", "pinball"]


def pinball(outcome: FloatArray, quantile: FloatArray, levels: tuple[float, ...]) -> float:
    """Mean pinball loss over outcomes and levels, in the outcome's unit.

    Args:
        outcome: Shape (...,), NaN where unknown.
        quantile: Shape (..., Q).
        levels: Q levels.

    Returns:
        Lower is better; NaN if no outcome is known.

    Raises:
        ForecastError: The shapes do not fit.

    Source:
        R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
    """
    if quantile.shape != (*outcome.shape, len(levels)):
        raise ForecastError(f"pinball: outcome {outcome.shape} and {len(levels)} levels, but quantile {quantile.shape}")
    known = ~np.isnan(outcome)
    if not known.any():
        return float("nan")
    miss = outcome[known][:, None] - quantile[known]
    level = np.array(levels)
    return float(np.mean(np.maximum(level * miss, (level - 1.0) * miss)))


def nrmse_frac(outcome_frac: FloatArray, mean_frac: FloatArray) -> float:
    """Root mean square error of shares of capacity, which is the error normalised by capacity; NaN without outcomes."""
    if outcome_frac.shape != mean_frac.shape:
        raise ForecastError(f"nrmse: outcome {outcome_frac.shape}, but forecast {mean_frac.shape}")
    known = ~np.isnan(outcome_frac)
    if not known.any():
        return float("nan")
    return float(np.sqrt(np.mean((outcome_frac[known] - mean_frac[known]) ** 2)))


def coverage_frac(outcome: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Share of the known outcomes inside `[low, high]`; NaN without outcomes, shapes all equal."""
    known = ~np.isnan(outcome)
    if not known.any():
        return float("nan")
    return float(np.mean((outcome[known] >= low[known]) & (outcome[known] <= high[known])))
