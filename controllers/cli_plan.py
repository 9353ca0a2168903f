"""`vpp plan`: one plan of a park, explained, or the reference problem solved to its known optimum."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from controllers.cli_park import default_park_path
from controllers.planner.assemble import assemble
from controllers.planner.horizon import planning_grid
from controllers.planner.lines import LineWatch
from controllers.planner.outlook import Outlook
from controllers.planner.problem import Problem
from controllers.planner.publish import plan_facts
from controllers.planner.reference import EXACT, HORIZONS, Answer, Park96, ReferencePlanner, read_profiles
from controllers.planner.show import show_plan
from controllers.planner.situation import read_situation
from controllers.planner.solve import SolveSettings, solve
from controllers.planner.stochastic import Crew, Limits, Options, Risk
from controllers.planner.stochastic.lshaped import Round
from controllers.planner.stochastic.park import draw_park
from controllers.planner.stochastic.plan import StochasticPlan, plan_over_scenarios
from controllers.planner.stochastic.show import show_scenarios
from controllers.planner.stochastic.weather import available_scenarios
from forecasting.forecast import Forecast
from vpp.errors import PlanError, VppError
from vpp.park import Park, load, load_record
from vpp.timegrid import floor_to

__all__ = ["add_plan_command", "default_data_dir", "instant_and_park", "plan"]

REFERENCES: Final = ("park-96",)
PROFILES: Final = "park96_profiles.csv"
BAD_INPUT: Final = 2
_TO_SCREEN: Final = "-"
_MOST_SCENARIOS: Final = 999
_WIDTH_WITHOUT_TERMINAL: Final = 130
#: What is done once a stage is reached.
_STAGES: Final = {
    "built": "solving the relaxation",
    "bound": "rounding",
    "first": "mending",
    "rounded": "searching",
    "searched": "pricing",
}
#: A park is planned to this share of gross cost; beyond the first answer the search has so much time.
PARK_GAP: Final = 1e-3
PARK_SEARCH_S: Final = 1.2
PARK_NODES: Final = 100_000
#: Over scenarios: this share of gross cost over all of them; time after which the best so far is given; processes.
SCENARIO_GAP: Final = 3e-3
SCENARIO_GUARD_S: Final = 120.0
SCENARIO_PROCESSES: Final = 2


def default_data_dir() -> Path:
    """`../shared/data` beside the checkout."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"


