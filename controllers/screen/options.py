"""What the chart library is told to draw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.screen.curves import AreaCurves
from controllers.screen.words import CATEGORY_WORDS, COLOURS, LANGUAGES, Language, word
from vpp.units import FloatArray

__all__ = ["chart_options"]

#: Readable on dark and on light ground.
_INK: Final = "#8795a3"
_FAINT: Final = "rgba(135,149,163,.22)"
_TICK_HOURS: Final = 6


def chart_options(
    curves: AreaCurves, starts: Sequence[datetime], now_index: int, zone: ZoneInfo, language: Language
) -> dict[str, Any]:
    """Supply above zero, demand below it, both stacked; dashed what the plan in force had, dotted what could be generated."""
    local = [start.astimezone(zone) for start in starts]
    series = [_area(name, CATEGORY_WORDS[name], values, "supply", language) for name, values in curves.supply_mw.items()]
    series += [_area(name, CATEGORY_WORDS[name], -values, "demand", language) for name, values in curves.demand_mw.items()]
    lines = (
        (word("planned_supply", language), curves.planned_supply_mw, "dashed", "#e8edf2"),
        (word("planned_demand", language), -curves.planned_demand_mw, "dashed", "#e8edf2"),
        (word("available", language), curves.available_mw, "dotted", COLOURS["wind"]),
    )
    series += [_line(*one) for one in lines if np.any(np.isfinite(one[1]))]
    if series:
        series[0]["markLine"] = _now_line(now_index, language)
        series[0]["markArea"] = {
            "silent": True,
            "itemStyle": {"color": "rgba(135,149,163,.08)"},
            "data": [[{"xAxis": now_index}, {"xAxis": len(local) - 1}]],
        }
    return {
        "animation": False,
        "grid": {"left": 52, "right": 14, "top": 26, "bottom": 24},
        "tooltip": {"trigger": "axis", "confine": True, "order": "seriesDesc", "textStyle": {"fontSize": 11}, "padding": 6},
        "xAxis": {
            "type": "category",
            "boundaryGap": False,
            "data": [f"{at:%m-%d %H:%M}" for at in local],
            "axisLabel": {"color": _INK, "interval": 0, "hideOverlap": True, ":formatter": _TICK},
            "axisTick": {"show": False},
            "axisLine": {"onZero": True, "lineStyle": {"color": _INK}},
        },
        "yAxis": {
            "type": "value",
            "name": "MW",
            "nameTextStyle": {"color": _INK, "align": "right"},
            "axisLabel": {"color": _INK, ":formatter": "value => Math.abs(value).toLocaleString('en')"},
            "splitLine": {"lineStyle": {"color": _FAINT}},
            "splitNumber": 4,
        },
        "series": series,
    }


#: Every sixth hour is named.
_TICK: Final = f"value => value.endsWith(':00') && Number(value.slice(6, 8)) % {_TICK_HOURS} === 0 ? value.slice(6) : ''"


def _numbers(values: FloatArray) -> list[float | None]:
    return [None if value != value else round(value, 1) + 0.0 for value in values.tolist()]


def _area(name: str, words: tuple[str, str], values: FloatArray, stack: str, language: Language) -> dict[str, Any]:
    return {
        "name": words[LANGUAGES.index(language)],
        "type": "line",
        "stack": stack,
        "step": "end",
        "symbol": "none",
        "lineStyle": {"width": 0},
        "areaStyle": {"color": COLOURS[name], "opacity": 0.88},
        "itemStyle": {"color": COLOURS[name]},
        "emphasis": {"disabled": True},
        "data": _numbers(values),
    }


def _line(name: str, values: FloatArray, kind: str, colour: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "step": "end",
        "symbol": "none",
        "z": 5,
        "lineStyle": {"width": 1.4, "type": kind, "color": colour, "shadowColor": "rgba(0,0,0,.9)", "shadowBlur": 3},
        "itemStyle": {"color": colour},
        "emphasis": {"disabled": True},
        "data": _numbers(values),
    }


def _now_line(now_index: int, language: Language) -> dict[str, Any]:
    return {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"color": "#d9534f", "width": 1.4, "type": "solid"},
        "label": {"formatter": word("now", language), "color": "#d9534f", "position": "end", "fontSize": 11},
        "data": [{"xAxis": now_index}],
    }
