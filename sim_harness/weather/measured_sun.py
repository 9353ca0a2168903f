"""The measured PV station: State Grid site 1 on park time, cleaned, and how other stations of the park follow it.

The largest PV farm plays the station as it was measured. The others have its clouds some minutes earlier or later, as clouds
travel, under the clear sky of their own mounting; roofs lie flat, and where the station stood still or was held back they go on.
That is made up, and said in the facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from sim_harness.plants.drift import seeded
from sim_harness.weather.air import level_to_normals
from sim_harness.weather.base import STEP, Farm
from sim_harness.weather.calendar import SolarCalendar, year_frac
from sim_harness.weather.clean import Mark, MarkArray, clean_temperature_c, mark_solar
from sim_harness.weather.measured_wind import read_table
from sim_harness.weather.pv_station import RACK, ROOF, dc_power_frac
from sim_harness.weather.runs import CARRIED_LEAD, RunArchive
from sim_harness.weather.sky import ClearSky, clear_sky
from sim_harness.weather.stations import is_roof
from sim_harness.weather.sun_runs import SUN_FEATURES, SunTruth, sun_runs
from sim_harness.weather.table import to_utc
from vpp.series import to_stamp
from vpp.units import FloatArray

__all__ = [
    "SOLAR_FILE",
    "SOLAR_SITE",
    "SUN_CELL",
    "Station",
    "read_station",
    "station_facts",
    "station_power_frac",
    "sun_archive",
]

SOLAR_FILE: Final = "stategrid_solar.parquet"
#: Site 3's year 2020 is a scaled copy of 2019 and its irradiance is broken; only site 1 is used.
SOLAR_SITE: Final = 1
SUN_CELL: Final = "sun"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
PER_HOUR: Final = HOUR // STEP
#: Below this clear-sky output the index is noise; the measured power itself is used.
LOW_SUN_FRAC: Final = 0.08
HIGHEST_INDEX: Final = 1.3
#: Clouds reach the other stations up to so many quarter hours earlier or later.
FARTHEST_QUARTERS: Final = 3
COLUMNS: Final = ["site", "capacity_mw", "time", "power_mw", "total_irradiance_w_m2", "air_temperature_c"]


@dataclass(frozen=True, slots=True)
class Station:
    """The station on park time in quarter hours without holes, shapes (T,).

    Args:
        start: Of the first quarter (UTC).
        power_frac: Of capacity, gaps filled.
        marks: What each reading is.
        temperature_c: Air, levelled to the park's normals.
        sky: Sun and clear sky over the park.
        clear_frac: What the station gives under a clear sky, on the same scale as `power_frac`.
        index: Measured over clear, by night a line from evening to morning.
    """

    start: datetime
    power_frac: FloatArray
    marks: MarkArray
    temperature_c: FloatArray
    sky: ClearSky
    clear_frac: FloatArray
    index: FloatArray


def read_station(data_dir: Path, target_year: int) -> Station:
    """The station moved to the park.

    Raises:
        ScenarioError: The file is missing or not of the published form.
    """
    table = read_table(data_dir / SOLAR_FILE, COLUMNS)
    rows = table[table["site"] == SOLAR_SITE].sort_values("time")
    power = rows["power_mw"].to_numpy(dtype=np.float64) / rows["capacity_mw"].to_numpy(dtype=np.float64)
    irradiance = rows["total_irradiance_w_m2"].to_numpy(dtype=np.float64)
    temperature = clean_temperature_c(rows["air_temperature_c"].to_numpy(dtype=np.float64), irradiance)
    starts, kept = SolarCalendar(target_year).interval_starts(rows["time"].to_numpy(dtype="datetime64[us]"))
    position = ((starts - starts[0]) // np.timedelta64(STEP)).astype(np.int64)
    n = int(position[-1]) + 1
    power_frac, sunny, air = np.full(n, np.nan), np.zeros(n), np.full(n, np.nan)
    power_frac[position[kept]] = power[kept]
    sunny[position[kept]] = irradiance[kept]
    air[position[kept]] = temperature[kept]
    marks = mark_solar(power_frac, sunny)
    day = DAY // STEP
    for at in np.flatnonzero(np.isnan(power_frac)):  # only a 29th of February that the data do not have: the day before
        power_frac[at], air[at] = power_frac[at - day], air[at - day]
    stamps = starts[0] + np.arange(n) * np.timedelta64(STEP)
    air = level_to_normals(air, year_frac(stamps))
    power_frac = np.clip(power_frac, 0.0, 1.0)
    sky = clear_sky(stamps + np.timedelta64(STEP / 2))
    clear = dc_power_frac(sky, np.ones(n), air, RACK)
    return _indexed(to_utc(starts[0]), power_frac, marks, air, sky, clear)


def _indexed(
    start: datetime, power_frac: FloatArray, marks: MarkArray, air: FloatArray, sky: ClearSky, clear: FloatArray
) -> Station:
    """The station with its clear-sky scale: the measured top of the index is a clear sky."""
    bright = (clear > LOW_SUN_FRAC) & (marks == Mark.MEASURED)
    scale = float(np.quantile(power_frac[bright] / clear[bright], 0.9))
    good = np.flatnonzero(bright)
    index = np.interp(np.arange(clear.size), good, np.clip(power_frac[good] / (scale * clear[good]), 0.0, HIGHEST_INDEX))
    return Station(start, power_frac, marks, air, sky, scale * clear, index)


def station_power_frac(station: Station, farm: Farm, as_measured: bool) -> FloatArray:
    """Power of one PV farm before it is brought to its capacity factor, shape (T,).

    Args:
        station: The measured one.
        farm: Whose.
        as_measured: Played as it was; otherwise its clouds come at another time, over the farm's own mounting.
    """
    if as_measured:
        return station.power_frac
    index = np.roll(station.index, _lag_quarters(farm))
    clear = station.clear_frac
    if is_roof(farm.asset_id):
        flat = dc_power_frac(station.sky, np.ones(clear.size), station.temperature_c, ROOF)
        clear = flat * float(clear.sum() / flat.sum())
    return np.asarray(np.clip(clear * index, 0.0, 1.0), dtype=np.float64)


def _lag_quarters(farm: Farm) -> int:
    lags = [lag for lag in range(-FARTHEST_QUARTERS, FARTHEST_QUARTERS + 1) if lag]
    return lags[int(seeded(0, f"{farm.asset_id}.lag").integers(len(lags)))]  # a place does not move with the seed


def sun_archive(station: Station, seed: int) -> RunArchive:
    """Runs for the sun and the air, made up from what the station had; issued daily at 00:00 UTC."""
    skip = -(station.start - station.start.replace(hour=0, minute=0)) % DAY // STEP
    hourly = slice(skip, None, PER_HOUR)
    first = to_stamp(station.start) + skip * np.timedelta64(STEP)
    index, air = station.index[hourly], station.temperature_c[hourly]
    clear = clear_sky(first + np.arange(index.size) * np.timedelta64(HOUR)).ghi_w_m2
    value = sun_runs(SunTruth(clear, index, air), CARRIED_LEAD // HOUR, seed)
    issued_at = first + np.arange(value.shape[0]) * np.timedelta64(DAY)
    return RunArchive(issued_at, {SUN_CELL: value}, {SUN_CELL: SUN_FEATURES})


def station_facts(station: Station) -> Iterator[str]:
    """What is known to be wrong with the station, each with what the world makes of it."""
    count = {mark: int((station.marks == mark).sum()) for mark in Mark}
    yield f"sun.outages: {count[Mark.OUTAGE]} quarters without power in full sun, played as they were, the running share is 0"
    yield f"sun.derated: {count[Mark.DERATED]} quarters at under half the usual output (May 2020 and others), played as they were"
    if count[Mark.MISSING]:
        yield f"sun.leap_day: {count[Mark.MISSING]} quarter hours of a 29 February that the data lack, the day before stands in"
    yield "sun.site_3: not used, 2020 is 2019 times 0.985, total irradiance is broken from 2019-08, temperatures lost their sign"
    yield "sun.late_noon: site 1's noon is at 13:35 Beijing time, moved by -90 min"
    yield "sun.column_names: direct and global irradiance are not what they are called, only total irradiance marks outages"
    yield "sun.sentinels: -99 in 60 rows and the logger frozen for 27.75 h (2019-09-06) bridged in temperature"
    yield "sun.humidity: wrapped readings, not used"
    yield "sun.night: readings below zero are zero"
    yield "sun.clipping: site 1 never exceeds 0.97 of nominal, snow, module temperature and clipping are in the data already"
    yield "sun.temperature: measured in a desert some 1,700 km west, moved to Chifeng's monthly normals, its days and spells kept"
