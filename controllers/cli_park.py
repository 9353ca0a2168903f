"""`vpp check` and `vpp park`: validate a park file a person wrote; show what a park consists of."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from vpp.errors import ParkError
from vpp.park import GRID, Park, ParkRecord, load, load_record
from vpp.park.rating import Rating, rating

__all__ = ["add_park_commands", "check", "default_park_path", "park_command", "show"]

_WIDTH_WITHOUT_TERMINAL: Final = 100
_TABLE_WIDTH: Final = 120
_TOTALS: Final = {
    "wind": "Wind 风电",
    "solar": "PV 光伏",
    "thermal": "Thermal and biomass 火电与生物质",
    "storage": "Storage 储能",
    "flexible_load": "Dispatchable load 可调度负荷",
    "base_load": "Base load, mean 基础负荷",
    "other": "Other kinds 其他",
}


@dataclass(frozen=True, slots=True)
class Total:
    """Sum over the assets of one role."""

    count: int
    power_mw: float
    energy_mwh: float


def default_park_path() -> Path:
    """The `seeds/` folder beside the packages, or in the working folder where the packages are installed elsewhere."""
    beside = Path(__file__).resolve().parents[1] / "seeds"
    return beside if beside.is_dir() else Path("seeds")


def add_park_commands(commands: Any) -> None:
    """Adds `check` and `park` to the command line."""
    one = commands.add_parser("check", help="validate a park file or folder; every fault in one line")
    one.add_argument("path", nargs="?", help="park file or folder; without it the park that travels with the project")
    park = commands.add_parser("park", help="show a park: by area what there is, totals, what is assumed")
    park.add_argument("--park", help="park file or folder")
    park.add_argument("--at", help="day as of which it is shown, as in 2030-01-01")
    park.add_argument("--json", action="store_true", help="the same facts for machines")


def park_command(told: argparse.Namespace) -> int:
    """Runs one of them; the exit status."""
    return check(told.path) if told.command == "check" else show(told.park, at=told.at, as_json=told.json)


def check(path: Path | str | None = None) -> int:
    """Validate a park; one line if all is well, one line a fault if not.

    Args:
        path: A park file or folder; the project's own park without it.

    Returns:
        Exit status: 0, or 2 if the park breaks its rules.
    """
    try:
        record = load_record(path or default_park_path())
    except ParkError as error:
        return _refuse(error)
    facts, assumptions = record.count_marks()
    values = sum(1 for _ in record.values())
    sys.stdout.write(
        f"ok: {len(record.of('assets'))} assets, {len(record.of('areas'))} areas, {len(record.of('connections'))} connections; "
        f"{values} values and {facts + assumptions - values} statements: {facts} facts, {assumptions} assumptions\n"
    )
    return 0


def show(path: Path | str | None = None, *, at: str | None = None, as_json: bool = False) -> int:
    """Show a park as it is on a day.

    Args:
        path: A park file or folder; the project's own park without it.
        at: The day, YYYY-MM-DD; the first that the park describes without it.
        as_json: The same facts for machines.

    Returns:
        Exit status: 0, or 2 if the park or the day is not valid.
    """
    source = path or default_park_path()
    try:
        record = load_record(source)
        park = load(source, at=_day(at, record))
    except ParkError as error:
        return _refuse(error)
    if as_json:
        sys.stdout.write(json.dumps(_facts(park, record), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(park, record)
    return 0


def _refuse(error: ParkError) -> int:
    sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
    return 2


def _day(text: str | None, record: ParkRecord) -> date:
    if text is None:
        return record.opens()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ParkError([f"--at: {text}: not a day; write YYYY-MM-DD"]) from error


def _totals(park: Park) -> dict[str, Total]:
    ratings = [rating(asset) for asset in park.assets]
    return {role: _total([r for r in ratings if r.role == role]) for role in _TOTALS if any(r.role == role for r in ratings)}


def _total(ratings: list[Rating]) -> Total:
    return Total(len(ratings), sum(r.power_mw for r in ratings), sum(r.energy_mwh or 0.0 for r in ratings))


def _marks_in_use(park: Park) -> tuple[int, int]:
    marks = Counter(known.mark for known in park.provenance.values())
    return marks["fact"], marks["assumption"]


def _facts(park: Park, record: ParkRecord) -> dict[str, object]:
    facts, assumptions = _marks_in_use(park)
    return {
        "park": park.id,
        "at": park.at.isoformat(),
        "areas": [
            {
                "id": area.id,
                "name": area.name,
                "name_zh": area.name_zh,
                "assets": [
                    {
                        "id": asset.id,
                        "kind": asset.kind,
                        "name": asset.name,
                        "name_zh": asset.name_zh,
                        "in_service_from": asset.in_service_from.isoformat(),
                        **rating(asset)._asdict(),
                    }
                    for asset in park.assets_of(area=area.id)
                ],
            }
            for area in park.areas
        ],
        "totals": {role: asdict(total) for role, total in _totals(park).items()},
        "connections": [
            {
                "id": connection.id,
                "area": connection.area,
                "to": connection.to,
                "import_limit_mw": connection.import_limit_mw,
                "export_limit_mw": connection.export_limit_mw,
                "tariff": connection.tariff,
            }
            for connection in park.connections
        ],
        "marks_in_use": {"fact": facts, "assumption": assumptions},
        "marks_in_all": dict(zip(("fact", "assumption"), record.count_marks(), strict=True)),
        "not_modelled": [statement.text for statement in park.not_modelled],
        "contradictions": [statement.text for statement in park.contradictions],
    }


def _print(park: Park, record: ParkRecord) -> None:
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
    console.print(f"[bold]{park.name}[/bold] {park.site.name_zh} ({park.id}) on {park.at}", soft_wrap=True)
    for area in park.areas:
        console.print(
            _area_table(park, area.id, f"{area.id}: {area.name} {area.name_zh}"), width=min(console.width, _TABLE_WIDTH)
        )
    console.print(_totals_table(park))
    console.print(_connections_table(park))
    facts, assumptions = _marks_in_use(park)
    console.print(f"In use on {park.at}: {facts} values are facts, {assumptions} are assumptions.")
    facts, assumptions = record.count_marks()
    console.print(f"In the whole file, all dates and statements: {facts} facts, {assumptions} assumptions.")
    console.print(f"Named by the sources and not modelled: {len(park.not_modelled)}. Contradictions: {len(park.contradictions)}.")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def _area_table(park: Park, area_id: str, title: str) -> Table:
    table = _table(f"\n{title}")
    table.expand = True
    table.add_column("id", no_wrap=True, min_width=20)
    table.add_column("name 名称", ratio=1)
    table.add_column("kind", no_wrap=True, min_width=19)
    table.add_column("MW", justify="right", no_wrap=True, min_width=7)
    table.add_column("MWh", justify="right", no_wrap=True, min_width=7)
    table.add_column("since", no_wrap=True, min_width=10)
    roles = list(_TOTALS)
    for asset in sorted(park.assets_of(area=area_id), key=lambda asset: roles.index(rating(asset).role)):
        size = rating(asset)
        name = f"{asset.name} {asset.name_zh}"
        since = asset.in_service_from.isoformat()
        table.add_row(asset.id, name, asset.kind, _number(size.power_mw), _number(size.energy_mwh), since)
    return table


def _totals_table(park: Park) -> Table:
    table = _table("\nTotals 合计")
    table.add_column("what", no_wrap=True)
    for unit in ("assets", "MW", "MWh"):
        table.add_column(unit, justify="right", no_wrap=True)
    for role, total in _totals(park).items():
        energy = _number(total.energy_mwh) if total.energy_mwh else ""
        table.add_row(_TOTALS[role], str(total.count), _number(total.power_mw), energy)
    return table


def _connections_table(park: Park) -> Table:
    table = _table("\nConnections 联络点")
    for column in ("id", "from 从", "into 至"):
        table.add_column(column, no_wrap=True)
    for column in ("import MW", "export MW"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("tariff 电价", no_wrap=True, overflow="ellipsis")
    for connection in park.connections:
        other = "grid 电网" if connection.to == GRID else connection.to
        limits = (_number(connection.import_limit_mw), _number(connection.export_limit_mw))
        table.add_row(connection.id, other, connection.area, *limits, connection.tariff or "inside the park 园区内")
    islands = [area.id for area in park.areas if not park.connections_of(area.id)]
    for area in islands:
        table.add_row("none", "", area, "0", "0", "an island 孤岛")
    return table
