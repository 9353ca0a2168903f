"""Weather from measured series: GEFCom2014 wind and State Grid PV site 1, moved to the park's place and calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from forecasting.known import WeatherRuns
from sim_harness.plants.drift import seeded
from sim_harness.weather.base import STEP, Farm, check_farms
from sim_harness.weather.calendar import WindCalendar
from sim_harness.weather.clean import Mark, MarkArray
from sim_harness.weather.fine import level_exponent, local_spread, quarter_hours, turbulence_spread
from sim_harness.weather.measured_sun import (
    SOLAR_FILE,
    SOLAR_SITE,
    SUN_CELL,
    Station,
    read_station,
    station_facts,
    station_power_frac,
    sun_archive,
)
from sim_harness.weather.measured_wind import (
    WIND_FILE,
    Zone,
    cell_of,
    fill_zone,
    read_zones,
    wind_archive,
    zone_facts,
)
from sim_harness.weather.runs import CARRIED_LEAD, MEASURED_LEADS
from sim_harness.weather.table import FarmSeries, FarmTable, to_utc
from sim_harness.weather.zones import wind_zone
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series
from vpp.units import FloatArray, hours

__all__ = ["SOLAR_FILE", "WIND_FILE", "MeasuredWeather"]

HOUR: Final = timedelta(hours=1)


class MeasuredWeather:
    """Measured available power on park time, each farm brought to its capacity factor.

    Every farm is `1 - (1 - p)^g` of its zone or station. Hours that were not measured or stuck are filled from
    the near farms for the world and are NaN at the meter; a standstill of the measured farm is played as it was, and so is all
    that wind farms and PV stations do to the weather (wakes, ice, storm stops, snow, heat, clipping): nothing of it is applied
    again. What varies within the hour (within 15 min for the sun) is made up by `seed`.

    Runs: wind issued daily at 00:00 of the data's UTC (02:00 of the park's), received `PUBLICATION_DELAY` later, 24 h measured,
    then carried on as `runs.py` says; sun daily at 00:00 UTC, all made up, as `sun_runs.py` says.

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
        self._station = read_station(data_dir, target_year)
        zones = read_zones(data_dir, target_year) if any(farm.kind == "wind" for farm in self._farms) else {}
        series: dict[AssetId, FarmSeries] = {}
        suns = [farm for farm in self._farms if farm.kind == "solar"]
        largest = max(suns, key=lambda farm: farm.capacity_mw, default=None)
        for farm in self._farms:
            if farm.kind == "wind":
                series[farm.asset_id], fact = _wind(farm, zones, seed)
            else:
                series[farm.asset_id], fact = _sun(farm, self._station, farm is largest)
            facts.append(fact)
        self._table = FarmTable(series, seed)
        self._wind_runs = wind_archive(zones, seed) if zones else None
        self._sun_runs = sun_archive(self._station, seed)
        if zones:
            facts += zone_facts(zones, {wind_zone(farm.asset_id) for farm in self._farms if farm.kind == "wind"})
            facts.append(
                f"wind runs: daily, {MEASURED_LEADS} h measured, carried on by seed with growing error "
                f"from {MEASURED_LEADS} h to {hours(CARRIED_LEAD):.0f} h"
            )
        facts += [*station_facts(self._station), "sun runs: daily, all made up by seed from what the station had"]
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

    def available_row(self, at: datetime, dt_s: float) -> Sequence[float]:
        """See `Weather`."""
        return self._table.row(at, dt_s)

    def running_row(self, at: datetime) -> Sequence[float]:
        """See `Weather`."""
        return self._table.running(at)

    def available_frac_array(self, farm_ids: Sequence[AssetId], start: datetime, step: timedelta, n: int) -> FloatArray:
        """See `Weather`."""
        return self._table.means(farm_ids, start, step, n)

    def temperature_c(self, at: datetime) -> float:
        """Temperature measured at the PV station and moved to Chifeng's normals, in degC.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        air = self._station.temperature_c
        position = (at - self._station.start) / STEP
        if not 0 <= position <= air.size - 1:
            raise ScenarioError([f"weather: temperature at {at} is outside the measured years"])
        left = min(int(position), air.size - 2)
        low, high = air.item(left), air.item(left + 1)
        return float(low + (position - left) * (high - low))

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """See `Weather`."""
        return self._table.history(farm_id, start, end)

    def runs_known(self, farm_id: AssetId, known_at: datetime) -> WeatherRuns:
        """See `Weather`."""
        kind = next((farm.kind for farm in self._farms if farm.asset_id == farm_id), None)
        if kind == "wind" and self._wind_runs is not None:
            return self._wind_runs.known(cell_of(wind_zone(farm_id)), known_at)
        return self._sun_runs.known(SUN_CELL if kind == "solar" else None, known_at)


def _wind(farm: Farm, zones: dict[int, Zone], seed: int) -> tuple[FarmSeries, str]:
    """A wind farm from its zone, and what is to be said of it."""
    number = wind_zone(farm.asset_id)
    zone = zones[number]
    filled, bad = fill_zone(zones, number)
    g = level_exponent(filled, farm.capacity_factor_frac)
    mean = quarter_hours(1.0 - (1.0 - filled) ** g, seeded(seed, f"{farm.asset_id}.quarters"))
    ratio = HOUR // STEP
    spread = turbulence_spread(mean, farm.capacity_mw)
    series = FarmSeries(to_utc(zone.starts[0]), mean, spread, np.repeat(zone.running_frac, ratio), np.repeat(bad, ratio))
    return series, f"{farm.asset_id}: zone {number}, g={g:.3f}, hours {_count(zone.marks)}, made up: all within {HOUR}"


def _sun(farm: Farm, station: Station, as_measured: bool) -> tuple[FarmSeries, str]:
    """A PV farm from the station, and what is to be said of it."""
    power = station_power_frac(station, farm, as_measured)
    g = level_exponent(power, farm.capacity_factor_frac)
    mean = 1.0 - (1.0 - power) ** g
    stood = (station.marks == Mark.OUTAGE) & as_measured
    running = np.where(stood, 0.0, 1.0)
    series = FarmSeries(station.start, mean, local_spread(mean), running, station.marks == Mark.MISSING)
    made_up = f"all within {STEP}" if as_measured else f"when its clouds come, its mounting, no outages, all within {STEP}"
    return series, f"{farm.asset_id}: PV site {SOLAR_SITE}, g={g:.3f}, quarters {_count(station.marks)}, made up: {made_up}"


def _count(marks: MarkArray) -> str:
    """Steps by mark, as in `measured 13107, stuck 21`."""
    return ", ".join(f"{mark.name.lower()} {int((marks == mark).sum())}" for mark in Mark if bool((marks == mark).any()))
