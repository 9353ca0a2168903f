"""The whole screen from one frame: what fits is shown, the least needed goes first, and nothing ever wraps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from controllers.console.asset_table import asset_lines
from controllers.console.bars import bar_list, scale_mw, stacked_bars
from controllers.console.frame import Alarm, AreaFrame, BoardFrame
from controllers.console.header import header_lines
from controllers.console.palette import LEVEL_LOOK
from controllers.console.text import MISSING, fit, mw, percent
from controllers.console.timeline import timeline_lines, timeline_title

__all__ = ["Screen"]

_HEADER_LINES, _FRAME_LINES, _BAR_LINES = 2, 2, 2
#: From this width on, bars stand beside the table, each part on a line of its own.
_WIDE_CELLS: Final = 136
_BAR_COLUMN_CELLS: Final = 38
_GAP: Final = 2
#: Room for the note at the right of a frame's upper border.
_NOTE_CELLS: Final = 28
#: Of the frame: two borders and a blank at each side.
_FRAME_CELLS: Final = 4
_TIMELINE_ROWS: Final = 5
_LEAST_TIMELINE: Final = 5
_NARROW, _LOW = 40, 8
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,6})?(\+\d\d:\d\d|Z)")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Lines for each part, chosen for a height."""

    beside: bool
    asset_rows: tuple[int, ...]
    timeline_rows: int
    alarm_lines: int


class Screen:
    """A frame as a renderable of exactly the console's width and height.

    Args:
        frame: What to show.
        speed: Park seconds in a second; None where not measured.
    """

    def __init__(self, frame: BoardFrame, speed: float | None = None) -> None:
        self._frame, self._speed = frame, speed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Line by line, each cut to the width."""
        width, height = max(options.max_width, _NARROW), max(options.height or console.height, _LOW)
        lines = self.lines(width, height)
        for i, line in enumerate(lines):
            line.no_wrap, line.overflow, line.end = True, "crop", "\n" if i + 1 < len(lines) else ""
            line.truncate(options.max_width, overflow="ellipsis")
            yield line

    def lines(self, width: int, height: int) -> list[Text]:
        """All lines of the screen, at most `height` of them."""
        frame, layout = self._frame, _layout(self._frame, width, height)
        lines = header_lines(frame, self._speed, width)
        for area, rows in zip(frame.areas, layout.asset_rows, strict=True):
            body = _beside(frame, area, width) if layout.beside else _below(frame, area, rows, width)
            lines += _framed(_area_title(area, width), f"scale {mw(scale_mw(area, frame.past))} MW", body, width)
        if layout.timeline_rows:
            inner = width - _FRAME_CELLS
            lines += _framed(timeline_title(inner), "", timeline_lines(frame, layout.timeline_rows, inner), width)
        lines += _alarm_lines(frame, layout.alarm_lines, width)
        return lines[:height]


def _layout(frame: BoardFrame, width: int, height: int) -> _Layout:
    """Header, bars of every area and one line of alarms first; then assets, then the timeline, then more alarms."""
    counts = [len(area.assets) for area in frame.areas]
    spare = height - _HEADER_LINES - 1
    wide = [_FRAME_LINES + _beside_lines(area) for area in frame.areas]
    beside = width >= _WIDE_CELLS and sum(wide) + _LEAST_TIMELINE <= spare
    if beside:
        rows, spare = counts, spare - sum(wide)
    else:
        spare -= len(counts) * (_FRAME_LINES + _BAR_LINES)
        rows = _shared_out(counts, spare)
        spare -= sum(n + 1 for n in rows if n)
    timeline = min(_TIMELINE_ROWS, spare - _FRAME_LINES - 1) if spare >= _LEAST_TIMELINE else 0
    spare -= timeline + _FRAME_LINES + 1 if timeline else 0
    return _Layout(beside, tuple(rows), timeline, 1 + max(spare, 0))


def _shared_out(counts: Sequence[int], lines: int) -> list[int]:
    """Rows for each area's table, its head counted: one after another, so that a small area is whole first."""
    rows = [0] * len(counts)
    while True:
        short = [i for i, count in enumerate(counts) if rows[i] < count]
        affordable = [i for i in short if lines >= (1 if rows[i] else 2)]
        if not affordable:
            return rows
        i = min(affordable, key=lambda k: rows[k])
        lines -= 1 if rows[i] else 2
        rows[i] += 1


