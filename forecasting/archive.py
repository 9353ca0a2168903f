"""A door to history out of files: metered power and weather runs as tables, each value with the time it was known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from forecasting.history import STEP
from forecasting.known import WIND_FEATURES, WeatherRuns
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import Series, StampArray
from vpp.units import IntArray

__all__ = ["ArchiveDoor", "read_loads", "read_power", "read_runs"]

POWER_COLUMNS: Final = ("asset_id", "measured_at", "available_frac")
LOAD_COLUMNS: Final = ("time", "power_mw")
#: A table of one load need not name it.
LOAD_NAME: Final = "load"
RUN_COLUMNS: Final = ("asset_id", "issued_at", "received_at", "lead_h")
RECEIVED: Final = "received_at"


@dataclass(frozen=True, slots=True)
class ArchiveDoor:
    """A `forecasting.known.KnownDoor` on what is held in memory.

    Args:
        power_of: Metered available power as shares of capacity.
        runs_of: Weather runs.
    """

    power_of: Mapping[AssetId, Series]
    runs_of: Mapping[AssetId, WeatherRuns] = field(default_factory=dict)

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """As the protocol: only what had been received by `known_at`; empty for a farm nobody knows."""
        empty = np.array([], dtype="datetime64[us]")
        series = self.power_of.get(farm_id, Series("available_frac", empty, empty, np.array([])))
        return series.known(known_at).between(start, end)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """As the protocol: only the runs that had been received by `known_at`."""
        return self.runs_of.get(farm_id, WeatherRuns.none()).known(known_at)


def read_power(path: Path) -> dict[AssetId, Series]:
    """Metered power of farms out of a parquet or CSV table.

    Columns: `asset_id`, `measured_at` (start of each quarter hour, with its offset from UTC), `available_frac`, and, if it is
    known, `received_at`; without it a value counts as received at the end of its interval.

    Raises:
        ForecastError: No such file, a column is missing, a stamp is naive, doubled, or off the quarter hours.
    """
    return _series_of(_table(path, POWER_COLUMNS), POWER_COLUMNS, path)


def read_loads(path: Path) -> dict[AssetId, Series]:
    """What loads drew, out of a parquet or CSV table. [MW].

    Columns: `time` (start of each quarter hour, with its offset from UTC), `power_mw`, and, where there is more than one, `load`
    with the name of each; `received_at` as in `read_power`.

    Raises:
        ForecastError: No such file, a column is missing or holds no numbers, a stamp is naive, doubled, or off the quarter hours.
    """
    frame = _table(path, LOAD_COLUMNS)
    if frame.empty:
        raise ForecastError(f"{path.name}: no rows; nothing can be learnt from it")
    named = frame if LOAD_NAME in frame.columns else frame.assign(**{LOAD_NAME: LOAD_NAME})
    return _series_of(named, (LOAD_NAME, *LOAD_COLUMNS), path)


def _series_of(frame: pd.DataFrame, columns: tuple[str, str, str], path: Path) -> dict[AssetId, Series]:
    """Series by id; the columns are the id's, the instant's and the value's."""
    id_column, at_column, value_column = columns
    measured = _utc(frame, at_column, path)
    received = _utc(frame, RECEIVED, path) if RECEIVED in frame.columns else measured + np.timedelta64(STEP)
    try:
        value = frame[value_column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise ForecastError(f"{path.name}: {value_column}: not all of it are numbers ({error})") from error
    result: dict[AssetId, Series] = {}
    for asset_id, places in frame.groupby(id_column, sort=True).indices.items():
        rows: IntArray = np.asarray(places, dtype=np.int64)
        order = rows[np.argsort(measured[rows], kind="stable")]
        doubled = np.flatnonzero(np.diff(measured[order]) == np.timedelta64(0, "us"))
        if doubled.size:
            raise ForecastError(
                f"{path.name}: {asset_id}: {doubled.size} doubled stamps, the first {measured[order][doubled[0]]}; keep one"
            )
        result[AssetId(str(asset_id))] = Series(value_column, measured[order], received[order], value[order])
    return result


def read_runs(path: Path) -> dict[AssetId, WeatherRuns]:
    """Weather runs of farms out of a parquet or CSV table: one row for each run and lead, one column for each quantity.

    Columns: `asset_id`, `issued_at`, `received_at`, `lead_h`, and the quantities with their unit, as in `WIND_FEATURES`.

    Raises:
        ForecastError: No such file, a column is missing, a stamp is naive, or a run has a lead twice.
    """
    frame = _table(path, RUN_COLUMNS)
    issued, received = _utc(frame, "issued_at", path), _utc(frame, RECEIVED, path)
    names = [name for name in frame.columns if name not in RUN_COLUMNS]
    result: dict[AssetId, WeatherRuns] = {}
    for asset_id, places in frame.groupby("asset_id", sort=True).indices.items():
        rows: IntArray = np.asarray(places, dtype=np.int64)
        runs, run_of = np.unique(issued[rows], return_inverse=True)
        leads, lead_of = np.unique(frame["lead_h"].to_numpy(dtype=np.float64)[rows], return_inverse=True)
        if np.unique(np.column_stack((run_of, lead_of)), axis=0).shape[0] != rows.size:
            raise ForecastError(f"{path.name}: {asset_id}: a run has a lead twice; each run and lead is one row")
        own = [name for name in names if frame[name].iloc[rows].notna().any()]
        # Wind is read by place, whatever the order of the columns.
        features = (*(n for n in WIND_FEATURES if n in own), *(n for n in own if n not in WIND_FEATURES))
        value = np.full((runs.size, leads.size, len(features)), np.nan)
        value[run_of, lead_of] = frame[list(features)].to_numpy(dtype=np.float64, na_value=np.nan)[rows]
        last = np.full(runs.size, received[rows].min())
        np.maximum.at(last, run_of, received[rows])
        result[AssetId(str(asset_id))] = WeatherRuns(runs, last, leads, features, value)
    return result


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise ForecastError(f"{path}: no such file; it needs a table with the columns {', '.join(columns)}")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ForecastError(f"{path}: neither a parquet nor a CSV table ({error})") from error
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ForecastError(f"{path.name}: column {', '.join(missing)} is missing; it needs {', '.join(columns)}")
    return frame


def _utc(frame: pd.DataFrame, column: str, path: Path) -> StampArray:
    """A column of instants as UTC stamps; a naive one is refused, nobody knows whose clock it is."""
    try:
        stamps = pd.to_datetime(frame[column])
    except (ValueError, TypeError):
        stamps = pd.to_datetime(frame[column], utc=True, errors="coerce")
    if stamps.isna().any():
        raise ForecastError(f"{path.name}: {column}: row {int(stamps.isna().argmax())} is no instant")
    if stamps.dt.tz is None:
        raise ForecastError(
            f"{path.name}: {column} is without a zone; write instants with their offset, as in 2030-01-01T00:00+00:00"
        )
    return np.asarray(stamps.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")
