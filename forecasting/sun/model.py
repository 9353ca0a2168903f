"""LightGBM for the next four hours of a PV station: the expected power first, the quantiles of what it misses second.

The members of the mean differ in target (power itself; its deviation from smart persistence) and their misses differ with it.
What the quantiles learn from are misses of means that had not seen the rows: the record is dealt in blocks of days to folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from forecasting.sun.clean import STEPS_PER_DAY
from forecasting.sun.features import FARTHEST_STEPS, STEPS_AHEAD, Basis, columns, station_features
from vpp.errors import ForecastError
from vpp.units import BoolArray, FloatArray, IntArray

__all__ = [
    "LEVELS",
    "Rows",
    "StationModel",
    "StationSettings",
    "fit_mean",
    "fit_station",
    "mean_frac",
    "quantiles_frac",
    "rows_of",
]

LEVELS: Final = (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)
#: What a member subtracts from its target; it is a feature.
BASES: Final = ("", "smart")
#: What the quantiles of the misses look at, beside the mean itself.
SPREAD_COLUMNS: Final = (
    "ahead", "smart", "sky", "elevation", "hour_angle", "usual_mean", "usual_best", "usual_q50", "yesterday", "sun_mean",
    "ratio_mean_4", "ratio_mean_16", "ratio_mean_96", "ratio_spread_4", "ratio_spread_8", "ratio_spread_16", "sun_spread_4",
    "sun_spread_16", "sun_mean_4", "yield_4", "sky_change", "year_sin", "year_cos",
)  # fmt: skip
BLOCK_STEPS: Final = 6 * STEPS_PER_DAY


@dataclass(frozen=True, slots=True)
class StationSettings:
    """How a station is trained; chosen on blocks kept out of the training part of site 1.

    Args:
        share_frac: Of the rows, at random: neighbouring rows say nearly the same.
        rounds: Trees of a member of the mean.
        leaves: Leaves of its trees.
        folds: Of the cross-fit.
        spread_rounds: Trees of a quantile of the misses.
        spread_leaves: Leaves of its trees.
        seed: Of sampling and of LightGBM.
        threads: LightGBM threads; fixed, because sums depend on it.
    """

    share_frac: float = 0.25
    rounds: int = 300
    leaves: int = 31
    folds: int = 3
    spread_rounds: int = 120
    spread_leaves: int = 15
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Origins and steps ahead, with their features.

    Args:
        origin: Step of the record, shape (N,).
        ahead: Steps to the target, shape (N,).
        x: Features, shape (N, C).
    """

    origin: IntArray
    ahead: IntArray
    x: FloatArray

    @property
    def target(self) -> IntArray:
        """Step each row is for, shape (N,)."""
        return self.origin + self.ahead


@dataclass(frozen=True, slots=True, eq=False)
class StationModel:
    """What was learnt of one station.

    Args:
        means: Members of the mean, one for each of `BASES`.
        spreads: Quantiles of the mean's misses, one for each of `LEVELS`.
        threads: As trained.
    """

    means: tuple[lgb.Booster, ...]
    spreads: tuple[lgb.Booster, ...]
    threads: int


def rows_of(basis: Basis, first: int, last: int, share_frac: float = 1.0, seed: int = 0) -> Rows:
    """Rows whose target is by day and in `[first, last)`, each number of steps ahead in turn.

    Args:
        basis: Of the record.
        first: First step of a target.
        last: Step after the last one.
        share_frac: Of the rows to take, at random.
        seed: Of the choice.
    """
    rng = np.random.default_rng(seed)
    parts: list[tuple[IntArray, IntArray, FloatArray]] = []
    for ahead in range(1, STEPS_AHEAD + 1):
        origin = np.arange(max(first - ahead, FARTHEST_STEPS), last - ahead)
        origin = origin[basis.elevation_deg[origin + ahead] > 0]
        if share_frac < 1.0:
            origin = origin[rng.random(origin.size) < share_frac]
        parts.append((origin, np.full(origin.size, ahead), station_features(basis, origin, ahead)))
    return Rows(*(np.concatenate([part[i] for part in parts]) for i in range(3)))


