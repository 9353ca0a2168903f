"""A plan for people: what, when and why, as tables."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from controllers.planner.problem import Problem
from controllers.planner.publish import heats_of
from controllers.planner.result import Result
from vpp.units import FloatArray

__all__ = ["show_plan"]

#: Rows of the table: hours from now until which each reaches.
_SPANS_H: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 36.0, 48.0)
_GROUPS: Final = (
    ("wind+PV", ("wind", "solar")),
    ("thermal", ("thermal_unit",)),
    ("stores", ("battery", "compressed_air")),
    ("H2+NH3", ("electrolyser", "ammonia_loop")),
    ("compute", ("compute",)),
    ("metal", ("arc_furnace", "zinc_electrowinning", "copper_refining", "submerged_arc")),
    ("other load", ("base_load", "ev_charging", "flexible_load", "feeder")),
)
_TOLD: Final = 12


def show_plan(console: Console, problem: Problem, result: Result, quality: str) -> None:
    """Prints the plan.

    Args:
        console: Where.
        problem: What was asked.
        result: What was answered.
        quality: What the wind and sun of it stand on.
    """
    zone = problem.park.zone
    start = result.grid.start.astimezone(zone)
    console.print(f"[bold]{problem.park.name}[/bold], plan from {start:%Y-%m-%d %H:%M} park time, wind and sun: {quality}")
    console.print(
        f"{result.source}, {result.status}: {result.objective_cny:,.0f} CNY, no plan below {result.bound_cny:,.0f} CNY "
        f"(gap {result.gap_frac:.3%} of gross cost {result.gross_cny:,.0f} CNY); {result.emissions_t:,.0f} t CO2"
    )
    console.print(_powers(problem, result))
    console.print(_money(result))
    for title, lines in (
        ("Heats 炉次", _heats(problem, result)),
        ("Why 原因", _why(problem, result)),
        ("Not met 未满足", _unmet(result)),
    ):
        if lines:
            console.print(f"\n[bold]{title}[/bold]")
            for line in lines:
                console.print(f"  {line}", soft_wrap=True)


def _spans(result: Result) -> list[tuple[str, slice]]:
    end_h = result.grid.offset_h + result.grid.step_h
    marks = [0, *(int(np.searchsorted(end_h, span + 1e-9, side="right")) for span in _SPANS_H)]
    return [
        (f"+{_SPANS_H[k]:g} h", slice(first, last))
        for k, (first, last) in enumerate(zip(marks, marks[1:], strict=False))
        if last > first
    ]


def _powers(problem: Problem, result: Result) -> Table:
    table = Table(title="\nMean power, MW, positive when consuming 平均功率", title_justify="left", title_style="bold", box=None)
    table.add_column("until")
    rows: list[tuple[str, FloatArray]] = []
    for name, kinds in _GROUPS:
        ids = [a.id for kind in kinds for a in problem.park.assets_of(kind)]
        if ids:
            rows.append((name, np.sum([result.assets[i].power_mw for i in ids], axis=0)))
    rows += [(c.id, result.import_mw[c.id] - result.export_mw[c.id]) for c in problem.park.connections]
    for name, _ in rows:
        table.add_column(name, justify="right", overflow="fold")
    h = result.grid.step_h
    for label, part in _spans(result):
        table.add_row(label, *(f"{(row[part] * h[part]).sum() / h[part].sum():,.0f}" for _, row in rows))
    return table


def _money(result: Result) -> Table:
    table = Table(title="\nCost by item, CNY 成本", title_justify="left", title_style="bold", box=None)
    table.add_column("item")
    table.add_column("CNY", justify="right")
    for name, amount in sorted(result.cost_items_cny.items(), key=lambda one: -abs(one[1])):
        if abs(amount) >= 0.5:
            table.add_row(name, f"{amount:,.0f}")
    return table


def _heats(problem: Problem, result: Result) -> list[str]:
    lines: list[str] = []
    for asset in problem.park.assets_of("arc_furnace"):
        heats = heats_of(result, asset)
        firm = [str(heat["start"]) for heat in heats if heat["firm"]]
        times = ", ".join(_local(problem, at) for at in firm) or "none"
        lines.append(f"{asset.id}: {len(heats)} heats in all; starts in the next hours: {times}")
    return lines


def _local(problem: Problem, text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(problem.park.zone):%H:%M}"


def _why(problem: Problem, result: Result) -> list[str]:
    """The dearest limits, each with the span in which it binds."""
    found: dict[tuple[str, str, bool], list[tuple[int, float, str]]] = {}
    for one in result.binding:
        found.setdefault((one.where, one.what, one.at_most), []).append((one.step, one.worth_cny, one.words()))
    ranked = sorted(found.values(), key=lambda rows: -sum(worth for _, worth, _ in rows))[:_TOLD]
    lines: list[str] = []
    for rows in ranked:
        first, last = (result.grid.edges[t].astimezone(problem.park.zone) for t in (rows[0][0], rows[-1][0] + 1))
        _, _, words = max(rows, key=lambda row: row[1])
        lines.append(f"{first:%a %H:%M}-{last:%a %H:%M} ({len(rows)} intervals) {words}")
    return lines


def _unmet(result: Result) -> list[str]:
    return [f"{u.where}: {u.what} {u.amount:,.3f}: {u.reason}" for u in result.unmet]
