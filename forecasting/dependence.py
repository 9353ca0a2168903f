"""What hangs together in the errors: over farms, over lead times, between wind and sun; and joint scenarios out of it.

A Gaussian copula on the forecast's own quantiles. Errors of one farm hang together over time as the sum of a fast and a slow
first-order process, so that any grid, also one of unequal steps, is drawn by a recursion; the innovations of the farms are
correlated. All of it is learnt from the places at which past outcomes lay in past forecasts. The marginals are the
quantiles, exactly: the ranks over the scenarios are spread evenly over the levels (Latin hypercube).

Source:
    P. Pinson et al., "From probabilistic forecasts to statistical scenarios of short-term wind power production", Wind Energy
    12(1), 2009; M. McKay et al., Technometrics 21(2), 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.units import FloatArray

__all__ = ["Dependence", "independent", "learn_dependence", "place_in_quantiles", "scenarios", "values_at"]

#: Lags at which the memory of errors is read off.
LAGS_H: Final = (1.0, 2.0, 3.0, 6.0, 12.0, 24.0)
MEMORIES_H: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0, 18.0, 24.0, 36.0, 48.0, 72.0)
SLOW_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Correlations from few outcomes are drawn towards none.
SHRINK_ROWS: Final = 30.0
CLIP: Final = 1e-3
LEAST_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Dependence:
    """Correlation of errors.

    Args:
        asset_ids: F farms.
        correlation: At equal lead times, shape (F, F), positive definite.
        fast_h: Memory of the fast part, shape (F,). [h]
        slow_h: Memory of the slow part, shape (F,). [h]
        slow_frac: Its share of the variance, shape (F,).
    """

    asset_ids: tuple[AssetId, ...]
    correlation: FloatArray
    fast_h: FloatArray
    slow_h: FloatArray
    slow_frac: FloatArray

    def __post_init__(self) -> None:
        n = len(self.asset_ids)
        if self.correlation.shape != (n, n) or any(one.shape != (n,) for one in (self.fast_h, self.slow_h, self.slow_frac)):
            raise ForecastError(f"dependence: {n} farms, but correlations {self.correlation.shape}")

    def of(self, asset_ids: tuple[AssetId, ...]) -> Dependence:
        """The same for other farms: one that is not known hangs together with itself only, as the others do in the mean."""
        where = [self.asset_ids.index(one) if one in self.asset_ids else -1 for one in asset_ids]
        known = np.array([w >= 0 for w in where])
        index = np.array([max(w, 0) for w in where], dtype=np.int64)
        correlation = np.where(known[:, None] & known[None, :], self.correlation[np.ix_(index, index)], 0.0)
        np.fill_diagonal(correlation, 1.0)
        fast, slow, share = (np.where(known, one[index], one.mean()) for one in (self.fast_h, self.slow_h, self.slow_frac))
        return Dependence(asset_ids, correlation, fast, slow, share)


def independent(asset_ids: tuple[AssetId, ...]) -> Dependence:
    """Nothing is known of what hangs together: farms apart, and a farm's errors for some hours."""
    n = len(asset_ids)
    return Dependence(asset_ids, np.eye(n), np.full(n, 3.0), np.full(n, 12.0), np.full(n, 0.5))


