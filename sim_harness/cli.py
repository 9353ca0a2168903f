"""The `vpp-sim` command: run a scenario, compare policies on it, watch it live, list what there is."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from controllers.planner.effort import EFFORTS
from sim_harness.campaign_words import add_campaign_command
from sim_harness.cli_qualify import add_qualify_command
from sim_harness.live import LiveOptions, run_live
from sim_harness.registers import write_truth
from sim_harness.run import POLICIES, RunOptions
from sim_harness.scenario import Scenario, list_scenarios, load
from sim_harness.tables import compare_table, scenario_table, score_table
from sim_harness.weather.source import default_data_dir
from vpp.errors import ScenarioError, VppError

__all__ = ["main"]

_BAD_INPUT = 2
#: A run makes messages by the million and no cycles to speak of; Python's own thresholds cost it 2-3 %.
_GC_THRESHOLD = (50_000, 20, 50)
#: Columns of a table that goes into a file.
_WIDTH_WITHOUT_TERMINAL = 160


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0 only if it did what was asked, 2 for bad input.

    Args:
        words: The command line without the program's name; None for the process's own.
    """
    told = _parser().parse_args(words)
    gc.set_threshold(*_GC_THRESHOLD)
    try:
        status: int = told.act(told)
    except VppError as error:
        print(error, file=sys.stderr)  # noqa: T201  a command speaks on the terminal
        return _BAD_INPUT
    return status


def _run(told: argparse.Namespace) -> int:
    # Plots and statistics take a second to import; the living park does without.
    from sim_harness.experiment import run_experiment

    _quiet(logging.WARNING if told.verbose else logging.ERROR)
    scenario = load(told.scenario).with_options(told.days, told.seed, told.step).sampled(told.sample)
    _must_be_writable("--json", told.json)
    _must_be_writable("--report", told.report)
    _must_be_writable("--registers", told.registers)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(f"{scenario.name}, {told.policy}", total=1.0)
        options = RunOptions(
            told.policy,
            told.data,
            told.wire,
            progress=lambda done: bar.update(task, completed=done),
            effort=told.effort,
            judged=told.judge_calls,
        )
        found = run_experiment(scenario, options, whole=_whole(told))
    Console().print(score_table(found.facts))
    if told.json is not None:
        _write(told.json, json.dumps(found.facts, indent=2, ensure_ascii=False) + "\n")
    if told.report is not None:
        page = found.report()
        if page is None:
            raise ScenarioError([f"--report: {scenario.name} was run as sampled days; name --whole or --days to show one run"])
        _write(told.report, page)
    if told.registers is not None:
        if found.outcome is None:
            raise ScenarioError([f"--registers: {scenario.name} was run as sampled days; name --whole or --days to keep one run"])
        write_truth(told.registers, found.outcome.truth)
    return 0


def _quiet(level: int) -> None:
    """Only what is at least so grave is shown."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level), logger_factory=_to_stderr)
    if logging.lastResort is not None:
        logging.lastResort.setLevel(level)  # the bus logs without a handler of its own


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """Where standard error is now: a logger that kept an old one would write into a closed file."""
    return structlog.PrintLogger(sys.stderr)


def _live(told: argparse.Namespace) -> int:
    scenario: Scenario = load(told.scenario).with_options(told.days, told.seed)
    if not told.speed > 0:
        raise ScenarioError([f"--speed: {told.speed:g}: must be above 0"])
    return run_live(scenario, LiveOptions(told.speed, told.data, view=told.view, port=told.port))


def _compare(told: argparse.Namespace) -> int:
    from sim_harness.compare import CompareOptions, compare, parse_policies

    _quiet(logging.ERROR)
    scenario = load(told.scenario).with_options(told.days, told.seed, told.step).sampled(told.sample)
    policies = parse_policies(told.policies)
    _must_be_writable("--json", told.json)
    if told.jobs < 1:
        raise ScenarioError([f"--jobs: {told.jobs}: must be 1 or more"])
    kept_in = told.json.with_name(told.json.name + ".runs")
    in_each = partial(_quiet, logging.ERROR)
    options = CompareOptions(policies, told.data, kept_in, told.jobs, _whole(told), in_each=in_each)
    console = Console(stderr=True)

    def tell(policy: str, was_there: bool) -> None:
        console.print(f"{policy}: {'kept from before' if was_there else 'done'}", highlight=False)

    found = compare(scenario, options, tell)
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL).print(compare_table(found))
    _write(told.json, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return 0


def _campaign(told: argparse.Namespace) -> int:
    from sim_harness.campaign_cli import campaign

    _quiet(logging.ERROR)
    return campaign(told, partial(_quiet, logging.ERROR))


def _whole(told: argparse.Namespace) -> bool:
    """A length of one's own is run whole, unless samples are asked for."""
    whole: bool = told.whole or (told.days is not None and told.sample is None)
    return whole


