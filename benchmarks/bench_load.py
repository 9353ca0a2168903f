"""Forecasts of inflexible load beside the profile of their week, persistence, as now, and the calendar that plans went by before.

The loads are made up: the simulated world's own base loads and feeders, a year of them by seed. They go into a table of the form
that `vpp forecast backtest load --data FILE` takes, and are scored by what stands behind that command. The calendar knows the
very night and weekend that the generator is made from, which no plan of a real park would.

    python benchmarks/bench_load.py [--days 365] [--test-days 60] [--seed 1] [--table FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from controllers.cli_forecast_load import table_of
from controllers.planner.expect import expected_load_mw
from forecasting.archive import read_loads
from forecasting.backtest.load import STEPS, LoadTest, backtest_loads, report_of
from forecasting.calibrate import horizon_group
from forecasting.evaluate import GROUP_NAMES
from forecasting.load_sites import HEADROOM
from forecasting.scores import nrmse_frac
from sim_harness.load_door import metered_mw
from sim_harness.scenario import load, load_park_of
from sim_harness.weather.base import STEP
from vpp.ids import AssetId
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray

END = datetime(2030, 10, 1, tzinfo=UTC)


def main() -> None:
    """Makes the table, scores it, shows and keeps the facts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--test-days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, help="keep the made-up series here, CSV or parquet")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    scenario = load("calm-week")
    park = load_park_of(scenario)
    with tempfile.TemporaryDirectory() as folder:
        path = told.table or Path(folder) / "loads.parquet"
        write_table(path, metered_mw(park, scenario, told.days * 96, told.seed, END - timedelta(days=told.days)), told.days)
        test = backtest_loads(read_loads(path), timedelta(days=told.test_days))
    facts = {"made_up": "the simulated world's loads", "seed": told.seed, "days": told.days, **report_of(test)}
    facts["before"] = before(park, test)
    sys.stdout.write(f"{table_of(facts)}\n\nnRMSE of what a plan expects, with the forecast and before it\n")
    sys.stdout.write(f"{'horizon':9} {'base load':>10} {'before':>8} {'feeder':>8} {'before':>8}\n")
    for name, one in facts["before"].items():
        values = [one[key] for key in ("base_model", "base_before", "feeder_model", "feeder_before")]
        sys.stdout.write(f"{name:9} {values[0]:10.2%} {values[1]:8.2%} {values[2]:8.2%} {values[3]:8.2%}\n")
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def before(park: Park, test: LoadTest) -> dict[str, dict[str, float]]:
    """Error of what a plan expects, now and before the forecast: base loads by calendar and last reading, feeders as now."""
    kinds = np.array([park.asset(load).kind for load in test.loads])
    expected = np.stack([calendar(park, test, n, at) for n, at in enumerate(test.origins)])
    group, found = horizon_group(test.horizon_h), {}
    for g in range(int(group.max()) + 1):
        base, feeder = ((slice(None), np.flatnonzero(kinds == kind)) for kind in ("base_load", "feeder"))
        found[GROUP_NAMES[g]] = {
            "base_model": error(test, test.mean["model"], base, group == g),
            "base_before": error(test, expected, base, group == g),
            "feeder_model": error(test, test.mean["model"], feeder, group == g),
            "feeder_before": error(test, test.mean["as_now"], feeder, group == g),
        }
    return found


def error(test: LoadTest, mean: FloatArray, where: tuple[Any, ...], inside: BoolArray) -> float:
    """Share of the mean load."""
    return HEADROOM * nrmse_frac(test.outcome[where][..., inside], mean[where][..., inside])


def calendar(park: Park, test: LoadTest, n: int, at: datetime) -> FloatArray:
    """What the calendar says of base loads, in the test's shares; NaN for feeders, shape (L, T)."""
    grid = TimeGrid.regular(at, STEP, STEPS)
    found = np.full(test.outcome.shape[1:], np.nan)
    for row, load_id in enumerate(test.loads):
        asset, size_mw = park.asset(load_id), HEADROOM * test.mean_mw[row]
        if asset.kind == "base_load":
            now_mw = float(test.mean["as_now"][n, row, 0] * size_mw)
            found[row] = expected_load_mw(asset.plate, now_mw, grid, park.zone) / size_mw
    return found


def write_table(path: Path, power_mw: Mapping[AssetId, FloatArray], days: int) -> None:
    """As the command reads it."""
    start = pd.Timestamp(END - timedelta(days=days))
    time = pd.date_range(start, periods=days * 96, freq=STEP)
    frame = pd.concat([pd.DataFrame({"load": load, "time": time, "power_mw": mw}) for load, mw in power_mw.items()])
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)


if __name__ == "__main__":
    main()
