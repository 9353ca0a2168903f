"""Weather from a seed, for a machine without measured series: wind field, sky and temperature put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.known import WeatherRuns
from sim_harness.weather.base import STEP, Farm, check_farms
from sim_harness.weather.calendar import DAYS_PER_YEAR, PARK_UTC_OFFSET
from sim_harness.weather.fine import FineSeries, level_exponent, refine, unit_ar1
from sim_harness.weather.runs import CARRIED_LEAD, PUBLICATION_DELAY, known_runs
from sim_harness.weather.sky import clear_sky_power_frac, cloud_index
from sim_harness.weather.table import FarmTable
from sim_harness.weather.wind_field import blow, farm_power_frac, forecast_runs
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series, StampArray, to_stamp
from vpp.timegrid import floor_to, require_utc
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["GeneratedWeather"]

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
#: Chifeng's air: mean of the year, half swings of the year and of the day, spread and memory of the weather. [degC, h]
MEAN_C: Final = 7.5
SEASON_C: Final = 17.0
DAILY_C: Final = 5.0
SPELL_C: Final = 3.5
SPELL_MEMORY_H: Final = 60.0


class GeneratedWeather:
    """Seeded weather for some farms over some time; the same arguments give the same bits.

    Runs are issued daily at 00:00 UTC, received `PUBLICATION_DELAY` later and reach `CARRIED_LEAD` ahead.

    Args:
        seed: Everything random comes from it.
        farms: The park's farms.
        start: First instant wanted (UTC); a year or more before a scenario, so that forecasters can learn.
        end: First instant no longer wanted (UTC).

    Raises:
        ScenarioError: `end` is less than a day after `start`, or a farm is wrong.
    """

    def __init__(self, seed: int, farms: Iterable[Farm], start: datetime, end: datetime) -> None:
        self._farms = check_farms(farms)
        self._seed = seed
        self._first = floor_to(require_utc(start, "start"), DAY)
        if require_utc(end, "end") - start < DAY:
            raise ScenarioError([f"weather: end {end} is less than a day after start {start}; it needs a day or more"])
        days = -(-(end - self._first) // DAY)
        air, wind, errors, sky, fine = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5))
        # The last runs look past the end, so the wind blows on until there.
        stamps = self._stamps(HOUR, days * (DAY // HOUR) + CARRIED_LEAD // HOUR + 1)
        self._air_c = _air_c(stamps, air)
        mean_frac: dict[AssetId, tuple[FloatArray, timedelta]] = {}
        self._wind_ids = tuple(farm.asset_id for farm in self._farms if farm.kind == "wind")
        field = blow(len(self._wind_ids), _hour_of_day(stamps), _year_frac(stamps), wind)
        speed = np.hypot(field.u_m_s, field.v_m_s)[:, : days * (DAY // HOUR) + 1]
        for farm_id, own in zip(self._wind_ids, farm_power_frac((speed[:, 1:] + speed[:, :-1]) / 2), strict=True):
            mean_frac[farm_id] = (own, HOUR)
        self._runs = forecast_runs(field, days, CARRIED_LEAD // HOUR, errors)
        self._issued_at = self._stamps(DAY, days)
        mean_frac |= self._sun(days, sky)
        self._table = FarmTable(self._refined(mean_frac, fine), {})

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
        return (f"weather: generated from seed {self._seed}; power, runs, temperature and clouds are all made up",)

    def available_frac(self, farm_id: AssetId, at: datetime) -> float:
        """See `Weather`."""
        return self._table.at(farm_id, at)

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
        low, high = self._air_c[left], self._air_c[left + 1]
        return float(low + (position - left) * (high - low))

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """See `Weather`."""
        return self._table.history(farm_id, start, end)

    def runs_known(self, farm_id: AssetId, known_at: datetime) -> WeatherRuns:
        """See `Weather`."""
        if farm_id not in self._wind_ids:
            return WeatherRuns.none()
        received_at = self._issued_at + np.timedelta64(PUBLICATION_DELAY)
        return known_runs(self._issued_at, received_at, self._runs[self._wind_ids.index(farm_id)], known_at)

    def _stamps(self, step: timedelta, n: int) -> StampArray:
        return to_stamp(self._first) + np.arange(n) * np.timedelta64(step)

    def _sun(self, days: int, rng: np.random.Generator) -> dict[AssetId, tuple[FloatArray, timedelta]]:
        """Quarter-hour means of every PV farm."""
        ids = [farm.asset_id for farm in self._farms if farm.kind == "solar"]
        if not ids:
            return {}
        n = days * (DAY // STEP)
        middle = self._stamps(STEP, n) + np.timedelta64(STEP / 2)
        air_c = np.repeat(self._air_c[: days * (DAY // HOUR)], HOUR // STEP)
        power = clear_sky_power_frac(middle, air_c) * cloud_index(n, len(ids), rng)
        return {farm_id: (np.clip(own, 0.0, 1.0), STEP) for farm_id, own in zip(ids, power, strict=True)}

    def _refined(
        self, mean_frac: dict[AssetId, tuple[FloatArray, timedelta]], rng: np.random.Generator
    ) -> dict[AssetId, FineSeries]:
        """Every farm brought to its capacity factor and to minutes."""
        fine: dict[AssetId, FineSeries] = {}
        for farm in self._farms:
            coarse, step = mean_frac[farm.asset_id]
            level = 1.0 - (1.0 - coarse) ** level_exponent(coarse, farm.capacity_factor_frac)
            fine[farm.asset_id] = FineSeries(farm.asset_id, self._first, refine(level, step, farm.capacity_mw, rng))
        return fine


def _hour_of_day(stamps: StampArray) -> FloatArray:
    """Park hour 0..24 of UTC stamps."""
    local = stamps + np.timedelta64(PARK_UTC_OFFSET)
    return np.asarray((local - local.astype("datetime64[D]")) / np.timedelta64(HOUR), dtype=np.float64)


def _year_frac(stamps: StampArray) -> FloatArray:
    """Part of the year that has passed, 0..1."""
    since = (stamps - stamps.astype("datetime64[Y]")) / np.timedelta64(DAY)
    return np.asarray(since / DAYS_PER_YEAR, dtype=np.float64)


def _air_c(stamps: StampArray, rng: np.random.Generator) -> FloatArray:
    """Air temperature on the hours: coldest in mid-January, warmest at 15:00."""
    season = -SEASON_C * np.cos(2 * np.pi * (_year_frac(stamps) - 0.04))
    daily = DAILY_C * np.cos(2 * np.pi * (_hour_of_day(stamps) - 15.0) / HOURS_PER_DAY)
    spells = SPELL_C * unit_ar1(rng.standard_normal(stamps.size), SPELL_MEMORY_H)
    return np.asarray(MEAN_C + season + daily + spells, dtype=np.float64)
