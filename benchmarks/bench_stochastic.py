"""Two stages: time and gap on park-96 and on the whole park, against one extensive form, and what scenarios are worth.

CPU seconds are of all processes together; wall seconds depend on who else works. Gaps are proven over all scenarios.

    python benchmarks/bench_stochastic.py [--data DIR] [--quick] [--parts time extensive worth worst] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from controllers.planner.assemble import assemble
from controllers.planner.horizon import planning_grid
from controllers.planner.kept import KeptModel
from controllers.planner.outlook import Outlook
from controllers.planner.reference import Park96, Profiles, ReferencePlanner, read_profiles
from controllers.planner.situation import read_situation
from controllers.planner.stochastic import Crew, Limits, Options, Risk, solve_two_stage
from controllers.planner.stochastic.extensive import extensive_form
from controllers.planner.stochastic.park96 import draw_two_stage, wind_scenarios
from controllers.planner.stochastic.plan import plan_over_scenarios
from controllers.planner.stochastic.value import (
    Reserves,
    first_stage_of,
    gain,
    path_costs,
    reserve_choices,
    reserved_plan,
)  # fmt: skip
from controllers.planner.stochastic.weather import available_scenarios
from vpp.park import load
from vpp.units import FloatArray

STEPS: Final = 96
STACKS: Final = 40
#: A thousandth of the optimum's size, as the recipe counts.
NEAR: Final = 1e-3
PARK_NEAR: Final = 3e-3
PROCESSES: Final = 2
DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS: Final = Path(__file__).resolve().parents[1] / "seeds"
START: Final = datetime(2030, 10, 1, tzinfo=UTC)
#: Scenarios planned with, paths that reserves are tuned on, and paths that count.
TRAIN, TUNE, TEST = 50, 40, 100
DAYS: Final = 3
#: On a busy machine the planner's own guard would fire; what is measured here is CPU time.
GUARD_S: Final = 900.0
PARTS: Final = ("time", "extensive", "worth", "worst")


@dataclass(frozen=True, slots=True)
class Run:
    """One solve: what, how long, how near."""

    what: str
    scenarios: int
    cpu_s: float
    wall_s: float
    objective_cny: float
    bound_cny: float
    gap_frac: float
    masters: int
    near: bool


def timed(crew: Crew, call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Value, CPU seconds of all processes, wall seconds."""
    cpu, wall = crew.cpu_s(), time.perf_counter()
    value = call()
    wall = time.perf_counter() - wall
    return value, crew.cpu_s() - cpu, wall


def reference_runs(profiles: Profiles, crew: Crew, count: int) -> list[Run]:
    """Park-96 from nothing, and again with new winds from what is kept."""
    head = profiles.between(0, STEPS)
    size = abs(ReferencePlanner(Park96.counted(STACKS)).relaxed(head).objective_cny)
    drawn = draw_two_stage(Park96.counted(STACKS), head, wind_scenarios(head.wind_mw, count, np.random.default_rng(1)))
    limits = Limits(NEAR * size, guard_s=GUARD_S)
    cold, cpu, wall = timed(crew, lambda: solve_two_stage(drawn.problem, drawn.rounded, limits, crew))
    runs = [Run("park-96, cold", count, cpu, wall, *_ends(cold), cold.gap_cny / size, cold.masters, cold.near)]
    # The next quarter's forecast: the same winds moved a little, as a re-plan sees them.
    nudge = np.random.default_rng(2).normal(1.0, 0.02, (count, 1))
    other = draw_two_stage(Park96.counted(STACKS), head, wind_scenarios(head.wind_mw, count, np.random.default_rng(1)) * nudge)
    again = drawn.problem.retold(other.problem.scenarios)
    start = Options(start=cold.best.first)
    warm, cpu, wall = timed(crew, lambda: solve_two_stage(again, drawn.rounded, limits, crew, start))
    runs.append(Run("park-96, warm", count, cpu, wall, *_ends(warm), warm.gap_cny / size, warm.masters, warm.near))
    return runs


def _ends(answer: Any) -> tuple[float, float]:
    return answer.best.objective_cny, answer.bound_cny


