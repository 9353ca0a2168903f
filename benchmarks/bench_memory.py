"""Whether memory stays flat: the small park with controller and recorder for simulated hours, resident memory on the way.

    python benchmarks/bench_memory.py --hours 24 --json out/bench/memory.json

Everything runs in this one process, world included, over the local wire; the ledger is a real SQLite file. Warm-up is the first
quarter of the run, at most an hour. The figure is how far memory at the end stands above memory after warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controllers.bus.local import LocalBus
from controllers.loops.recorder import Recorder
from controllers.service import Controller, ControllerSettings
from controllers.store import open_store
from sim_harness.clock import SimClock
from sim_harness.run import advance
from sim_harness.scenario import load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather

_MB = 1e6
_SAMPLES = 24


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / _MB


async def measured(hours: float, control_s: float) -> dict[str, Any]:
    """Runs and samples memory."""
    scenario = replace(load("first-week"), days=hours / 24.0, control_step_s=control_s)
    park, clock, bus = load_park_of(scenario), SimClock(scenario.start), LocalBus()
    weather = open_weather(None, farms_of(park), seed=1, start=scenario.start, end=scenario.end)
    site = Site(park, scenario, weather, lambda _: bus, clock)
    with TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/ledger.sqlite3")
        controller = Controller(park, bus, clock, ControllerSettings(control=timedelta(seconds=control_s)))
        recorder = Recorder(store, clock.now, lambda _: None)
        controller.inbox.ear = controller.commander.mouth = recorder
        tasks = [asyncio.ensure_future(advance(site, clock, scenario)), asyncio.ensure_future(controller.run())]
        await clock.wait_for_participants(3)
        samples: list[tuple[float, float]] = []
        last: datetime = scenario.start
        for k in range(1, _SAMPLES + 1):
            until = scenario.start + k * timedelta(hours=hours) / _SAMPLES
            while last < until:
                last = min(last + timedelta(seconds=60), until)
                await clock.run_until(last)
                recorder.hand_over()
                await asyncio.sleep(0)
            if recorder.writing is not None:
                await recorder.writing
            gc.collect()
            samples.append(((until - scenario.start) / timedelta(hours=1), resident_mb()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await recorder.last_word()
        rows = recorder.written
        store.close()
    warm_h = min(1.0, hours / 4.0)
    warm_mb = next(mb for at_h, mb in samples if at_h >= warm_h)
    end_mb = samples[-1][1]
    return {
        "simulated_h": hours,
        "control_s": control_s,
        "warm_up_h": warm_h,
        "resident_mb": [round(mb, 2) for _, mb in samples],
        "after_warm_up_mb": round(warm_mb, 2),
        "at_end_mb": round(end_mb, 2),
        "growth_frac": round(end_mb / warm_mb - 1.0, 4),
        "rows_written": rows,
        "commands": controller.commander.counters.sent,
    }


def main() -> None:
    """Measures and says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, default=24.0, help="simulated (default: 24)")
    parser.add_argument("--control", type=float, default=5.0, metavar="S", help="control period (default: 5 s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args()
    began_s = time.process_time()
    facts = asyncio.run(measured(told.hours, told.control)) | {"cpu_s": round(time.process_time() - began_s, 1)}
    print(
        f"{facts['simulated_h']:g} h: {facts['after_warm_up_mb']} MB after warm-up, {facts['at_end_mb']} MB at the end, "
        f"{facts['growth_frac']:+.1%}; {facts['rows_written']} rows written, {facts['cpu_s']} s of CPU"
    )
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
