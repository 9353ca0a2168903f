"""How long it takes to add up the flexibility of 10,000 and 100,000 assets, against a loop that asks one asset after another.

The rival asks the same kinds the same questions with arrays of length one, and must find the same; it is timed on 10,000 assets
only. Merging the tubes of the clusters and charging stations among the assets is timed beside.

    python benchmarks/bench_aggregate.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.builders import EXAMPLE_PLATES, example_asset, random_state
from vpp.flexibility import Fleet, Tubes, aggregate, merge
from vpp.flexibility.aggregate import HORIZONS_H, PREFIXES_H, sustained
from vpp.ids import AreaId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, IntArray

AREAS = tuple(AreaId(f"area{i}") for i in range(8))
BEHIND = {ConnectionId("grid"): AREAS, ConnectionId("half"): AREAS[:4], ConnectionId("tie"): AREAS[:1]}
STEP_H = 0.25
MS_PER_S = 1e3
#: Assets, limit in ms, whether the rival runs too.
SIZES = ((10_000, 50.0, True), (100_000, 500.0, False))

Single = tuple[Any, Any, Any, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One size; what was not run is None."""

    assets: int
    aggregate_ms: float
    tubes: int
    merge_ms: float
    limit_ms: float
    naive_ms: float | None
    naive_over_aggregate: float | None


def mixed_fleet(n: int) -> Fleet:
    """The same number of every kind, in any states, over eight areas behind three nested connections."""
    kinds = sorted(EXAMPLE_PLATES)
    assets = [example_asset(kinds[i % len(kinds)], i, AREAS[i // len(kinds) % len(AREAS)]) for i in range(n)]
    fleet, rng = Fleet.of(assets, BEHIND), np.random.default_rng(1)
    return fleet.with_states({g.kind.name: random_state(g.kind, g.plate, rng) for g in fleet.groups})


def job_tubes(n: int) -> tuple[Tubes, IntArray]:
    """Three job classes a cluster and one class a charging station, over 48 h, and the area of each."""
    rng = np.random.default_rng(1)
    grid = TimeGrid.of_steps(datetime(2030, 10, 1, tzinfo=UTC), ((timedelta(minutes=15), 32), (timedelta(hours=1), 40)))
    n_tubes = n // len(EXAMPLE_PLATES) * 4
    high = np.concatenate([np.zeros((n_tubes, 1)), np.cumsum(rng.uniform(0, 1, (n_tubes, grid.n)), axis=1)], axis=1)
    index = np.arange(grid.n + 1)[np.newaxis, :] - rng.integers(4, 40, n_tubes)[:, np.newaxis]
    low = np.where(index >= 0, np.take_along_axis(high, np.maximum(index, 0), axis=1), 0.0)
    return Tubes(grid, low, high, np.full(n_tubes, np.inf)), rng.integers(0, len(AREAS), n_tubes)


def timed_ms(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of several runs, after one to warm up."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * MS_PER_S)
    return statistics.median(taken)


def single_assets(fleet: Fleet) -> list[Single]:
    """Each asset's own plate and state, ready before the clock starts."""

    def row(columns: Any, i: int) -> Any:
        return type(columns)(*(getattr(columns, f.name)[i : i + 1] for f in fields(columns)))

    return [
        (group.kind, row(group.plate, i), row(group.state, i), int(area))
        for group in fleet.groups
        for i, area in enumerate(group.area)
    ]


def naive(singles: list[Single]) -> tuple[FloatArray, FloatArray]:
    """One asset after another."""
    tau_h = np.unique(np.concatenate([PREFIXES_H, HORIZONS_H]))
    n = len(AREAS)
    band, low, high = np.zeros((n, 2)), np.zeros((n, tau_h.size)), np.zeros((n, tau_h.size))
    for kind, plate, state, area in singles:
        now = kind.feasible(plate, state, STEP_H)
        reach = kind.reach(plate, state, tau_h)
        band[area] += now.low_mw[0], now.high_mw[0]
        low[area] += reach.low_mwh[0]
        high[area] += reach.high_mwh[0]
    return sustained(low, high, tau_h, HORIZONS_H)


def naive_ms(fleet: Fleet) -> float:
    """Time of the loop, once it has found what the sums found."""
    singles = single_assets(fleet)
    answer = aggregate(fleet, STEP_H)
    for found, expected in zip(naive(singles), (answer.areas.sustained_low_mw, answer.areas.sustained_high_mw), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    return timed_ms(lambda: naive(singles), repeats=1)


def measure(n: int, limit_ms: float, with_rival: bool) -> Row:
    """One size."""
    fleet, (tubes, group) = mixed_fleet(n), job_tubes(n)
    no_limit = np.full(len(AREAS), np.inf)
    ours_ms = timed_ms(lambda: aggregate(fleet, STEP_H), repeats=9)
    merge_ms = timed_ms(lambda: merge(tubes, group, no_limit), repeats=5)
    rival_ms = naive_ms(fleet) if with_rival else None
    ratio = rival_ms / ours_ms if rival_ms is not None else None
    return Row(n, ours_ms, int(group.size), merge_ms, limit_ms, rival_ms, ratio)


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description="Time the aggregation of many assets.")
    parser.add_argument("--json", type=Path, default=Path("out/bench/aggregate.json"))
    target: Path = parser.parse_args().json
    print(f"{'assets':>8} {'aggregate ms':>13} {'tubes':>7} {'merge ms':>9} {'limit ms':>9} {'naive loop ms':>14} {'ratio':>6}")
    rows = []
    for n, limit_ms, with_rival in SIZES:
        row = measure(n, limit_ms, with_rival)
        rival = "-" if row.naive_ms is None else f"{row.naive_ms:.0f}"
        ratio = "-" if row.naive_over_aggregate is None else f"{row.naive_over_aggregate:.0f}"
        print(f"{n:8d} {row.aggregate_ms:13.1f} {row.tubes:7d} {row.merge_ms:9.1f} {limit_ms:9.0f} {rival:>14} {ratio:>6}")
        rows.append(row)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"benchmark": "aggregate", "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
