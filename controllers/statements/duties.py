"""Green ratios with their bounds, and where the year will end."""

from __future__ import annotations

from html import escape
from typing import Final

from controllers.statements.build import Statement
from controllers.statements.tables import number, table_html
from controllers.statements.words import STATES
from vpp.accounts import METHOD, Projection, Ratio

__all__ = ["ratio_section"]

_WIDTH, _HEIGHT = 240.0, 22.0
_SENSES: Final = {"at_least": "≥", "at_most": "≤", "equal": "="}
_KEPT, _MISSED = "#009e73", "#d55e00"


def ratio_section(statement: Statement) -> str:
    """Contracts first, then targets; what meters cannot tell is named below."""
    rows: list[tuple[str, ...] | str] = []
    for binding, title in (
        (True, "Contracts and rules 合同与规则"),
        (False, "Targets, and rules shown for the whole park 目标及全园参照"),
    ):
        chosen = [(r, p) for r, p in zip(statement.ratios, statement.projections, strict=True) if r.binding == binding]
        if chosen:
            rows.append(title)
            rows += [_row(ratio, projection) for ratio, projection in chosen]
    head = ("指标|ratio", "要求|bound", "年内累计|year to date", "", "年末预测|year's end, 10-90 %", "预计|likely")
    told = {ratio.id for ratio in statement.ratios}
    park = statement.park
    silent = [contract.name_zh for contract in park.contracts if contract.id not in told]
    silent += [target.name_zh for target in park.targets if target.id not in told]
    notes = [
        f"Counted from {statement.year_from} to {statement.days.days[-1]}. Year's end: {METHOD}",
        "At least 7 measured days are needed for a projection. 预测至少需要 7 个完整计量日。",
    ]
    if silent:
        notes.append("Not told by power meters 电表不能反映: " + ", ".join(silent))
    return table_html(head, rows, (1, 2)) + "<ul class='note'>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _row(ratio: Ratio, projection: Projection | None) -> tuple[str, ...]:
    reached = ratio.reached_frac
    end = "–"
    if projection is not None:
        band = f"{_percent(projection.low_frac)} – {_percent(projection.high_frac)}"
        end = f'{_percent(projection.mid_frac)} <small class="band">{band}</small>'
    return (
        f"{escape(ratio.name_zh)}<small>{escape(ratio.name)}</small>",
        f"{_SENSES[ratio.sense]} {_percent(ratio.target_frac)}",
        f"{_percent(reached)} {_badge(ratio.state_of(reached))}",
        _bullet(ratio, reached, projection),
        end,
        _likely(ratio, projection),
    )


def _likely(ratio: Ratio, projection: Projection | None) -> str:
    """What the band says: kept or missed at both ends, or open."""
    if projection is None:
        return _badge("open")
    ends = {ratio.state_of(projection.low_frac), ratio.state_of(projection.high_frac)}
    return _badge(ends.pop()) if len(ends) == 1 else '<span class="badge open">either way 两可</span>'


def _badge(state: str) -> str:
    word, zh = STATES[state]
    return f'<span class="badge {state}">{zh} {word}</span>'


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{number(100.0 * value, 1)}\u00a0%"


def _bullet(ratio: Ratio, reached: float | None, projection: Projection | None) -> str:
    """The value as a bar, the bound as a stroke, the projection as a whisker."""
    top = max(1.0, reached or 0.0, projection.high_frac if projection else 0.0)

    def x(frac: float) -> float:
        return max(frac, 0.0) / top * (_WIDTH - 8.0) + 4.0

    parts = [f'<rect x="4" y="6" width="{_WIDTH - 8:.0f}" height="10" fill="#eef1f4"/>']
    if reached is not None:
        colour = _KEPT if ratio.state_of(reached) == "kept" else _MISSED
        parts.append(f'<rect x="4" y="6" width="{x(reached) - 4:.1f}" height="10" fill="{colour}"/>')
    if projection is not None:
        low, high = x(projection.low_frac), x(projection.high_frac)
        parts.append(
            f'<path d="M{low:.1f} 11H{high:.1f}M{low:.1f} 8V14M{high:.1f} 8V14" stroke="#1f2933" stroke-width="1.4" fill="none"/>'
            f'<circle cx="{x(projection.mid_frac):.1f}" cy="11" r="2.6" fill="#1f2933"/>'
        )
    bound = x(ratio.target_frac)
    parts.append(f'<path d="M{bound:.1f} 2V20" stroke="#1f2933" stroke-width="2.4"/>')
    return f'<svg class="bullet" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}">{"".join(parts)}</svg>'
