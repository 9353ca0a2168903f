"""From models and what is known now to a forecast that says how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.baselines import Climatology, ignorance, persistence, scale_frac
from forecasting.features import WIND_COLUMNS, Rows, solar_features, wind_features
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from forecasting.history import STEP_US
from forecasting.known import FarmKind, KnownDoor
from forecasting.quantile_model import KindModel, predict_rows
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels
from forecasting.training_set import Past, park_speed_m_s, read_past
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid, require_utc
from vpp.units import BoolArray, FloatArray

__all__ = ["grid_middles", "predict"]

#: The farthest back a feature looks: the same quarter hour of seven days, three days ahead of which the grid may end.
RECENT: Final = timedelta(days=11)
#: A PV plant measured nothing but night for half a day; older than a day it is not recent.
SUN_RECENT: Final = timedelta(days=1)
SPEED_COLUMN: Final = WIND_COLUMNS.index("speed100_m_s")


@dataclass(frozen=True, slots=True)
class _Guess:
    """One farm's forecast: shapes (T, Q), (T,)."""

    quantile: FloatArray
    mean: FloatArray
    quality: Quality


def predict(models: ForecastModels, door: KnownDoor, *, known_at: datetime, grid: TimeGrid) -> Forecast:
    """Forecast every farm of the models over a grid.

    A farm whose run or measurements are late, partial or missing gets a flagged and wider forecast, never an exception.

    Args:
        models: From `train`.
        door: What is known now.
        known_at: Now (UTC); nothing received later is used.
        grid: Intervals ahead.
    """
    require_utc(known_at, "known_at")
    pasts = read_past(door, models.farms, known_at=known_at, span=RECENT)
    middle = grid_middles(grid)
    guesses: dict[int, _Guess] = {}
    kinds: tuple[FarmKind, ...] = ("wind", "solar")
    for kind in kinds:
        members = [number for number, past in enumerate(pasts) if past.site.kind == kind]
        if members:
            guesses |= _predict_kind(models, kind, members, pasts, Rows(_repeat(known_at, middle), middle))
    ordered = [guesses[number] for number in range(len(pasts))]
    return Forecast(
        grid,
        QUANTILE_LEVELS,
        tuple(farm.asset_id for farm in models.farms),
        np.stack([guess.quantile for guess in ordered]),
        np.stack([guess.mean for guess in ordered]),
        known_at,
        tuple(guess.quality for guess in ordered),
    )


def grid_middles(grid: TimeGrid) -> StampArray:
    """Middle of each interval as stamps, shape (T,)."""
    return np.array([to_stamp(a + (b - a) / 2) for a, b in zip(grid.edges, grid.edges[1:], strict=False)])


def _predict_kind(
    models: ForecastModels, kind: FarmKind, members: Sequence[int], pasts: Sequence[Past], rows: Rows
) -> dict[int, _Guess]:
    """All farms of a kind in one call of each model."""
    model = models.of_kind(kind)
    fallback = {n: _fall_back(pasts[n], models.climatology[n], rows, models.settings) for n in members}
    if model is None:
        return fallback
    if kind == "wind":
        park = park_speed_m_s([pasts[n] for n in members], rows)
        x = [wind_features(rows, n, pasts[n].history, pasts[n].runs, park) for n in members]
        usable = [~np.isnan(one[:, SPEED_COLUMN]) for one in x]
    else:
        x = [solar_features(rows, n, pasts[n].history, pasts[n].site) for n in members]
        usable = [np.full(rows.middle.shape, _age(pasts[n], rows) <= SUN_RECENT) for n in members]
    scale = [scale_frac(pasts[n].site, rows.middle) for n in members]
    quantile, mean = _chunks(model, x, scale)
    return {
        n: _join(fallback[n], _Guess(quantile[i], mean[i], _quality(pasts[n], rows, models.settings)), usable[i])
        for i, n in enumerate(members)
    }


def _chunks(model: KindModel, x: list[FloatArray], scale: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    quantile, mean = predict_rows(model, np.concatenate(x), np.concatenate(scale))
    return quantile.reshape(len(x), -1, quantile.shape[1]), mean.reshape(len(x), -1)


def _join(fallback: _Guess, modelled: _Guess, usable: BoolArray) -> _Guess:
    """The model where its input reaches, the fall-back elsewhere, and the flag of the worse."""
    if not usable.any():
        return fallback
    if usable.all():
        return modelled
    quantile = np.where(usable[:, None], modelled.quantile, fallback.quantile)
    return _Guess(quantile, np.where(usable, modelled.mean, fallback.mean), "stale")


def _fall_back(past: Past, climatology: Climatology | None, rows: Rows, settings: ForecastSettings) -> _Guess:
    scale = scale_frac(past.site, rows.middle)
    base = (climatology or ignorance()).at(rows.middle, scale)
    last = past.history.last_measured_at()
    if last is None or _age(past, rows) > settings.power_stale_after:
        return _Guess(*base, "climatology")
    before = np.array([last - STEP_US // 2])
    last_frac = float(past.history.at(past.history.position(before))[0])
    last_scale_frac = float(scale_frac(past.site, before)[0])
    return _Guess(*persistence(last_frac, last_scale_frac, rows.horizon_h, base, scale), "persistence")


def _quality(past: Past, rows: Rows, settings: ForecastSettings) -> Quality:
    """Of a forecast the model makes."""
    late_power = _age(past, rows) > settings.power_stale_after
    late_run = past.site.kind == "wind" and _run_age(past, rows) > settings.run_stale_after
    return "stale" if late_power or late_run else "fresh"


def _age(past: Past, rows: Rows) -> timedelta:
    """How long ago the last measured interval ended."""
    last = past.history.last_measured_at()
    return timedelta.max if last is None else _span(rows.origin[0] - last)


def _run_age(past: Past, rows: Rows) -> timedelta:
    """How long ago the newest run was issued."""
    return timedelta.max if past.runs.n == 0 else _span(rows.origin[0] - past.runs.issued_at[-1])


def _span(difference: np.timedelta64) -> timedelta:
    span: timedelta = difference.astype("timedelta64[us]").item()
    return span


def _repeat(at: datetime, middle: StampArray) -> StampArray:
    return np.full(middle.shape, to_stamp(at))
