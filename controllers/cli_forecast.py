"""`vpp forecast`: train, predict, report, back-test. Each command registers itself here and lives in a file of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpp.errors import VppError

__all__ = ["BAD_INPUT", "Words", "add_forecast_command", "default_data_dir", "forecast", "write_facts"]

BAD_INPUT: Final = 2
_TO_SCREEN: Final = "-"


def default_data_dir() -> Path:
    """`../shared/data` beside the checkout."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Words:
    """One command below `vpp forecast` or `vpp forecast backtest`.

    Args:
        about: One line for the help.
        add: Adds its words to a parser.
        run: Does it; returns the facts for `--json` and the table for a person.
    """

    about: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], tuple[Mapping[str, Any], str]]


def _commands() -> Mapping[str, Words]:
    """What stands below `vpp forecast`."""
    from controllers import cli_forecast_park, cli_forecast_report

    return {"train": cli_forecast_park.TRAIN, "predict": cli_forecast_park.PREDICT, "report": cli_forecast_report.WORDS}


def _backtests() -> Mapping[str, Words]:
    """What stands below `vpp forecast backtest`."""
    from controllers import cli_forecast_load, cli_forecast_price, cli_forecast_pv, cli_forecast_wind

    return {
        "pv": cli_forecast_pv.WORDS,
        "load": cli_forecast_load.WORDS,
        "price": cli_forecast_price.WORDS,
        "gefcom-wind": cli_forecast_wind.WORDS,
    }


def add_forecast_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `vpp forecast` and all below it."""
    parser = commands.add_parser("forecast", help="train forecasters, predict, report, back-test on public data")
    below = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in _commands().items():
        _add(below, name, words)
    backtest = below.add_parser("backtest", help="score on public data beside the rivals")
    subjects = backtest.add_subparsers(dest="subject", required=True, metavar="SUBJECT")
    for name, words in _backtests().items():
        _add(subjects, name, words)


def forecast(told: argparse.Namespace) -> int:
    """Runs the command.

    Args:
        told: The words of `add_forecast_command`.

    Returns:
        Exit status: 0, or 2 on bad input with one line that says what and where.
    """
    words = _backtests()[told.subject] if told.action == "backtest" else _commands()[told.action]
    try:
        facts, table = words.run(told)
        write_facts(facts, told.json)
    except (VppError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    if told.json != _TO_SCREEN:
        sys.stdout.write(f"{table}\n")
    return 0


def write_facts(facts: Mapping[str, Any], where: str | None) -> None:
    """The facts as JSON into a file, onto the screen for `-`, nowhere for None."""
    if where is None:
        return
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    if where == _TO_SCREEN:
        sys.stdout.write(text)
        return
    path = Path(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _add(below: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: Words) -> None:
    parser = below.add_parser(name, help=words.about)
    words.add(parser)
    parser.add_argument("--json", nargs="?", const=_TO_SCREEN, metavar="FILE", help="for machines, into a file or to the screen")
