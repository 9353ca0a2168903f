"""Weather from measured series: GEFCom2014 wind and State Grid PV site 1, moved to the park's place and calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from forecasting.known import WIND_FEATURES, WeatherRuns
from sim_harness.weather.base import STEP, Farm, check_farms
from sim_harness.weather.calendar import SolarCalendar, WindCalendar
from sim_harness.weather.clean import Mark, MarkArray, clean_temperature_c, fill_gaps, mark_solar, mark_wind
from sim_harness.weather.fine import FineSeries, level_exponent, refine
from sim_harness.weather.runs import CARRIED_LEAD, MEASURED_LEADS, PUBLICATION_DELAY, carry_on, known_runs
from sim_harness.weather.table import FarmTable, to_utc
from sim_harness.weather.zones import NWP_CELL, near_zones, wind_zone
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series, StampArray
from vpp.units import BoolArray, FloatArray, hours

__all__ = ["SOLAR_FILE", "WIND_FILE", "MeasuredWeather"]

WIND_FILE: Final = "gefcom2014_wind.parquet"
SOLAR_FILE: Final = "stategrid_solar.parquet"
#: Site 3's year 2020 is a scaled copy of 2019; only site 1 is used.
SOLAR_SITE: Final = 1
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Zone:
    """One wind farm as measured: park time of its hours, power with gaps, marks, forecast winds (T, 4)."""

    starts: StampArray
    power_frac: FloatArray
    marks: MarkArray
    winds_m_s: FloatArray


class MeasuredWeather:
    """Measured available power on park time, each farm brought to its capacity factor.

    Every farm is `1 - (1 - p)^g` of its zone or station. Hours that were not measured or stuck are filled from
    the near farms for the world and are NaN at the meter; a standstill of the measured farm is played as it was. What varies
    within the hour (within 15 min for the sun) is made up by `seed`. All PV farms follow one station: they move together.

    Runs: issued daily at 00:00 of the data's UTC (02:00 of the park's), received `PUBLICATION_DELAY` later, 24 h measured,
    then carried on as `runs.py` says.

    Args:
        data_dir: Folder with `WIND_FILE` and `SOLAR_FILE` (only the files of the kinds in `farms`, the sun for temperature).
        farms: The park's farms.
        seed: For all that is made up.
        target_year: Park year whose last quarter holds the reporting months, see `calendar.py`.

    Raises:
        ScenarioError: A file is missing or is not of the published form, or a farm is wrong.
    """

    def __init__(self, data_dir: Path, farms: Iterable[Farm], *, seed: int = 0, target_year: int = 2030) -> None:
        self._farms = check_farms(farms)
        facts = [f"calendar: wind shifted by {WindCalendar(target_year).weeks} weeks + 2 h, sun by date and -90 min"]
        series: dict[AssetId, FineSeries] = {}
        unmetered: dict[AssetId, BoolArray] = {}
        streams = dict(zip(self._farms, np.random.SeedSequence(seed).spawn(len(self._farms)), strict=True))
        self._solar_start, sun_frac, sun_marks, self._temperature = _read_sun(data_dir, target_year)
        zones = _read_zones(data_dir, target_year) if any(farm.kind == "wind" for farm in self._farms) else {}
        for farm, stream in streams.items():
            rng = np.random.default_rng(stream)
            if farm.kind == "wind":
                number = wind_zone(farm.asset_id)
                filled, bad = _fill_zone(zones, number)
                start, step, marks = to_utc(zones[number].starts[0]), HOUR, zones[number].marks
                origin = f"zone {number}"
            else:
                filled, bad, start, step, marks = sun_frac, sun_marks == Mark.MISSING, self._solar_start, STEP, sun_marks
                origin = f"PV site {SOLAR_SITE}"
            g = level_exponent(filled, farm.capacity_factor_frac)
            fine = refine(1.0 - (1.0 - filled) ** g, step, farm.capacity_mw, rng)
            series[farm.asset_id] = FineSeries(farm.asset_id, start, fine)
            unmetered[farm.asset_id] = np.repeat(bad, step // STEP)
            facts.append(f"{farm.asset_id}: {origin}, g={g:.3f}, steps {_count(marks)}; made up: all within {step}")
        self._table = FarmTable(series, unmetered)
        self._runs = _Archive(zones, seed) if zones else None
        if zones:
            facts.append(f"weather runs: daily, 24 h measured, made up from 24 h to {hours(CARRIED_LEAD):.0f} h")
        self._facts = tuple(facts)

    @property
    def farms(self) -> tuple[Farm, ...]:
        """The farms it knows."""
        return self._farms

    @property
    def start(self) -> datetime:
        """First instant that every farm has (UTC)."""
        return self._table.start

    @property
    def end(self) -> datetime:
        """First instant that some farm no longer has (UTC)."""
        return self._table.end

    @property
    def facts(self) -> tuple[str, ...]:
        """What is measured, made up and repaired."""
        return self._facts

    def available_frac(self, farm_id: AssetId, at: datetime) -> float:
        """See `Weather`."""
        return self._table.at(farm_id, at)

    def available_frac_array(self, farm_ids: Sequence[AssetId], start: datetime, step: timedelta, n: int) -> FloatArray:
        """See `Weather`."""
        return self._table.means(farm_ids, start, step, n)

    def temperature_c(self, at: datetime) -> float:
        """Temperature measured at the PV station, in degC; a desert some 1,700 km west, not levelled to the park.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        position = (at - self._solar_start) / STEP
        if not 0 <= position <= self._temperature.size - 1:
            raise ScenarioError([f"weather: temperature at {at} is outside the measured years"])
        left = min(int(position), self._temperature.size - 2)
        low, high = self._temperature[left], self._temperature[left + 1]
        return float(low + (position - left) * (high - low))

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """See `Weather`."""
        return self._table.history(farm_id, start, end)

    def runs_known(self, farm_id: AssetId, known_at: datetime) -> WeatherRuns:
        """See `Weather`."""
        wind = {farm.asset_id for farm in self._farms if farm.kind == "wind"}
        if self._runs is None or farm_id not in wind:
            return WeatherRuns.none()
        return self._runs.known(wind_zone(farm_id), known_at)


