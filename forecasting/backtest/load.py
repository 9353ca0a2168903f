"""Back-test of inflexible load on any series of quarter hours: the park's own machinery beside the simplest rivals.

Models are trained once, on all but the newest part; then each forecast of that part knows what had been metered by then. Errors
are shares of each load's mean over the training part, so that small and large loads count alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any, Final

import numpy as np

from forecasting.archive import ArchiveDoor
from forecasting.baselines import persistence
from forecasting.calibrate import HORIZON_EDGES_H, horizon_group
from forecasting.evaluate import BETWEEN, GROUP_NAMES, outcomes_frac
from forecasting.features import Rows
from forecasting.forecast import MODEL_LEVELS, QUANTILE_LEVELS
from forecasting.history import STEP, STEP_US, PowerHistory
from forecasting.known import CheckedDoor, FarmSite
from forecasting.load import LOAD_RECENT, profile_forecast
from forecasting.load_sites import HEADROOM
from forecasting.predict import grid_middles, predict
from forecasting.scores import coverage_frac, nrmse_frac, pinball
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, train
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import Series, to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["METHODS", "LoadTest", "Said", "backtest_loads", "report_of"]

#: Six weeks of profile, and as many to learn what it misses.
LEAST_TRAINING: Final = timedelta(weeks=12)
LEAST_TEST: Final = timedelta(days=7)
#: Every quarter hour of two days.
STEPS: Final = 192
METHODS: Final = ("model", "week_profile", "persistence", "as_now")
DAY: Final = timedelta(days=1)

Said = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What N origins came to, for L loads over T intervals; powers are shares of twice each load's mean.

    Args:
        loads: L names.
        mean_mw: Of each over the training part, shape (L,).
        start: Of the training part (UTC).
        origins: Of the forecasts (UTC).
        horizon_h: To the middle of each interval, shape (T,).
        outcome: Shape (N, L, T), NaN where not metered.
        quantile: By method, shape (N, L, T, Q).
        mean: By method, shape (N, L, T).
        quality: How often the model's forecasts had each quality.
        train_s: Time of training. [s]
    """

    loads: tuple[AssetId, ...]
    mean_mw: FloatArray
    start: datetime
    origins: tuple[datetime, ...]
    horizon_h: FloatArray
    outcome: FloatArray
    quantile: Mapping[str, FloatArray]
    mean: Mapping[str, FloatArray]
    quality: Mapping[str, int]
    train_s: float


def backtest_loads(series: Mapping[AssetId, Series], test: timedelta, settings: ForecastSettings | None = None) -> LoadTest:
    """Train on all but the newest part of a record and forecast that.

    Args:
        series: By load, quarter hours. [MW]
        test: Length of the newest part.
        settings: Of training; None for the defaults.

    Raises:
        ForecastError: The record or its newest part is too short, a load is nothing or negative in the mean, or its stamps are
            off the quarter hours.
    """
    first, last = _span(series)
    known_at = last - test
    if test < LEAST_TEST or known_at - first < LEAST_TRAINING:
        raise ForecastError(
            f"loads from {first:%Y-%m-%d} to {last:%Y-%m-%d}, the last {test / DAY:g} days to test: at least "
            f"{LEAST_TRAINING / DAY:g} days to learn from and {LEAST_TEST / DAY:g} to test are needed"
        )
    mean_mw = {load: _mean_mw(load, one, known_at) for load, one in series.items()}
    shares = {
        load: Series("load_frac", one.measured_at, one.received_at, one.value / (HEADROOM * mean_mw[load]))
        for load, one in series.items()
    }
    door = CheckedDoor(ArchiveDoor(shares))
    sites = tuple(FarmSite(load, "load", 0.0, 0.0) for load in shares)
    began = perf_counter()
    models = train(door, sites, known_at=known_at, settings=settings or ForecastSettings(span=known_at - first))
    train_s = perf_counter() - began
    return _forecast_all(models, door, (first, known_at, last), np.array(list(mean_mw.values())), train_s)


def report_of(test: LoadTest) -> dict[str, Any]:
    """Scores by horizon group and method, and of the model by load, as shares of the mean load."""
    group = horizon_group(test.horizon_h)
    groups = {
        GROUP_NAMES[g]: {method: _scores(test, method, (slice(None), slice(None), group == g)) for method in METHODS}
        for g in range(len(HORIZON_EDGES_H) + 1)
        if (group == g).any()
    }
    return {
        "loads": len(test.loads),
        "trained_from": test.start.isoformat(),
        "test_start": test.origins[0].isoformat(),
        "origins": len(test.origins),
        "train_s": round(test.train_s, 1),
        "all": {method: _scores(test, method, (slice(None),)) for method in METHODS},
        "by_horizon": groups,
        "by_load": {
            str(load): {"mean_mw": float(test.mean_mw[row])}
            | {method: _scores(test, method, (slice(None), row)) for method in METHODS}
            for row, load in enumerate(test.loads)
        },
        "quality": dict(test.quality),
        "definitions": {
            "scores": "pinball and nRMSE as shares of each load's mean over the training part; 90 % interval of 5 and 95 %",
            "as_now": "the last reading goes on: one value and no band",
            "persistence": "the last reading fading into climatology by hour of the day",
        },
    }


