"""Names, colours and marks of everything the screen shows, as data.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), told apart with any common kind of colour blindness; beside
every colour stands a word or a mark, so that the screen reads the same without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = [
    "CATEGORIES",
    "GRID",
    "KINDS",
    "LEVEL_LOOK",
    "LINK",
    "MODE_LOOK",
    "OTHER",
    "SOURCES",
    "STORE",
    "Category",
    "Level",
    "Look",
    "Mode",
]

_BLACK: Final = "#000000"
_WHITE: Final = "#ffffff"
_ORANGE, _SKY, _GREEN, _YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
_BLUE, _VERMILLION, _PURPLE, _GREY = "#0072b2", "#d55e00", "#cc79a7", "#999999"

#: Categories that are more than a row in the table: what is green, what stores, what crosses the border of an area.
SOURCES: Final = ("wind", "sun")
STORE: Final = "storage"
GRID: Final = "grid"
LINK: Final = "link"
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Category:
    """A group of flows that share a bar.

    Args:
        gives: Its word when it supplies the area.
        takes: Its word when it draws from the area.
        zh: One character for either.
        colour: Of the bar.
        ink: Of text on the bar.
    """

    gives: str
    takes: str
    zh: str
    colour: str
    ink: str = _BLACK


#: In the order of the bars, from left to right.
CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {
        "wind": Category("wind", "wind farms", "风", _SKY),
        "sun": Category("sun", "PV stations", "光", _YELLOW),
        "thermal": Category("thermal", "power plant", "火", _GREY),
        "base": Category("base", "base load", "基", _GREY),
        "compute": Category("compute", "compute", "算", _BLUE, _WHITE),
        "hydrogen": Category("hydrogen", "electrolysis", "氢", _GREEN),
        "ammonia": Category("ammonia", "ammonia", "氨", _SKY),
        "furnace": Category("furnaces", "furnaces", "炉", _VERMILLION),
        "metal": Category("metals", "metals", "金", _YELLOW),
        "vehicles": Category("vehicles", "vehicles", "车", _BLUE, _WHITE),
        OTHER: Category("other", "other", "其", _GREY),
        STORE: Category("discharge", "charge", "储", _PURPLE),
        LINK: Category("from areas", "to areas", "互", _ORANGE),
        GRID: Category("import", "export", "网", _ORANGE),
    }
)

#: The kind of an asset as a park file writes it: the word for it in a table row, and its category.
KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "wind": ("wind", "wind"),
        "solar": ("sun", "sun"),
        "thermal_unit": ("thermal", "thermal"),
        "battery": ("battery", STORE),
        "compressed_air": ("air store", STORE),
        "electrolyser": ("hydrogen", "hydrogen"),
        "ammonia_loop": ("ammonia", "ammonia"),
        "compute": ("compute", "compute"),
        "arc_furnace": ("furnace", "furnace"),
        "submerged_arc": ("furnace", "furnace"),
        "zinc_electrowinning": ("zinc", "metal"),
        "copper_refining": ("copper", "metal"),
        "flexible_load": ("load", OTHER),
        "feeder": ("feeder", OTHER),
        "ev_charging": ("vehicles", "vehicles"),
        "base_load": ("base", "base"),
    }
)


class Mode(Enum):
    """How an asset can be reached."""

    ONLINE = "online"
    LOCAL = "local"
    FAULT = "fault"
    OFFLINE = "offline"
    SILENT = "silent"
    AWAITED = "awaited"


class Level(Enum):
    """How much a line matters to whoever watches."""

    ALARM = "alarm"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Look:
    """A mark and a style that go together."""

    mark: str
    style: str


MODE_LOOK: Final[Mapping[Mode, Look]] = MappingProxyType(
    {
        Mode.ONLINE: Look("●", _GREEN),
        Mode.LOCAL: Look("◐", _ORANGE),
        Mode.FAULT: Look("✖", f"bold {_VERMILLION}"),
        Mode.OFFLINE: Look("○", f"bold {_VERMILLION}"),
        Mode.SILENT: Look("?", f"bold {_VERMILLION}"),
        Mode.AWAITED: Look("·", "dim"),
    }
)

LEVEL_LOOK: Final[Mapping[Level, Look]] = MappingProxyType(
    {
        Level.ALARM: Look("✖", f"bold {_VERMILLION}"),
        Level.WARNING: Look("!", f"bold {_ORANGE}"),
        Level.NOTE: Look("·", "dim"),
    }
)
