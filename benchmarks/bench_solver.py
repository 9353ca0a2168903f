"""Four choices behind the planner, each against its alternative, on one day of the small park.

- A model handed to HiGHS as arrays, against the same model added row by row.
- The independent parts of a model solved apart, against the whole in one piece.
- Counts relaxed, rounded and fixed, against a tree search over the heats, to the planner's own gap.
- A fleet of identical stacks as counts, against one block for each stack (both relaxed; the optimum must be the same).
- The whole park of `seeds/` over 48 h: a plan made cold, and a quarter of an hour later from the last one's basis.

    python benchmarks/bench_solver.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import highspy
import numpy as np

from controllers.dispatch.snapshot import Snapshot
from controllers.planner import Problem, solve
from controllers.planner.assemble import assemble
from controllers.planner.blocks import BLOCKS, BuildContext
from controllers.planner.blocks.connection import add_connection, close_area
from controllers.planner.highs import SolveSettings, independent_parts, optimise
from controllers.planner.horizon import planning_grid
from controllers.planner.kept import ModelCache
from controllers.planner.model import LinearModel, ModelBuilder
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from vpp.ids import AssetId
from vpp.park import Park, load
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY

START = datetime(2030, 10, 1, tzinfo=UTC)
GRID = TimeGrid.regular(START, timedelta(minutes=15), 96)
MS_PER_S = 1e3
REPEATS = 5
FLEETS = (10, 20, 40)
PARK = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
BUDGET = SolveSettings()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One choice: what it takes, what its alternative takes."""

    choice: str
    ours_ms: float
    rival: str
    rival_ms: float


def timed_ms(call: Callable[[], T], repeats: int = REPEATS) -> tuple[float, T]:
    """Least wall time of several calls, and the last value."""
    best = math.inf
    for _ in range(repeats):
        began = time.perf_counter()
        value = call()
        best = min(best, time.perf_counter() - began)
    return best * MS_PER_S, value


def problem_of(park: Park) -> Problem:
    """A windy day with a lull, nothing reported yet: every asset starts from its cautious stand-in."""
    farms = tuple(a.id for kind in ("wind", "solar") for a in park.assets_of(kind))
    fresh: Quality = "fresh"
    wave = 0.45 + 0.35 * np.cos(GRID.offset_h / HOURS_PER_DAY * 2.0 * np.pi)
    mean = np.tile(wave, (len(farms), 1))
    spread = mean[:, :, None] + np.linspace(-0.1, 0.1, len(QUANTILE_LEVELS))
    forecast = Forecast(GRID, QUANTILE_LEVELS, farms, np.clip(spread, 0.0, 1.0), mean, START, (fresh,) * len(farms))
    return assemble(park, Snapshot(START, {}, {}, {}), forecast, {})


def model_of(problem: Problem) -> LinearModel:
    """The whole model, as the planner draws it."""
    ctx = BuildContext(problem, ModelBuilder())
    for asset in sorted(problem.park.assets, key=lambda a: a.kind == "ammonia_loop"):
        BLOCKS[asset.kind](ctx, asset)
    for connection in problem.park.connections:
        add_connection(ctx, connection)
    for area in problem.park.area_ids:
        close_area(ctx, area)
    return ctx.builder.build()


def with_stacks(park: Park, stacks: int, *, listed: bool) -> Park:
    """The park with so many stacks, as one fleet or each as an asset of its own."""
    fleet = park.assets_of("electrolyser")[0]
    others = tuple(a for a in park.assets if a.id != fleet.id)
    if not listed:
        return replace(park, assets=(*others, replace(fleet, plate=replace(fleet.plate, stacks=stacks))))
    one = replace(fleet.plate, stacks=1)
    singles = tuple(replace(fleet, id=AssetId(f"{fleet.id}.s{i}"), plate=one) for i in range(stacks))
    return replace(park, assets=(*others, *singles))


def arrays_against_rows(model: LinearModel) -> Row:
    """Hand over only; nothing is solved."""
    by_row = model.matrix.tocsr()

    def row_by_row() -> highspy.Highs:
        solver = highspy.Highs()  # type: ignore[no-untyped-call]  # the bindings carry no types
        solver.setOptionValue("output_flag", False)
        for cost, low, high in zip(model.cost, model.low, model.high, strict=True):
            solver.addCol(cost, low, high, 0, np.array([], dtype=np.int32), np.array([]))
        for i, (low, high) in enumerate(zip(model.row_low, model.row_high, strict=True)):
            cells = slice(by_row.indptr[i], by_row.indptr[i + 1])
            columns = by_row.indices[cells]
            solver.addRow(low, high, len(columns), columns, by_row.data[cells])
        return solver

    def arrays() -> highspy.Highs:
        solver = highspy.Highs()  # type: ignore[no-untyped-call]  # the bindings carry no types
        solver.setOptionValue("output_flag", False)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = model.matrix.shape[1], model.matrix.shape[0]
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.low, model.high
        lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = model.matrix.indptr, model.matrix.indices
        lp.a_matrix_.value_ = model.matrix.data
        solver.passModel(lp)
        return solver

    ours_ms, given = timed_ms(arrays)
    rival_ms, added = timed_ms(row_by_row)
    if given.getNumNz() != added.getNumNz():
        raise SystemExit("bench_solver: the two models differ")
    return Row(f"arrays, {model.matrix.shape[1]} columns", ours_ms, "row by row", rival_ms)