def _scores(test: LoadTest, method: str, where: tuple[Any, ...]) -> dict[str, float]:
    outcome, quantile, mean = test.outcome[where], test.quantile[method][where], test.mean[method][where]
    return {
        "pinball": HEADROOM * pinball(outcome, quantile, QUANTILE_LEVELS),
        "nrmse_frac": HEADROOM * nrmse_frac(outcome, mean),
        "coverage_90_frac": coverage_frac(outcome, quantile[..., 0], quantile[..., -1]),
    }


def _span(series: Mapping[AssetId, Series]) -> tuple[datetime, datetime]:
    """From the first whole day that any load has to the end of what all have."""
    filled = [one for one in series.values() if one.value.size]
    if not filled or len(filled) < len(series):
        raise ForecastError("loads: none, or one without a single row")
    first = min(one.measured_at[0] for one in filled).astype("datetime64[D]").astype("datetime64[us]")
    last = min(one.measured_at[-1] for one in filled) + STEP_US
    return first.item().replace(tzinfo=UTC), last.item().replace(tzinfo=UTC)


def _mean_mw(load: AssetId, series: Series, known_at: datetime) -> float:
    told = series.known(known_at).value
    told = told[np.isfinite(told)]
    mean = float(told.mean()) if told.size else 0.0
    if mean <= 0.0:
        raise ForecastError(f"{load}: draws {mean:g} MW in the mean of the training part; a load draws power, positive")
    return mean


def _forecast_all(
    models: ForecastModels,
    door: CheckedDoor,
    span: tuple[datetime, datetime, datetime],
    mean_mw: FloatArray,
    train_s: float,
) -> LoadTest:
    first, at, last = span
    loads = tuple(farm.asset_id for farm in models.farms)
    origins: list[datetime] = []
    quantiles: dict[str, list[FloatArray]] = {method: [] for method in METHODS}
    means: dict[str, list[FloatArray]] = {method: [] for method in METHODS}
    outcomes: list[FloatArray] = []
    quality: dict[str, int] = {}
    while at + timedelta(hours=1) < last:
        grid = TimeGrid.regular(at, STEP, STEPS)
        forecast = predict(models, door, known_at=at, grid=grid)
        said = {"model": (forecast.quantile_frac, forecast.mean_frac), **_rivals(models, door, at, grid)}
        for method, (quantile, mean) in said.items():
            quantiles[method].append(quantile)
            means[method].append(mean)
        for one in forecast.quality:
            quality[one] = quality.get(one, 0) + 1
        outcomes.append(np.stack([outcomes_frac(door, load, grid, last) for load in loads]))
        origins.append(at)
        at += BETWEEN
    return LoadTest(
        loads=loads,
        mean_mw=mean_mw,
        start=first,
        origins=tuple(origins),
        horizon_h=grid.offset_h + grid.step_h / 2.0,
        outcome=np.stack(outcomes),
        quantile={method: np.stack(rows) for method, rows in quantiles.items()},
        mean={method: np.stack(rows) for method, rows in means.items()},
        quality=quality,
        train_s=train_s,
    )


def _rivals(models: ForecastModels, door: CheckedDoor, at: datetime, grid: TimeGrid) -> dict[str, Said]:
    """Week profile, persistence and as now of all loads: quantiles (L, T, Q) at the published levels and means (L, T)."""
    middle = grid_middles(grid)
    rows = Rows(np.full(middle.shape, to_stamp(at)), middle)
    found: dict[str, list[Said]] = {method: [] for method in METHODS[1:]}
    for number, farm in enumerate(models.farms):
        history = PowerHistory.of(door.power(farm.asset_id, known_at=at, start=at - LOAD_RECENT, end=at))
        usual = models.climatology[number].at(middle, np.ones(grid.n))
        told = history.value[~np.isnan(history.value)]
        last = float(told[-1]) if told.size else float(usual[1].mean())
        found["week_profile"].append(_or_usual(profile_forecast(history, rows), usual))
        found["persistence"].append(persistence(last, 1.0, rows.horizon_h, usual, np.ones(grid.n)))
        found["as_now"].append((np.full((grid.n, len(MODEL_LEVELS)), last), np.full(grid.n, last)))
    return {method: (_published([q for q, _ in one]), np.stack([m for _, m in one])) for method, one in found.items()}


def _or_usual(said: Said, usual: Said) -> Said:
    unknown = np.isnan(said[1])
    return np.where(unknown[:, None], usual[0], said[0]), np.where(unknown, usual[1], said[1])


def _published(quantiles: Sequence[FloatArray]) -> FloatArray:
    return np.stack(quantiles)[..., 1:-1]
