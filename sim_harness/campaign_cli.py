"""`vpp-sim campaign`: many calls of the grid in one world, and how well the park's word was kept."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from controllers.flexibility.correction import Correction, correction_file_of, load_correction, write_correction
from sim_harness.campaign import CampaignOptions, run_campaign
from sim_harness.scenario import load
from vpp.errors import ScenarioError

__all__ = ["campaign"]

_WIDTH_WITHOUT_TERMINAL: Final = 150
#: More calls are a table that nobody reads.
_MOST_ROWS: Final = 60


def campaign(told: argparse.Namespace, in_each: Callable[[], None]) -> int:
    """Runs the command.

    Args:
        told: Its words.
        in_each: Called first in each process of its own.
    """
    scenario = load(told.scenario).with_options(step_s=told.step)
    for option, path in (("--json", told.json), ("--learn", told.learn)):
        if path is not None and path.is_dir():
            raise ScenarioError([f"{option}: {path}: is a folder; name a file"])
    taught = Correction()
    if told.learn is None and not told.uncorrected:
        taught = load_correction(told.correction or correction_file_of(scenario.park_path))
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("reading", total=1.0)
        options = CampaignOptions(
            events=told.events,
            seed=told.seed,
            taught=taught,
            data_dir=told.data,
            faults=not told.no_faults,
            learn_only=told.learn is not None,
            parts=told.parts,
            jobs=told.jobs,
            in_each=in_each,
            confidence=told.confidence,
            progress=lambda done, what: bar.update(task, completed=done, description=what),
        )
        found = run_campaign(scenario, options)
    if told.learn is not None:
        command = f"vpp-sim campaign --scenario {scenario.name} --events {told.events} --parts {told.parts} --seed {told.seed}"
        words = f"{len(found.replays)} offers of `{command}`, {found.facts['days']:g} days"
        write_correction(told.learn, found.correction(words))
    paper = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
    paper.print(_table(found.facts))
    if found.facts["per_event"]:
        paper.print(_calls(found.facts))
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(found.facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _table(facts: dict[str, Any]) -> Table:
    title = f"Campaign: {facts['scenario']}, seed {facts['seed']}, calls at {100.0 * facts['confidence']:g} %"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("figure")
    table.add_column("value")
    rows = {
        "calls": f"{facts['events']}: {facts['accepted']} whole, {facts['accepted_in_part']} in part, {facts['refused']} refused",
        "accepted energy": f"{_percent(facts['accepted_energy_frac'])} of what perfect foresight could deliver",
        "met": f"{_percent(facts['met_frac'])} of {facts['met_of']}{_between(facts['met_interval'])}",
        "asked nothing of the twin": str(facts["asked_nothing"]),
        "energy delivered": _percent(facts["energy_delivered_frac"]),
        "response, p95": "" if facts["response_s_p95"] is None else f"{facts['response_s_p95']:g} s",
        "offers kept": ", ".join(f"{name} {_percent(share)}" for name, share in facts["offer_calibration"].items())
        + f" of {facts['offers_checked']}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _calls(facts: dict[str, Any]) -> Table:
    """One row a call; of many only those that were not met."""
    many = facts["events"] > _MOST_ROWS
    table = Table(title="Calls that were not met" if many else "Calls", title_justify="left", box=None)
    for name in ("call", "kind", "start UTC", "h", "notice h", "asked MW", "accepted", "perfect", "delivered", "after s", ""):
        table.add_column(name, justify="left" if name in ("call", "kind", "start UTC", "") else "right")
    for call in facts["per_event"]:
        done = call.get("delivery", {})
        if many and done.get("is_met") is not False:
            continue
        end = {True: "[green]met[/]", False: "[red]missed[/]", None: "asked nothing" if done else call.get("outcome", "unjudged")}
        table.add_row(
            call["id"],
            call["kind"],
            f"{call['start']:.16}",
            f"{call['duration_h']:g}",
            f"{call['notice_h']:.1f}",
            *(f"{call[key]:.1f}" if key in call else "" for key in ("asked_mw", "accepted_mw", "perfect_mw")),
            "" if done.get("frac") is None else f"{100.0 * done['frac']:.1f} %",
            "" if done.get("response_s") is None else f"{done['response_s']:g}",
            end[done.get("is_met")],
        )
    return table


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f", 95 % interval {100.0 * interval[0]:.1f} to {100.0 * interval[1]:.1f} %"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100.0 * share:.1f} %"