def against_extensive(profiles: Profiles, count: int) -> dict[str, float]:
    """The relaxation to a thousandth by cuts in one process, over one extensive form on the same solver; CPU seconds."""
    head = profiles.between(0, STEPS)
    drawn = draw_two_stage(Park96.counted(STACKS), head, wind_scenarios(head.wind_mw, count, np.random.default_rng(1)))
    began = time.process_time()
    whole = KeptModel()
    whole.hand_over(extensive_form(drawn.problem).relaxed())
    exact = whole.relax(600.0).objective_cny
    extensive_s = time.process_time() - began
    began = time.process_time()
    answer = solve_two_stage(drawn.problem, drawn.rounded, Limits(NEAR * abs(exact), guard_s=GUARD_S))
    cuts_s = time.process_time() - began
    if not answer.bound_cny <= exact + 1.0 <= answer.best.objective_cny + 2.0:
        raise SystemExit(f"bench_stochastic: extensive {exact}, cuts {answer.bound_cny} .. {answer.best.objective_cny}")
    return {
        "scenarios": count, "extensive_lp_cpu_s": extensive_s, "whole_plan_by_cuts_cpu_s": cuts_s,
        "extensive_x": extensive_s / cuts_s, "exact_lp_cny": exact, "gap_cny": answer.gap_cny,
    }  # fmt: skip


def park_runs(data: Path, crew: Crew, count: int) -> list[Run]:
    """The whole park, drawn and planned, and again from what is kept."""
    park = load(SEEDS, at=START.date())
    grid, situation = planning_grid(START), read_situation(park, START, None)
    forecast = Outlook.from_data(data).forecast(park, grid, situation.available_mw)
    problem = assemble(park, situation.snapshot, forecast, situation.month_peak_mw, asks=situation.asks)
    available = available_scenarios(park, forecast, count)
    limits = Limits(0.0, PARK_NEAR, guard_s=GUARD_S)
    first, cpu, wall = timed(crew, lambda: plan_over_scenarios(problem, available, limits, crew))
    runs = [_park_run("park of seeds, cold", count, first, cpu, wall)]
    again = Limits(PARK_NEAR * first.result.gross_cny, guard_s=GUARD_S)
    start = Options(start=first.answer.best.first)
    later = available_scenarios(park, forecast, count, seed=1)
    warm, cpu, wall = timed(crew, lambda: plan_over_scenarios(problem, later, again, crew, start, first.drawn))
    return [*runs, _park_run("park of seeds, warm, other courses", count, warm, cpu, wall)]


def _park_run(what: str, count: int, plan: Any, cpu_s: float, wall_s: float) -> Run:
    answer = plan.answer
    return Run(what, count, cpu_s, wall_s, *_ends(answer), answer.gap_cny / plan.result.gross_cny, answer.masters, answer.near)


def worth(profiles: Profiles, days: int, committed_steps: int | None) -> dict[str, Any]:
    """Saving of scenarios against tuned reserves, on paths neither has seen; all days' paths together, each day paired."""
    tuned: list[FloatArray] = []
    plain: list[FloatArray] = []
    ours: list[FloatArray] = []
    chosen: list[dict[str, float]] = []
    for day in range(days):
        costs, reserves = _one_day(profiles.between(STEPS * day, STEPS), day, committed_steps)
        ours.append(costs["scenarios"])
        tuned.append(costs["tuned"])
        plain.append(costs["plain"])
        chosen.append(asdict(reserves))
    against = {"tuned_reserves": np.concatenate(tuned), "no_reserves": np.concatenate(plain)}
    mine = np.concatenate(ours)
    found: dict[str, Any] = {"days": days, "paths_a_day": TEST, "committed_steps": committed_steps, "reserves": chosen}
    found["scenarios_mean_cny"] = float(mine.mean())
    for name, cost in against.items():
        one = gain(cost, mine)
        found[name] = {**asdict(one), "shown": one.shown, "mean_frac": one.mean_cny / abs(float(cost.mean()))}
        found[name]["by_day_cny"] = [float((c - o).mean()) for c, o in zip(np.split(cost, days), ours, strict=True)]
    return found


