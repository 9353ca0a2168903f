"""From models and what is known now to a forecast that says how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.baselines import Climatology, persistence, scale_frac
from forecasting.clean import NEW_DAYS
from forecasting.dependence import independent, scenarios, values_at
from forecasting.features import STEPS_PER_DAY, Rows
from forecasting.forecast import MODEL_LEVELS, QUANTILE_LEVELS, Flag, Forecast, Quality
from forecasting.history import STEP_US, PowerHistory
from forecasting.kind_rows import Modelled, modelled
from forecasting.known import FarmKind, FarmSite, KnownDoor
from forecasting.load import LOAD_RECENT, Meters, profile_forecast
from forecasting.quantile_model import KindModel
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels
from forecasting.training_set import Past, read_past
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid, require_utc
from vpp.units import BoolArray, FloatArray

__all__ = ["Ask", "finished", "grid_middles", "predict", "predict_raw"]

#: The farthest back a feature looks: the same quarter hour of seven days, three days ahead of which the grid may end.
RECENT: Final = timedelta(days=11)
#: A PV plant measured nothing but night for half a day; older than a day it is not recent.
SUN_RECENT: Final = timedelta(days=1)
#: So far ahead a load's model is asked for every interval, and for every hour beyond.
LOAD_FINE_H: Final = 4.0
#: A load's week looks like the one before; beyond a week without a reading nobody knows.
LOAD_KNOWN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a forecast shall hold.

    Args:
        levels: Of the quantiles, increasing, in (0, 1).
        scenarios: Joint trajectories; 0 for none.
        seed: Of their chance; the same seed, instant and input give the same trajectories.
    """

    levels: tuple[float, ...] = QUANTILE_LEVELS
    scenarios: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Guess:
    """One farm's forecast: shapes (T, Q), (T,)."""

    quantile: FloatArray
    mean: FloatArray
    quality: Quality
    flags: tuple[Flag, ...]


def predict(models: ForecastModels, door: KnownDoor, *, known_at: datetime, grid: TimeGrid, ask: Ask | None = None) -> Forecast:
    """Forecast every farm of the models over a grid.

    A farm whose run or measurements are late, partial or missing gets a flagged and wider forecast, never an exception.

    Args:
        models: From `train`.
        door: What is known now.
        known_at: Now (UTC); nothing received later is used.
        grid: Intervals ahead.
        ask: Levels and scenarios; None for the published levels alone.
    """
    return finished(models, predict_raw(models, door, known_at=known_at, grid=grid), ask or Ask())


def predict_raw(models: ForecastModels, door: KnownDoor, *, known_at: datetime, grid: TimeGrid) -> Forecast:
    """As `predict`, at all of `MODEL_LEVELS` and without scenarios: what a journal stretches before it is `finished`."""
    require_utc(known_at, "known_at")
    pasts = tuple(_recent(door, farm, known_at) for farm in models.farms)
    middle = grid_middles(grid)
    rows = Rows(np.full(middle.shape, to_stamp(known_at)), middle)
    guesses: dict[int, _Guess] = {}
    kinds: tuple[FarmKind, ...] = ("wind", "solar", "load")
    for kind in kinds:
        members = [number for number, past in enumerate(pasts) if past.site.kind == kind]
        if members:
            guesses |= _predict_kind(models, kind, members, pasts, rows)
    ordered = [guesses[number] for number in range(len(pasts))]
    return Forecast(
        grid,
        MODEL_LEVELS,
        tuple(farm.asset_id for farm in models.farms),
        np.stack([guess.quantile for guess in ordered]),
        np.stack([guess.mean for guess in ordered]),
        known_at,
        tuple(guess.quality for guess in ordered),
        tuple(guess.flags for guess in ordered),
        loads=frozenset(farm.asset_id for farm in models.farms if farm.kind == "load"),
    )


