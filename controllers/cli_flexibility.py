"""`vpp flexibility`: what the park can promise the grid, of the running service, or of a park file and a state."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from controllers.cli_service import AskError, Service
from controllers.settings import client_settings
from vpp.errors import PlanError, VppError

__all__ = ["add_flexibility_command", "flexibility"]

_BAD_INPUT: Final = 2
_WIDTH_WITHOUT_TERMINAL: Final = 160
_TO_SCREEN: Final = "-"
_MOST_COURSES: Final = 200


def add_flexibility_command(commands: Any) -> None:
    """Adds `vpp flexibility` and its words."""
    about = "what can be promised to the grid: how much, how long, how surely, at what cost"
    parser = commands.add_parser("flexibility", help=about)
    parser.add_argument("--url", help="where the service is; VPP_API_URL without it, else this machine")
    parser.add_argument("--token", help="key or token; VPP_TOKEN without it")
    parser.add_argument("--connection", help="only of this connection")
    parser.add_argument("--park", help="make an offer of this park file or folder instead of asking a service")
    parser.add_argument("--at", help="with --park: when, as in 2030-10-01T08:00; park time unless it says another zone")
    parser.add_argument("--state", type=Path, metavar="FILE", help="with --park: JSON as for `vpp plan`")
    parser.add_argument("--courses", type=_courses, default=20, metavar="S", help="with --park: courses of wind and sun")
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="with --park: measured series")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it too")
    parser.add_argument("--json", nargs="?", const=_TO_SCREEN, metavar="FILE", help="for machines, into a file or to the screen")


def flexibility(told: argparse.Namespace) -> int:
    """Runs the command; the exit status is 0 only if there is an offer."""
    try:
        return _of_park(told) if told.park is not None else _of_service(told)
    except AskError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT


def _of_service(told: argparse.Namespace) -> int:
    if told.at is not None or told.state is not None:
        raise PlanError("--at and --state: say with --park whose they are; a service offers from now on")
    service = Service(client_settings(told.url, told.token))
    found = service.ask("GET", "/v1/flexibility" + (f"?connection={told.connection}" if told.connection else ""))
    _write(told, found)
    if found["promise"] is None:
        if told.json != _TO_SCREEN:
            _show_bound(found)
        sys.stderr.write(
            "vpp flexibility: the service promises nothing yet (no plan over enough hours); the bound is no promise\n"
        )
        return 1
    from controllers.flexibility.table import OfferTable

    _show(told, _decoded(found["promise"], OfferTable), service.zone(), found["age_s"])
    return 0


def _of_park(told: argparse.Namespace) -> int:
    # A solver is loaded only by whoever plans.
    from rich.console import Console

    from controllers.cli_plan import default_data_dir, instant_and_park
    from controllers.flexibility.correction import correction_file_of, load_correction
    from controllers.flexibility.offer import Plan, table_of
    from controllers.planner.assemble import assemble
    from controllers.planner.horizon import planning_grid
    from controllers.planner.outlook import Outlook
    from controllers.planner.situation import read_situation
    from controllers.planner.stochastic.weather import available_scenarios

    at, park = instant_and_park(told)
    if told.connection is not None and told.connection not in {c.id for c in park.connections if c.is_grid}:
        raise PlanError(f"--connection: {told.connection}: no connection of {park.id} to the grid")
    situation = read_situation(park, at, told.state)
    outlook = Outlook.from_data(told.data or default_data_dir())
    forecast = outlook.forecast(park, planning_grid(at), situation.available_mw)
    problem = assemble(park, situation.snapshot, forecast, situation.month_peak_mw, asks=situation.asks)
    available = available_scenarios(park, forecast, told.courses) if forecast.asset_ids else {}
    plan = Plan.of(problem, available, tuple(event.event_id for event in situation.asks.events))
    errors = Console(stderr=True)
    with errors.status("solving courses", spinner="dots") if errors.is_terminal else nullcontext():
        table = table_of(plan, load_correction(correction_file_of(Path(told.park))))
    from msgspec import to_builtins

    shown = table.only(told.connection)
    _write(told, to_builtins(shown))
    _show(told, shown, park.zone, None)
    return 0


def _show(told: argparse.Namespace, table: Any, zone: ZoneInfo, age_s: float | None) -> None:
    from rich.console import Console

    from controllers.flexibility.show import draw_offer, show_offer

    if told.plot is not None:
        draw_offer(table, zone, told.plot)
    if told.json != _TO_SCREEN:
        show_offer(Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False), table, zone, age_s)


def _show_bound(found: dict[str, Any]) -> None:
    sys.stdout.write(f"{found['basis']}\n")
    for row in found["connections"]:
        for one in row["horizons"]:
            sys.stdout.write(
                f"{row['connection']}  {one['duration_h']:g} h  give {one['give_mw']:,.1f} MW  take {one['take_mw']:,.1f} MW\n"
            )


def _decoded(said: Any, kind: Any) -> Any:
    import msgspec

    return msgspec.convert(said, kind)


def _write(told: argparse.Namespace, facts: Any) -> None:
    if told.json is None:
        return
    text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    if told.json == _TO_SCREEN:
        sys.stdout.write(text)
        return
    try:
        Path(told.json).parent.mkdir(parents=True, exist_ok=True)
        Path(told.json).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlanError(f"--json: {told.json}: cannot be written: {error.strerror}") from error


def _courses(text: str) -> int:
    number = int(text)
    if not 2 <= number <= _MOST_COURSES:
        raise argparse.ArgumentTypeError(f"{text}: write 2 to {_MOST_COURSES} courses")
    return number