def add_plan_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `vpp plan` and its words."""
    parser = commands.add_parser("plan", help="make one plan and explain it; or solve the reference problem")
    parser.add_argument("--park", help="park file or folder; without it the park that travels with the project")
    parser.add_argument("--at", help="start of the plan, as in 2030-10-01T08:00; park time unless it says another zone")
    parser.add_argument("--state", type=Path, metavar="FILE", help="JSON: assets, connections, work, events, overrides")
    parser.add_argument("--scenarios", type=_scenarios, default=0, metavar="S", help="plan over so many courses of wind and sun")
    parser.add_argument(
        "--cvar", type=_share, default=0.0, metavar="WEIGHT", help="and mind the worst tenth of them: 0 not, 1 alone"
    )
    parser.add_argument("--reference", choices=REFERENCES, help="solve this published problem instead of a park")
    parser.add_argument("--horizon", type=int, choices=HORIZONS, default=HORIZONS[0], help="its steps of 15 minutes")
    parser.add_argument("--stacks", type=_count, default=40, metavar="N", help="its electrolyser modules (always 400 MW in all)")
    parser.add_argument("--modules", action="store_true", help="every machine by itself instead of counts")
    parser.add_argument("--lp", action="store_true", help="the linear program only")
    parser.add_argument(
        "--gap",
        type=_gap,
        metavar="FRAC",
        help="stop this close to the optimum (default 5e-7 for park-96, 1e-3 of gross cost for a park)",
    )
    parser.add_argument("--seconds", type=_positive, metavar="S", help="and end the search for whole numbers after so much time")
    parser.add_argument("--data", type=Path, default=default_data_dir(), metavar="DIR", help="measured series")
    parser.add_argument("--json", nargs="?", const=_TO_SCREEN, metavar="FILE", help="for machines, into a file or to the screen")


def plan(told: argparse.Namespace) -> int:
    """Runs the command.

    Args:
        told: The words of `add_plan_command`.

    Returns:
        Exit status: 0 with a plan, 1 without one, 2 on bad input.
    """
    try:
        _must_be_writable(told.json)
        return _reference(told) if told.reference else _park(told)
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT


def _park(told: argparse.Namespace) -> int:
    at, park = instant_and_park(told)
    grid = planning_grid(at)
    situation = read_situation(park, at, told.state)
    for place in situation.unread:
        sys.stderr.write(f"{place}: no plan looks at it\n")
    outlook = Outlook.from_data(told.data)
    forecast = outlook.forecast(park, grid, situation.available_mw)
    problem = assemble(park, situation.snapshot, forecast, situation.month_peak_mw, asks=situation.asks)
    settings = SolveSettings(
        search="tree", gap_frac=told.gap or PARK_GAP, max_nodes=PARK_NODES, search_s=told.seconds or PARK_SEARCH_S, curves=True
    )
    over: StochasticPlan | None = None
    errors = Console(stderr=True)
    # On a terminal a long solve says how far it is; into a file or a pipe it says nothing.
    with errors.status("reading", spinner="dots") if errors.is_terminal else nullcontext() as status:
        clock = StopWatch(tell=None if status is None else status.update)
        clock.start()
        if told.scenarios:
            over = _over_scenarios(told, problem, forecast, clock)
            result = over.result
            problem = over.problem
        else:
            result = solve(problem, settings, report=clock.mark)
            watch = LineWatch.of(park)
            if result.status != "none" and watch.learn(result.assets):
                asks = replace(situation.asks, lines=watch.kept)
                problem = assemble(park, situation.snapshot, forecast, situation.month_peak_mw, asks=asks)
                result = solve(problem, settings, report=clock.mark)
    if result.status == "none":
        sys.stderr.write("vpp plan: no plan found within the budget\n")
        return 1
    quality = _quality(forecast, outlook)
    facts = {**plan_facts(problem, result), **clock.facts(), "forecast": quality, **({} if over is None else over.facts())}
    if told.json is not None:
        write_json(facts, told.json)
    if told.json != _TO_SCREEN:
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
        show_plan(console, problem, result, quality)
        if over is not None:
            show_scenarios(console, over)
    return 0


def _over_scenarios(told: argparse.Namespace, problem: Problem, forecast: Forecast, clock: StopWatch) -> StochasticPlan:
    available = available_scenarios(problem.park, forecast, told.scenarios)
    drawn = draw_park(problem, available)
    clock.mark("built")
    stages = {"mean plan": "first", "rounded": "searched"}

    def report(step: Round) -> None:
        clock.mark(stages.get(step.what, step.what))
        clock.say(f"{step.what}: cost {step.objective_cny:,.0f}, bound {step.bound_cny:,.0f} CNY, {step.at_s:.0f} s")

    options = Options(risk=Risk(weight=told.cvar), report=report)
    limits = Limits(0.0, told.gap or SCENARIO_GAP, guard_s=told.seconds or SCENARIO_GUARD_S)
    with Crew(min(SCENARIO_PROCESSES, os.cpu_count() or 1)) as crew:
        return plan_over_scenarios(problem, available, limits, crew, options, drawn)


@dataclass(slots=True)
class StopWatch:
    """Seconds after the start at which each stage of a plan was reached.

    Args:
        tell: Who shows where a plan is, if anybody does.
    """

    tell: Callable[[str], None] | None = None
    began_s: float = 0.0
    reached: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """From here on."""
        self.began_s = time.perf_counter()

    def mark(self, stage: str) -> None:
        """A stage is reached, for the first time."""
        self.reached.setdefault(stage, time.perf_counter() - self.began_s)
        self.say(_STAGES.get(stage, stage))

    def say(self, text: str) -> None:
        """Shows where the plan is, where somebody looks."""
        if self.tell is not None:
            self.tell(text)

    def facts(self) -> dict[str, float]:
        """The keys of the command: `build_s`, `solve_s`, `first_answer_s`; pricing the stores apart as `values_s`."""
        total = time.perf_counter() - self.began_s
        built, first = self.reached.get("built", 0.0), self.reached.get("first", total)
        solved = self.reached.get("searched", self.reached.get("rounded", first))
        return {
            "build_s": built,
            "solve_s": solved - built,
            "first_answer_s": first,
            "values_s": total - solved,
        }


def instant_and_park(told: argparse.Namespace) -> tuple[datetime, Park]:
    """The start of the plan on a whole quarter of an hour, and the park as it is on that day."""
    source = told.park or default_park_path()
    record = load_record(source)
    if told.at is None:
        raise PlanError("--at: say when the plan starts, as in 2030-10-01T08:00")
    try:
        at = datetime.fromisoformat(told.at)
    except ValueError as error:
        raise PlanError(f"--at: {told.at!r} is no instant; write 2030-10-01T08:00") from error
    if at.date() < record.opens():
        raise PlanError(f"--at: {told.at}: the park is described from {record.opens()} on")
    park = load(source, at=at.date())
    local = at if at.tzinfo is not None else at.replace(tzinfo=park.zone)
    return floor_to(local.astimezone(UTC), timedelta(minutes=15)), park


def _quality(forecast: Forecast, outlook: Outlook) -> str:
    kinds = sorted(set(forecast.quality))
    source = "measured farms" if outlook.measured else "capacity factors"
    return f"{' and '.join(kinds)} of {source}"


def _reference(told: argparse.Namespace) -> int:
    profiles = read_profiles(told.data / PROFILES).between(0, told.horizon)
    park = Park96.listed(told.stacks) if told.modules else Park96.counted(told.stacks)
    planner = ReferencePlanner(park)
    limits = replace(EXACT, gap_frac=told.gap or EXACT.gap_frac, guard_s=told.seconds or EXACT.guard_s)
    answer = planner.relaxed(profiles) if told.lp else planner.planned(profiles, limits=limits)
    facts = _reference_facts(told, answer)
    if told.json is not None:
        write_json(facts, told.json)
    if told.json != _TO_SCREEN:
        sys.stdout.write("".join(f"{key:22} {value}\n" for key, value in facts.items()))
    return 0 if answer.status != "none" else 1


def _reference_facts(told: argparse.Namespace, answer: Answer) -> dict[str, object]:
    return {
        "reference": told.reference,
        "horizon": told.horizon,
        "stacks": told.stacks,
        "form": "modules" if told.modules else "counts",
        "problem": "lp" if told.lp else "milp",
        "objective": answer.objective_cny,
        "bound": answer.bound_cny,
        "gap_frac": answer.gap_frac,
        "status": answer.status,
        "first_objective": answer.first_objective_cny,
        "build_s": answer.build_s,
        "solve_s": answer.solve_s,
        "first_answer_s": answer.first_answer_s,
    }


def write_json(facts: object, target: str) -> None:
    """Writes facts into a file, or to the screen for `-`."""
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    if target == _TO_SCREEN:
        sys.stdout.write(text)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlanError(f"--json: {target}: cannot be written: {error.strerror}") from error


def _must_be_writable(target: str | None) -> None:
    """What can be seen before a solve is not said after it."""
    if target is not None and target != _TO_SCREEN and Path(target).is_dir():
        raise PlanError(f"--json: {target}: is a folder; name a file")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: write a whole number of 1 or more")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: write a number above 0")
    return number


def _gap(text: str) -> float:
    number = _positive(text)
    if number >= 1.0:
        raise argparse.ArgumentTypeError(f"{text}: write a fraction below 1")
    return number


def _scenarios(text: str) -> int:
    number = int(text)
    if number != 0 and not 2 <= number <= _MOST_SCENARIOS:
        raise argparse.ArgumentTypeError(f"{text}: write 2 to {_MOST_SCENARIOS} scenarios, or 0 for one expected course")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"{text}: write a weight between 0 and 1")
    return number
