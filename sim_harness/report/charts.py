"""The plots of a report, as Plotly figures; each takes truth and returns a picture, and nothing is computed that is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from controllers.console.palette import CATEGORIES, STORE
from sim_harness.report.flows import area_flows, category_of
from sim_harness.truth import Truth
from vpp.ids import AreaId
from vpp.units import KG_PER_T, FloatArray

__all__ = ["Span", "area_chart", "cost_chart", "plan_chart", "store_chart", "tank_chart", "work_chart"]

#: A stretch of time that a chart shades: start and end as shown, and the word beside it.
Span = tuple[str, str, str]

_INK: Final = "#1f2933"
_PALE: Final = "#e4e7eb"
_ALARM: Final = "#d55e00"
#: The terminal tells ties and grid, metals and sun apart by words; a stack needs colours of its own for them.
_COLOURS: Final = {"link": "#f5d6a0", "metal": "#b08d57", "base": "#bcc3cc", "ammonia": "#8fd3c1", "other": "#7b8794"}
_AREA_PX: Final = 430
_SMALL_PX: Final = 190
_COLUMNS: Final = 2
#: Planned assets that move by less than this share of their largest power are not worth a picture.
_STILL_FRAC: Final = 0.01


#: What a picture of work shows beside what was done: counter, word, colour.
_WORK: Final[Mapping[str, tuple[str, tuple[tuple[str, str, str], ...]]]] = {
    "heats_done": ("heats an hour 炉次", (("heats_done", "tapped 出钢", "#d55e00"),)),
    "work_done_mwh": (
        "MWh of deferrable work an hour 可延迟任务",
        (
            ("work_arrived_mwh", "arrived 到达", "#9aa5b1"),
            ("work_done_mwh", "done 完成", "#0072b2"),
            ("missed_mwh", "missed 超期", "#d55e00"),
        ),
    ),
}


def times(truth: Truth) -> list[str]:
    """Starts of the registers in park time, as a chart shows them."""
    return [start.astimezone(truth.park.zone).strftime("%Y-%m-%d %H:%M") for start in truth.grid.starts]


def area_chart(truth: Truth, area: AreaId, spans: Sequence[Span] = ()) -> go.Figure:
    """Supply stacked upwards, demand stacked downwards; a dotted line where wind and sun could have given more."""
    flows, x = area_flows(truth, area), times(truth)
    figure = go.Figure()
    for name, power_mw in flows.supply_mw.items():
        look = CATEGORIES[name]
        figure.add_trace(_layer(x, power_mw, f"{look.gives} {look.zh}", _COLOURS.get(name, look.colour), "supply"))
    for name, power_mw in flows.demand_mw.items():
        look = CATEGORIES[name]
        figure.add_trace(_layer(x, -power_mw, f"{look.takes} {look.zh}", _COLOURS.get(name, look.colour), "demand"))
    if float(np.max(flows.available_mw, initial=0.0)) > 0.0:
        figure.add_trace(_line(x, flows.available_mw, "wind and sun available 可用", _INK, "dot"))
    if float(np.max(flows.unserved_mw, initial=0.0)) > 0.0:
        figure.add_trace(_line(x, -flows.unserved_mw, "not served 缺供", _ALARM, "solid"))
    _shade(figure, spans)
    figure.update_layout(**_layout(_AREA_PX), yaxis_title="MW · supply up 供, demand down 用", hovermode="x unified")
    return figure


def plan_chart(truth: Truth, planned_mw: FloatArray, spans: Sequence[Span] = ()) -> go.Figure | None:
    """What each flexible asset did against what the plan in force had for it; None where there was no plan.

    Args:
        truth: The run.
        planned_mw: Shape (A, T), NaN where no plan was in force.
        spans: Events to shade.
    """
    rows = [row for row in range(len(truth.assets)) if _moves(truth, planned_mw, row)]
    if not rows:
        return None
    figure = _grid([truth.park.asset(truth.assets[row]).name for row in rows])
    x = times(truth)
    for i, row in enumerate(rows):
        place = {"row": i // _COLUMNS + 1, "col": i % _COLUMNS + 1}
        colour = CATEGORIES[category_of(truth.park.asset(truth.assets[row]).kind)].colour
        actual = _line(x, truth.energy_mwh[row] / truth.grid.step_h, "actual 实际", colour, "solid")
        figure.add_trace(actual.update(showlegend=False), **place)
        figure.add_trace(_line(x, planned_mw[row], "plan 计划", _INK, "dot").update(showlegend=False), **place)
    _shade(figure, spans)
    return figure


def store_chart(truth: Truth) -> go.Figure | None:
    """How full each store was: batteries in MWh, tanks in tonnes of hydrogen where they tell; None without stores."""
    rows = [row for row in range(len(truth.assets)) if not np.all(np.isnan(truth.stored_mwh[row]))]
    if not rows:
        return None
    figure = _grid([truth.park.asset(truth.assets[row]).name for row in rows])
    x = times(truth)
    for i, row in enumerate(rows):
        place = {"row": i // _COLUMNS + 1, "col": i % _COLUMNS + 1}
        trace = _line(x, truth.stored_mwh[row], "MWh", CATEGORIES[STORE].colour, "solid")
        figure.add_trace(trace.update(fill="tozeroy", showlegend=False), **place)
    return figure


def tank_chart(truth: Truth) -> go.Figure | None:
    """Hydrogen in the tanks, in tonnes; None where there is none."""
    tanks = {asset_id: kg for (asset_id, name), kg in truth.levels.items() if name == "hydrogen_kg"}
    if not tanks:
        return None
    figure = _grid([truth.park.asset(asset_id).name for asset_id in tanks])
    for i, kg in enumerate(tanks.values()):
        trace = _line(times(truth), kg / KG_PER_T, "t", CATEGORIES["hydrogen"].colour, "solid")
        figure.add_trace(trace.update(fill="tozeroy", showlegend=False), row=i // _COLUMNS + 1, col=i % _COLUMNS + 1)
    return figure


def work_chart(truth: Truth) -> go.Figure | None:
    """Heats tapped and computing work arrived, done and missed, hour by hour; None where there is neither."""
    shown = [key for key in truth.progress if key[1] in ("heats_done", "work_done_mwh")]
    if not shown:
        return None
    figure = _grid([f"{truth.park.asset(asset_id).name} · {_WORK[name][0]}" for asset_id, name in shown])
    for i, (asset_id, name) in enumerate(shown):
        place = {"row": i // _COLUMNS + 1, "col": i % _COLUMNS + 1}
        for part, word, colour in _WORK[name][1]:
            row = truth.progress.get((asset_id, part))
            if row is not None:
                figure.add_trace(_bars(truth, row, word, colour), **place)
    return figure.update_layout(barmode="group")


def cost_chart(items: Mapping[str, float]) -> go.Figure:
    """The bill, the dearest item on top; income points to the left."""
    shown = sorted(((name, cny) for name, cny in items.items() if abs(cny) >= 0.5), key=lambda item: item[1])
    figure = go.Figure(
        go.Bar(
            x=[cny for _, cny in shown],
            y=[name.replace("_", " ") for name, _ in shown],
            orientation="h",
            marker_color=[_ALARM if cny > 0 else "#009e73" for _, cny in shown],
            text=[f"{cny:,.0f}" for _, cny in shown],
            textposition="auto",
            hovertemplate="%{y}: %{x:,.0f} CNY<extra></extra>",
        )
    )
    figure.update_layout(**_layout(120 + 24 * len(shown)), xaxis_title="CNY · cost to the right 成本, income to the left 收入")
    return figure


def _moves(truth: Truth, planned_mw: FloatArray, row: int) -> bool:
    """Whether an asset was planned and has something to show: sources are in the area's chart, constants are not news."""
    kind = truth.park.asset(truth.assets[row]).kind
    plan = planned_mw[row][~np.isnan(planned_mw[row])]
    if kind in ("wind", "solar", "base_load") or not plan.size:
        return False
    actual = truth.energy_mwh[row] / truth.grid.step_h
    size = max(float(np.max(np.abs(plan))), float(np.max(np.abs(actual))))
    return size > 0.0 and max(float(np.ptp(plan)), float(np.ptp(actual))) > _STILL_FRAC * size


