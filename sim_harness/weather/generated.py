"""Weather from a seed, for a machine without measured series: wind, sky, air and what they do to the farms, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd

from forecasting.known import WIND_FEATURES, WeatherRuns
from sim_harness.plants.drift import seeded
from sim_harness.weather.air import Air, make_air
from sim_harness.weather.base import STEP, Farm, check_farms
from sim_harness.weather.calendar import hour_of_day, year_frac
from sim_harness.weather.fine import local_spread, turbulence_spread
from sim_harness.weather.icing import ice_power_frac
from sim_harness.weather.outage import running_frac
from sim_harness.weather.pv_station import RACK, ROOF, dc_power_frac, snow_cover_frac
from sim_harness.weather.runs import CARRIED_LEAD, RunArchive
from sim_harness.weather.sky import ClearSky, clear_sky, cloud_index, district_index, regimes
from sim_harness.weather.stations import group_of, is_roof
from sim_harness.weather.sun_runs import SUN_FEATURES, SunTruth, sun_runs
from sim_harness.weather.table import FarmSeries, FarmTable
from sim_harness.weather.wind_farm import density_factor, farm_power_frac, storm_stop_frac
from sim_harness.weather.wind_field import WindField, blow, forecast_runs, weibull
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series, to_stamp
from vpp.timegrid import floor_to, require_utc
from vpp.units import FloatArray

__all__ = ["GeneratedWeather"]

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
PER_HOUR: Final = HOUR // STEP
#: A farm's long-run level is that of its first years, so that what comes later does not move what came before.
LEVEL_YEARS: Final = 2
#: Farms stand on ridges, nearer to the clouds than the weather station.
RIDGE_HUMIDITY_FRAC: Final = (0.03, 0.08)
#: Inverters give no more than this share of nominal power.
INVERTER_LIMIT_FRAC: Final = 0.98
#: The weather model's wind at 100 m (Weibull scale), as of the measured runs: mean 6.4 m/s.
MODEL_SCALE_M_S: Final = 7.2
LEVEL_BISECTIONS: Final = 40
SUN_CELL: Final = "sun"
#: Worlds kept in memory, some 60 MB each.
KEPT_WORLDS: Final = 2


@dataclass(frozen=True, slots=True)
class _Sky:
    """Sun, clouds and air over the whole span."""

    clear: ClearSky
    index: FloatArray
    air: Air
    stations: dict[AssetId, FloatArray]


@dataclass(frozen=True, slots=True)
class _Years:
    """The weather of whole calendar years: when it begins, farms, air on the hours in degC, runs."""

    first: datetime
    series: dict[AssetId, FarmSeries]
    air_c: FloatArray
    runs: RunArchive


class GeneratedWeather:
    """Seeded weather for some farms over some time; the same seed, farms and first year give the same bits.

    It is made for whole calendar years, so that neither the start nor the end of a run inside a year changes what blows, and a
    farm more changes no other one. Runs are issued daily at 00:00 UTC, received `PUBLICATION_DELAY` later and reach
    `CARRIED_LEAD` ahead.

    Args:
        seed: Everything random comes from it.
        farms: The park's farms.
        start: First instant wanted (UTC); a year or more before a scenario, so that forecasters can learn.
        end: First instant no longer wanted (UTC).
        first_year: Calendar year that the making begins with, if earlier than that of `start`: windows into the same years
            have the same weather.

    Raises:
        ScenarioError: `end` is less than a day after `start`, or a farm is wrong or cannot reach its capacity factor.
    """

    def __init__(self, seed: int, farms: Iterable[Farm], start: datetime, end: datetime, first_year: int | None = None) -> None:
        self._farms = check_farms(farms)
        self._seed = seed
        if require_utc(end, "end") - require_utc(start, "start") < DAY:
            raise ScenarioError([f"weather: end {end} is less than a day after start {start}; it needs a day or more"])
        first = start.year if first_year is None else min(first_year, start.year)
        self._years = _years(seed, self._farms, first, (end - timedelta(microseconds=1)).year)
        self._first, self._air_c = self._years.first, self._years.air_c
        bounds = floor_to(start, STEP), floor_to(end + STEP - timedelta(microseconds=1), STEP)
        self._table = FarmTable(self._years.series, seed, *bounds)
        self._runs = self._years.runs.since(to_stamp(start - CARRIED_LEAD))

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
        """What is made up: all of it."""
        return (
            f"weather: generated from seed {self._seed}, power, runs, temperature and clouds are all made up, "
            "sized on the measured series (docs/weather.md)",
            "weather: wakes, air density, storm stops, icing, outages, PV snow, module temperature and clipping are in it",
        )

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
        """Outdoor air temperature, in degC.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        position = (at - self._first) / HOUR
        left = int(position)
        if position < 0 or left + 1 >= self._air_c.size:
            raise ScenarioError([f"weather: temperature at {at} is outside [{self.start}, {self.end})"])
        low, high = self._air_c.item(left), self._air_c.item(left + 1)
        return float(low + (position - left) * (high - low))

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """See `Weather`."""
        return self._table.history(farm_id, start, end)

    def runs_known(self, farm_id: AssetId, known_at: datetime) -> WeatherRuns:
        """See `Weather`."""
        kind = next((farm.kind for farm in self._farms if farm.asset_id == farm_id), None)
        cell = None if kind is None else group_of(farm_id) if kind == "wind" else SUN_CELL
        return self._runs.known(cell, known_at)