def _one_day(profiles: Profiles, day: int, committed_steps: int | None) -> tuple[dict[str, FloatArray], Reserves]:
    park = Park96.counted(STACKS)
    train, tune, test = (
        draw_two_stage(
            park, profiles, wind_scenarios(profiles.wind_mw, n, np.random.default_rng([day, k])), committed_steps=committed_steps
        )
        for k, n in enumerate((TRAIN, TUNE, TEST))
    )
    answer = solve_two_stage(train.problem, train.rounded, Limits(NEAR * 1.2e6, guard_s=GUARD_S))
    crew = Crew()
    crew.hand_over(tune.problem)
    plans = {one: x for one in reserve_choices() if (x := reserved_plan(park, profiles, one)) is not None}
    best = min(plans, key=lambda one: float(path_costs(crew, tune.problem, first_stage_of(tune, plans[one])).mean()))
    judge = Crew()
    judge.hand_over(test.problem)
    firsts = {
        "scenarios": answer.best.first,
        "tuned": first_stage_of(test, plans[best]),
        "plain": first_stage_of(test, plans[Reserves()]),
    }
    return {name: path_costs(judge, test.problem, first) for name, first in firsts.items()}, best


def minding_the_worst(profiles: Profiles, count: int) -> dict[str, float]:
    """What a weight on the worst tenth costs on average and saves in the worst tenth."""
    head = profiles.between(0, STEPS)
    drawn = draw_two_stage(Park96.counted(STACKS), head, wind_scenarios(head.wind_mw, count, np.random.default_rng(1)))
    chance, own = drawn.problem.scenarios.probability, drawn.problem.model.cost[drawn.problem.columns]
    found: dict[str, float] = {}
    for weight in (0.0, 0.5):
        risk = Risk(weight=weight)
        best = solve_two_stage(drawn.problem, drawn.rounded, Limits(1_000.0, guard_s=GUARD_S), options=Options(risk=risk)).best
        cost = float(own @ best.first) + best.later_cny
        found[f"mean_cny_at_{weight}"] = float(chance @ cost)
        found[f"worst_tenth_cny_at_{weight}"] = risk.worst_cny(cost, chance)
    return found


def timings(profiles: Profiles, data: Path, counts: tuple[int, ...]) -> list[Run]:
    """The reference problem and the whole park, cold and warm, by number of scenarios; printed as they come."""
    runs: list[Run] = []
    for count in counts:
        for whole_park in (False, True):
            with Crew(PROCESSES) as crew:
                crew.cpu_s()
                found = park_runs(data, crew, count) if whole_park else reference_runs(profiles, crew, count)
            for run in found:
                print(
                    f"{run.what:36} {run.scenarios:4} scenarios {run.cpu_s:7.2f} s CPU {run.wall_s:7.2f} s wall "
                    f"gap {run.gap_frac:.3%} in {run.masters} masters",
                    flush=True,
                )
            runs += found
    return runs


def worths(profiles: Profiles, days: int) -> dict[str, dict[str, Any]]:
    """What scenarios save when the day's counts bind, and when only those of the next four hours do; printed."""
    found = {}
    for name, committed in (("day_ahead", None), ("next_4_h", 16)):
        found[name] = worth(profiles, days, committed)
        for rival in ("tuned_reserves", "no_reserves"):
            one = found[name][rival]
            print(
                f"{name}: against {rival} scenarios save {one['mean_cny']:.0f} CNY a day "
                f"({one['low_cny']:.0f} .. {one['high_cny']:.0f}, 95 %, {one['paths']} paths), {one['mean_frac']:.2%} of cost",
                flush=True,
            )
    return found


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description="Time and weigh plans over scenarios.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="fewer scenarios and days")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--json", type=Path, default=Path("out/bench/stochastic.json"))
    told = parser.parse_args()
    if not (told.data / "park96_profiles.csv").is_file():
        print(f"bench_stochastic: {told.data}/park96_profiles.csv is not there; give its folder with --data")
        return
    profiles = read_profiles(told.data / "park96_profiles.csv")
    counts = (10, 30) if told.quick else (10, 30, 100)
    facts: dict[str, Any] = {"benchmark": "stochastic"}
    if "time" in told.parts:
        facts["runs"] = [asdict(run) for run in timings(profiles, told.data, counts)]
    if "extensive" in told.parts:
        facts["extensive"] = [against_extensive(profiles, count) for count in ((5,) if told.quick else (5, 10, 20))]
        for one in facts["extensive"]:
            print(f"{one['scenarios']} scenarios: one extensive LP takes {one['extensive_x']:.1f} times a whole plan by cuts")
    if "worth" in told.parts:
        facts["worth"] = worths(profiles, 1 if told.quick else DAYS)
    if "worst" in told.parts:
        facts["worst"] = worst = minding_the_worst(profiles, 30)
        print("mean and worst tenth by weight on the worst:", {name: round(cny) for name, cny in worst.items()})
    told.json.parent.mkdir(parents=True, exist_ok=True)
    told.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
