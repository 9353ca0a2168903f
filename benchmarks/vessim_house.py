"""The house of `bench_harness.py` as the public package `vessim` has it: one source, one load, one battery, one grid connection.

Run by the interpreter that has vessim; reads the source's series (W, one value a step) from a file and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import vessim


def main() -> None:
    """Runs the house and prints how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=Path, help="CSV with one column, W")
    parser.add_argument("--step", type=int, required=True, help="s")
    parser.add_argument("--load-w", type=float, required=True)
    parser.add_argument("--battery-wh", type=float, required=True)
    told = parser.parse_args()
    values = pd.read_csv(told.series, header=None)[0]
    stamps = pd.date_range("2030-10-07", periods=len(values), freq=pd.Timedelta(seconds=told.step))
    house = vessim.Environment(sim_start="2030-10-07 00:00:00", step_size=told.step)
    house.add_microgrid(
        actors=[
            vessim.Producer("source", vessim.Trace(pd.Series(values.to_numpy(), index=stamps), anchor=stamps[0])),
            vessim.Consumer("load", told.load_w),
        ],
        dispatchables=[
            vessim.SimpleBattery(name="battery", capacity=told.battery_wh, initial_soc=0.5, min_soc=0.05),
            vessim.GridConnection("grid"),
        ],
    )
    began_s = time.perf_counter()
    house.run(until=told.step * (len(values) - 1))
    print(json.dumps({"version": version("vessim"), "wall_s": time.perf_counter() - began_s}))  # noqa: T201  its only word


if __name__ == "__main__":
    main()
