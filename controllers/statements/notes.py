"""What a reader must know: gaps in the meters, how everything was counted, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

import numpy as np

from controllers.statements.build import LEAD, Statement
from controllers.statements.tables import table_html
from vpp.accounts.registers import MIN_MEASURED_FRAC
from vpp.units import FloatArray

__all__ = ["gap_section", "method_section"]

_MOST_ROWS: Final = 40
_WHOLE_FRAC: Final = 0.9995


def gap_section(statement: Statement) -> str:
    """Meters that were not read all the time: how much, and the longest gap."""
    registers = statement.accounts.registers
    meters = [(a, registers.energy_mwh[i], registers.asset_measured_frac[i]) for i, a in enumerate(registers.assets)]
    meters += [(c, registers.import_mwh[i], registers.connection_measured_frac[i]) for i, c in enumerate(registers.connections)]  # type: ignore[misc]  # both are ids
    rows = []
    for name, energy, measured in meters:
        due = np.isfinite(measured)
        share = float(measured[due].mean()) if np.any(due) else 1.0
        if share < _WHOLE_FRAC:
            rows.append(
                (
                    share,
                    (
                        escape(name),
                        f"{100.0 * share:.2f} %",
                        f"{int(np.sum(np.isnan(energy) & due)):,}",
                        _longest(statement, energy),
                    ),
                )
            )
    if not rows:
        return '<p class="note">None: every meter told every quarter. 无缺口：全部电表完整。</p>'
    rows.sort(key=lambda row: row[0])
    head = ("表计|meter", "完整率|measured", "缺失时段|quarters missing", "最长缺口|longest gap")
    more = f'<p class="note">and {len(rows) - _MOST_ROWS} more 其余从略</p>' if len(rows) > _MOST_ROWS else ""
    note = (
        "A gap is no zero: its energy and cost are not in this statement and are billed when the meter's memory is read. What "
        "the other meters of the area show of it stands under losses or as of unknown origin. 缺口不按零计，补采后补算。"
    )
    return table_html(head, [row for _, row in rows[:_MOST_ROWS]], (1, 2)) + more + f'<p class="note">{escape(note)}</p>'


def _longest(statement: Statement, energy: FloatArray) -> str:
    missing = np.concatenate([[False], np.isnan(energy), [False]])
    edges = np.flatnonzero(np.diff(missing.astype(np.int64)))
    if not edges.size:
        return "–"
    spans = edges.reshape(-1, 2)
    first, last = spans[int(np.argmax(spans[:, 1] - spans[:, 0]))]
    start, end = (statement.accounts.grid.edges[t].astimezone(statement.park.zone) for t in (int(first), int(last)))
    return f"{start:%m-%d %H:%M} – {end:%m-%d %H:%M}"


def method_section(statement: Statement) -> str:
    """The rules in short, and the terms with their marks."""
    rules = [*_RULES, *_carbon(statement), *_tariffs(statement)]
    return "<ul class='note'>" + "".join(f"<li>{escape(rule)}</li>" for rule in rules) + "</ul>"


_RULES: Final = (
    "Origin: in every quarter an area is one pool; what leaves it carries its mix. Neighbours get the sender's mix, stores give "
    "back the mix they were charged with. 每 15 分钟按区域混合池逐级追溯，储能按充入构成释放。",
    "Matched green: wind and sun used in the same quarter or through a store, and grid energy as far as its contract says green; "
    "export is no own use. 绿电占比为 15 分钟匹配口径，上网不计入自用。",
    "Cost: a consumer pays what its energy cost when it was made or bought; stores hand on the price of what they were charged "
    "with and of their losses. The month's demand charge falls on whoever drew from the grid in the peak quarter. "
    "费用随电量追溯；需量电费由最大需量时刻的下网用户分担。",
    f"Stores are followed from {LEAD.days} days before the span; what they held until then is of unknown origin, without cost. "
    f"储能期初向前追溯 {LEAD.days} 天。",
    f"A quarter of which less than {100.0 * MIN_MEASURED_FRAC:.0f} % was measured is a gap. 完整率不足一半的时段视为缺口。",
    "Certificates: 1 MWh each, for consumers whose green share over the span is below what they owe. "
    "每张绿证 1 MWh，按统计期核算。",
)


def _carbon(statement: Statement) -> Iterator[str]:
    used, factors = statement.accounts.terms.emission, statement.park.emission_factors
    others = "; ".join(f"{f.name_zh} {f.kg_per_kwh:g}" for f in factors if f.id != used.id)
    yield (
        f"Carbon: {used.name_zh} {used.name} {used.year}, {used.kg_per_kwh:g} kg CO₂/kWh, location-based, for imports; "
        f"nameplates for fuel. Other factors 其他因子: {others}."
    )
    green = sum(one.green_mwh for one in statement.totals.loads())
    saved = ", ".join(f"{f.name_zh} {green * f.kg_per_kwh:,.0f} t" for f in factors if f.id == used.id or f.id.startswith("coal"))
    yield f"CO₂ avoided by the matched green energy, by factor 绿电减排量（按不同因子）: {saved}."


def _tariffs(statement: Statement) -> Iterator[str]:
    for connection, tariff in statement.accounts.terms.tariff.items():
        marks = [known.mark for (owner, _), known in statement.park.provenance.items() if owner == tariff.id]
        assumed = f"{marks.count('assumption')} of {len(marks)} values are assumptions 假设值" if marks else "without marks"
        name = f"{tariff.name_zh} {tariff.name} ({tariff.jurisdiction})"
        yield f"Tariff at {connection} 电价: {name}, from {tariff.valid_from}; {assumed}."
