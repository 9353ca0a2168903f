"""All farms of a kind in one call of each model: features, quantiles and means for any origins and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.baselines import scale_frac
from forecasting.features import WIND_COLUMNS, Rows, solar_features, wind_features
from forecasting.load import PROFILE_COLUMN, Meters, load_features
from forecasting.quantile_model import KindModel, predict_rows
from forecasting.training_set import Past, park_speed_m_s
from vpp.units import BoolArray, FloatArray

__all__ = ["Modelled", "modelled"]

SPEED_COLUMN: Final = WIND_COLUMNS.index("speed100_m_s")


@dataclass(frozen=True, slots=True)
class Modelled:
    """What the models say of M farms for N rows.

    Args:
        quantile: At `MODEL_LEVELS`, shares of capacity, shape (M, N, Q).
        mean: Shape (M, N).
        has_run: Where a weather run reaches, shape (M, N).
        usable: Where the models have what they stand on: a wind farm its run, a load its week, shape (M, N).
    """

    quantile: FloatArray
    mean: FloatArray
    has_run: BoolArray
    usable: BoolArray


def modelled(model: KindModel, members: Sequence[int], pasts: Sequence[Past], rows: Rows) -> Modelled:
    """Forecast rows of some farms.

    Args:
        model: Of their kind.
        members: Their numbers in the models.
        pasts: Of all farms, by number.
        rows: N origins and intervals.
    """
    own = [pasts[number] for number in members]
    if model.kind == "wind":
        park = park_speed_m_s(own, rows)
        x = [wind_features(rows, n, past.history, past.runs, park) for n, past in zip(members, own, strict=True)]
        usable = has_run = np.stack([~np.isnan(one[:, SPEED_COLUMN]) for one in x])
    elif model.kind == "load":
        x = list(load_features(rows, members, Meters.of([past.history for past in own], rows), [past.runs for past in own]))
        has_run = np.stack([~np.isnan(one[:, -1]) for one in x])
        usable = np.stack([~np.isnan(one[:, PROFILE_COLUMN]) for one in x])
    else:
        x = [solar_features(rows, n, past.history, past.site, past.runs) for n, past in zip(members, own, strict=True)]
        has_run = np.stack([~np.isnan(one[:, -1]) for one in x])
        usable = np.ones_like(has_run)
    scale = np.concatenate([scale_frac(past.site, rows.middle) for past in own])
    quantile, mean = predict_rows(model, np.concatenate(x), scale)
    return Modelled(quantile.reshape(len(x), -1, quantile.shape[1]), mean.reshape(len(x), -1), has_run, usable)