class _Maker:
    """Makes the weather of some calendar years; the last is included."""

    def __init__(self, seed: int, farms: tuple[Farm, ...], first_year: int, last_year: int) -> None:
        self._farms = farms
        self._seed = seed
        self._first = datetime(first_year, 1, 1, tzinfo=UTC)
        self._days = (datetime(last_year + 1, 1, 1, tzinfo=UTC) - self._first) // DAY
        level_end = datetime(min(first_year + LEVEL_YEARS, last_year + 1), 1, 1, tzinfo=UTC)
        self._level = slice(0, (level_end - self._first) // STEP)
        # The last runs look past the end, so the weather goes on until there.
        self._stamps = to_stamp(self._first) + np.arange((self._days * DAY + CARRIED_LEAD + HOUR) // STEP) * np.timedelta64(STEP)
        self._iced: dict[str, FloatArray] = {}

    def make(self) -> _Years:
        """All of it."""
        sky = self._sky()
        wind_ids = [farm.asset_id for farm in self._farms if farm.kind == "wind"]
        field = blow(wind_ids, hour_of_day(self._stamps), year_frac(self._stamps), self._seed)
        series = {
            farm.asset_id: self._wind(farm, field, sky.air) if farm.kind == "wind" else self._sun(farm, sky)
            for farm in self._farms
        }
        return _Years(self._first, series, sky.air.temperature_c, self._archive(field, sky))

    def _sky(self) -> _Sky:
        clear = clear_sky(self._stamps + np.timedelta64(STEP / 2))
        regime = regimes(self._stamps.size, self._seed)
        index = district_index(regime, self._seed)
        hourly = self._stamps[::PER_HOUR]
        air = make_air(hour_of_day(hourly), year_frac(hourly), index[::PER_HOUR], self._seed)
        stations = {
            farm.asset_id: cloud_index(regime, index, farm.asset_id, self._seed) for farm in self._farms if farm.kind == "solar"
        }
        return _Sky(clear, index, air, stations)

    def _wind(self, farm: Farm, field: WindField, air: Air) -> FarmSeries:
        """Wind at the height of the hubs, brought to the level at which the farm reaches its capacity factor."""
        n = self._days * (DAY // STEP)
        running = running_frac(farm, n, self._seed)
        left = running * self._ice(group_of(farm.asset_id), air)[:n]
        wind = weibull(field.latent[farm.asset_id] / field.spread)[:n]
        dense = np.repeat(density_factor(air.temperature_c), PER_HOUR)[:n]
        head = self._level

        def mean(scale_m_s: float) -> float:
            return float(np.mean(farm_power_frac(scale_m_s * (wind * dense)[head]) * left[head]))

        scale_m_s = _level(farm, mean, 3.0, 18.0)
        power = farm_power_frac(scale_m_s * wind * dense) * (1.0 - storm_stop_frac(scale_m_s * wind)) * left
        return FarmSeries(self._first, power, turbulence_spread(power, farm.capacity_mw), running, np.zeros(n, dtype=np.bool_))

    def _ice(self, group: str, air: Air) -> FloatArray:
        """Share of power that ice leaves on the ridge of a group of near farms, quarter by quarter."""
        if group not in self._iced:
            ridge = float(seeded(0, f"{group}.ridge").uniform(*RIDGE_HUMIDITY_FRAC))  # a place does not move with the seed
            left = ice_power_frac(air.temperature_c, np.minimum(air.humidity_frac + ridge, 1.0))
            self._iced[group] = np.repeat(left, PER_HOUR)
        return self._iced[group]

    def _sun(self, farm: Farm, sky: _Sky) -> FarmSeries:
        """Modules under the clouds, with so many of them behind the inverters that the station reaches its capacity factor."""
        n = self._days * (DAY // STEP)
        mounting = ROOF if is_roof(farm.asset_id) else RACK
        index = sky.stations[farm.asset_id]
        air_c = np.repeat(sky.air.temperature_c, PER_HOUR)[: index.size]
        snow = np.repeat(snow_cover_frac(pd.Timestamp(self._first), sky.air, sky.clear, sky.index, mounting), PER_HOUR)
        running = running_frac(farm, n, self._seed)
        modules = (dc_power_frac(sky.clear, index, air_c, mounting) * (1.0 - snow[: index.size]))[:n]
        head = self._level

        def mean(ratio: float) -> float:
            return float(np.mean(np.minimum(ratio * modules[head], INVERTER_LIMIT_FRAC) * running[head]))

        power = np.minimum(_level(farm, mean, 0.3, 3.0) * modules, INVERTER_LIMIT_FRAC) * running
        return FarmSeries(self._first, power, local_spread(power), running, np.zeros(n, dtype=np.bool_))

    def _archive(self, field: WindField, sky: _Sky) -> RunArchive:
        leads = CARRIED_LEAD // HOUR
        value = {group: forecast_runs(field, group, MODEL_SCALE_M_S, self._seed, leads) for group in field.group}
        features: dict[str, tuple[str, ...]] = dict.fromkeys(value, WIND_FEATURES)
        hourly = slice(None, None, PER_HOUR)
        middle = clear_sky(self._stamps[hourly])
        value[SUN_CELL] = sun_runs(SunTruth(middle.ghi_w_m2, sky.index[hourly], sky.air.temperature_c), leads, self._seed)
        features[SUN_CELL] = SUN_FEATURES
        issued_at = to_stamp(self._first) + np.arange(self._days) * np.timedelta64(DAY)
        return RunArchive(issued_at, {cell: runs[: self._days] for cell, runs in value.items()}, features)


@lru_cache(maxsize=KEPT_WORLDS)
def _years(seed: int, farms: tuple[Farm, ...], first_year: int, last_year: int) -> _Years:
    """Kept, because the days of a stratified year are windows into one and the same weather."""
    return _Maker(seed, farms, first_year, last_year).make()


def _level(farm: Farm, mean: Callable[[float], float], low: float, high: float) -> float:
    """The size (of the wind, of the modules) at which a farm's mean is its capacity factor; the mean rises with the size."""
    for _ in range(LEVEL_BISECTIONS):
        middle = (low + high) / 2
        reached = mean(middle)
        if abs(reached - farm.capacity_factor_frac) < 1e-7:
            return middle
        low, high = (middle, high) if reached < farm.capacity_factor_frac else (low, middle)
    raise ScenarioError(
        [f"weather: {farm.asset_id}.capacity_factor_frac: {farm.capacity_factor_frac} is out of reach (nearest {reached:.3f})"]
    )
