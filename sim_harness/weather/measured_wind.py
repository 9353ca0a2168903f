"""The measured wind farms: GEFCom2014's ten zones on park time, cleaned, with their 24-h runs carried on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from forecasting.known import WIND_FEATURES
from sim_harness.weather.calendar import WindCalendar
from sim_harness.weather.clean import Mark, MarkArray, fill_gaps, mark_wind, partly_down_frac
from sim_harness.weather.runs import CARRIED_LEAD, MEASURED_LEADS, RunArchive, carry_on
from sim_harness.weather.zones import NWP_CELL, near_zones
from vpp.errors import ScenarioError
from vpp.series import StampArray
from vpp.units import BoolArray, FloatArray, hours

__all__ = ["WIND_FILE", "Zone", "cell_of", "fill_zone", "read_table", "read_zones", "wind_archive", "zone_facts"]

WIND_FILE: Final = "gefcom2014_wind.parquet"
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Zone:
    """One wind farm as measured: park time of its hours, power with gaps, marks, forecast winds (T, 4), share that ran."""

    starts: StampArray
    power_frac: FloatArray
    marks: MarkArray
    winds_m_s: FloatArray
    running_frac: FloatArray


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Some columns of a published file.

    Raises:
        ScenarioError: The file is missing or has no such column.
    """
    if not path.is_file():
        raise ScenarioError([f"--data {path.parent}: no file {path.name}; give the folder that holds it"])
    table = pd.read_parquet(path)
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise ScenarioError([f"--data {path}: no column {', '.join(absent)}; it must be of the published form"])
    return table[columns]


def read_zones(data_dir: Path, target_year: int) -> dict[int, Zone]:
    """The zones by number, on park time.

    Raises:
        ScenarioError: The file is missing or not of the published form.
    """
    table = read_table(data_dir / WIND_FILE, ["zone", "time", "power", "u10", "v10", "u100", "v100"])
    calendar = WindCalendar(target_year)
    zones: dict[int, Zone] = {}
    for number, rows in table.groupby("zone"):
        ordered = rows.sort_values("time")
        power = ordered["power"].to_numpy(dtype=np.float64)
        winds = ordered[["u10", "v10", "u100", "v100"]].to_numpy(dtype=np.float64)
        stamps = ordered["time"].to_numpy(dtype="datetime64[us]")
        marks = mark_wind(power, np.hypot(winds[:, 2], winds[:, 3]))
        # Months are those of the data's own calendar: a hard-wearing part fails in July, whatever the park calls it.
        month = (stamps - np.timedelta64(HOUR)).astype("datetime64[M]").astype(np.int64)
        running = partly_down_frac(np.nan_to_num(power), month)
        running = np.where(marks == Mark.OUTAGE, 0.0, running)
        zones[int(str(number))] = Zone(calendar.interval_starts(stamps), power, marks, winds, running)
    return zones


def fill_zone(zones: Mapping[int, Zone], number: int) -> tuple[FloatArray, BoolArray]:
    """Power without gaps, and which hours the meter does not show."""
    zone = zones[number]
    bad = (zone.marks == Mark.MISSING) | (zone.marks == Mark.STUCK)
    near = [np.where(zones[n].marks == Mark.MEASURED, zones[n].power_frac, np.nan) for n in near_zones(number)]
    stand_in = np.full(zone.power_frac.shape, np.nan)
    if near:
        count = np.sum(~np.isnan(near), axis=0)
        np.divide(np.nansum(near, axis=0), count, out=stand_in, where=count > 0)
    return np.clip(fill_gaps(zone.power_frac, zone.marks, stand_in), 0.0, 1.0), bad


def cell_of(zone: int) -> str:
    """Name of a zone's runs.

    >>> cell_of(4)
    'zone4'
    """
    return f"zone{zone}"


def wind_archive(zones: Mapping[int, Zone], seed: int) -> RunArchive:
    """All runs of all zones, carried on once."""
    days = min(zone.starts.size for zone in zones.values()) // MEASURED_LEADS
    beyond = int(hours(CARRIED_LEAD)) - MEASURED_LEADS
    streams = np.random.SeedSequence([seed, 1]).spawn(1 + max(zones))
    shared = np.random.default_rng(streams[0]).standard_normal((days, beyond, len(WIND_FEATURES)))
    value: dict[str, FloatArray] = {}
    for number, zone in zones.items():
        cell = np.random.default_rng(streams[NWP_CELL.get(number, number)])
        daily = zone.winds_m_s[: days * MEASURED_LEADS].reshape(days, MEASURED_LEADS, len(WIND_FEATURES))
        value[cell_of(number)] = carry_on(daily, shared, cell)
    first = next(iter(zones.values())).starts[0]
    issued_at = first + np.arange(days) * np.timedelta64(HOUR * MEASURED_LEADS)
    return RunArchive(issued_at, value, dict.fromkeys(value, WIND_FEATURES))


def zone_facts(zones: Mapping[int, Zone], used: set[int]) -> Iterator[str]:
    """What is known to be wrong with the zones in use, each with what the world makes of it."""
    counts = {n: {mark: int((zones[n].marks == mark).sum()) for mark in Mark} for n in sorted(used)}

    def named(mark: Mark) -> str:
        return ", ".join(f"zone {n} {count[mark]} h" for n, count in counts.items() if count[mark])

    if text := named(Mark.MISSING):
        yield f"wind.nulls: {text}, the world goes on from the near farms, the meter shows nothing"
    if text := named(Mark.STUCK):
        yield f"wind.stuck_readings: {text}, the world goes on from the near farms, the meter shows nothing"
    if text := named(Mark.OUTAGE):
        yield f"wind.outages: {text} without power in good wind, played as they were, the running share is 0"
    down = {n: zones[n].running_frac for n in sorted(used)}
    partly = [
        f"zone {n} {(share[(share > 0) & (share < 1)]).size} h" for n, share in down.items() if ((share > 0) & (share < 1)).any()
    ]
    if partly:
        yield f"wind.partly_down_months: {', '.join(partly)}, played as they were, the running share says so"
    if 9 in used:
        yield "wind.drift: zone 9 gives less for its wind in Q1 2013, and zone 8 all along, left as measured"
    twins = [f"{a}/{b}" for b, a in NWP_CELL.items() if {a, b} & used]
    if twins:
        yield f"wind.shared_cells: zones {', '.join(twins)} have identical forecast winds, their made-up leads are identical too"
    if 1 in used:
        yield "wind.zone_1_forecast: zone 1's own forecast winds fit it badly (0.72), they are served as published"
    yield "wind.run_seam: runs start at 00:00 of the data's UTC, the jump from one run to the next is in the series"
    yield "wind.phase: zones 3, 5, 6, 10 follow the forecast an hour early and zone 1 an hour late, left as measured"
    yield "wind.top: values near 1 are rare and nothing is clipped, farm effects, icing and storm stops are in the data already"
