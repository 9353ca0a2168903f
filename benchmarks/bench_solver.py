"""Four choices behind the planner, each against its alternative, on one day of the small park.

- A model handed to HiGHS as arrays, against the same model added row by row.
- The independent parts of a model solved apart, against the whole in one piece.
- Counts relaxed, rounded and fixed, against a tree search over the heats, to the planner's own gap.
- A fleet of identical stacks as counts, against one block for each stack (both relaxed; the optimum must be the same).
- The whole park of `seeds/` over 48 h: a plan made cold, and a quarter of an hour later from the last one's basis.

    python benchmarks/bench_solver.py [--parts choices fleets parks order] [--json FILE]
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
from scipy.sparse import csc_matrix, hstack, vstack

from controllers.dispatch.snapshot import Snapshot
from controllers.planner import Problem, solve
from controllers.planner.assemble import assemble
from controllers.planner.blocks import BLOCKS, BuildContext
from controllers.planner.blocks.connection import add_connection, close_area
from controllers.planner.draw import draw
from controllers.planner.highs import SolveSettings, independent_parts, optimise
from controllers.planner.horizon import planning_grid
from controllers.planner.kept import KeptModel, MipLimits, ModelCache
from controllers.planner.model import LinearModel, ModelBuilder
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from vpp.ids import AssetId
from vpp.park import Park, load
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray, IntArray

START = datetime(2030, 10, 1, tzinfo=UTC)
GRID = TimeGrid.regular(START, timedelta(minutes=15), 96)
MS_PER_S = 1e3
REPEATS = 5
FLEETS = (10, 20, 40)
PARK = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
#: On a busy machine the planner's own guard would fire; what is measured here is CPU time.
BUDGET = SolveSettings(guard_s=900.0)
#: As `vpp plan` searches.
SEARCH = SolveSettings(search="tree", gap_frac=1e-3, max_nodes=100_000, search_s=1.2, guard_s=900.0)
#: Mean wind of a day over the year's, and how it swings round that.
WEATHERS = {"calm": 0.35, "mean": 1.0, "storm": 1.45}
SWING, SWING_H = 0.4, 5.0
PARTS = ("choices", "fleets", "parks", "order")
#: Of the long search over the order of pieces. [s]
ORDER_S = 90.0

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


def park_problem(year: int, quarter: int, wind: float) -> Problem:
    """The whole park on a day of so many times the mean wind, swinging round it over the hours."""
    park = load(PARK.parents[1], at=date(year, 10, 1))
    at = datetime(year, 10, 1, 0, 15 * quarter, tzinfo=UTC)
    situation = read_situation(park, at, None)
    forecast = Outlook.plain().forecast(park, planning_grid(at), {})
    swing = wind * (1.0 + SWING * np.sin(forecast.grid.offset_h / SWING_H)) if wind != 1.0 else 1.0
    forecast = replace(forecast, mean_frac=np.clip(forecast.mean_frac * swing, 0.0, 1.0))
    return assemble(park, situation.snapshot, forecast, {}, asks=situation.asks)


def _mark_in(found: dict[str, float]) -> Callable[[str], None]:
    """Writes down the CPU time from now until each stage is first reached."""
    began = time.process_time()

    def mark(stage: str) -> None:
        found.setdefault(stage, (time.process_time() - began) * MS_PER_S)

    return mark


def park_plans(year: int, weather: str) -> list[Row]:
    """A plan of the whole park, cold and a quarter of an hour later; the first whole answer and the best of the search."""
    took: list[dict[str, float]] = []
    cache = ModelCache()
    for quarter in (0, 1):
        problem = park_problem(year, quarter, WEATHERS[weather])
        found: dict[str, float] = {}
        began = time.process_time()

        rounded = solve(problem, BUDGET, cache, _mark_in(found))
        began = time.process_time()
        plan = solve(problem, SEARCH, ModelCache())
        found["searched"] = (time.process_time() - began) * MS_PER_S
        took.append(found)
        print(
            f"  park of {year}, {weather}, quarter {quarter}: gap {rounded.gap_frac:.3%} of gross cost "
            f"{rounded.gross_cny:,.0f} CNY rounded, {plan.gap_frac:.3%} searched, {len(plan.unmet)} unmet",
            flush=True,
        )
    cold, rolled = took
    # A tenth of wind and sun fails at once: the same quarter, from the last plan's basis.
    event = replace(problem, available_mw={farm: 0.9 * power for farm, power in problem.available_mw.items()})
    found = {}
    solve(event, BUDGET, cache, _mark_in(found))
    return [
        Row(f"{year} {weather}, first, after an event", found["first"], "cold", cold["first"]),
        Row(f"{year} {weather}, first, rolled", rolled["first"], "cold", cold["first"]),
        Row(f"{year} {weather}, rounded, rolled", rolled["rounded"], "cold", cold["rounded"]),
        Row(f"{year} {weather}, rounded, cold", cold["rounded"], "and searched", cold["searched"]),
    ]


def with_order(problem: Problem) -> LinearModel:
    """The model with a whole number for each step between two pieces of the stacks' curve: each waits for the one before."""
    drawn = draw(problem)
    model = drawn.model
    pieces, asset = next((p.pieces, problem.park.asset(p.asset_id)) for p in drawn.planned if p.pieces is not None)
    n, count, stacks = problem.grid.n, model.cost.size, float(asset.plate.stacks)
    steps = len(pieces.columns) - 1
    triplets: list[tuple[IntArray, IntArray, FloatArray]] = []
    low: list[FloatArray] = []
    high: list[FloatArray] = []
    for k in range(steps):
        full, rows = count + k * n + np.arange(n), 2 * k * n + np.arange(n)
        here, after = (stacks * pieces.widths[k + j] for j in (0, 1))
        triplets += [
            (rows, pieces.columns[k], np.ones(n)),
            (rows, pieces.count, np.full(n, -pieces.widths[k])),
            (rows, full, np.full(n, -here)),
            (rows + n, pieces.columns[k + 1], np.ones(n)),
            (rows + n, full, np.full(n, -after)),
        ]
        low += [np.full(n, -here), np.full(n, -np.inf)]
        high += [np.full(n, np.inf), np.zeros(n)]
    new = steps * n
    cells = [np.concatenate(part) for part in zip(*triplets, strict=True)]
    added = csc_matrix((cells[2], (cells[0], cells[1])), shape=(2 * new, count + new))
    wider = hstack([model.matrix, csc_matrix((model.matrix.shape[0], new))])
    none = np.zeros(new)
    return LinearModel(
        cost=np.append(model.cost, none), low=np.append(model.low, none), high=np.append(model.high, none + 1.0),
        integer=np.append(model.integer, none == 0.0), row_low=np.concatenate([model.row_low, *low]),
        row_high=np.concatenate([model.row_high, *high]), matrix=csc_matrix(vstack([wider, added])), offset_cny=model.offset_cny,
    )  # fmt: skip