def fit_station(rows: Rows, outcome: FloatArray, settings: StationSettings) -> StationModel:
    """Train on rows whose outcome is known.

    Args:
        rows: Of the training part.
        outcome: Share of capacity of each row's target, NaN is left out, shape (N,).
        settings: Sizes and seed.

    Raises:
        ForecastError: Too few rows with an outcome.
    """
    fold = rows.target // BLOCK_STEPS % settings.folds
    known = ~np.isnan(outcome)
    if known.sum() < settings.folds * settings.leaves * STEPS_AHEAD:
        raise ForecastError(f"station model: {int(known.sum())} rows by day with an outcome are too few to learn from")
    missed = outcome - cross_fitted(rows, outcome, fold, settings)
    x = _spread_features(rows.x, outcome - missed)
    spreads = tuple(_boost(x[known], missed[known], _spread_parameters(level, settings), settings) for level in LEVELS)
    return StationModel(fit_mean(rows, outcome, known, settings), spreads, settings.threads)


def fit_mean(rows: Rows, outcome: FloatArray, use: BoolArray, settings: StationSettings) -> tuple[lgb.Booster, ...]:
    """The members of the mean."""
    use = use & ~np.isnan(outcome)
    return tuple(
        _boost(rows.x[use], (outcome - _base(rows.x, base))[use], _mean_parameters(settings), settings) for base in BASES
    )


def cross_fitted(rows: Rows, outcome: FloatArray, fold: IntArray, settings: StationSettings) -> FloatArray:
    """Mean of each row by members that did not see its block of days, shape (N,)."""
    result = np.full(outcome.shape, np.nan)
    for k in np.unique(fold):
        kept_out = fold == k
        result[kept_out] = mean_frac(fit_mean(rows, outcome, ~kept_out, settings), rows.x[kept_out], settings.threads)
    return result


def mean_frac(members: tuple[lgb.Booster, ...], x: FloatArray, threads: int = 1) -> FloatArray:
    """Expected share of capacity, shape (N,)."""
    said = [np.asarray(m.predict(x, num_threads=threads)) + _base(x, base) for m, base in zip(members, BASES, strict=True)]
    mean: FloatArray = np.clip(np.mean(said, axis=0), 0.0, 1.0)
    return mean


def quantiles_frac(model: StationModel, x: FloatArray, mean: FloatArray) -> FloatArray:
    """Quantiles at `LEVELS`, never crossing, 0..1, shape (N, Q)."""
    wide = _spread_features(x, mean)
    missed = np.column_stack([np.asarray(one.predict(wide, num_threads=model.threads)) for one in model.spreads])
    sorted_frac: FloatArray = np.clip(np.sort(mean[:, None] + missed, axis=1), 0.0, 1.0)
    return sorted_frac


def _base(x: FloatArray, name: str) -> FloatArray:
    return np.nan_to_num(x[:, columns().index(name)]).astype(np.float64) if name else np.zeros(x.shape[0])


def _spread_features(x: FloatArray, mean: FloatArray) -> FloatArray:
    names = columns()
    return np.column_stack((mean, x[:, [names.index(name) for name in SPREAD_COLUMNS]])).astype(np.float32)


def _mean_parameters(settings: StationSettings) -> Mapping[str, Any]:
    return {
        "objective": "regression",
        "num_leaves": settings.leaves,
        "learning_rate": 0.05,
        "min_data_in_leaf": 400,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.6,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "path_smooth": 5.0,
        "extra_trees": True,
        "num_boost_round": settings.rounds,
    }


def _spread_parameters(level: float, settings: StationSettings) -> Mapping[str, Any]:
    return {
        "objective": "quantile",
        "alpha": level,
        "num_leaves": settings.spread_leaves,
        "learning_rate": 0.08,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.6,
        "num_boost_round": settings.spread_rounds,
    }


def _boost(x: FloatArray, y: FloatArray, parameters: Mapping[str, Any], settings: StationSettings) -> lgb.Booster:
    """A trained model, passed through its text form so that a stored one predicts the same."""
    full = {
        **parameters,
        "max_bin": 127,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "verbosity": -1,
    }
    rounds = full.pop("num_boost_round")
    trained = lgb.train(full, lgb.Dataset(x, y, params=full), num_boost_round=rounds)
    return lgb.Booster(model_str=trained.model_to_string())
