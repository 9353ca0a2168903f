"""How fast the world runs: a day of the whole park at 10 s, a year of it at 15 min, and a house beside the public package vessim.

The day and the year are closed loops with the policy `rules`: plants, devices, wire, controller and score. They are measured on
part of their length and scaled by simulated time, unless `--whole` is given; set-up and score do not grow with it and are said
apart. The house has one source, one load and one battery, which both packages can express. `vessim` is no dependency: it is
measured where it can be imported, or by the interpreter named with `--vessim-python`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from controllers.bus.base import Bus
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from sim_harness.run import RunOptions, advance, run_scenario
from sim_harness.scenario import SEEDS, Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.base import Weather
from sim_harness.weather.source import open_weather
from sim_harness.wires import LocalWire
from vpp.park import Park

YEARS = (2026, 2030)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
#: Measured by default: two hours of the day, a month of the year.
SHORT_DAY, SHORT_YEAR = timedelta(hours=2), timedelta(days=20)
HOUSE = ("wind.hongshan", "base.hongshan", "bess.hongshan")
HOUSE_STEP = timedelta(seconds=10)
RIVAL = Path(__file__).with_name("vessim_house.py")
W_PER_MW = 1e6


def whole_park(year: int, step: timedelta, length: timedelta) -> dict[str, Any]:
    """Seconds of the wall for simulated time of the whole park, with the time that does not grow with it apart."""
    base = load("first-week")
    begin = datetime(year, 6, 30, 16, tzinfo=UTC)
    scenario = replace(base, park_path=SEEDS, park_at=date(year, 6, 1), start=begin, control_step_s=step.total_seconds())
    marks: list[tuple[float, float]] = []
    scenario = replace(scenario, days=length / DAY)
    began_s = time.perf_counter()
    run = run_scenario(scenario, RunOptions("rules", None, progress=lambda done: marks.append((done, time.perf_counter()))))
    all_s = time.perf_counter() - began_s
    # Between the first and the last mark nothing but simulated time passes.
    (first, from_s), (last, to_s) = marks[0], marks[-1]
    per_s = (to_s - from_s) / ((last - first) * length.total_seconds())
    return {
        "park_at": year,
        "assets": len(run.truth.assets),
        "step_s": step.total_seconds(),
        "measured_days": length / DAY,
        "measured_wall_s": all_s,
        "set_up_and_score_s": all_s - (to_s - from_s) / (last - first),
        "ms_per_step": 1e3 * per_s * step.total_seconds(),
        "s_per_simulated_day": per_s * DAY.total_seconds(),
        "s_per_simulated_year": per_s * YEAR.total_seconds(),
    }


def house_park() -> tuple[Scenario, Park, Weather]:
    """One area of the small park with three of its assets, on the grid."""
    scenario = replace(load("first-week"), days=1.0, control_step_s=HOUSE_STEP.total_seconds())
    park = load_park_of(scenario)
    chosen = tuple(a for a in park.assets if a.id in HOUSE)
    area = chosen[0].area
    park = replace(
        park,
        assets=chosen,
        areas=tuple(a for a in park.areas if a.id == area),
        connections=tuple(c for c in park.connections if c.area == area and c.is_grid),
    )
    return scenario, park, open_weather(None, farms_of(park), seed=1, start=scenario.start, end=scenario.end)


def house_world() -> float:
    """Simulated seconds per wall second of plants, balance and registers alone: what vessim does too."""
    scenario, park, weather = house_park()
    site = Site(park, scenario, weather, lambda _: LocalWire(None, SimClock(scenario.start)).world_bus, SimClock(scenario.start))
    at, began_s = scenario.start, time.perf_counter()
    while at < scenario.end:
        site.world.step(at, HOUSE_STEP.total_seconds())
        at += HOUSE_STEP
    return DAY.total_seconds() / (time.perf_counter() - began_s)


def house_loop() -> float:
    """The same with devices, wire and a controller by rules, which vessim has none of."""
    return asyncio.run(_house_loop())


async def _house_loop() -> float:
    scenario, park, weather = house_park()
    clock = SimClock(scenario.start)

    def make(bus: Bus, on: SimClock) -> tuple[Controller, int]:
        return Controller(park, bus, on, ControllerSettings(control=HOUSE_STEP)), 2

    async with LocalWire(make, clock, cuttable=False) as wire:
        site = Site(park, scenario, weather, lambda _: wire.world_bus, clock)
        world = asyncio.ensure_future(advance(site, clock, scenario, wire))
        await wire.start(scenario.start)
        await clock.wait_for_participants(1 + wire.participants)
        began_s = time.perf_counter()
        await clock.run_until(scenario.end)
        wall_s = time.perf_counter() - began_s
        world.cancel()
        await asyncio.gather(world, return_exceptions=True)
    return DAY.total_seconds() / wall_s


def house_vessim(python: str | None) -> dict[str, Any]:
    """The rival's figure, or why there is none."""
    if python is None and find_spec("vessim") is None:
        return {"absent": "vessim is not installed; name an interpreter that has it with --vessim-python"}
    scenario, park, weather = house_park()
    plates = {a.kind: a.plate for a in park.assets}
    farm = next(a for a in park.assets if a.kind == "wind")
    steps = round(DAY / HOUSE_STEP)
    power_w = [
        farm.plate.capacity_mw * W_PER_MW * weather.available_frac(farm.id, scenario.start + i * HOUSE_STEP) for i in range(steps)
    ]
    with TemporaryDirectory() as folder:
        series = Path(folder) / "source.csv"
        series.write_text("\n".join(map(str, power_w)), encoding="utf-8")
        words = [python or sys.executable, str(RIVAL), str(series), "--step", f"{HOUSE_STEP.total_seconds():.0f}"]
        words += ["--load-w", str(plates["base_load"].mean_mw * W_PER_MW)]
        words += ["--battery-wh", str(plates["battery"].energy_mwh * W_PER_MW)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  our own file
    if done.returncode:
        return {"absent": f"vessim: {done.stderr.strip().splitlines()[-1]}"}
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {"version": told["version"], "simulated_s_per_s": (steps - 1) * HOUSE_STEP.total_seconds() / told["wall_s"]}


def main() -> None:
    """Measures all of it, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("out/bench/harness.json"))
    parser.add_argument("--vessim-python", metavar="PATH", help="an interpreter that has vessim")
    parser.add_argument("--whole", action="store_true", help="the whole day and the whole year, nothing scaled")
    told = parser.parse_args()
    day, year = (DAY, YEAR) if told.whole else (SHORT_DAY, SHORT_YEAR)
    facts: dict[str, Any] = {
        "days_at_10_s": [whole_park(at, timedelta(seconds=10), day) for at in YEARS],
        "years_at_900_s": [whole_park(at, timedelta(minutes=15), year) for at in YEARS],
        "house": {
            "step_s": HOUSE_STEP.total_seconds(),
            "world_simulated_s_per_s": house_world(),
            "closed_loop_simulated_s_per_s": house_loop(),
            "vessim": house_vessim(told.vessim_python),
        },
    }
    told.json.parent.mkdir(parents=True, exist_ok=True)
    told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    Console().print(_table(facts))


def _table(facts: dict[str, Any]) -> Table:
    table = Table(title="Speed of the world, policy rules")
    for column in ("what", "figure"):
        table.add_column(column)
    for run in facts["days_at_10_s"]:
        what = f"a day of {run['park_at']} at 10 s, {run['assets']} assets"
        table.add_row(what, f"{run['s_per_simulated_day']:.0f} s, {run['ms_per_step']:.1f} ms a step")
    for run in facts["years_at_900_s"]:
        what = f"a year of {run['park_at']} at 15 min, {run['assets']} assets"
        table.add_row(what, f"{run['s_per_simulated_year']:.0f} s, {run['ms_per_step']:.1f} ms a step")
    house = facts["house"]
    table.add_row("house, world alone", f"{house['world_simulated_s_per_s']:,.0f} s/s")
    table.add_row("house, closed loop", f"{house['closed_loop_simulated_s_per_s']:,.0f} s/s")
    rival = house["vessim"]
    told = rival.get("absent") or f"{rival['simulated_s_per_s']:,.0f} s/s (vessim {rival['version']})"
    table.add_row("house, vessim", told)
    return table


if __name__ == "__main__":
    main()
