"""How good a forecast was; intervals without an outcome (NaN) are left out of every score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vpp.errors import ForecastError
from vpp.units import BoolArray, FloatArray

#: Of the band in which a coverage may lie by chance.
BAND_FRAC: Final = 0.99
BAND_DRAWS: Final = 2_000

__all__ = [
    "Reliability",
    "bootstrap_band",
    "coverage_frac",
    "crps",
    "dispatch_accuracy_frac",
    "energy_score",
    "nrmse_frac",
    "pinball",
    "reliability",
    "variogram_score",
]


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


def dispatch_accuracy_frac(
    outcome_frac: FloatArray,
    forecast_frac: FloatArray,
    *,
    curtailed: BoolArray | None = None,
    available_frac: FloatArray | None = None,
) -> float:
    """Accuracy as Chinese dispatch counts it: `1 - sqrt(mean(((measured - forecast) / capacity)^2))`.

    Args:
        outcome_frac: Measured power over running capacity, NaN where unknown.
        forecast_frac: Same shape.
        curtailed: Where output was limited (限电); those intervals are scored on available power.
        available_frac: What could have been sent out; needed with `curtailed`.

    Raises:
        ForecastError: The shapes differ, or curtailed intervals come without available power.

    Source:
        North China rules of 2019 for forecasts of wind and PV stations, the default of `seeds/` (DESIGN, section 11).
    """
    if curtailed is not None:
        if available_frac is None:
            raise ForecastError("dispatch accuracy: curtailed intervals are scored on available power; give available_frac")
        outcome_frac = np.where(curtailed, available_frac, outcome_frac)
    return 1.0 - nrmse_frac(outcome_frac, forecast_frac)


def crps(outcome: FloatArray, quantile: FloatArray, levels: tuple[float, ...]) -> float:
    """Continuous ranked probability score out of quantiles: twice the pinball loss integrated over the level.

    Args:
        outcome: Shape (...,), NaN where unknown.
        quantile: Shape (..., Q).
        levels: Q increasing levels; each stands for the levels nearer to it than to another, up to 0 and 1.

    Returns:
        In the outcome's unit, lower is better; NaN if no outcome is known.

    Source:
        T. Gneiting, R. Ranjan, "Comparing density forecasts using threshold- and quantile-weighted scoring rules", JBES 29(3),
        2011.
    """
    known = ~np.isnan(outcome)
    if not known.any():
        return float("nan")
    level = np.array(levels)
    edges = np.concatenate(([0.0], (level[1:] + level[:-1]) / 2.0, [1.0]))
    miss = outcome[known][:, None] - quantile[known]
    loss = np.maximum(level * miss, (level - 1.0) * miss).mean(axis=0)
    return float(2.0 * np.sum(loss * np.diff(edges)))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often outcomes lay at or below each quantile, with the sampling band of independent outcomes.

    Args:
        levels: Nominal, Q of them.
        observed_frac: Shape (Q,).
        count: Outcomes behind it.
    """

    levels: tuple[float, ...]
    observed_frac: FloatArray
    count: int


def reliability(outcome: FloatArray, quantile: FloatArray, levels: tuple[float, ...]) -> Reliability:
    """Points of the reliability diagram; an outcome that equals its quantile counts half, as at the ends of the range."""
    known = ~np.isnan(outcome)
    y, q = outcome[known][:, None], quantile[known]
    observed = ((y < q).mean(axis=0) + (y <= q).mean(axis=0)) / 2.0 if known.any() else np.full(len(levels), np.nan)
    return Reliability(levels, observed, int(known.sum()))


def bootstrap_band(inside: FloatArray, block: int, frac: float = BAND_FRAC, seed: int = 0) -> tuple[float, float]:
    """Band in which the mean of a series of hits may lie by chance, drawn from its own blocks and set on its mean.

    Args:
        inside: 1 for a hit, 0 for a miss, NaN unknown, in order, shape (N,).
        block: Length of the blocks; as long as hits hang together.
        frac: Of the band.
        seed: Of the draws.

    Returns:
        Low and high deviation from the mean.

    Source:
        H. Kuensch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3), 1989.
    """
    known = inside[~np.isnan(inside)]
    if known.size < block:
        return -1.0, 1.0
    rng = np.random.default_rng(seed)
    total = np.concatenate(([0.0], np.cumsum(known)))
    sums = total[block:] - total[:-block]
    draws = sums[rng.integers(0, sums.size, (BAND_DRAWS, max(1, known.size // block)))].mean(axis=1) / block
    low, high = np.quantile(draws - known.mean(), [(1.0 - frac) / 2.0, (1.0 + frac) / 2.0])
    return float(low), float(high)


def energy_score(outcome: FloatArray, scenario: FloatArray) -> float:
    """Energy score of scenarios against the trajectory that came, in the outcome's unit times the root of its dimension.

    Args:
        outcome: Shape (D,), all farms and intervals in one row.
        scenario: Shape (S, D).

    Source:
        T. Gneiting, A. Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102(477), 2007.
    """
    far = np.linalg.norm(scenario - outcome, axis=1).mean()
    square = np.sum(scenario**2, axis=1)
    apart = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2.0 * scenario @ scenario.T, 0.0))
    pairs = scenario.shape[0] * max(scenario.shape[0] - 1, 1)
    return float(far - 0.5 * apart.sum() / pairs)


def variogram_score(outcome: FloatArray, scenario: FloatArray, power: float = 0.5) -> float:
    """Variogram score of scenarios, mean over all pairs of dimensions: it sees wrong dependence where the energy score is blind.

    Args:
        outcome: Shape (D,).
        scenario: Shape (S, D).
        power: Of the absolute difference.

    Source:
        M. Scheuerer, T. Hamill, "Variogram-based proper scoring rules for probabilistic forecasts of multivariate quantities",
        Monthly Weather Review 143(4), 2015.
    """
    seen = np.abs(outcome[:, None] - outcome[None, :]) ** power
    expected = np.zeros_like(seen)
    for one in scenario:
        expected += np.abs(one[:, None] - one[None, :]) ** power
    return float(np.mean((seen - expected / scenario.shape[0]) ** 2))