def true_gap(year: int) -> None:
    """How far a storm's plan is from what a long search finds where pieces fill in order, and from that search's bound."""
    problem = park_problem(year, 0, WEATHERS["storm"])
    plan, kept = solve(problem, BUDGET), KeptModel()
    kept.hand_over(with_order(problem))
    found = kept.search(MipLimits(gap_frac=0.0, gap_cny=100.0, nodes=100_000, guard_s=ORDER_S))
    best, bound = (max(plan.objective_cny - cny, 0.0) / plan.gross_cny for cny in (found.objective_cny, found.bound_cny))
    print(
        f"  park of {year}, storm: {best:.3%} of gross cost above the best of a long search, {bound:.3%} above its bound, "
        f"{plan.gap_frac:.3%} proven in the plan itself",
        flush=True,
    )


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description="Time the choices behind the planner.")
    parser.add_argument("--json", type=Path, default=Path("out/bench/solver.json"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    told = parser.parse_args()
    park = load(PARK, at=START.date())
    rows: list[Row] = []
    if "choices" in told.parts:
        problem = problem_of(park)
        model = model_of(problem)
        rows += [
            arrays_against_rows(model),
            apart_against_whole(model.relaxed(), "relaxed", REPEATS),
            apart_against_whole(model, "tree search", 1),
            rounding_against_tree(problem),
        ]
    if "fleets" in told.parts:
        rows += [counts_against_list(park, stacks) for stacks in FLEETS]
    if "parks" in told.parts:
        rows += [row for year in (2026, 2030) for weather in WEATHERS for row in park_plans(year, weather)]
    if "order" in told.parts:
        for year in (2026, 2030):
            true_gap(year)
    for row in rows:
        print(
            f"{row.choice:34} {row.ours_ms:9.1f} ms, {row.rival:12} {row.rival_ms:9.1f} ms, {row.rival_ms / row.ours_ms:6.1f} x"
        )
    told.json.parent.mkdir(parents=True, exist_ok=True)
    told.json.write_text(
        json.dumps({"benchmark": "solver", "rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
