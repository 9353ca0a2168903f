"""`vpp-sim qualify`: the qualification test of a virtual power plant on the simulated park."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from controllers.cli_certificate import show_certificate, write_certificate
from controllers.proof.qualification import read_qualification
from sim_harness.run import POLICIES, RunOptions
from sim_harness.scenario import SEEDS, load
from sim_harness.weather.source import default_data_dir
from vpp.ids import ConnectionId

__all__ = ["add_qualify_command"]

_TEST: Final = SEEDS / "qualification" / "china.yaml"
_NOT_PASSED: Final = 1


def add_qualify_command(commands: Any) -> None:
    """Adds it to `vpp-sim`."""
    parser = commands.add_parser("qualify", help="the qualification test of a virtual power plant 能力测试, with its certificate")
    parser.set_defaults(act=_qualify)
    parser.add_argument(
        "scenario",
        nargs="?",
        default="calm-week",
        help="name or file of a scenario, whose calls are left out (default: calm-week)",
    )
    parser.add_argument(
        "--test", type=Path, default=_TEST, metavar="FILE", help="thresholds and steps (default: seeds/qualification)"
    )
    parser.add_argument("--connection", help="whose import is called; the largest one to the grid without it")
    parser.add_argument("--up-mw", type=float, default=90.0, help="less import that the park declares [MW] (default: 90)")
    parser.add_argument("--down-mw", type=float, default=90.0, help="more import [MW] (default: 90)")
    parser.add_argument("--begin", type=float, default=8.0, metavar="H", help="hour of the day at which it begins (default: 8)")
    parser.add_argument(
        "--policy", choices=[p for p in POLICIES if p != "none"], default="mpc", help="who controls (default: mpc)"
    )
    parser.add_argument("--seed", type=int, help="luck, instead of the scenario's own")
    parser.add_argument("--step", type=float, metavar="S", help="step of world and dispatch, instead of the scenario's own")
    parser.add_argument("--data", type=Path, default=default_data_dir(), metavar="DIR", help="measured series")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the certificate for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="the certificate as one page")


def _qualify(told: argparse.Namespace) -> int:
    """0 if the park passed, 1 if it did not."""
    # Plots and statistics take a second to import.
    from sim_harness.qualify import QualifyOptions, qualify

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    test = read_qualification(told.test)
    scenario = load(told.scenario).with_options(None, told.seed, told.step)
    how = QualifyOptions(
        connection=None if told.connection is None else ConnectionId(told.connection),
        up_mw=told.up_mw,
        down_mw=told.down_mw,
        begin_h=told.begin,
    )
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, disable=not console.is_terminal
    )
    with bar:
        task = bar.add_task(f"{test.name}, {told.policy}", total=1.0)
        options = RunOptions(told.policy, told.data, progress=lambda done: bar.update(task, completed=done))
        found = qualify(scenario, test, how, options)
    write_certificate(found, told.json, told.html)
    show_certificate(Console(), found)
    return 0 if found.passed else _NOT_PASSED
