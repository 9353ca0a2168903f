"""How long accounts and a statement of the whole park take, from registers that are made up.

CPU seconds of one process, median of several runs. The registers are arithmetic, with a gap in every hundredth quarter; the size
of the work does not depend on what they say.

    python benchmarks/bench_accounts.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from controllers.cli_park import default_park_path
from vpp.accounts import Columns, Registers, ratios_of, registers_of_columns, settle, terms_of, totals_of
from vpp.park import Park, load
from vpp.park.rating import rating
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray

START = datetime(2030, 9, 30, 16, tzinfo=UTC)
QUARTERS_PER_DAY = int(HOURS_PER_DAY) * 4
DAYS = (1, 31, 365)


@dataclass(frozen=True, slots=True)
class Row:
    """One length of time."""

    days: int
    assets: int
    settle_cpu_s: float
    totals_and_ratios_cpu_s: float


def made_up(park: Park, n: int) -> Columns:
    """Every meter of the park, going up and down."""
    rng = np.random.default_rng(1)
    told = np.ones(n)
    columns: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    for asset in park.assets:
        size = rating(asset)
        mean = size.power_mw * (0.5 + 0.4 * np.sin(np.arange(n) / rng.uniform(10.0, 60.0)))
        mean = {"wind": -mean, "solar": -mean, "thermal": -mean, "storage": mean - 0.5 * size.power_mw}.get(size.role, mean)
        columns[asset.id, "power_mw"] = np.where(rng.random(n) < 0.01, np.nan, mean), told
        columns[asset.id, "soc_frac"] = 0.5 + 0.4 * np.sin(np.arange(n) / 20.0), told
    for connection in park.connections:
        columns[connection.id, "import_mw"] = 300.0 * np.sin(np.arange(n) / 30.0), told
    return columns


def timed_s(run: Callable[[], object], repeats: int) -> float:
    """Median CPU time of several runs, after one to warm up."""
    run()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def measure(park: Park, days: int) -> Row:
    """One length of time."""
    grid = TimeGrid.regular(START, timedelta(minutes=15), days * QUARTERS_PER_DAY)
    registers: Registers = registers_of_columns(park, grid, made_up(park, grid.n))
    terms, repeats = terms_of(park), 3 if days > 31 else 7
    accounts = settle(registers, terms)
    settle_s = timed_s(lambda: settle(registers, terms), repeats)
    return Row(days, len(park.assets), settle_s, timed_s(lambda: (totals_of(accounts), ratios_of(accounts)), repeats))


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description="Time accounts of the whole park.")
    parser.add_argument("--json", type=Path, default=Path("out/bench/accounts.json"))
    target: Path = parser.parse_args().json
    park = load(default_park_path(), at=START.date() + timedelta(days=1))
    print(f"{'days':>5} {'assets':>7} {'settle CPU s':>13} {'totals, ratios CPU s':>21}")
    rows = [measure(park, days) for days in DAYS]
    for row in rows:
        print(f"{row.days:5d} {row.assets:7d} {row.settle_cpu_s:13.3f} {row.totals_and_ratios_cpu_s:21.3f}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"benchmark": "accounts", "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
