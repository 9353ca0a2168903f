"""The statement as one HTML file that needs no network and prints well."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

import numpy as np

from controllers.statements.build import Statement
from controllers.statements.charts import cost_chart, green_chart, import_chart, supply_chart
from controllers.statements.duties import ratio_section
from controllers.statements.notes import gap_section, method_section
from controllers.statements.tables import area_table, bill_table, consumer_table, cost_table, farm_table, store_table
from controllers.statements.words import CNY_PER_WAN

__all__ = ["STYLE", "statement_html"]

#: Dress of every page that is printed.
STYLE: Final = """
:root { --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --accent: #00695c; --bad: #b3400a; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f4f6f8; line-height: 1.45; font-size: 15px;
  font-family: system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 48px; }
header { border-left: 6px solid var(--accent); padding-left: 16px; }
h1 { font-size: 1.65rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.08rem; margin: 0 0 10px; } h3 { font-size: .95rem; margin: 18px 0 6px; color: var(--soft); }
header .badge { white-space: normal; }
header p, .note { color: var(--soft); margin: 4px 0 0; font-size: .88rem; }
.badge { display: inline-block; white-space: nowrap; border-radius: 99px; padding: 1px 10px; font-size: .8rem; font-weight: 600; }
.kept { background: #e0f2ec; color: #00563f; } .missed { background: #fde7dc; color: #9a3306; }
.open { background: #eef1f4; color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 22px 0; }
.tile, section { background: white; border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 1.4rem; line-height: 1.25; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile b small { font-size: .8rem; font-weight: 500; color: var(--soft); }
.tile span { color: var(--soft); font-size: .8rem; }
section { margin: 16px 0; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 16px; margin: 16px 0; }
.pair section { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th { color: var(--ink); font-weight: 600; vertical-align: bottom; font-size: .82rem; }
th small { font-weight: 400; }
td, th { padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.sum td { font-weight: 700; border-top: 2px solid var(--ink); border-bottom: 0; }
tr.group td { color: var(--soft); font-size: .8rem; font-weight: 600; padding-top: 12px; border-bottom-color: var(--soft); }
td:first-child { min-width: 150px; } td small.kept, td small.missed { background: none; }
td small.band { white-space: nowrap; }
td small, th small { color: var(--soft); display: block; font-size: .76rem; }
.mix { display: flex; height: 12px; width: 150px; border-radius: 3px; overflow: hidden; background: #eef1f4; }
.mix i { display: block; height: 100%; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0 0; color: var(--soft); font-size: .82rem; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; vertical-align: -1px;
  border: 1px solid rgba(0,0,0,.08); }
svg { width: 100%; min-width: 640px; height: auto; display: block; font-family: inherit; }
svg.bullet { min-width: 0; width: 240px; }
ul.note { padding-left: 18px; } ul.note li { margin: 3px 0; }
@media (max-width: 640px) { main { padding: 16px 10px; } td, th { padding: 4px 5px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .tile { padding: 10px; } .tile b { font-size: 1.15rem; } }
@media print { body { background: white; font-size: 12px; } main { max-width: none; padding: 0; }
  section, .tile { break-inside: avoid; border-color: #ccc; } section.long { break-inside: auto; } }
"""


def statement_html(statement: Statement) -> str:
    """The whole statement."""
    park = statement.park
    word, zh = {"month": ("Monthly statement", "月度结算单"), "day": ("Daily statement", "日结算单")}.get(
        statement.span.kind, ("Statement", "结算单")
    )
    title = f"{zh} {word} · {statement.span.label}"
    body = "\n".join(_body(statement))
    return (
        "<!doctype html><html lang='zh'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{escape(title)}</h1><p>{escape(park.site.name_zh)} · {escape(park.name)} ({escape(park.id)})</p>"
        f"<p>{_covered(statement)}</p></header>{body}</main></body></html>\n"
    )


def _body(statement: Statement) -> Iterator[str]:
    yield f'<div class="tiles">{"".join(_tiles(statement))}</div>'
    yield _section("Supply by origin 供电来源", supply_chart(statement))
    cost = _section("Cost of the park by item 园区用电成本构成", cost_table(statement))
    yield f'<div class="pair">{_bills(statement)}{cost}</div>'
    for connection in statement.accounts.bills:
        name = statement.park.connection(connection)
        yield _section(f"Import and peak 下网功率与最大需量 · {name.name_zh} {name.name}", import_chart(statement, connection))
    if statement.span.kind != "day" and len(statement.days.days) > 1:
        yield _section("Cost by day 每日成本", cost_chart(statement))
    yield _section("Consumers 用户结算", consumer_table(statement), long=True)
    yield _section("Matched green share, hour by hour 逐时绿电匹配率", green_chart(statement))
    yield _section("Green ratios, year to date and year's end 绿电指标：年内累计与年末预测", ratio_section(statement), long=True)
    yield _section("Areas 供电区平衡", area_table(statement))
    farms, stores = _section("Farms 新能源场站", farm_table(statement)), _section("Stores 储能", store_table(statement))
    yield f'<div class="pair">{farms}{stores}</div>'
    yield _section("Gaps in the registers 计量缺口", gap_section(statement))
    yield _section("How this is counted 计量与结算规则", method_section(statement), long=True)


def _bills(statement: Statement) -> str:
    return "".join(
        _section(f"Grid bill 电网结算 · {statement.park.connection(c).name_zh}", bill_table(statement, c))
        for c in statement.accounts.bills
    )


def _section(title: str, content: str, *, long: bool = False) -> str:
    return f"<section{' class=long' if long else ''}><h2>{escape(title)}</h2>{content}</section>"


def _covered(statement: Statement) -> str:
    grid, zone = statement.accounts.grid, statement.park.zone
    start, end = grid.start.astimezone(zone), grid.end.astimezone(zone)
    text = f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} park time 园区时间"
    if statement.complete:
        return f'{text} <span class="badge kept">final 正式</span>'
    share = f"{100.0 * statement.covered_frac:.1f} %"
    return f'{text} <span class="badge missed">provisional 暂估, {share} of the span covered 已覆盖</span>'


def _utilisation(statement: Statement) -> str:
    """Generated of what wind and sun could have given, where both were measured."""
    registers = statement.accounts.registers
    both = np.isfinite(registers.available_mwh) & np.isfinite(registers.energy_mwh)
    could = float(registers.available_mwh[both].sum())
    return f"{-100.0 * float(registers.energy_mwh[both].sum()) / could:.1f}" if could > 0.0 else "–"


def _tiles(statement: Statement) -> Iterator[str]:
    totals = statement.totals
    loads = totals.loads()
    used, green = sum(one.energy_mwh for one in loads), sum(one.green_mwh for one in loads)
    cost = sum(totals.items_cny().values())
    certificates = sum(one.certificate_mwh for one in totals.parties) + totals.park_certificate_mwh
    emitted = sum(one.emission_t for one in totals.parties)
    tiles = (
        ("used 用电量", f"{used:,.0f}", "MWh"),
        ("matched green 绿电占比", f"{100.0 * green / used:.1f}" if used else "–", "%"),
        ("imported 下网电量", f"{sum(peak.import_mwh for peak in totals.peaks):,.0f}", "MWh"),
        ("exported 上网电量", f"{sum(peak.export_mwh for peak in totals.peaks):,.0f}", "MWh"),
        ("peak 最大需量", f"{max((peak.peak_mw for peak in totals.peaks), default=0.0):,.1f}", "MW"),
        ("cost 总成本", f"{cost / CNY_PER_WAN:,.1f}", "万元"),
        ("mean price 度电成本", f"{cost / used:,.1f}" if used else "–", "CNY/MWh"),
        ("CO₂ 碳排放", f"{emitted:,.0f}", "t"),
        ("certificates needed 应购绿证", f"{certificates:,.0f}", "MWh"),
        ("utilisation 新能源利用率", _utilisation(statement), "%"),
    )
    for what, value, unit in tiles:
        yield f'<div class="tile"><b>{value} <small>{unit}</small></b><span>{what}</span></div>'