class _Archive:
    """All runs of all zones, carried on once."""

    def __init__(self, zones: dict[int, _Zone], seed: int) -> None:
        days = min(zone.starts.size for zone in zones.values()) // MEASURED_LEADS
        beyond = int(hours(CARRIED_LEAD)) - MEASURED_LEADS
        streams = np.random.SeedSequence([seed, 1]).spawn(1 + max(zones))
        shared = np.random.default_rng(streams[0]).standard_normal((days, beyond, len(WIND_FEATURES)))
        self._value: dict[int, FloatArray] = {}
        for number, zone in zones.items():
            cell = np.random.default_rng(streams[NWP_CELL.get(number, number)])
            daily = zone.winds_m_s[: days * MEASURED_LEADS].reshape(days, MEASURED_LEADS, len(WIND_FEATURES))
            self._value[number] = carry_on(daily, shared, cell)
        first = next(iter(zones.values())).starts[0]
        self._issued_at = first + np.arange(days) * np.timedelta64(HOUR * MEASURED_LEADS)
        self._received_at = self._issued_at + np.timedelta64(PUBLICATION_DELAY)

    def known(self, zone: int, known_at: datetime) -> WeatherRuns:
        return known_runs(self._issued_at, self._received_at, self._value[zone], known_at)


def _read_zones(data_dir: Path, target_year: int) -> dict[int, _Zone]:
    columns = ["zone", "time", "power", "u10", "v10", "u100", "v100"]
    table = _read(data_dir / WIND_FILE, columns)
    calendar = WindCalendar(target_year)
    zones: dict[int, _Zone] = {}
    for number, rows in table.groupby("zone"):
        ordered = rows.sort_values("time")
        power = ordered["power"].to_numpy(dtype=np.float64)
        winds = ordered[["u10", "v10", "u100", "v100"]].to_numpy(dtype=np.float64)
        starts = calendar.interval_starts(ordered["time"].to_numpy(dtype="datetime64[us]"))
        marks = mark_wind(power, np.hypot(winds[:, 2], winds[:, 3]))
        zones[int(str(number))] = _Zone(starts, power, marks, winds)
    return zones


def _fill_zone(zones: dict[int, _Zone], number: int) -> tuple[FloatArray, BoolArray]:
    """Power without gaps, and which hours the meter does not show."""
    zone = zones[number]
    bad = (zone.marks == Mark.MISSING) | (zone.marks == Mark.STUCK)
    near = [np.where(zones[n].marks == Mark.MEASURED, zones[n].power_frac, np.nan) for n in near_zones(number)]
    stand_in = np.full(zone.power_frac.shape, np.nan)
    if near:
        count = np.sum(~np.isnan(near), axis=0)
        np.divide(np.nansum(near, axis=0), count, out=stand_in, where=count > 0)
    return np.clip(fill_gaps(zone.power_frac, zone.marks, stand_in), 0.0, 1.0), bad


def _read_sun(data_dir: Path, target_year: int) -> tuple[datetime, FloatArray, MarkArray, FloatArray]:
    """Start, power (0..1), marks and temperature of the PV station on park time, 15 min without holes."""
    columns = ["site", "capacity_mw", "time", "power_mw", "total_irradiance_w_m2", "air_temperature_c"]
    table = _read(data_dir / SOLAR_FILE, columns)
    rows = table[table["site"] == SOLAR_SITE].sort_values("time")
    power = rows["power_mw"].to_numpy(dtype=np.float64) / rows["capacity_mw"].to_numpy(dtype=np.float64)
    irradiance = rows["total_irradiance_w_m2"].to_numpy(dtype=np.float64)
    temperature = clean_temperature_c(rows["air_temperature_c"].to_numpy(dtype=np.float64), irradiance)
    starts, kept = SolarCalendar(target_year).interval_starts(rows["time"].to_numpy(dtype="datetime64[us]"))
    position = ((starts - starts[0]) // np.timedelta64(STEP)).astype(np.int64)
    n = int(position[-1]) + 1
    power_frac = np.full(n, np.nan)
    sky = np.zeros(n)
    air = np.full(n, np.nan)
    power_frac[position[kept]] = power[kept]
    sky[position[kept]] = irradiance[kept]
    air[position[kept]] = temperature[kept]
    marks = mark_solar(power_frac, sky)
    missing = np.flatnonzero(np.isnan(power_frac))
    day = timedelta(days=1) // STEP
    for at in missing:  # only a 29th of February that the data do not have: the day before stands in
        power_frac[at], air[at] = power_frac[at - day], air[at - day]
    return to_utc(starts[0]), np.clip(power_frac, 0.0, 1.0), marks, air


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise ScenarioError([f"--data {path.parent}: no file {path.name}; give the folder that holds it"])
    table = pd.read_parquet(path)
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise ScenarioError([f"--data {path}: no column {', '.join(absent)}; it must be of the published form"])
    return table[columns]


def _count(marks: MarkArray) -> str:
    """Steps by mark, as in `measured 13107, stuck 21`."""
    return ", ".join(f"{mark.name.lower()} {int((marks == mark).sum())}" for mark in Mark if bool((marks == mark).any()))
