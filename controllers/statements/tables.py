"""The tables of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import numpy as np

from controllers.statements.build import Statement
from controllers.statements.svg import legend
from controllers.statements.words import ORIGINS, item_words
from vpp.accounts import AreaTotal, Origin, PartyTotal, invoice_lines
from vpp.accounts.bill import DEMAND
from vpp.ids import ConnectionId
from vpp.park.rating import rating

__all__ = ["area_table", "bill_table", "consumer_table", "cost_table", "farm_table", "store_table"]

_NOTHING: Final = 5e-4


def bill_table(statement: Statement, connection: ConnectionId) -> str:
    """What the grid charges on one connection, line by line."""
    lines, daily = invoice_lines(statement.accounts, connection), statement.span.kind == "day"
    rows = [
        (
            _words(line.item),
            number(line.amount, 1),
            line.unit,
            "" if line.price is None or not line.cost_cny or (daily and line.item == DEMAND) else number(line.price, 2),
            number(line.cost_cny, 2),
        )
        for line in lines
    ]
    total = ("Total 合计", "", "", "", number(sum(line.cost_cny for line in lines), 2))
    table = table_html(("项目|item", "数量|amount", "", "单价|price, CNY", "金额|cost, CNY"), rows, (1, 3, 4), total)
    if daily:
        return table + _note("The demand charge is what this day accrues of the month's. 需量电费按日计提。")
    if not statement.complete:
        return table + _note(
            "The demand charge is the whole month's, on the highest import so far. 需量电费按当前最大需量全额列示。"
        )
    return table


def cost_table(statement: Statement) -> str:
    """Everything that the park's power costs, inside and out."""
    items = statement.totals.items_cny()
    used = sum(one.energy_mwh for one in statement.totals.loads())
    rows = [
        (_words(name), number(cost, 2), number(cost / used, 2) if used else "")
        for name, cost in items.items()
        if abs(cost) > _NOTHING
    ]
    cost = sum(items.values())
    total = ("Total 合计", number(cost, 2), number(cost / used, 2) if used else "")
    table = table_html(("项目|item", "金额|cost, CNY", "度电|CNY per MWh used"), rows, (1, 2), total)
    return table + _note(
        "PPA is what the park pays its own farms, an internal price (assumption). PPA 为园区内部结算价（假设）。"
    )


def consumer_table(statement: Statement) -> str:
    """Each consumer: energy, origin, green share, certificates, carbon and cost; then what is nobody's load."""
    totals = statement.totals
    names = {area.id: f"{area.name_zh} {area.name}" for area in statement.park.areas}
    body: list[Sequence[str] | str] = []
    for area in totals.areas:
        mine = [one for one in totals.loads() if one.party.area == area.area]
        if mine:
            body.append(names[area.area])
            body += [_consumer(one) for one in mine]
    rest = [one for one in totals.parties if one.party.role in ("store", "export", "unmetered")]
    body.append("Stores net of what they gave, export, losses 储能净耗、上网与损耗")
    body += [_consumer(one) for one in rest if abs(one.energy_mwh) + abs(one.cost_cny) > _NOTHING]
    if totals.park_certificate_mwh > _NOTHING:
        whole = number(totals.park_certificate_mwh, 0)
        cost = number(totals.park_certificate_cny, 0)
        body.append(("Park's own target 园区总体目标", "", "", "", "", whole, "", cost, "", ""))
    everything = sum(totals.items_cny().values())
    used = sum(one.energy_mwh for one in totals.parties)
    emitted = sum(one.emission_t for one in totals.parties)
    total = ("Total supplied 供电合计", number(used, 1), "", "", "", "", number(emitted, 1), number(everything, 0), "", "")
    head = (
        *("用户|consumer", "电量|energy, MWh", "来源|origin", "绿电|green", "下网|from grid, MWh", "应购绿证|certificates, MWh"),
        *("碳排放|CO₂, t", "费用|cost, CNY", "均价|CNY/MWh", "计量|measured"),
    )
    key = legend([(f"{word} {zh}", colour) for word, zh, colour in ORIGINS.values()])
    return table_html(head, body, (1, 3, 4, 5, 6, 7, 8, 9), total) + key


def area_table(statement: Statement) -> str:
    """What each area got and what became of it."""
    names = {area.id: f"{area.name_zh}<small>{escape(area.name)}</small>" for area in statement.park.areas}
    shown = [origin for origin in Origin if any(area.supply_mwh[origin] > _NOTHING for area in statement.totals.areas)]
    head = ["供电区|area", *(f"{ORIGINS[o][1]}|{ORIGINS[o][0]}" for o in shown), "放电|discharge", "区间受入|from areas"]
    head += ["负荷|loads", "充电|charge", "区间送出|to areas", "上网|export", "损耗|losses", "绿电|green"]
    rows = [_area(area, names[area.area], shown) for area in statement.totals.areas]
    return table_html(head, rows, tuple(range(1, len(head)))) + _note(
        "MWh. Supply left, use right; both sides are equal. 单位 MWh，左供右用，两侧相等。"
    )


