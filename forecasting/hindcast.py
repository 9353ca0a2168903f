"""Forecasts of the past on days that training did not see: where did the outcomes lie, and what hangs together in that?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np

from forecasting.dependence import Dependence, learn_dependence, place_in_quantiles
from forecasting.features import ONE_DAY, ONE_HOUR, Rows
from forecasting.forecast import MODEL_LEVELS
from forecasting.kind_rows import modelled
from forecasting.quantile_model import KindModel
from forecasting.settings import ForecastSettings
from forecasting.training_set import BLOCK, BLOCKS_PER_FOLD, Past
from vpp.series import StampArray, to_stamp
from vpp.units import FloatArray

__all__ = ["hindcast_dependence", "hindcast_places"]

#: Leads of a hindcast: every hour to a day and a half.
LEAD_H: Final = np.arange(0.5, 36.0, 1.0)
#: Origins in each block of days kept out; the last ones would look past its end.
ORIGINS_H: Final = (0, 18, 36, 54, 72, 90, 108)
MOST_ORIGINS: Final = 90


def hindcast_dependence(
    kinds: Sequence[KindModel], pasts: Sequence[Past], known_at: datetime, settings: ForecastSettings
) -> Dependence:
    """What hangs together in the errors of the models on days kept out of training."""
    place = hindcast_places(kinds, pasts, known_at, settings)
    return learn_dependence(tuple(past.site.asset_id for past in pasts), place, LEAD_H)


def hindcast_places(
    kinds: Sequence[KindModel], pasts: Sequence[Past], known_at: datetime, settings: ForecastSettings
) -> FloatArray:
    """Level at which each outcome lay in its forecast, shape (N, F, T); NaN by night and where nothing was measured."""
    origins = _origins(known_at, settings)
    middle = origins[:, None] + (LEAD_H * (ONE_HOUR / np.timedelta64(1, "us"))).astype(np.int64) * np.timedelta64(1, "us")
    rows = Rows(np.repeat(origins, LEAD_H.size), middle.reshape(-1))
    place = np.full((origins.size, len(pasts), LEAD_H.size), np.nan)
    for model in kinds:
        members = [number for number, past in enumerate(pasts) if past.site.kind == model.kind]
        said = modelled(model, members, pasts, rows)
        for i, number in enumerate(members):
            outcome = pasts[number].history.at(pasts[number].history.position(rows.middle))
            if model.kind == "wind":
                outcome = np.where(said.has_run[i], outcome, np.nan)
            found = place_in_quantiles(outcome, said.quantile[i], MODEL_LEVELS)
            place[:, number] = found.reshape(origins.size, LEAD_H.size)
    return place


def _origins(known_at: datetime, settings: ForecastSettings) -> StampArray:
    """Origins in the kept-out blocks of the span, the newest ones if there are many."""
    block = np.timedelta64(BLOCK)
    first = (to_stamp(known_at) - np.timedelta64(settings.span) - np.datetime64("1970-01-01", "us")) // block
    last = (to_stamp(known_at) - np.datetime64("1970-01-01", "us")) // block
    numbers = np.arange(first + 1, last)
    kept_out = numbers[numbers % BLOCKS_PER_FOLD == BLOCKS_PER_FOLD - 1]
    start = np.datetime64("1970-01-01", "us") + kept_out * block
    origins = (start[:, None] + np.array(ORIGINS_H) * ONE_HOUR).reshape(-1)
    known = origins[origins + 2 * ONE_DAY < to_stamp(known_at)]
    return np.asarray(known[-MOST_ORIGINS:], dtype="datetime64[us]")