def apart_against_whole(model: LinearModel, what: str, repeats: int) -> Row:
    """The same answer, to the gap of the search where there is one."""
    parts = independent_parts(model)
    ours_ms, answers = timed_ms(lambda: [optimise(model.part(*part), BUDGET) for part in parts], repeats)
    rival_ms, whole = timed_ms(lambda: optimise(model, BUDGET), repeats)
    apart = model.offset_cny + sum(answer.objective_cny for answer in answers)
    slack = 2.0 * BUDGET.gap_frac * max(abs(a.objective_cny) for a in (*answers, whole)) if model.integer.any() else 1.0
    if abs(apart - whole.objective_cny) > slack:
        raise SystemExit(f"bench_solver: apart {apart} CNY, whole {whole.objective_cny} CNY")
    return Row(f"{what}, {len(parts)} parts apart", ours_ms, "in one piece", rival_ms)


def rounding_against_tree(problem: Problem) -> Row:
    """A whole plan, both ways; what rounding loses is printed, in CNY."""
    ours_ms, rounded = timed_ms(lambda: solve(problem, BUDGET), 3)
    rival_ms, searched = timed_ms(lambda: solve(problem, replace(BUDGET, search="tree")), 1)
    print(
        f"  rounded {rounded.objective_cny:.0f} CNY, searched {searched.objective_cny:.0f} CNY "
        f"({searched.status}), no plan below {max(rounded.bound_cny, searched.bound_cny):.0f} CNY"
    )
    return Row("relaxed, rounded, fixed", ours_ms, "tree search", rival_ms)


def counts_against_list(park: Park, stacks: int) -> Row:
    """The relaxation, whose optimum must not depend on how the stacks are written."""
    counted = model_of(problem_of(with_stacks(park, stacks, listed=False))).relaxed()
    listed = model_of(problem_of(with_stacks(park, stacks, listed=True))).relaxed()
    ours_ms, one = timed_ms(lambda: optimise(counted, BUDGET), 3)
    rival_ms, many = timed_ms(lambda: optimise(listed, BUDGET), 1)
    if not math.isclose(one.objective_cny, many.objective_cny, rel_tol=1e-5):
        raise SystemExit(f"bench_solver: {stacks} stacks cost {one.objective_cny} counted, {many.objective_cny} listed")
    return Row(f"{stacks} stacks counted", ours_ms, "listed", rival_ms)


def park_plans(year: int) -> list[Row]:
    """A plan of the whole park, cold and then rolled; the first whole answer and the best rounding, gap printed."""
    park = load(PARK.parents[1], at=date(year, 10, 1))
    cold_ms: dict[str, float] = {}
    rolled_ms: dict[str, float] = {}
    cache = ModelCache()
    for quarter, found in ((0, cold_ms), (1, rolled_ms)):
        at = datetime(year, 10, 1, 0, 15 * quarter, tzinfo=UTC)
        situation = read_situation(park, at, None)
        forecast = Outlook.plain().forecast(park, planning_grid(at), {})
        problem = assemble(park, situation.snapshot, forecast, {}, asks=situation.asks)
        began = time.process_time()

        def mark(stage: str, found: dict[str, float] = found, began: float = began) -> None:
            found.setdefault(stage, (time.process_time() - began) * MS_PER_S)

        plan = solve(problem, BUDGET, cache, mark)
        print(f"  park of {year}, quarter {quarter}: gap {plan.gap_frac:.3%} of gross cost, {len(plan.unmet)} unmet")
    return [
        Row(f"{year} first answer, rolled", rolled_ms["first"], "cold", cold_ms["first"]),
        Row(f"{year} best rounding, rolled", rolled_ms["rounded"], "cold", cold_ms["rounded"]),
    ]


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description="Time the choices behind the planner.")
    parser.add_argument("--json", type=Path, default=Path("out/bench/solver.json"))
    target: Path = parser.parse_args().json
    park = load(PARK, at=START.date())
    problem = problem_of(park)
    model = model_of(problem)
    rows = [
        arrays_against_rows(model),
        apart_against_whole(model.relaxed(), "relaxed", REPEATS),
        apart_against_whole(model, "tree search", 1),
        rounding_against_tree(problem),
    ]
    rows += [counts_against_list(park, stacks) for stacks in FLEETS]
    rows += [row for year in (2026, 2030) for row in park_plans(year)]
    for row in rows:
        print(
            f"{row.choice:28} {row.ours_ms:9.1f} ms, {row.rival:12} {row.rival_ms:9.1f} ms, {row.rival_ms / row.ours_ms:6.1f} x"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        json.dumps({"benchmark": "solver", "rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
