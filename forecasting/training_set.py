"""Rows to learn from: origins through the past, intervals ahead of each, and only what each origin could know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.clean import Cleaned, clean_power
from forecasting.features import (
    SOLAR_COLUMNS,
    WIND_COLUMNS,
    Rows,
    newest_run,
    solar_features,
    solar_yield_frac,
    speed100_m_s,
    wind_features,
)
from forecasting.history import STEP, STEP_US, PowerHistory
from forecasting.known import FarmKind, FarmSite, KnownDoor, WeatherRuns
from forecasting.load import LOAD_COLUMNS, PROFILE_COLUMN, Meters, load_features
from forecasting.settings import ForecastSettings
from vpp.ids import AssetId
from vpp.series import to_stamp
from vpp.units import BoolArray, FloatArray

__all__ = ["Past", "TrainingSet", "park_speed_m_s", "read_past", "training_set"]

#: Not a divisor of the day, so that origins walk through all hours and quarters.
ORIGIN_STEP: Final = timedelta(hours=3, minutes=15)
#: Blocks of days, one in five kept out of training to calibrate on: every season is in both parts.
BLOCK: Final = timedelta(days=6)
BLOCKS_PER_FOLD: Final = 5
#: Half of the intervals lie anywhere ahead, the other half crowd near the origin, where measurements matter.
INTERVALS_PER_ORIGIN: Final = 12
#: Share of rows whose measurements are hidden, so that the model knows what to do when they fail.
HIDDEN_FRAC: Final = 0.1
HIDDEN_COLUMNS: Final[Mapping[FarmKind, list[int]]] = {
    "wind": [WIND_COLUMNS.index(name) for name in ("last_frac", "mean_1h_frac", "mean_3h_frac", "mean_24h_frac")],
    "solar": [SOLAR_COLUMNS.index(name) for name in ("index_15min", "index_1h", "index_6h")],
    "load": [LOAD_COLUMNS.index(name) for name in ("last_miss_frac", "miss_1h_frac", "miss_24h_frac", "miss_7d_frac")],
}
#: The same for a run of the weather; without a run of the wind there is no model to ask.
RUN_COLUMNS: Final[Mapping[FarmKind, list[int]]] = {
    "wind": [],
    "solar": [number for number, name in enumerate(SOLAR_COLUMNS) if name.startswith("run_")],
    "load": [number for number, name in enumerate(LOAD_COLUMNS) if name.startswith("run_")],
}
#: Rows of a load that are looked at for one that is learnt from; those of its first week have no profile.
SPARE: Final = 2
SPEED_COLUMN: Final = WIND_COLUMNS.index("speed100_m_s")


@dataclass(frozen=True, slots=True)
class Past:
    """All that was known of one farm.

    Args:
        site: The farm.
        history: Its metered power.
        runs: Its weather runs.
        cleaned: What was found wrong with the metered power.
    """

    site: FarmSite
    history: PowerHistory
    runs: WeatherRuns
    cleaned: Cleaned


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows of one kind of farm, all farms pooled.

    Args:
        x: Features, shape (N, C).
        y: Target: share of capacity for wind and load, ratio to the clear sky for sun, shape (N,).
        scale_frac: What turns the target into a share of capacity, shape (N,).
        kept_out: Rows of the blocks that calibration uses, shape (N,).
    """

    x: FloatArray
    y: FloatArray
    scale_frac: FloatArray
    kept_out: BoolArray


def read_past(door: KnownDoor, farms: Sequence[FarmSite], *, known_at: datetime, span: timedelta) -> tuple[Past, ...]:
    """Power of the last `span`, cleaned, and all runs of each farm, as known at `known_at`."""
    result = []
    for farm in farms:
        history = PowerHistory.of(door.power(farm.asset_id, known_at=known_at, start=known_at - span, end=known_at))
        runs = door.weather_runs(farm.asset_id, known_at=known_at)
        cleaned = clean_power(farm, history, runs)
        result.append(Past(farm, cleaned.history, runs, cleaned))
    return tuple(result)


def park_speed_m_s(pasts: Sequence[Past], rows: Rows) -> FloatArray:
    """Mean forecast speed at 100 m over all wind farms with a run, NaN where none has one, shape (N,)."""
    speeds = [speed100_m_s(past.runs, newest_run(past.runs, rows.origin), rows.middle) for past in pasts]
    present = ~np.isnan(speeds)
    count = present.sum(axis=0)
    mean = np.full(rows.middle.shape, np.nan)
    np.divide(np.where(present, speeds, 0.0).sum(axis=0), count, out=mean, where=count > 0)
    return mean


