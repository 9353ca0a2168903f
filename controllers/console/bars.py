"""Supply and demand of an area as bars on one scale of megawatts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from controllers.console.frame import AreaFlows, AreaFrame, Moment
from controllers.console.palette import CATEGORIES
from controllers.console.text import MISSING, fit, mw

__all__ = ["bar_list", "scale_mw", "stacked_bars"]

#: A scale ends at one of these times a power of ten, so that it rarely changes.
_ROUND: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LEAST_MW: Final = 1.0
_SIDES: Final = ("supply 供", "demand 需")
_SIDE_CELLS, _TOTAL_CELLS, _NAME_CELLS = 9, 6, 16
#: The rest of the line is for parts too small to carry their own name.
_BAR_FRAC: Final = 0.78
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def scale_mw(area: AreaFrame, past: tuple[Moment, ...]) -> float:
    """The full length of the bars: the most that went through the area in the last day, rounded up."""
    seen = [area.flows, *(f for moment in past for f in moment.flows if f.area == area.area.id)]
    most = max(max(sum(f.supply_mw.values()), sum(f.demand_mw.values())) for f in seen)
    if most <= _LEAST_MW:
        return _LEAST_MW
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in _ROUND if step * power >= most * (1.0 - 1e-9))


def stacked_bars(area: AreaFrame, full_mw: float, cells: int) -> tuple[Text, Text]:
    """One line each for supply and demand, their parts side by side."""
    flows = area.flows
    return (
        _stacked(f"{fit(_SIDES[0], _SIDE_CELLS)}{_total(flows, 0)}", _parts(flows.supply_mw, 0), full_mw, cells),
        _stacked(f"{fit(_SIDES[1], _SIDE_CELLS)}{_total(flows, 1)}", _parts(flows.demand_mw, 1), full_mw, cells),
    )


def bar_list(area: AreaFrame, full_mw: float, cells: int) -> tuple[Text, ...]:
    """One line for each part of supply and demand, under a line with the total."""
    lines: list[Text] = []
    for side, flows in enumerate((area.flows.supply_mw, area.flows.demand_mw)):
        parts = _parts(flows, side)
        lines.append(Text.assemble((f"{fit(_SIDES[side], _NAME_CELLS)}{_total(area.flows, side)} MW", "bold")))
        lines += [_single(category, word, power, full_mw, cells) for category, word, power in parts]
    return tuple(lines)


def _total(flows: AreaFlows, side: int) -> str:
    """The sum of a side; with something unheard it is at least that, and with nothing heard it is not known."""
    powers = (flows.demand_mw if side else flows.supply_mw).values()
    if not flows.supply_mw and not flows.demand_mw:
        return f"{MISSING:>{_TOTAL_CELLS}}"
    return f"{('≥' if flows.unknown else '') + mw(sum(powers)):>{_TOTAL_CELLS}}"


def _parts(flows: Mapping[str, float], side: int) -> list[tuple[str, str, float]]:
    """Category, word and power of each part, in the order of the palette."""
    return [(c, look.takes if side else look.gives, flows[c]) for c, look in CATEGORIES.items() if c in flows]


def _single(category: str, word: str, power_mw: float, full_mw: float, cells: int) -> Text:
    look = CATEGORIES[category]
    room = max(cells - _NAME_CELLS - _TOTAL_CELLS - 1, 0)
    line = Text(f" {fit(f'{word} {look.zh}', _NAME_CELLS - 1)}{mw(power_mw):>{_TOTAL_CELLS}} ")
    eighths = min(round(power_mw / full_mw * room * 8), room * 8)
    line.append("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip(), style=look.colour)
    return line


def _stacked(head: str, parts: Iterable[tuple[str, str, float]], full_mw: float, cells: int) -> Text:
    shown = [part for part in parts if part[2] > 0.0]
    line = Text.assemble((f"{head} ", "bold"))
    space = max(cells - line.cell_len, 0)
    room = round(space * _BAR_FRAC)
    left_out: list[str] = []
    begin, upto_mw = 0, 0.0
    for category, word, power in shown:
        upto_mw += power
        end = min(round(upto_mw / full_mw * room), room)
        label = _label(category, word, power, end - begin)
        if not label.strip():
            left_out.append(f"{word} {mw(power)}")
        if end > begin:
            look = CATEGORIES[category]
            line.append(label[:-1] + "▕", style=f"{look.ink} on {look.colour}")
        begin = end
    return line.append(_listed(left_out, space - begin), style="dim")


def _listed(parts: list[str], cells: int) -> str:
    """As many of the parts as there is room for, the last one whole."""
    text = ""
    for i, part in enumerate(parts):
        longer = f"{text}, {part}" if i else f" + {part}"
        if cell_len(longer) + 3 * (i + 1 < len(parts)) > cells:
            return f"{text}, …" if text else ""
        text = longer
    return text


def _label(category: str, word: str, power_mw: float, cells: int) -> str:
    """As much of a part's name and number as its segment holds, in exactly so many cells; the last is its border."""
    number = mw(power_mw)
    for text in (
        f" {word} {CATEGORIES[category].zh} {number}",
        f" {word} {number}",
        f"{word} {number}",
        f"{CATEGORIES[category].zh}{number}",
    ):
        if cell_len(text) < cells:
            return fit(text, cells)
    return " " * cells