def _bars(truth: Truth, row: FloatArray, word: str, colour: str) -> go.Bar:
    """What a counter added in each hour."""
    hours = [start.astimezone(truth.park.zone).strftime("%Y-%m-%d %H:00") for start in truth.grid.starts]
    first = {hour: t for t, hour in reversed(list(enumerate(hours)))}
    edges = sorted(first.values())
    return go.Bar(
        x=[hours[t] for t in edges],
        y=np.round(np.add.reduceat(row, edges), 2),
        name=word,
        marker_color=colour,
        showlegend=False,
        hovertemplate="%{y:.1f} " + word + "<extra></extra>",
    )


def _layer(x: list[str], y: FloatArray, name: str, colour: str, stack: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=np.round(y, 2),
        name=name,
        stackgroup=stack,
        mode="lines",
        line={"width": 0.5, "color": colour, "shape": "hv"},
        fillcolor=colour,
        hovertemplate="%{y:.1f} MW",
    )


def _line(x: list[str], y: FloatArray, name: str, colour: str, dash: str) -> go.Scatter:
    line = {"width": 1.6, "color": colour, "shape": "hv", "dash": dash}
    return go.Scatter(x=x, y=np.round(y, 2), name=name, mode="lines", line=line, hovertemplate="%{y:.1f}")


def _grid(titles: Sequence[str]) -> go.Figure:
    rows = -(-len(titles) // _COLUMNS)
    gap = min(0.06, 0.3 / rows)
    figure = make_subplots(rows=rows, cols=_COLUMNS, subplot_titles=list(titles), vertical_spacing=gap, horizontal_spacing=0.06)
    figure.update_annotations(font_size=12)
    return figure.update_layout(**_layout(80 + _SMALL_PX * rows))


def _shade(figure: go.Figure, spans: Sequence[Span]) -> None:
    for start, end, word in spans:
        figure.add_vrect(
            x0=start, x1=end, fillcolor=_ALARM, opacity=0.12, line_width=0, annotation_text=word, annotation_font_size=10
        )


def _layout(height_px: int) -> dict[str, Any]:
    axis = {"gridcolor": _PALE, "zerolinecolor": "#9aa5b1", "linecolor": _PALE}
    return {
        "height": height_px,
        "margin": {"l": 60, "r": 20, "t": 40, "b": 40},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'WenQuanYi Zen Hei', sans-serif", "color": _INK},
        "legend": {"orientation": "h", "y": -0.12},
        "xaxis": axis,
        "yaxis": axis,
    }
