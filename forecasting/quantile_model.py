"""LightGBM quantile models and a mean model of one kind of farm, all farms and horizons pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import lightgbm as lgb
import numpy as np

from forecasting.calibrate import conformal_shifts, horizon_group, pooled_shifts
from forecasting.features import SOLAR_COLUMNS, WIND_COLUMNS
from forecasting.forecast import MODEL_LEVELS
from forecasting.known import FarmKind
from forecasting.load import LOAD_COLUMNS, PROFILE_COLUMN
from forecasting.parallel import Spread, one_by_one
from forecasting.settings import ForecastSettings
from forecasting.training_set import TrainingSet
from vpp.units import FloatArray, IntArray

__all__ = ["COLUMNS", "KindModel", "fit", "predict_rows"]

COLUMNS: Final[Mapping[FarmKind, tuple[str, ...]]] = {"wind": WIND_COLUMNS, "solar": SOLAR_COLUMNS, "load": LOAD_COLUMNS}
FARM_COLUMN: Final = 0
BINS: Final = 127
#: What the trees add to: the last reading, fading over these hours. Near the origin it is nearly all there is to know.
#: Of a load it is the profile of its week, and what that missed of the last reading fades, each load's in its own time.
BASE_FADES_H: Final[Mapping[FarmKind, float]] = {"wind": 4.0, "solar": 2.0, "load": 2.0}
#: The times that are tried for a load. [h]
FADES_TRIED_H: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FEWEST_TO_TRY: Final = 200
LAST_COLUMN: Final[Mapping[FarmKind, int]] = {
    "wind": WIND_COLUMNS.index("last_frac"),
    "solar": SOLAR_COLUMNS.index("index_15min"),
    "load": LOAD_COLUMNS.index("last_miss_frac"),
}


@dataclass(frozen=True, slots=True, eq=False)
class KindModel:
    """What was learnt for one kind of farm.

    Args:
        kind: Wind, solar or load.
        quantiles: One model for each of `MODEL_LEVELS`.
        mean: Model of the expected value.
        shifts: Conformal shifts by farm number, horizon group and level; the last row is for a farm without its own,
            shape (C + 1, G, Q).
        threads: LightGBM threads used in training and prediction.
        fades_h: Time in which the last reading fades, by farm number; the last one is for a farm without its own,
            shape (C + 1,). [h]
    """

    kind: FarmKind
    quantiles: tuple[lgb.Booster, ...]
    mean: lgb.Booster
    shifts: FloatArray
    threads: int
    fades_h: FloatArray


def fit(kind: FarmKind, data: TrainingSet, settings: ForecastSettings, spread: Spread = one_by_one) -> KindModel:
    """Train on the rows not kept out, calibrate on those kept out.

    Args:
        kind: Wind, solar or load.
        data: Rows of all farms of the kind.
        settings: Sizes and seed.
        spread: Carries out the independent trainings, here or on other machines.

    Rows weigh by their scale, so that the loss of a ratio to the clear sky is the loss of power. Same data, settings and
    LightGBM version: same bits.
    """
    objectives: list[Mapping[str, object]] = [{"objective": "quantile", "alpha": level} for level in MODEL_LEVELS]
    fades_h = _fades_h(kind, data)
    texts = spread(partial(_boost, kind, data, settings, fades_h), [*objectives, {"objective": "regression"}])
    *models, mean = (lgb.Booster(model_str=text) for text in texts)
    out = np.flatnonzero(data.kept_out)
    raw = _raw(models, data.x[out], settings.threads) + _base(kind, data.x[out], fades_h)[:, None]
    horizon_h = data.x[out, COLUMNS[kind].index("horizon_h")]
    farm = data.x[out, FARM_COLUMN].astype(np.int64)
    shifts = _shifts(data.y[out], np.sort(raw, axis=1), horizon_h, farm)
    return KindModel(kind, tuple(models), mean, shifts, settings.threads, fades_h)


def predict_rows(model: KindModel, x: FloatArray, scale_frac: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Quantiles and mean of power.

    Args:
        model: Of the farms' kind.
        x: Features, shape (N, C).
        scale_frac: Turns the model's target into a share of capacity, shape (N,).

    Returns:
        Quantiles (0..1, never crossing), shape (N, Q), and means, shape (N,).
    """
    base = _base(model.kind, x, model.fades_h)
    raw = np.sort(_raw(model.quantiles, x, model.threads) + base[:, None], axis=1)
    horizon_h = x[:, COLUMNS[model.kind].index("horizon_h")]
    farm = np.minimum(x[:, FARM_COLUMN].astype(np.int64), model.shifts.shape[0] - 1)
    shifted = np.sort(raw + model.shifts[farm, horizon_group(horizon_h)], axis=1)
    quantile = shifted * scale_frac[:, None]
    mean = (_raw((model.mean,), x, model.threads)[:, 0] + base) * scale_frac
    return np.clip(quantile, 0.0, 1.0), np.clip(mean, 0.0, 1.0)


