"""Words of a proof in both languages, and how its figures are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["KINDS", "RULES", "VERDICTS", "mw", "percent", "seconds"]

KINDS: Final[Mapping[str, str]] = {
    "peak": "peak 削峰",
    "valley": "valley 填谷",
    "import_limit": "import limit 下网限值",
    "export_limit": "export limit 上网限值",
    "emergency": "emergency 紧急",
}
RULES: Final[Mapping[str, str]] = {
    "declared": "declared schedule 申报计划",
    "jiangsu": "Jiangsu 江苏: last 5 working days",
    "beijing": "Beijing 北京: highest 5 of 10 days",
    "caiso": "CAISO: 10 of 10, same-day adjusted",
}
#: Word, and how it is dressed.
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "kept": ("kept 履约", "kept"),
    "in_part": ("kept in part 部分履约", "missed"),
    "missed": ("missed 未履约", "missed"),
    "nothing_asked": ("target kept without a change 无需调节", "open"),
    "refused": ("refused 未接受", "open"),
    "running": ("running 执行中", "open"),
    "unknown": ("cannot be judged 无法判定", "open"),
}


def mw(value: float | None, *, signed: bool = False) -> str:
    """Two digits are more than a meter knows."""
    if value is None:
        return "–"
    return f"{value:+,.2f}" if signed else f"{value:,.2f}"


def percent(frac: float | None) -> str:
    """As people read a share."""
    return "–" if frac is None else f"{100.0 * frac:.1f} %"


def seconds(value: float | None) -> str:
    """A length of time."""
    return "–" if value is None else f"{value:,.0f} s"