def training_set(
    kind: FarmKind, pasts: Sequence[Past], codes: Mapping[AssetId, int], *, known_at: datetime, settings: ForecastSettings
) -> TrainingSet | None:
    """Rows of all farms of a kind; None if nothing can be learnt from their past.

    Args:
        kind: Wind, solar or load.
        pasts: Farms of that kind.
        codes: The number each farm has in the model.
        known_at: End of the past.
        settings: Sampling.
    """
    rng = np.random.default_rng([settings.seed, len(pasts)])
    rows = _sample(known_at, settings, rng)
    if kind == "load":
        most = settings.load_rows * SPARE // len(pasts)
        rows_of = [_metered(past, rows, most, rng) for past in pasts]
    else:
        rows_of = [rows] * len(pasts)
    parts = [_farm_rows(kind, past, pasts, codes[past.site.asset_id], own) for past, own in zip(pasts, rows_of, strict=True)]
    x = np.concatenate([part[0] for part in parts])
    y = np.concatenate([part[1] for part in parts])
    scale = np.concatenate([part[2] for part in parts])
    middle = np.concatenate([own.middle for own in rows_of])
    blocks = (middle - np.datetime64("1970-01-01", "us")) // np.timedelta64(BLOCK)
    usable = np.flatnonzero(~np.isnan(y))
    if usable.size < settings.leaf_rows * BLOCKS_PER_FOLD:
        return None
    most = settings.load_rows if kind == "load" else settings.rows
    if usable.size > most:
        usable = np.sort(rng.choice(usable, most, replace=False))
    x = x[usable]
    hidden = rng.random(usable.size) < HIDDEN_FRAC
    for column in HIDDEN_COLUMNS[kind]:
        x[hidden, column] = np.nan
    if RUN_COLUMNS[kind]:
        x[np.ix_(np.flatnonzero(rng.random(usable.size) < HIDDEN_FRAC), np.array(RUN_COLUMNS[kind]))] = np.nan
    return TrainingSet(x, y[usable], scale[usable], blocks[usable] % BLOCKS_PER_FOLD == BLOCKS_PER_FOLD - 1)


def _sample(known_at: datetime, settings: ForecastSettings, rng: np.random.Generator) -> Rows:
    steps_ahead = settings.horizon // STEP
    n_origins = settings.span // ORIGIN_STEP
    last = to_stamp(known_at).astype("datetime64[s]").astype("datetime64[us]")
    origin = last - np.arange(n_origins, 0, -1) * np.timedelta64(ORIGIN_STEP)
    half = INTERVALS_PER_ORIGIN // 2
    anywhere = rng.integers(0, steps_ahead, (n_origins, half))
    crowded = np.floor(steps_ahead ** rng.random((n_origins, INTERVALS_PER_ORIGIN - half))).astype(np.int64) - 1
    ahead = np.concatenate((anywhere, crowded), axis=1)
    # The grid of the past: origins may fall inside a quarter hour, intervals start on one.
    first = origin - (origin - np.datetime64("1970-01-01", "us")) % STEP_US
    middle = first[:, None] + ahead * STEP_US + STEP_US // 2
    return Rows(np.repeat(origin, INTERVALS_PER_ORIGIN), middle.reshape(-1))


def _metered(past: Past, rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Some of the rows at which a load was metered: features of those that are not learnt from cost as much as the others'."""
    told = np.flatnonzero(~np.isnan(past.history.at(past.history.position(rows.middle))))
    if told.size > most:
        told = np.sort(rng.choice(told, most, replace=False))
    return Rows(rows.origin[told], rows.middle[told])


def _farm_rows(
    kind: FarmKind, past: Past, pasts: Sequence[Past], code: int, rows: Rows
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Features, target (NaN where nothing is to be learnt) and scale of one farm."""
    power = past.history.at(past.history.position(rows.middle))
    if kind == "solar":
        scale = solar_yield_frac(rows.middle, past.site)
        ratio = np.divide(power, scale, out=np.full_like(power, np.nan), where=scale > 0)
        return solar_features(rows, code, past.history, past.site, past.runs), ratio, scale
    if kind == "load":
        x = load_features(rows, (code,), Meters.of((past.history,), rows), (past.runs,))[0]
        return x, np.where(np.isnan(x[:, PROFILE_COLUMN]), np.nan, power), np.ones_like(power)
    x = wind_features(rows, code, past.history, past.runs, park_speed_m_s(pasts, rows))
    return x, np.where(np.isnan(x[:, SPEED_COLUMN]), np.nan, power), np.ones_like(power)