def _shifts(y: FloatArray, quantile: FloatArray, horizon_h: FloatArray, farm: IntArray) -> FloatArray:
    """Shifts of each farm number and, last, of all farms together."""
    own = pooled_shifts(y, quantile, MODEL_LEVELS, horizon_h, farm)
    shared = conformal_shifts(y, quantile, MODEL_LEVELS, horizon_h)
    return np.stack([own.get(number, shared) for number in range(int(farm.max(initial=-1)) + 2)])


def _boost(
    kind: FarmKind, data: TrainingSet, settings: ForecastSettings, fades_h: FloatArray, objective: Mapping[str, object]
) -> str:
    """One trained model as LightGBM's text: a stored one, or one from another machine, predicts the same."""
    rows = np.flatnonzero(~data.kept_out)
    is_load = kind == "load"
    parameters = {
        **objective,
        "num_leaves": settings.load_leaves if is_load else settings.leaves,
        "min_data_in_leaf": settings.load_leaf_rows if is_load else settings.leaf_rows,
        "learning_rate": settings.learning_rate,
        "max_bin": BINS,
        "feature_fraction": 0.8,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "verbosity": -1,
    }
    power_of_scale = 2 if objective["objective"] == "regression" else 1
    frame = lgb.Dataset(
        data.x[rows],
        data.y[rows] - _base(kind, data.x[rows], fades_h),
        weight=data.scale_frac[rows] ** power_of_scale,
        feature_name=list(COLUMNS[kind]),
        categorical_feature=[FARM_COLUMN],
        params=parameters,
    )
    rounds = settings.load_rounds if is_load else settings.rounds
    return str(lgb.train(parameters, frame, num_boost_round=rounds).model_to_string())


def _fades_h(kind: FarmKind, data: TrainingSet) -> FloatArray:
    """The time in which what a load's profile missed fades best, over the rows that are learnt from, shape (C + 1,)."""
    farm = data.x[:, FARM_COLUMN].astype(np.int64)
    found = np.full(int(farm.max(initial=-1)) + 2, BASE_FADES_H[kind])
    if kind != "load":
        return found
    learnt = ~data.kept_out & ~np.isnan(data.x[:, LAST_COLUMN[kind]])
    tried = np.stack([(data.y - _base(kind, data.x, np.array([fades_h]))) ** 2 for fades_h in FADES_TRIED_H])
    found[-1] = FADES_TRIED_H[int(np.argmin(tried[:, learnt].sum(axis=1)))]
    for number in range(found.size - 1):
        own = learnt & (farm == number)
        found[number] = FADES_TRIED_H[int(np.argmin(tried[:, own].sum(axis=1)))] if own.sum() >= FEWEST_TO_TRY else found[-1]
    return found


def _base(kind: FarmKind, x: FloatArray, fades_h: FloatArray) -> FloatArray:
    """The last reading fading into nothing, a load's into its profile, in the model's unit, nothing where unknown, shape (N,)."""
    horizon_h = np.nan_to_num(x[:, COLUMNS[kind].index("horizon_h")], nan=np.inf)
    own_h = fades_h[np.minimum(x[:, FARM_COLUMN].astype(np.int64), fades_h.size - 1)]
    fading = np.exp(-np.maximum(horizon_h, 0.0) / own_h) * np.nan_to_num(x[:, LAST_COLUMN[kind]])
    return fading + np.nan_to_num(x[:, PROFILE_COLUMN]) if kind == "load" else fading


def _raw(models: list[lgb.Booster] | tuple[lgb.Booster, ...], x: FloatArray, threads: int) -> FloatArray:
    return np.column_stack([np.asarray(model.predict(x, num_threads=threads), dtype=np.float64) for model in models])