def place_in_quantiles(outcome: FloatArray, quantile: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Level at which each outcome lay in its quantiles, CLIP..1-CLIP, NaN where unknown or where the quantiles are all one.

    Args:
        outcome: Shape (N,).
        quantile: Shape (N, Q).
        levels: Q levels.
    """
    level = np.concatenate(([0.0], np.array(levels), [1.0]))
    edges = np.column_stack((_tails(quantile, levels)[0], quantile, _tails(quantile, levels)[1]))
    above = np.clip((outcome[:, None] >= edges).sum(axis=1), 1, edges.shape[1] - 1)
    rows = np.arange(outcome.size)
    low, high = edges[rows, above - 1], edges[rows, above]
    weight = np.divide(outcome - low, high - low, out=np.full(outcome.shape, 0.5), where=high > low)
    place = level[above - 1] + np.clip(weight, 0.0, 1.0) * (level[above] - level[above - 1])
    flat = quantile[:, -1] - quantile[:, 0] < CLIP
    return np.where(flat | np.isnan(outcome), np.nan, np.clip(place, CLIP, 1.0 - CLIP))


def learn_dependence(asset_ids: tuple[AssetId, ...], place: FloatArray, lead_h: FloatArray) -> Dependence:
    """Dependence out of the places of past outcomes.

    Args:
        asset_ids: F farms.
        place: From `place_in_quantiles`, N past forecasts, shape (N, F, T).
        lead_h: Of the T intervals. [h]
    """
    score = ndtri(place)
    count = np.maximum((~np.isnan(score)).sum(axis=(0, 2), keepdims=True), 1)
    score = score / np.maximum(np.sqrt(np.nansum(score**2, axis=(0, 2), keepdims=True) / count), CLIP)
    kernels = [_memory(score[:, f], lead_h) for f in range(len(asset_ids))]
    fast, slow, share = (np.array(column) for column in zip(*kernels, strict=True))
    return Dependence(asset_ids, _correlation(score), fast, slow, share)


def scenarios(
    dependence: Dependence,
    quantile: FloatArray,
    levels: tuple[float, ...],
    step_h: FloatArray,
    count: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Joint trajectories whose marginals are the quantiles.

    Args:
        dependence: Of the farms of `quantile`, in its order.
        quantile: 0..1, never crossing, shape (F, T, Q).
        levels: Q levels.
        step_h: Length of each interval, shape (T,). [h]
        count: S, how many.
        rng: Source of chance.

    Returns:
        Shape (S, F, T).
    """
    place = _places(dependence, step_h, count, rng)
    return np.moveaxis(values_at(np.moveaxis(place, 0, -1), quantile, levels), -1, 0)


def values_at(place: FloatArray, quantile: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Values at levels between and beyond those of a forecast, by straight lines, shape of `place`.

    Args:
        place: Levels asked for, 0..1, shape (..., S).
        quantile: Shape (..., Q).
        levels: Q levels.
    """
    lowest, highest = _tails(quantile, levels)
    edges = np.concatenate((lowest[..., None], quantile, highest[..., None]), axis=-1)
    level = np.concatenate(([0.0], np.array(levels), [1.0]))
    slot = np.clip(np.searchsorted(level, place, side="right") - 1, 0, level.size - 2)
    weight = (place - level[slot]) / (level[slot + 1] - level[slot])
    low = np.take_along_axis(edges, slot, axis=-1)
    value: FloatArray = low + weight * (np.take_along_axis(edges, slot + 1, axis=-1) - low)
    return value


def _tails(quantile: FloatArray, levels: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Where the distribution begins and ends: the outermost slopes carried on, inside 0..1."""
    rise = (quantile[..., 1] - quantile[..., 0]) / (levels[1] - levels[0])
    fall = (quantile[..., -1] - quantile[..., -2]) / (levels[-1] - levels[-2])
    lowest = quantile[..., 0] - rise * levels[0]
    highest = quantile[..., -1] + fall * (1.0 - levels[-1])
    return np.minimum(np.maximum(lowest, 0.0), quantile[..., 0]), np.maximum(np.minimum(highest, 1.0), quantile[..., -1])


def _places(dependence: Dependence, step_h: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Levels of all scenarios, evenly spread over them at each farm and interval, shape (S, F, T)."""
    share = dependence.slow_frac
    fast = _paths(dependence, dependence.fast_h, step_h, count, rng)
    slow = _paths(dependence, dependence.slow_h, step_h, count, rng)
    score = np.sqrt(1.0 - share)[:, None] * fast + np.sqrt(share)[:, None] * slow
    order = np.argsort(np.argsort(score, axis=0), axis=0)
    # Ranks keep the copula and even out the margins; the jitter of the normal score keeps its place within the rank.
    return np.asarray((order + np.clip(ndtr(score), CLIP, 1.0 - CLIP)) / count, dtype=np.float64)


def _paths(dependence: Dependence, memory_h: FloatArray, step_h: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """First-order processes of unit variance with correlated innovations, shape (S, F, T)."""
    n = len(dependence.asset_ids)
    root = np.linalg.cholesky(dependence.correlation)
    drawn = rng.standard_normal((step_h.size, count, n)) @ root.T
    between_h = np.concatenate(([0.0], (step_h[1:] + step_h[:-1]) / 2.0))
    keep = np.exp(-between_h[:, None] / memory_h)
    path = np.empty_like(drawn)
    path[0] = drawn[0]
    for t in range(1, step_h.size):
        path[t] = keep[t] * path[t - 1] + np.sqrt(1.0 - keep[t] ** 2) * drawn[t]
    return np.moveaxis(path, 0, -1)


def _memory(score: FloatArray, lead_h: FloatArray) -> tuple[float, float, float]:
    """Fast and slow memory [h] and the slow share that fit a farm's autocorrelation best, scores (N, T)."""
    lags, seen = [], []
    for lag_h in LAGS_H:
        pairs = [(i, int(j)) for i in range(lead_h.size) for j in np.flatnonzero(np.abs(lead_h - lead_h[i] - lag_h) < 0.13)]
        if not pairs:
            continue
        left, right = score[:, [i for i, _ in pairs]], score[:, [j for _, j in pairs]]
        known = ~np.isnan(left) & ~np.isnan(right)
        if known.sum() >= LEAST_ROWS:
            lags.append(lag_h)
            seen.append(float(np.sum(left[known] * right[known]) / np.sqrt(np.sum(left[known] ** 2) * np.sum(right[known] ** 2))))
    if not lags:
        return 3.0, 12.0, 0.5
    lag, target = np.array(lags), np.array(seen)
    fits = [
        (float(np.sum((((1 - share) * np.exp(-lag / fast) + share * np.exp(-lag / slow)) - target) ** 2)), fast, slow, share)
        for fast in MEMORIES_H
        for slow in MEMORIES_H
        if slow > fast
        for share in SLOW_SHARES
    ]
    return min(fits)[1:]


def _correlation(score: FloatArray) -> FloatArray:
    """Between farms at equal forecasts and leads; shrunk by how few there are, made positive definite."""
    flat = np.moveaxis(score, 1, 0).reshape(score.shape[1], -1)
    known = ~np.isnan(flat)
    filled = np.where(known, flat, 0.0)
    count = known.astype(np.float64) @ known.T
    square = (filled**2) @ known.T
    both = filled @ filled.T
    norm = np.sqrt(square * square.T)
    raw = np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)
    # Neighbouring leads say nearly the same: a forecast counts once for every six of them.
    raw *= (count / 6.0) / (count / 6.0 + SHRINK_ROWS)
    np.fill_diagonal(raw, 1.0)
    values, vectors = np.linalg.eigh(raw)
    fixed = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    scale = np.sqrt(np.diag(fixed))
    return np.asarray(fixed / scale[:, None] / scale[None, :], dtype=np.float64)
