"""Forecasters of other people on the same history and the same weather runs, each as its package means it to be used.

mlforecast: one LightGBM a kind on lags and the run, recursive, its own conformal intervals. OpenSTEF 4: its preset workflow, one
for each farm. Both get what was known at the origin, interpolated over gaps, and learn once, at the first origin. They are
optional: what is not installed says so, `make bench-forecast` installs them.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any, Final, Protocol

import lightgbm as lgb
import numpy as np
import pandas as pd

from forecasting.features import SOLAR_COLUMNS, WIND_COLUMNS, Rows, solar_features, wind_features
from forecasting.forecast import QUANTILE_LEVELS
from forecasting.history import STEP_US
from forecasting.known import FarmKind, KnownDoor
from forecasting.train import ForecastModels
from forecasting.training_set import Past, park_speed_m_s, read_past
from vpp.series import StampArray, to_stamp
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

#: What they learn from, and what a forecast may look back on.
LEARNT: Final = timedelta(days=150)
RECENT: Final = timedelta(days=21)
STEPS: Final = 192
#: Weather of the newest run that both get, under the names OpenSTEF knows.
WIND: Final = {"windspeed": "speed100_m_s", "speed10_m_s": "speed10_m_s"}
SUN: Final = {"radiation": "run_ghi_frac", "temperature": "run_temperature_c", "elevation_deg": "elevation_deg"}
Said = tuple[FloatArray, FloatArray]


class Rival(Protocol):
    """Learns once, then forecasts at every origin: quantiles (F, T, Q) and means (F, T), shares of capacity."""

    def said(self, door: KnownDoor, at: datetime, grid: TimeGrid) -> Said: ...  # noqa: D102


def rivals_at(models: ForecastModels, door: KnownDoor, known_at: datetime) -> tuple[dict[str, Rival], dict[str, str]]:
    """Those that are here, trained on what was known, and why the others are not."""
    here: dict[str, Rival] = {}
    absent: dict[str, str] = {}
    if find_spec("mlforecast") is None:
        absent["mlforecast"] = "not installed; make bench-forecast brings it"
    else:
        here["mlforecast"] = MlForecast(models, door, known_at)
    if sys.version_info < (3, 12):
        absent["OpenSTEF 4"] = f"skipped: it needs Python 3.12, this is {sys.version_info.major}.{sys.version_info.minor}"
    elif find_spec("openstef_models") is None:
        absent["OpenSTEF 4"] = "not installed; make bench-forecast brings it"
    else:
        here["OpenSTEF 4"] = OpenStef(models, door, known_at)
    return here, absent


def weather_columns(past: Past, park: FloatArray, rows: Rows) -> dict[str, FloatArray]:
    """Weather of the newest run at each origin, gaps filled by the nearest hour."""
    names: dict[str, str] = WIND if past.site.kind == "wind" else SUN
    if past.site.kind == "wind":
        columns: tuple[str, ...] = WIND_COLUMNS
        x = wind_features(rows, 0, past.history, past.runs, park)
    else:
        columns, x = SOLAR_COLUMNS, solar_features(rows, 0, past.history, past.site, past.runs)
    return {name: filled(x[:, columns.index(column)]) for name, column in names.items()}


def filled(value: FloatArray) -> FloatArray:
    """Without gaps, as a straight line over them; zero if nothing is known."""
    known = ~np.isnan(value)
    if not known.any():
        return np.zeros(value.shape)
    return np.interp(np.arange(value.size), np.flatnonzero(known), value[known])


def frames(door: KnownDoor, models: ForecastModels, at: datetime, span: timedelta) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Past (with `y`) and coming two days of each farm, quarter hours by their start."""
    pasts = read_past(door, models.farms, known_at=at, span=span)
    winds = [past for past in pasts if past.site.kind == "wind"]
    begin = to_stamp(at)
    before = begin - np.arange(int(span / timedelta(minutes=15)), 0, -1) * STEP_US
    after = begin + np.arange(STEPS) * STEP_US
    # Behind, the run of each day's first hour; ahead, the newest one.
    origins = (before.astype("datetime64[D]").astype("datetime64[us]"), np.full(after.shape, begin))
    rows = [Rows(origin, times + STEP_US // 2) for origin, times in zip(origins, (before, after), strict=True)]
    parks = [park_speed_m_s(winds, one) for one in rows]
    found = []
    for past in pasts:
        y = filled(past.history.at(past.history.position(before)))
        old, new = (weather_columns(past, park, one) for park, one in zip(parks, rows, strict=True))
        found.append((pd.DataFrame({"ds": before, "y": y, **old}), pd.DataFrame({"ds": after, **new})))
    return found


def on_grid(values: FloatArray, start: StampArray, grid: TimeGrid) -> FloatArray:
    """Quarter hours (T, ...) as means over the intervals of a grid."""
    edges = np.array([to_stamp(edge) for edge in grid.edges])
    place = np.searchsorted(start, edges)
    return np.stack([values[a:b].mean(axis=0) for a, b in zip(place[:-1], place[1:], strict=True)])


class MlForecast:
    """Nixtla's mlforecast: one pooled LightGBM a kind, recursive, conformal intervals from its own cross-validation."""

    def __init__(self, models: ForecastModels, door: KnownDoor, known_at: datetime) -> None:
        self._models = models
        self._until = known_at
        self._fitted: dict[FarmKind, Any] = {}
        past = frames(door, models, known_at, LEARNT)
        kinds: tuple[FarmKind, ...] = ("wind", "solar")
        for kind in kinds:
            self._fitted[kind] = self._fit(pd.concat([self._named(n, past[n][0]) for n in self._rows(kind)]))

    def _fit(self, frame: pd.DataFrame) -> Any:
        from mlforecast import MLForecast as Package
        from mlforecast.lag_transforms import RollingMean
        from mlforecast.utils import PredictionIntervals

        model = Package(
            models={"mean": lgb.LGBMRegressor(verbosity=-1, n_jobs=1, random_state=0)},
            freq="15min",
            lags=[1, 2, 4, 96],
            lag_transforms={1: [RollingMean(12)]},
            date_features=["hour", "dayofyear"],
        )
        intervals = PredictionIntervals(n_windows=10, h=STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(frame, static_features=[], prediction_intervals=intervals)

    def _rows(self, kind: FarmKind) -> Sequence[int]:
        return [n for n, farm in enumerate(self._models.farms) if farm.kind == kind]

    def _named(self, number: int, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(unique_id=str(self._models.farms[number].asset_id))

    def said(self, door: KnownDoor, at: datetime, grid: TimeGrid) -> Said:
        """Quantiles and means of all farms; origins must come in order and no farther apart than `RECENT`."""
        known = frames(door, self._models, at, RECENT)
        quantile = np.zeros((len(known), grid.n, len(QUANTILE_LEVELS)))
        mean = np.zeros((len(known), grid.n))
        for kind, model in self._fitted.items():
            rows = self._rows(kind)
            new = pd.concat([self._named(n, known[n][1]) for n in rows])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if at > self._until:
                    old = pd.concat([self._named(n, known[n][0]) for n in rows])
                    model.update(old[old["ds"] >= to_stamp(self._until)])
                told = model.predict(h=STEPS, X_df=new, level=[50, 80, 90])
            for n in rows:
                own = told[told["unique_id"] == str(self._models.farms[n].asset_id)].sort_values("ds")
                names = ["mean-lo-90", "mean-lo-80", "mean-lo-50", "mean", "mean-hi-50", "mean-hi-80", "mean-hi-90"]
                values = np.clip(own[names].to_numpy(np.float64), 0.0, 1.0)
                gridded = on_grid(values, own["ds"].to_numpy().astype("datetime64[us]"), grid)
                quantile[n], mean[n] = np.sort(gridded, axis=1), gridded[:, 3]
        self._until = at
        return quantile, mean


class OpenStef:
    """LF Energy's OpenSTEF 4: the preset workflow as it comes, one a farm, for horizons to 48 h."""

    def __init__(self, models: ForecastModels, door: KnownDoor, known_at: datetime) -> None:
        self._models = models
        logging.getLogger("openstef_models").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._flows = [
                self._fit(str(farm.asset_id), one[0])
                for farm, one in zip(models.farms, frames(door, models, known_at, LEARNT), strict=True)
            ]

    def _fit(self, name: str, frame: pd.DataFrame) -> Any:
        from openstef_core.types import LeadTime, Q
        from openstef_models.presets import ForecastingWorkflowConfig, create_forecasting_workflow

        config = ForecastingWorkflowConfig(
            model_id=name,
            model="lgbm",
            horizons=[LeadTime.from_string("PT48H")],
            quantiles=[Q(0.5), *(Q(level) for level in QUANTILE_LEVELS if level != 0.5)],
            mlflow_storage=None,
            verbosity=0,
        )
        flow = create_forecasting_workflow(config=config)
        flow.fit(self._dataset(frame))
        return flow

    def _dataset(self, frame: pd.DataFrame) -> Any:
        from openstef_core.datasets import TimeSeriesDataset

        data = frame.rename(columns={"y": "load"}).set_index("ds").tz_localize("UTC")
        return TimeSeriesDataset(data, sample_interval=timedelta(minutes=15))

    def said(self, door: KnownDoor, at: datetime, grid: TimeGrid) -> Said:
        """Quantiles and means of all farms; the median stands for the mean, which the preset does not give."""
        quantile = np.zeros((len(self._flows), grid.n, len(QUANTILE_LEVELS)))
        for n, (old, new) in enumerate(frames(door, self._models, at, RECENT)):
            both = pd.concat([old, new.assign(y=np.nan)], ignore_index=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = self._flows[n].predict(self._dataset(both), forecast_start=at)
            data = told.data.sort_index()
            data = data[data.index >= pd.Timestamp(at)].iloc[:STEPS]
            names = [f"quantile_P{round(100 * level):02d}" for level in QUANTILE_LEVELS]
            values = np.clip(data[names].to_numpy(np.float64), 0.0, 1.0)
            start = data.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
            quantile[n] = np.sort(on_grid(values, start, grid), axis=1)
        return quantile, quantile[:, :, QUANTILE_LEVELS.index(0.5)]
