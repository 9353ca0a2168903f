"""First stage: forecasts of every zone that a second stage can trust, each hour judged by models that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from forecasting.stack.arrays import Float32Array, IntArray
from forecasting.stack.boost import boost_parameters
from forecasting.stack.levels import at_levels
from forecasting.stack.net import fit_net
from forecasting.stack.settings import BoostSettings, NetSettings
from vpp.units import BoolArray, FloatArray

__all__ = ["FirstStage", "combine_parts", "mean_of_part", "net_of_part"]


@dataclass(frozen=True, slots=True, eq=False)
class FirstStage:
    """What the first stage says of every hour, T training and forecast hours, Z zones.

    Args:
        mean_frac: LightGBM means, shape (T, Z).
        net_frac: Quantiles of the net, shape (T, Z, Q).
        kernel_frac: Means of the kernel regressions, shape (T, Z).
        levels: The net's Q levels.
    """

    mean_frac: FloatArray
    net_frac: FloatArray
    kernel_frac: FloatArray
    levels: tuple[float, ...]

    @property
    def median_frac(self) -> FloatArray:
        """The net's median, shape (T, Z)."""
        return self.net_frac[:, :, len(self.levels) // 2]

    @property
    def members_frac(self) -> FloatArray:
        """What each kind of model says, shape (kinds, T, Z)."""
        return np.stack([self.mean_frac, self.median_frac, self.kernel_frac])

    def quantiles(self, asked: tuple[float, ...]) -> FloatArray:
        """The net's spread around the mean of all kinds, shape (T, Z, levels asked)."""
        shift = self.members_frac.mean(axis=0) - self.median_frac
        return np.clip(at_levels(self.net_frac + shift[:, :, None], self.levels, asked), 0.0, 1.0)


def mean_of_part(x: FloatArray, y: FloatArray, train: BoolArray, settings: BoostSettings, seed: int) -> FloatArray:
    """Mean of one zone for every hour, learnt from some.

    Args:
        x: Columns, shape (T, C).
        y: Power, NaN where unknown or not to be learnt, shape (T,).
        train: Hours to learn from, shape (T,).
        settings: Size of the model.
        seed: Of the model.

    Returns:
        Shape (T,).
    """
    rows = train & ~np.isnan(y)
    parameters = boost_parameters(settings, {"objective": "regression"}, seed)
    model = lgb.train(parameters, lgb.Dataset(x[rows], y[rows], params=parameters), num_boost_round=settings.rounds)
    return np.asarray(model.predict(x, num_threads=1), dtype=np.float64)


def net_of_part(
    x: Float32Array, y: FloatArray, train: BoolArray, levels: tuple[float, ...], settings: NetSettings, seed: int
) -> FloatArray:
    """Quantiles of all zones by one net, as `mean_of_part` with y of shape (T, Z), to shape (T, Z, Q)."""
    rows = train & ~np.isnan(y).all(axis=1)
    # One thread: sums split over threads differ in their last bits, and a worker has other threads than this process.
    with threadpool_limits(1, user_api="blas"):
        return fit_net(x[rows], y[rows], levels, settings, seed).predict(x)


def combine_parts(forecasts: list[FloatArray], part: IntArray, train: BoolArray) -> FloatArray:
    """One forecast of every hour from the models of all parts.

    Args:
        forecasts: One for each part, learnt without it, each of shape (T, ...).
        part: Part of each hour, shape (T,).
        train: Training hours, shape (T,).

    Returns:
        Training hours: by the model that has not seen them; other hours: mean of all. Shape (T, ...).
    """
    every = np.stack(forecasts)
    unseen = every[part, np.arange(part.size)]
    out = np.asarray(every.mean(axis=0))
    out[train] = unseen[train]
    return out