def farm_table(statement: Statement) -> str:
    """Generation, curtailment and use of each farm."""
    registers = statement.accounts.registers
    rows = []
    for row, asset_id in enumerate(registers.assets):
        asset = registers.park.asset(asset_id)
        if rating(asset).role in ("wind", "solar"):
            made, available = -registers.energy_mwh[row], registers.available_mwh[row]
            both = np.isfinite(made) & np.isfinite(available)
            could, did = float(available[both].sum()), float(made[both].sum())
            share = f"{100.0 * did / could:.1f} %" if could > 0.0 else "–"
            rows.append((_named(asset.name_zh, asset.name), number(float(np.nansum(made)), 0), number(could - did, 0), share))
    return table_html(("场站|farm", "发电|made, MWh", "弃电|curtailed, MWh", "利用率|used"), rows, (1, 2, 3))


def store_table(statement: Statement) -> str:
    """Charge, discharge and what was lost or kept."""
    registers, rows = statement.accounts.registers, []
    for row in np.flatnonzero(registers.stores()):
        asset, energy = registers.park.asset(registers.assets[row]), registers.energy_mwh[row]
        held = float(registers.after_mwh[row][-1] - registers.before_mwh[row][0])
        charged, given = float(np.nansum(np.maximum(energy, 0.0))), float(np.nansum(np.maximum(-energy, 0.0)))
        cells = (number(charged, 1), number(given, 1), number(held, 1), number(charged - given - held, 1))
        rows.append((_named(asset.name_zh, asset.name), *cells))
    head = ("储能|store", "充电|charged, MWh", "放电|given, MWh", "存量变化|more held", "损耗|lost, MWh")
    return table_html(head, rows, (1, 2, 3, 4))


def table_html(head: Sequence[str], rows: Iterable[Sequence[str] | str], right: Sequence[int], total: Sequence[str] = ()) -> str:
    """A table; a row that is one text heads a group. Cells are HTML already."""
    parts = [
        "<table><thead><tr>",
        *(f"<th{' class=n' if i in right else ''}>{_head(cell)}</th>" for i, cell in enumerate(head)),
        "</tr></thead>",
    ]
    for row in rows:
        if isinstance(row, str):
            parts.append(f'<tr class="group"><td colspan="{len(head)}">{escape(row)}</td></tr>')
        else:
            parts.append(_row(row, right, ""))
    if total:
        parts.append(_row(total, right, " class=sum"))
    return "".join((*parts, "</table>"))


def number(value: float, digits: int) -> str:
    """With thousands set apart; what rounds to nothing is 0 without a sign."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def _row(cells: Sequence[str], right: Sequence[int], kind: str) -> str:
    return f"<tr{kind}>" + "".join(f"<td{' class=n' if i in right else ''}>{cell}</td>" for i, cell in enumerate(cells)) + "</tr>"


def _head(text: str) -> str:
    """`中文|English` as two lines."""
    zh, bar, word = text.partition("|")
    return f"{escape(zh)}<small>{escape(word)}</small>" if bar else escape(text)


def _words(item: str) -> str:
    word, zh, _ = item_words(item)
    return _named(zh, word)


def _named(name_zh: str, name: str) -> str:
    return f"{escape(name_zh)}<small>{escape(name)}</small>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _consumer(one: PartyTotal) -> Sequence[str]:
    load = one.party.role in ("load", "own_use")
    green = "" if one.green_frac is None or not load else f"{100.0 * one.green_frac:.1f} %"
    if one.owed_frac and green:
        state = "kept" if one.certificate_mwh <= _NOTHING else "missed"
        green += f'<small class="{state}">of {100.0 * one.owed_frac:.0f} % owed 应达</small>'
    return (
        _named(one.party.name_zh, one.party.name),
        number(one.energy_mwh, 1),
        _mix(one) if one.energy_mwh > 0.0 and one.party.role != "store" else "",
        green,
        number(one.grid_mwh, 1) if load else "",
        number(one.certificate_mwh, 0) if one.owed_frac else "",
        number(one.emission_t, 1),
        number(one.cost_cny, 0),
        number(one.price_cny_per_mwh, 1) if load and one.price_cny_per_mwh is not None else "",
        "" if one.measured_frac is None else f"{100.0 * one.measured_frac:.1f} %",
    )


def _mix(one: PartyTotal) -> str:
    parts = []
    for origin, (word, zh, colour) in ORIGINS.items():
        share = max(one.origin_mwh[origin], 0.0) / one.energy_mwh
        if share > _NOTHING:
            title = f"{word} {zh} {share:.1%}"
            parts.append(f'<i style="width:{100.0 * share:.2f}%;background:{colour}" title="{escape(title)}"></i>')
    return f'<div class="mix">{"".join(parts)}</div>'


def _area(area: AreaTotal, name: str, shown: Sequence[Origin]) -> Sequence[str]:
    flows = (
        *(area.supply_mwh[origin] for origin in shown),
        sum(area.given_mwh.values()),
        area.taken_mwh,
        area.used_mwh,
        area.charged_mwh,
        area.handed_mwh,
        area.exported_mwh,
        area.unmetered_mwh,
    )
    share = "–" if area.green_frac is None else f"{100.0 * area.green_frac:.1f} %"
    return (name, *(number(flow, 0) for flow in flows), share)