def _list(told: argparse.Namespace) -> int:
    Console().print(scenario_table([load(path) for path in list_scenarios()]))
    return 0


def _must_be_writable(option: str, path: Path | None) -> None:
    """A run of minutes must not end in an error that could have been seen at its start."""
    if path is not None and path.is_dir():
        raise ScenarioError([f"{option}: {path}: is a folder; name a file"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vpp-sim", description="The simulated park and grid: the other side of the wire.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="closed loop faster than real time, then the score")
    run.set_defaults(act=_run)
    _scenario_options(run, scenario_default=None)
    run.add_argument("--policy", choices=POLICIES, default="mpc", help="who controls (default: mpc)")
    run.add_argument("--effort", choices=EFFORTS, default="fast", help="how hard it plans (default: fast)")
    run.add_argument("--wire", choices=("local", "mqtt"), default="local", help="in process, or over a real broker")
    run.add_argument(
        "--judge-calls", action="store_true", help="judge calls of the grid as a service does, and plan at once for them"
    )
    run.add_argument("--json", type=Path, metavar="FILE", help="write every figure for machines")
    run.add_argument("--registers", type=Path, metavar="FILE.csv", help="write its quarter-hour registers, for `vpp statement`")
    run.add_argument("--report", type=Path, metavar="FILE.html", help="write the run as one page with plots")
    _sample_options(run)
    run.add_argument("--verbose", action="store_true", help="show the controller's warnings")
    live = commands.add_parser("live", help="the service against the simulated park: broker, controller, API, screen, world")
    live.set_defaults(act=_live)
    _scenario_options(live, scenario_default="first-month")
    live.add_argument("--speed", type=float, default=1.0, help="park seconds in a second; up to 10 at 1 s control")
    live.add_argument("--view", action="store_true", help="show the park on this terminal too")
    live.add_argument("--port", type=int, default=8080, help="of API and screen; 0 finds a free one (default: 8080)")
    against = commands.add_parser("compare", help="the policies side by side on the same world; can be stopped and resumed")
    against.set_defaults(act=_compare)
    _scenario_options(against, scenario_default=None)
    against.add_argument(
        "--policies",
        default=",".join(POLICIES),
        help=f"some of {', '.join(POLICIES)}, by commas (default: all); mpc:full is mpc with more effort",
    )
    against.add_argument(
        "--json", type=Path, metavar="FILE", required=True, help="write all runs; finished ones are kept beside it"
    )
    against.add_argument("--jobs", type=int, default=1, help="runs at a time, each in a process of its own (default: 1)")
    _sample_options(against)
    add_campaign_command(commands, _campaign)
    add_qualify_command(commands)
    listing = commands.add_parser("list", help="the scenarios and what they are for")
    listing.set_defaults(act=_list)
    return parser


def _sample_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--whole", action="store_true", help="all days of a scenario that is else run as sampled days")
    which.add_argument(
        "--sample",
        metavar="PARTSxLEVELS[xDAYS]",
        help="days that stand for the run, by wind and sun: 2x3 are six, 1x3x7 three chains of seven",
    )
    parser.add_argument("--step", type=float, metavar="S", help="step of world and dispatch, instead of the scenario's own")


def _scenario_options(parser: argparse.ArgumentParser, scenario_default: str | None) -> None:
    extra: dict[str, Any] = {} if scenario_default is None else {"nargs": "?", "default": scenario_default}
    parser.add_argument("scenario", help="name or file of a scenario", **extra)
    parser.add_argument("--days", type=float, help="length, instead of the scenario's own")
    parser.add_argument("--seed", type=int, help="luck, instead of the scenario's own")
    parser.add_argument(
        "--data", type=Path, default=default_data_dir(), metavar="DIR", help="measured series (default: ../shared/data if there)"
    )


if __name__ == "__main__":
    sys.exit(main())
