"""The point list (点表): which address says or takes what, generated from the park. Pure, and without the protocol's library.

Addresses begin where Chinese dispatch centres have them (DL/T 634.5104 practice): signals (遥信) at 1, measured values (遥测) at
0x4001, commands (遥控) at 0x6001, set-points (遥调) at 0x6201. Each object has sixteen addresses of a kind: first the whole park,
then its connections to the grid in the order of the park file, so that one added at the end moves nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vpp.park import Park

__all__ = ["PARK", "Kind", "Point", "address", "as_csv", "as_table", "points_of"]

#: The object that stands for the whole park.
PARK: Final = "vpp"
_BLOCK: Final = 16


class Kind(StrEnum):
    """What an address is, as the type of its frames."""

    SIGNAL = "M_SP_NA_1"
    MEASURED = "M_ME_NC_1"
    COMMAND = "C_SC_NA_1"
    SETPOINT = "C_SE_NC_1"


_BASE: Final = {Kind.SIGNAL: 0x0001, Kind.MEASURED: 0x4001, Kind.COMMAND: 0x6001, Kind.SETPOINT: 0x6201}
_GROUP: Final = {Kind.SIGNAL: "遥信", Kind.MEASURED: "遥测", Kind.COMMAND: "遥控", Kind.SETPOINT: "遥调"}


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    unit: str
    said: str
    chinese: str
    on_park: bool = True


_ROWS: Final[dict[Kind, tuple[_Row, ...]]] = {
    Kind.SIGNAL: (
        _Row("measured", "", "the meter is heard and fresh", "量测有效"),
        _Row("controlled", "", "the controller is alive", "控制器在线"),
        _Row("called", "", "a call is taken and not over", "指令已接受"),
        _Row("running", "", "a call binds now", "响应执行中"),
        _Row("refused", "", "the last call was refused", "上次指令被拒绝"),
        _Row("emergency", "", "an emergency call binds now", "紧急响应中"),
    ),
    Kind.MEASURED: (
        _Row("import_mw", "MW", "active power from the grid, negative when feeding in", "并网点有功功率（受电为正）"),
        _Row("planned_mw", "MW", "the same as planned for now", "计划功率"),
        _Row("target_mw", "MW", "target in force; invalid where there is none", "执行中的目标功率"),
        _Row("give_15min_mw", "MW", "import could be lower by so much for 15 min", "可下调能力（15分钟）"),
        _Row("take_15min_mw", "MW", "import could be higher by so much for 15 min", "可上调能力（15分钟）"),
        _Row("give_1h_mw", "MW", "the same for an hour, lower", "可下调能力（1小时）"),
        _Row("take_1h_mw", "MW", "the same for an hour, higher", "可上调能力（1小时）"),
        _Row("import_limit_mw", "MW", "most that may be drawn", "受电限值"),
        _Row("export_limit_mw", "MW", "most that may be fed in", "上网限值"),
        _Row("frequency_hz", "Hz", "of the grid there", "频率", on_park=False),
        _Row("voltage_kv", "kV", "of the grid there", "电压", on_park=False),
    ),
    Kind.COMMAND: (
        _Row("start", "", "ON: hold the last set-point from now on", "启动响应"),
        _Row("stop", "", "ON: give everything back that was called here", "停止响应"),
        _Row("emergency", "", "ON: go to the agreed emergency step; OFF: end it", "紧急切负荷"),
    ),
    Kind.SETPOINT: (
        _Row("target_mw", "MW", "import to hold, negative for feeding in", "目标功率"),
        _Row("hold_min", "min", "how long a set-point holds", "保持时间"),
    ),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One address.

    Args:
        address: Information object address (信息体地址).
        kind: See `Kind`.
        subject: `vpp` or a connection.
        name: What of it.
        unit: Empty for on and off.
        said: In a few words.
        chinese: The same in Chinese.
    """

    address: int
    kind: Kind
    subject: str
    name: str
    unit: str
    said: str
    chinese: str


def points_of(park: Park) -> tuple[Point, ...]:
    """All points of a park, by address."""
    subjects = [PARK, *(str(c.id) for c in park.connections if c.is_grid)]
    return tuple(sorted(_points(subjects), key=lambda point: point.address))


def _points(subjects: Sequence[str]) -> Iterator[Point]:
    for kind, rows in _ROWS.items():
        for i, subject in enumerate(subjects):
            for j, row in enumerate(rows):
                if subject != PARK or row.on_park:
                    where = _BASE[kind] + i * _BLOCK + j
                    yield Point(where, kind, subject, row.name, row.unit, row.said, row.chinese)


def address(points: Sequence[Point], subject: str, name: str, kind: Kind) -> int:
    """The address of a point.

    Raises:
        KeyError: There is none.
    """
    for point in points:
        if (point.subject, point.name, point.kind) == (subject, name, kind):
            return point.address
    raise KeyError(f"{subject} {name} {kind}")


def as_csv(points: Sequence[Point]) -> str:
    """The list as a dispatch centre imports it."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["address", "hex", "group", "type", "object", "name", "unit", "meaning", "说明"])
    for p in points:
        out.writerow([p.address, f"0x{p.address:04X}", _GROUP[p.kind], p.kind, p.subject, p.name, p.unit, p.said, p.chinese])
    return text.getvalue()


def as_table(points: Sequence[Point]) -> str:
    """The list for a person."""
    rows = [("address", "type", "object", "name", "unit", "说明")]
    rows += [
        (f"{p.address} 0x{p.address:04X}", p.kind, p.subject, p.name, p.unit, f"{_GROUP[p.kind]} {p.chinese}") for p in points
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) for row in rows]
    return "\n".join(lines)