def finished(models: ForecastModels, raw: Forecast, ask: Ask) -> Forecast:
    """A raw forecast at the levels asked for, with joint scenarios whose marginals are its quantiles.

    Args:
        models: Behind it; they know what hangs together in the errors.
        raw: At `MODEL_LEVELS`.
        ask: Levels and scenarios.
    """
    quantile, ids, learnt = raw.quantile_frac, raw.asset_ids, models.dependence
    drawn = None
    if ask.scenarios:
        rng = np.random.default_rng([ask.seed, int(raw.issued_at.timestamp())])
        dependence = independent(ids) if learnt is None else learnt.of(ids)
        drawn = scenarios(dependence, quantile, MODEL_LEVELS, raw.grid.step_h, ask.scenarios, rng)
    if ask.levels == QUANTILE_LEVELS:
        quantile = quantile[..., 1:-1]
    else:
        quantile = values_at(
            np.broadcast_to(np.array(ask.levels), (*quantile.shape[:2], len(ask.levels))), quantile, MODEL_LEVELS
        )
    return replace(raw, quantile_levels=ask.levels, quantile_frac=quantile, scenario_frac=drawn, dependence=learnt)


def grid_middles(grid: TimeGrid) -> StampArray:
    """Middle of each interval as stamps, shape (T,)."""
    edges = np.array([edge.replace(tzinfo=None) for edge in grid.edges], dtype="datetime64[us]")
    return np.asarray(edges[:-1] + (edges[1:] - edges[:-1]) // 2, dtype="datetime64[us]")


def _recent(door: KnownDoor, farm: FarmSite, known_at: datetime) -> Past:
    """As much of a past as features look back at."""
    span = LOAD_RECENT if farm.kind == "load" else RECENT
    return _believed(read_past(door, (farm,), known_at=known_at, span=span)[0])


def _believed(past: Past) -> Past:
    """A past without the days after its clock was changed: they would say noon where there is none."""
    if not past.cleaned.shifted:
        return past
    value = past.history.value.copy()
    value[-NEW_DAYS * STEPS_PER_DAY :] = np.nan
    return replace(past, history=PowerHistory(past.history.start, past.history.received_at, value))


def _predict_kind(
    models: ForecastModels, kind: FarmKind, members: Sequence[int], pasts: Sequence[Past], rows: Rows
) -> dict[int, _Guess]:
    """All farms of a kind in one call of each model."""
    model = models.of_kind(kind)
    if model is None:
        said = None
    elif kind == "load":
        said = _at_anchors(model, members, pasts, rows)
    else:
        said = modelled(model, members, pasts, rows)
    return {n: _guess(models, n, pasts[n], rows, said, i) for i, n in enumerate(members)}


def _at_anchors(model: KindModel, members: Sequence[int], pasts: Sequence[Past], rows: Rows) -> Modelled:
    """Loads by their model each hour beyond the next hours, and between by what it adds to the profile of their week.

    A park has as many loads as farms, and what is added to a profile changes little within an hour.
    """
    horizon_h = rows.horizon_h
    hour = np.floor(horizon_h)
    kept = np.flatnonzero(
        (horizon_h < LOAD_FINE_H) | (np.diff(hour, prepend=-1.0) > 0.0) | (np.arange(hour.size) == hour.size - 1)
    )
    if kept.size == hour.size:
        return modelled(model, members, pasts, rows)
    said = modelled(model, members, pasts, Rows(rows.origin[kept], rows.middle[kept]))
    profile = Meters.of([pasts[number].history for number in members], rows).profile()
    right = np.clip(np.searchsorted(horizon_h[kept], horizon_h), 1, kept.size - 1)
    weight = (horizon_h - horizon_h[kept[right - 1]]) / (horizon_h[kept[right]] - horizon_h[kept[right - 1]])

    def between(added: FloatArray) -> FloatArray:
        share = weight.reshape(-1, *(1,) * (added.ndim - 2))
        line: FloatArray = added[:, right - 1] * (1.0 - share) + added[:, right] * share
        return line

    quantile = profile[..., None] + between(said.quantile - profile[:, kept, None])
    mean = profile + between(said.mean - profile[:, kept])
    has_run = said.has_run[:, right - 1] & said.has_run[:, right]
    return Modelled(np.clip(quantile, 0.0, 1.0), np.clip(mean, 0.0, 1.0), has_run, ~np.isnan(mean))


def _guess(models: ForecastModels, n: int, past: Past, rows: Rows, said: Modelled | None, i: int) -> _Guess:
    """The model where its input reaches, the fall-back elsewhere, and the flags of the worse."""
    climatology, kind = models.climatology[n], past.site.kind
    nowhere = np.zeros(rows.middle.shape, dtype=np.bool_)
    flags = _flags(models, past, climatology, rows, nowhere if said is None else said.has_run[i])
    usable = nowhere if said is None else said.usable[i]
    if kind != "wind" and _age(past, rows) > (LOAD_KNOWN if kind == "load" else SUN_RECENT):
        usable = nowhere
    if kind == "load" and not usable.all():
        usable = nowhere  # the first days of a load: half a week is no week
    if said is not None and usable.all():
        return _Guess(said.quantile[i], said.mean[i], "stale" if flags else "fresh", flags)
    fallback = _fall_back(past, climatology, rows, models.settings)
    if said is None or not usable.any():
        return replace(fallback, flags=flags)
    quantile = np.where(usable[:, None], said.quantile[i], fallback.quantile)
    return _Guess(quantile, np.where(usable, said.mean[i], fallback.mean), "stale", flags)


def _fall_back(past: Past, climatology: Climatology, rows: Rows, settings: ForecastSettings) -> _Guess:
    scale = scale_frac(past.site, rows.middle)
    base = climatology.at(rows.middle, scale)
    if past.site.kind == "load":
        return _profile(past, climatology, rows)
    last = past.history.last_measured_at()
    if last is None or _age(past, rows) > settings.power_stale_after:
        return _Guess(*base, "climatology", ())
    before = np.array([last - STEP_US // 2])
    last_frac = float(past.history.at(past.history.position(before))[0])
    last_scale_frac = float(scale_frac(past.site, before)[0])
    return _Guess(*persistence(last_frac, last_scale_frac, rows.horizon_h, base, scale), "persistence", ())


def _profile(past: Past, climatology: Climatology, rows: Rows) -> _Guess:
    """A load's week; where that has holes climatology fills them, and the whole is worth no more than that."""
    base = climatology.at(rows.middle, np.ones(rows.middle.shape))
    if _age(past, rows) > LOAD_KNOWN:
        return _Guess(*base, "climatology", ())
    quantile, mean = profile_forecast(past.history, rows)
    unknown = np.isnan(mean)
    quality: Quality = "climatology" if unknown.any() else "persistence"
    return _Guess(np.where(unknown[:, None], base[0], quantile), np.where(unknown, base[1], mean), quality, ())


def _flags(models: ForecastModels, past: Past, climatology: Climatology, rows: Rows, has_run: BoolArray) -> tuple[Flag, ...]:
    """What of the input is not as it should be."""
    settings = models.settings
    found: list[Flag] = []
    if past.history.last_measured_at() is None:
        found.append("power_missing")
    elif _age(past, rows) > settings.power_stale_after:
        found.append("power_late")
    if past.cleaned.stuck_now:
        found.append("power_stuck")
    if past.cleaned.shifted:
        found.append("clock_shift")
    if climatology.knows_nothing:
        found.append("history_missing")
    if models.needs_runs(past.site):
        if past.runs.n == 0:
            found.append("run_missing")
        elif _run_age(past, rows) > settings.run_stale_after:
            found.append("run_late")
        if past.runs.n and not has_run.all():
            found.append("run_partial")
    return tuple(found)


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
