"""`vpp plan`: one plan of a park, explained, or the reference problem solved to its known optimum."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from controllers.planner.reference import EXACT, HORIZONS, Answer, Park96, ReferencePlanner, read_profiles
from vpp.errors import VppError

__all__ = ["add_plan_command", "plan"]

REFERENCES: Final = ("park-96",)
PROFILES: Final = "park96_profiles.csv"
BAD_INPUT: Final = 2
_TO_SCREEN: Final = "-"


def default_data_dir() -> Path:
    """`../shared/data` beside the checkout."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"


def add_plan_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `vpp plan` and its words."""
    parser = commands.add_parser("plan", help="make one plan and explain it; or solve the reference problem")
    parser.add_argument("--reference", choices=REFERENCES, help="solve this published problem instead of a park")
    parser.add_argument("--horizon", type=int, choices=HORIZONS, default=HORIZONS[0], help="its steps of 15 minutes")
    parser.add_argument("--stacks", type=_count, default=40, metavar="N", help="its electrolyser modules (always 400 MW in all)")
    parser.add_argument("--modules", action="store_true", help="every machine by itself instead of counts")
    parser.add_argument("--lp", action="store_true", help="the linear program only")
    parser.add_argument("--gap", type=_gap, metavar="FRAC", help="stop this close to the optimum (default 5e-7 for park-96)")
    parser.add_argument("--seconds", type=_positive, metavar="S", help="and after so much time")
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
        return _reference(told)
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT


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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


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
