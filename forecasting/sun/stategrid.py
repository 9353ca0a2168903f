"""Reading PV stations in the form of the State Grid competition: one parquet or CSV file, local time, on-site weather."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from forecasting.history import STEP
from forecasting.sun.clean import dead_irradiance, frozen, humidity_pct, mark_power, temperature_c
from forecasting.sun.record import Mark, MarkArray, StationRecord
from vpp.errors import ForecastError
from vpp.units import BoolArray, FloatArray

__all__ = ["COLUMNS", "FILE_NAME", "read_station", "station_of"]

FILE_NAME: Final = "stategrid_solar.parquet"
ZONE: Final = "Asia/Shanghai"
TOTAL: Final = "total_irradiance_w_m2"
GLOBAL: Final = "global_horizontal_irradiance_w_m2"
COLUMNS: Final = (
    "site", "capacity_mw", "time", "power_mw", TOTAL, GLOBAL, "air_temperature_c", "air_pressure_hpa", "relative_humidity_pct",
)  # fmt: skip
SENTINEL: Final = -99.0
LOWEST_PRESSURE_HPA: Final = 300.0


def read_station(path: Path, site: int) -> StationRecord:
    """The record of one station of a file, cleaned.

    Args:
        path: A parquet or CSV file, or a folder that holds `stategrid_solar.parquet`.
        site: The station's number in it.

    Raises:
        ForecastError: The file or the site is missing, a column is missing, stamps are doubled or off the quarter hours.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise ForecastError(f"{file}: no such file; --data names a folder with {FILE_NAME}, or a file of that form")
    frame = pd.read_csv(file, parse_dates=["time"]) if file.suffix == ".csv" else pd.read_parquet(file)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise ForecastError(f"{file}: column {', '.join(missing)} is missing; it needs {', '.join(COLUMNS)}")
    rows = frame[frame["site"] == site]
    if rows.empty:
        raise ForecastError(f"{file}: no site {site}; it has {sorted(set(frame['site'].tolist()))}")
    return station_of(rows, f"{file.name} site {site}")


def station_of(rows: pd.DataFrame, name: str) -> StationRecord:
    """The cleaned record in the rows of one station.

    Raises:
        ForecastError: Stamps are doubled or off the quarter hours, or the capacity is not one positive number.
    """
    rows = _on_grid(rows.sort_values("time"), name)
    capacity = float(rows["capacity_mw"].dropna().iloc[0])
    if not capacity > 0 or rows["capacity_mw"].nunique() != 1:
        raise ForecastError(f"{name}: capacity_mw: {sorted(set(rows['capacity_mw'].dropna()))}; it must be one positive number")
    raw = {column: rows[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in COLUMNS[3:]}
    power = np.maximum(raw["power_mw"], 0.0) / capacity
    failed, facts = _failed(raw)
    irradiance, more = _irradiance(raw, power, failed)
    pressure = raw["air_pressure_hpa"]
    marks = mark_power(power, irradiance)
    utc = pd.DatetimeIndex(rows["time"]).tz_localize(ZONE).tz_convert("UTC").tz_localize(None)
    return StationRecord(
        name,
        capacity,
        np.asarray(utc.to_numpy(), dtype="datetime64[us]"),
        power,
        irradiance,
        np.where(failed, np.nan, temperature_c(raw["air_temperature_c"])),
        np.where(failed | (pressure < LOWEST_PRESSURE_HPA), np.nan, pressure),
        np.where(failed, np.nan, humidity_pct(raw["relative_humidity_pct"])),
        marks,
        (*facts, *more, *_mark_facts(marks)),
    )


def _on_grid(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows on regular quarter hours; a gap is a row of NaN."""
    time = pd.DatetimeIndex(rows["time"])
    doubled = time[time.duplicated()]
    if len(doubled):
        raise ForecastError(f"{name}: {len(doubled)} doubled stamps, the first {doubled[0]}; drop one of each where they enter")
    off = time[time != time.floor(pd.Timedelta(STEP))]
    if len(off):
        raise ForecastError(f"{name}: {len(off)} stamps off the quarter hours, the first {off[0]}; resample where they enter")
    regular = pd.date_range(time[0], time[-1], freq=pd.Timedelta(STEP))
    filled = rows.set_index("time").reindex(regular)
    filled["capacity_mw"] = filled["capacity_mw"].ffill()
    return filled.rename_axis("time").reset_index()


def _failed(raw: dict[str, FloatArray]) -> tuple[BoolArray, list[str]]:
    """Steps at which the whole weather logger failed."""
    weather = [raw[column] for column in COLUMNS[4:]]
    sentinel = np.logical_or.reduce([column == SENTINEL for column in weather])
    stuck = frozen(raw[TOTAL]) & frozen(raw["air_temperature_c"])
    facts = [
        f"{int(count.sum())} steps of weather left out: {why}"
        for count, why in ((sentinel, f"sentinel {SENTINEL:g}"), (stuck, "logger frozen for half a day or longer"))
        if count.any()
    ]
    return np.asarray(sentinel | stuck, dtype=np.bool_), facts


def _irradiance(raw: dict[str, FloatArray], power: FloatArray, failed: BoolArray) -> tuple[FloatArray, list[str]]:
    """Irradiance in the plane; where its sensor is dead the global column stands in."""
    total = np.where(failed, np.nan, np.maximum(raw[TOTAL], 0.0))
    dead = dead_irradiance(np.nan_to_num(total), np.nan_to_num(power))
    if not dead.any():
        return total, []
    stand_in = np.where(failed, np.nan, np.maximum(raw[GLOBAL], 0.0))
    return np.where(dead, stand_in, total), [f"{int(dead.sum())} steps of {TOTAL} dead: {GLOBAL} stands in"]


def _mark_facts(marks: MarkArray) -> list[str]:
    return [
        f"{count} steps of power marked {mark.name.lower()}" for mark in Mark if mark and (count := int((marks == mark).sum()))
    ]