def _beside_lines(area: AreaFrame) -> int:
    bars = 2 + len(area.flows.supply_mw) + len(area.flows.demand_mw)
    return max(bars, len(area.assets) + 1)


def _beside(frame: BoardFrame, area: AreaFrame, width: int) -> list[Text]:
    """Bars at the left, the table at the right."""
    right_cells = width - _FRAME_CELLS - _BAR_COLUMN_CELLS - _GAP
    left = bar_list(area, scale_mw(area, frame.past), _BAR_COLUMN_CELLS)
    right = asset_lines(area.assets, len(area.assets), right_cells, frame.at, frame.zone)
    body: list[Text] = []
    for i in range(max(len(left), len(right))):
        line = left[i] if i < len(left) else Text()
        gap = " " * (_BAR_COLUMN_CELLS - line.cell_len + _GAP)
        body.append(Text.assemble(line, gap, right[i]) if i < len(right) else line)
    return body


def _below(frame: BoardFrame, area: AreaFrame, rows: int, width: int) -> list[Text]:
    """Bars on top, the table below."""
    inner = width - _FRAME_CELLS
    bars = stacked_bars(area, scale_mw(area, frame.past), inner)
    return [*bars, *asset_lines(area.assets, rows, inner, frame.at, frame.zone)]


def _area_title(area: AreaFrame, width: int) -> str:
    """The area by its name where there is room, by its id where there is not."""
    price = MISSING if area.price_cny_per_mwh is None else f"{area.price_cny_per_mwh:.0f}"
    facts = f"{area.area.name_zh} · green 绿电 {percent(area.green_share_frac)} · price 电价 {price} CNY/MWh"
    whole = f"{area.area.name} {facts}"
    return whole if cell_len(whole) + _NOTE_CELLS <= width else f"{area.area.id} {facts}"


def _framed(title: str, note: str, body: Sequence[Text], width: int) -> list[Text]:
    """Lines in a frame with a title at the left and a note at the right of its upper border."""
    inner = width - _FRAME_CELLS
    head, tail = f" {title} ", f" {note} " if note else ""
    if cell_len(head + tail) > inner:
        head, tail = fit(head, min(cell_len(head), inner)), ""
    rule = "─" * max(inner - cell_len(head + tail), 0)
    top = Text("╭─", style="dim")
    top.append(head, style="not dim bold").append(rule).append(tail).append("─╮")
    lines = [top]
    for text in body:
        line = Text("│ ", style="dim")
        content = Text(style="not dim").append_text(text)
        content.truncate(inner, pad=True)
        lines.append(Text.assemble(line, content, Text(" │", style="dim")))
    lines.append(Text(f"╰{'─' * (width - 2)}╯", style="dim"))
    return lines


def _alarm_lines(frame: BoardFrame, rows: int, width: int) -> list[Text]:
    """The gravest first; the last line counts what did not fit."""
    if not frame.alarms:
        return [Text.assemble((" ✓ no alarms 无告警", "dim"))]
    lines = [_alarm_line(alarm, frame) for alarm in frame.alarms[:rows]]
    if len(lines) < len(frame.alarms):
        more = f" (+{len(frame.alarms) - len(lines)} more)"
        lines[-1].truncate(width - len(more), overflow="ellipsis")
        lines[-1].append(more, style="bold")
    return lines


def _alarm_line(alarm: Alarm, frame: BoardFrame) -> Text:
    look = LEVEL_LOOK[alarm.level]
    at = "now     " if alarm.at is None else f"{alarm.at.astimezone(frame.zone):%H:%M:%S}"
    line = Text(" ")
    line.append(f"{look.mark} {alarm.level.value:<7} ", style=look.style)
    return line.append(f"{at} ", style="dim").append(_in_park_time(alarm.text, frame))


def _in_park_time(text: str, frame: BoardFrame) -> str:
    """Instants in a device's own words as a person reads them."""
    return _INSTANT.sub(lambda found: f"{datetime.fromisoformat(found[0]).astimezone(frame.zone):%H:%M:%S}", text)
