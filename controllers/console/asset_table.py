"""The assets of an area, one line each, in as many columns as the width allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.text import Text

from controllers.console.flows import category_of
from controllers.console.frame import AssetFrame
from controllers.console.palette import CATEGORIES, MODE_LOOK, Mode
from controllers.console.text import fit, mw
from controllers.console.words import kind_word, lease, state, told, why

__all__ = ["asset_lines"]


@dataclass(frozen=True, slots=True)
class _Context:
    now: datetime
    zone: ZoneInfo


Cell = Callable[[AssetFrame, _Context], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column.

    Args:
        title: Its head.
        cells: Its least width.
        rank: The widest tables have all columns; the highest ranks go first when it gets narrow.
        grows: Share of the room that is left, 0 for none.
        cell: Text and style of an asset's cell.
    """

    title: str
    cells: int
    rank: int
    grows: int
    cell: Cell
    right: bool = False


def _kind(asset: AssetFrame, _: _Context) -> tuple[str, str]:
    return kind_word(asset.asset.kind), CATEGORIES[category_of(asset.asset.kind)].colour


def _power(asset: AssetFrame, _: _Context) -> tuple[str, str]:
    return mw(asset.known_mw), "bold"


def _mode(asset: AssetFrame, _: _Context) -> tuple[str, str]:
    look = MODE_LOOK[asset.mode]
    return f"{look.mark} {asset.mode.value}", look.style


def _lease(asset: AssetFrame, context: _Context) -> tuple[str, str]:
    text = lease(asset, context.now)
    bad = text.startswith("✗") or text.endswith("over")
    return text, MODE_LOOK[Mode.FAULT].style if bad else MODE_LOOK[Mode.LOCAL].style if text[:1] in "…~" else ""


_COLUMNS: Final = (
    _Column("kind", 9, 0, 0, _kind),
    _Column("name", 10, 2, 4, lambda a, _: (a.asset.name_zh, "")),
    _Column("id", 17, 6, 0, lambda a, _: (a.asset.id, "dim")),
    _Column("MW", 6, 0, 0, _power, right=True),
    _Column("told", 18, 1, 3, lambda a, c: (told(a, c.now, c.zone), "")),
    _Column("why @CNY/MWh", 14, 4, 2, lambda a, c: (why(a, c.now), "dim")),
    _Column("mode", 9, 0, 0, _mode),
    _Column("lease", 7, 5, 0, _lease),
    _Column("state", 14, 3, 3, lambda a, _: (state(a), "")),
)


def asset_lines(assets: tuple[AssetFrame, ...], rows: int, cells: int, now: datetime, zone: ZoneInfo) -> list[Text]:
    """A head and at most `rows` lines, the last of them a count where assets were left out; nothing without rows."""
    if rows < 1:
        return []
    columns = _fitting(cells)
    context = _Context(now, zone)
    lines = [Text(" ".join(_placed(column.title, column, width) for column, width in columns), style="dim")]
    shown = assets if len(assets) <= rows else assets[: rows - 1]
    lines += [_line(asset, columns, context) for asset in shown]
    if len(shown) < len(assets):
        lines.append(Text(f"… and {len(assets) - len(shown)} more", style="dim"))
    return lines


def _line(asset: AssetFrame, columns: list[tuple[_Column, int]], context: _Context) -> Text:
    line = Text()
    for i, (column, width) in enumerate(columns):
        text, style = column.cell(asset, context)
        line.append((" " if i else "") + _placed(text, column, width), style=style)
    return line


def _placed(text: str, column: _Column, width: int) -> str:
    return f"{text:>{width}}" if column.right else fit(text, width)


def _fitting(cells: int) -> list[tuple[_Column, int]]:
    """The columns that fit, the least needed left out first, with the room that is left shared among those that grow."""
    kept = list(_COLUMNS)
    while len(kept) > 1 and sum(column.cells + 1 for column in kept) - 1 > cells:
        kept.remove(max(kept, key=lambda column: column.rank))
    spare, shares = max(cells - sum(column.cells + 1 for column in kept) + 1, 0), sum(column.grows for column in kept)
    return [(column, column.cells + (spare * column.grows // shares if shares else 0)) for column in kept]
