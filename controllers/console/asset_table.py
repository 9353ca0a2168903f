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


#: Carries the colour of the asset's bar; words keep the terminal's own, which can be read on any ground.
_MARK: Final = "▌"

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


def _power(asset: AssetFrame, _: _Context) -> tuple[str, str]:
    """A reader has no sign to remember: what goes out of the asset and what goes in."""
    power_mw = asset.known_mw
    if power_mw is None or mw(power_mw) == mw(0.0):
        return mw(power_mw), "bold"
    return f"{'in' if power_mw > 0.0 else 'out'} {mw(abs(power_mw)).replace(',', ''):>4}", "bold"


def _mode(asset: AssetFrame, _: _Context) -> tuple[str, str]:
    look = MODE_LOOK[asset.mode]
    return f"{look.mark} {asset.mode.value}", look.style


def _lease(asset: AssetFrame, context: _Context) -> tuple[str, str]:
    text = lease(asset, context.now)
    bad = text.startswith("✗") or text.endswith("over")
    return text, MODE_LOOK[Mode.FAULT].style if bad else MODE_LOOK[Mode.LOCAL].style if text[:1] in "…~" else ""


_COLUMNS: Final = (
    _Column("kind", 8, 0, 0, lambda a, _: (kind_word(a.asset.kind), "")),
    _Column("name", 11, 2, 4, lambda a, _: (a.asset.name_zh, "")),
    _Column("id", 17, 6, 0, lambda a, _: (a.asset.id, "dim")),
    _Column("MW", 8, 0, 0, _power, right=True),
    _Column("told", 20, 1, 3, lambda a, c: (told(a, c.now, c.zone), "")),
    _Column("why @CNY/MWh", 12, 4, 1, lambda a, c: (why(a, c.now), "dim")),
    _Column("mode", 9, 0, 0, _mode),
    _Column("lease", 6, 5, 0, _lease),
    _Column("state", 14, 3, 3, lambda a, c: (state(a, c.zone), "")),
)


def asset_lines(assets: tuple[AssetFrame, ...], rows: int, cells: int, now: datetime, zone: ZoneInfo) -> list[Text]:
    """A head and at most `rows` lines, the last of them a count where assets were left out; nothing without rows."""
    if rows < 1:
        return []
    columns = _fitting(cells - len(_MARK))
    context = _Context(now, zone)
    lines = [Text(" " + " ".join(_placed(column.title, column, width) for column, width in columns), style="dim")]
    shown = assets if len(assets) <= rows else _most_told(assets, rows - 1)
    lines += [_line(asset, columns, context) for asset in shown]
    if len(shown) < len(assets):
        lines.append(Text(f" … and {len(assets) - len(shown)} more", style="dim"))
    return lines


def _most_told(assets: tuple[AssetFrame, ...], n: int) -> tuple[AssetFrame, ...]:
    """So many of the assets in their own order: those in trouble first, then those that are steered, then the others."""
    rank = {a.asset.id: 0 if a.mode is not Mode.ONLINE else 1 if a.orders or a.shift is not None else 2 for a in assets}
    kept = {asset.asset.id for asset in sorted(assets, key=lambda a: rank[a.asset.id])[:n]}
    return tuple(asset for asset in assets if asset.asset.id in kept)


def _line(asset: AssetFrame, columns: list[tuple[_Column, int]], context: _Context) -> Text:
    line = Text.assemble((_MARK, CATEGORIES[category_of(asset.asset.kind)].colour))
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
