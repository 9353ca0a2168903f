"""Figures for people: a table before any JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from sim_harness.scenario import Scenario

__all__ = ["compare_table", "figures_of", "scenario_table", "score_table"]

_SMALL_CNY = 0.5


def scenario_table(scenarios: Sequence[Scenario]) -> RenderableType:
    """What can be run, and what it is for."""
    table = Table(box=box.SIMPLE, title="Scenarios 场景")
    for column in ("name", "days", "weather", "purpose"):
        table.add_column(column, justify="right" if column == "days" else "left")
    for scenario in scenarios:
        table.add_row(scenario.name, f"{scenario.days:g}", scenario.weather, scenario.purpose)
    return table


def score_table(facts: Mapping[str, Any]) -> RenderableType:
    """The score of one run: what was reached, then the bill, then how it was made."""
    figures = Table(
        box=box.SIMPLE, title=f"{facts['scenario']} · policy {facts['policy']} · seed {facts['seed']}", show_header=False
    )
    figures.add_column("what")
    figures.add_column("value", justify="right")
    figures.add_column("unit")
    for what, value, unit in figures_of(facts):
        if value is not None:
            figures.add_row(what, value, unit)
    bill = Table(box=box.SIMPLE, title="Comparable cost 可比成本", show_footer=True)
    bill.add_column("item", footer="total")
    bill.add_column("CNY", justify="right", footer=f"{facts['cost_cny']:,.0f}")
    for item, cny in facts["cost_items"].items():
        if abs(cny) >= _SMALL_CNY:
            bill.add_row(item.replace("_", " "), f"{cny:,.0f}")
    return Group(figures, bill, f"[dim]weather: {facts['data']}[/]")


def compare_table(found: Mapping[str, Any]) -> RenderableType:
    """Policies as rows: what each costs, which share of the gaps it closes, and what beside cost must not be forgotten."""
    title = f"{found['scenario']} · {found['days']:g} days · seed {found['seed']}"
    table = Table(box=box.SIMPLE, title=title)
    gaps = list(dict.fromkeys((gap["from"], gap["to"]) for gap in found["gap_closed"]))
    shares = {(gap["from"], gap["to"], gap["policy"]): _share(gap) for gap in found["gap_closed"]}
    for column in (
        "policy",
        "cost CNY",
        "gross CNY",
        *(f"{a} → {b}" for a, b in gaps),
        "green",
        "used",
        "limit s",
        "missed",
        "wall s",
    ):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for run in found["runs"]:
        policy = run["policy"]
        table.add_row(
            policy,
            f"{run['cost_cny']:,.0f}",
            f"{run['gross_cost_cny']:,.0f}",
            *(shares[(a, b, policy)] for a, b in gaps),
            _percent(run["green_share_frac"]["total"]),
            _percent(run["renewable_utilisation_frac"]),
            f"{run['limit_violation_s']:,.0f}",
            _number(run["compute"]["deadline_misses"], 0) or "",
            f"{run['wall_s'] or 0.0:,.0f}",
        )
    bounds = [run["lp_bound_cny"] for run in found["runs"] if run.get("lp_bound_cny") is not None]
    notes = [f"[dim]the model's own bound: {bounds[0]:,.0f} CNY[/]"] if bounds else []
    return Group(table, *notes, f"[dim]weather: {found['runs'][0]['data']}[/]")


def _share(gap: Mapping[str, Any]) -> str:
    """The share of a gap, and the interval over days where there are days."""
    interval = gap.get("interval_frac")
    over_days = "" if interval is None else f" ({100.0 * interval[0]:.0f} to {100.0 * interval[1]:.0f})"
    return (_percent(gap["frac"]) or "") + over_days


def figures_of(facts: Mapping[str, Any]) -> list[tuple[str, str | None, str]]:
    """What is shown of a score, in this order: word, value as text (None: not known), unit or remark."""
    compute = facts["compute"]
    rows = [
        ("comparable cost 可比成本", _number(facts["cost_cny"], 0), "CNY"),
        ("gross cost", _number(facts["gross_cost_cny"], 0), "CNY"),
        ("green share 绿电占比", _percent(facts["green_share_frac"]["total"]), "15-min matched"),
    ]
    rows += [(f"  {area}", _percent(v), "") for area, v in facts["green_share_frac"].items() if area != "total"]
    rows += [
        ("renewable utilisation 新能源利用率", _percent(facts["renewable_utilisation_frac"]), ""),
        ("curtailed 弃电", _number(facts["curtailed_mwh"], 1), "MWh"),
        ("import / export", f"{facts['import_mwh']:,.0f} / {facts['export_mwh']:,.0f}", "MWh"),
        ("hydrogen 制氢", _number(facts["hydrogen_t"], 1), "t"),
        ("ammonia 合成氨", _number(facts["ammonia_t"], 0), "t"),
        ("heats done / late 炉次", _pair(facts["heats_done"], facts["heats_late"]), ""),
        ("computing energy 算力用电", _number(compute["energy_mwh"], 0), "MWh"),
        ("  work done by its deadline", _percent(compute["work_done_frac"]), ""),
        ("  green share of computing", _percent(compute["green_share_frac"]), ""),
        ("  shifted 转移", _number(compute["shifted_mwh"], 1), "MWh"),
        ("battery cycles 储能循环", _number(facts["battery_cycles"], 2), ""),
        ("electrolyser starts 电解槽启动", _number(facts["electrolyser_starts"], 0), ""),
        ("limit violated / unsafe", f"{facts['limit_violation_s']:,.0f} / {facts['unsafe_s']:,.0f}", "s"),
        ("commands", _number(facts["commands"], 0), ""),
    ]
    forecast = facts["forecast"] or {}
    rows += [(name.replace("_", " "), None if v is None else f"{v:.4f}", "of capacity") for name, v in forecast.items()]
    rows.append(("simulated / wall 用时", f"{facts['simulated_s']:,.0f} / {facts['wall_s'] or 0.0:,.1f}", "s"))
    return rows


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100.0 * value:.1f} %"


def _pair(first: float | None, second: float | None) -> str | None:
    return None if first is None or second is None else f"{first:.0f} / {second:.0f}"
