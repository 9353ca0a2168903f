"""Words and colours of a statement, English and Chinese side by side.

Colours are those of Okabe and Ito (2008), told apart with any common kind of colour blindness.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpp.accounts import Origin

__all__ = ["CNY_PER_WAN", "ITEMS", "ORIGINS", "STATES", "item_words"]

#: What money is counted in where figures are large (万元).
CNY_PER_WAN: Final = 1e4

#: Origin: word, Chinese word, colour.
ORIGINS: Final[Mapping[Origin, tuple[str, str, str]]] = {
    Origin.WIND: ("wind", "风电", "#56b4e9"),
    Origin.SOLAR: ("sun", "光伏", "#f0c419"),
    Origin.BIOMASS: ("biomass", "生物质", "#009e73"),
    Origin.THERMAL: ("coal", "火电", "#4d4d4d"),
    Origin.GRID_GREEN: ("grid, green by contract", "电网绿电", "#a6d854"),
    Origin.GRID: ("grid", "电网", "#e69f00"),
    Origin.UNKNOWN: ("unknown", "来源不明", "#c8ccd0"),
}

#: Item of cost: word, Chinese word, colour.
ITEMS: Final[Mapping[str, tuple[str, str, str]]] = {
    "energy_valley": ("energy, valley", "谷段电能", "#c6dbef"),
    "energy_flat": ("energy, flat", "平段电能", "#6baed6"),
    "energy_peak": ("energy, peak", "峰段电能", "#2171b5"),
    "energy_sharp": ("energy, sharp peak", "尖段电能", "#08306b"),
    "energy_spot": ("energy, spot", "现货电能", "#6baed6"),
    "network_energy": ("network, by energy", "输配电价（电量）", "#bdbdbd"),
    "system_fees": ("system operation and funds", "系统运行费及基金", "#969696"),
    "network_capacity": ("network, by capacity", "容量电费", "#737373"),
    "demand_charge": ("demand charge", "需量电费", "#cc79a7"),
    "above_contract": ("above contract demand", "超合同需量", "#d55e00"),
    "carbon": ("carbon of imports", "外购电碳成本", "#8c6d31"),
    "certificates": ("green origin by contract", "电网绿电环境价值", "#a6d854"),
    "ppa": ("own wind and sun (PPA)", "绿电直供（PPA）", "#009e73"),
    "fuel": ("fuel", "燃料", "#4d4d4d"),
    "carbon_fuel": ("carbon of fuel", "燃料碳成本", "#252525"),
    "export": ("export, income", "上网收入", "#e69f00"),
    "green_shortfall": ("certificates to buy", "应购绿证", "#66a61e"),
}

STATES: Final[Mapping[str, tuple[str, str]]] = {
    "kept": ("kept", "达标"),
    "missed": ("missed", "未达标"),
    "open": ("not known", "待定"),
}


def item_words(item: str) -> tuple[str, str, str]:
    """Word, Chinese word and colour of an item; a tariff's own period keeps its name."""
    return ITEMS.get(item, (item.replace("_", " "), item, "#9e9e9e"))
