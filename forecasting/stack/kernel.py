"""Kernel ridge regression of all zones at once: it compares whole weather situations, where trees cut and nets bend."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from forecasting.stack.arrays import IntArray
from forecasting.stack.first_stage import combine_parts
from forecasting.stack.settings import KernelSettings
from vpp.units import BoolArray, FloatArray

__all__ = ["kernel_of_parts"]

#: Hours without a reading start at the zone's mean; each round after the first puts the fit there.
FILL_ROUNDS: Final = 2
JITTER: Final = 1e-8


def kernel_of_parts(
    x: FloatArray, y: FloatArray, part: IntArray, train: BoolArray, settings: KernelSettings, seed: int
) -> FloatArray:
    """Mean of every zone for every hour, cross-fitted, on a random choice of centres; the mean over the kernels.

    Args:
        x: Columns whose Euclidean distance is the unlikeness of two hours, shape (T, C).
        y: Power, NaN where unknown or not to be learnt, shape (T, Z).
        part: Part of each hour, shape (T,).
        train: Hours to learn from, shape (T,).
        settings: Size of the model.
        seed: Of the choice of centres.

    Returns:
        Training hours: by the fit that has not seen their part; others: mean of all fits. Shape (T, Z).

    Source:
        Subset of regressors: Quinonero-Candela and Rasmussen, J. Machine Learning Research 6, 2005, section 3.
    """
    centres = np.random.default_rng(seed).choice(x.shape[0], min(settings.centres, x.shape[0]), replace=False)
    # One thread: sums split over threads differ in their last bits.
    with threadpool_limits(1, user_api="blas"):
        square = _squared_distance(x, x[centres])
        means = []
        for power, width in settings.shapes:
            like = np.exp(-(square ** (0.5 * power)) / width**power)
            prior = settings.penalty * (like[centres] + JITTER * np.eye(centres.size))
            means.append(_cross_fit(like, prior, y, part, train))
    return np.asarray(np.mean(means, axis=0))


def _squared_distance(x: FloatArray, centres: FloatArray) -> FloatArray:
    """Of every hour from every centre, by one matrix product: many times faster than pair by pair."""
    square = (x**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :] - 2.0 * x @ centres.T
    return np.asarray(np.maximum(square, 0.0))


def _cross_fit(like: FloatArray, prior: FloatArray, y: FloatArray, part: IntArray, train: BoolArray) -> FloatArray:
    """One kernel; the products of a part are formed once and shared by the fits that see it."""
    rows = train & ~np.isnan(y).all(axis=1)
    parts = range(int(part.max()) + 1)
    products = [like[rows & (part == k)].T @ like[rows & (part == k)] for k in parts]
    every = np.sum(products, axis=0)
    fits = []
    for k in parts:
        seen = rows & (part != k)
        fits.append(_predict(like, like[seen], every - products[k] + prior, y[seen]))
    return combine_parts(fits, part, train)


def _predict(like: FloatArray, seen: FloatArray, product: FloatArray, y: FloatArray) -> FloatArray:
    """Every hour by the fit to those seen."""
    mean = np.nanmean(y, axis=0)
    unknown = np.isnan(y)
    above = np.where(unknown, 0.0, y - mean)
    factor = cho_factor(product)
    for _ in range(FILL_ROUNDS):
        weights = cho_solve(factor, seen.T @ above)
        above = np.where(unknown, seen @ weights, above)
    return np.asarray(like @ weights + mean)
