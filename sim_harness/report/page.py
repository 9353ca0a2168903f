"""The page around the plots: tiles with what matters most, the whole score, the bill, and what was made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sim_harness.report.charts import Span, area_chart, cost_chart, plan_chart, store_chart, tank_chart, work_chart
from sim_harness.tables import figures_of
from sim_harness.truth import Truth
from vpp.units import FloatArray

__all__ = ["Shown", "report_html"]

_STYLE: Final = """
:root { --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f5f7fa; line-height: 1.45;
  font-family: system-ui, "Noto Sans", "Noto Sans CJK SC", "WenQuanYi Zen Hei", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 8px; }
header p, .note { color: var(--soft); margin: 4px 0 0; font-size: .9rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 20px 0; }
.tile, section { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .82rem; }
section { margin: 16px 0; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 16px; }
.pair section { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { padding: 3px 8px; border-bottom: 1px solid var(--line); text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.indent { padding-left: 24px; color: var(--soft); }
@media print { body { background: white; } section, .tile { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a report shows.

    Args:
        truth: The run.
        facts: As `--json` writes them.
        purpose: The scenario's own line.
        planned_mw: What the plan in force had for each asset, shape (A, T), NaN where there was none.
        spans: Events to shade: start and end in park time, and a word.
    """

    truth: Truth
    facts: Mapping[str, Any]
    purpose: str
    planned_mw: FloatArray
    spans: Sequence[Span] = ()


def report_html(shown: Shown) -> str:
    """The whole report as one file that needs no network."""
    facts = shown.facts
    title = f"{facts['scenario']} · policy {facts['policy']} · seed {facts['seed']}"
    body = "\n".join(
        (
            f"<header><h1>{escape(title)}</h1><p>{escape(shown.purpose)}</p><p>{escape(_when(shown.truth))}</p></header>",
            f'<div class="tiles">{"".join(_tiles(facts))}</div>',
            *_plots(shown),
            f'<div class="pair">{_score(facts)}{_events(facts)}</div>',
            "<section><h2>What is measured and what is made up 数据来源</h2><ul class='note'>"
            + "".join(f"<li>{escape(fact)}</li>" for fact in str(facts["data"]).split("; "))
            + "</ul></section>",
        )
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _when(truth: Truth) -> str:
    start, end = (at.astimezone(truth.park.zone) for at in (truth.grid.start, truth.grid.end))
    return f"{truth.park.name} {truth.park.site.name_zh} · {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} park time"


def _tiles(facts: Mapping[str, Any]) -> Iterator[str]:
    compute = facts["compute"]
    tiles = (
        ("comparable cost 可比成本", f"{facts['cost_cny'] / 1e6:,.3f} MCNY"),
        ("green share 绿电占比", _percent(facts["green_share_frac"]["total"])),
        ("utilisation 新能源利用率", _percent(facts["renewable_utilisation_frac"])),
        ("ammonia 合成氨", "–" if facts["ammonia_t"] is None else f"{facts['ammonia_t']:,.0f} t"),
        ("computing work done 算力完成", _percent(compute["work_done_frac"])),
        ("unsafe / limit broken 越限", f"{facts['unsafe_s']:,.0f} / {facts['limit_violation_s']:,.0f} s"),
    )
    for what, value in tiles:
        yield f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>'


def _plots(shown: Shown) -> Iterator[str]:
    truth = shown.truth
    names = {area.id: f"{area.name} {area.name_zh}" for area in truth.park.areas}
    for area in truth.areas:
        yield _section(f"Supply and demand 供需 · {names.get(area, area)}", area_chart(truth, area, shown.spans))
    plan = plan_chart(truth, shown.planned_mw, shown.spans)
    if plan is not None:
        yield _section("Plan (dotted) against actual 计划与实际, MW at the meter", plan)
    more = (
        ("Stores 储能, MWh", store_chart(truth)),
        ("Hydrogen in the tanks 储氢, t", tank_chart(truth)),
        ("Heats and computing work 炉次与算力任务", work_chart(truth)),
    )
    yield from (_section(title, figure) for title, figure in more if figure is not None)
    yield _section("Comparable cost by item 成本构成", cost_chart(shown.facts["cost_items"]))


def _section(title: str, figure: go.Figure) -> str:
    plot = figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
    return f"<section><h2>{escape(title)}</h2>{plot}</section>"


def _score(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td{' class=indent' if what.startswith(' ') else ''}>{escape(what.strip())}</td>"
        f"<td class='n'>{escape(value)}</td><td>{escape(unit)}</td></tr>"
        for what, value, unit in figures_of(facts)
        if value is not None
    )
    return f"<section><h2>Score 评分</h2><table>{rows}</table></section>"


def _events(facts: Mapping[str, Any]) -> str:
    events = facts["peak_events"]
    if not events:
        return "<section><h2>Grid events 电网事件</h2><p class='note'>None in this run.</p></section>"
    head = "".join(f"<th class='n'>{escape(str(event['id']))}</th>" for event in events)
    rows = "".join(
        f"<tr><td>{escape(key.replace('_', ' '))}</td>"
        + "".join(f"<td class='n'>{escape(_cell(event[key]))}</td>" for event in events)
        + "</tr>"
        for key in events[0]
        if key != "id"
    )
    return f"<section><h2>Grid events 电网事件</h2><table><tr><th></th>{head}</tr>{rows}</table></section>"


def _cell(value: object) -> str:
    return f"{value:,.3g}" if isinstance(value, float) else "–" if value is None else str(value)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100.0 * value:.1f} %"
