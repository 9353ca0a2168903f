"""Reading a park: a folder of theme files or one file, checked as a whole, then as it is on one day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from vpp.errors import ParkError
from vpp.park.build import build_park, record_faults
from vpp.park.faults import Fault, Place, park_error
from vpp.park.record import ParkRecord, read_sections
from vpp.park.rules import park_faults, reference_faults
from vpp.park.schema import Park
from vpp.park.yaml_marks import Node, read_yaml

__all__ = ["load", "load_record"]

_SUFFIXES: Final = (".yaml", ".yml")


def load(path: Path | str, *, at: date, scenarios: tuple[str, ...] = ()) -> Park:
    """The park as it is on a day: what is in service, dated values as of that day.

    Args:
        path: A park file, or a folder whose YAML files (not those of its sub-folders) make one park.
        at: The day, in park time.
        scenarios: Scenarios whose assets are switched on, as in `("h2_island",)`.

    Raises:
        ParkError: The park breaks its rules on any day, with every fault found; or the day or a scenario is outside it.
    """
    record = load_record(path)
    unknown = [name for name in scenarios if name not in record.scenarios()]
    if unknown:
        raise ParkError(
            [f"{record.root.file}: scenario {unknown[0]!r}: unknown; known are {', '.join(record.scenarios()) or 'none'}"]
        )
    if at < record.opens():
        raise ParkError([f"{record.root.file}: {at} is before {record.opens()}, the first day that this park describes"])
    park = build_park(record, at, scenarios)
    if park is None:  # a checked record has all it needs
        raise ParkError([f"{record.root.file}: cannot be built on {at}"])
    return park


def load_record(path: Path | str) -> ParkRecord:
    """The park as written, checked on every day on which something changes.

    Args:
        path: A park file, or a folder of them.

    Raises:
        ParkError: It breaks its rules; one line a fault, all of them in one go.
    """
    root = Path(path)
    nodes, faults = _read_files(root)
    record, found = read_sections(nodes, Place(root.name, 1))
    faults += found
    if any(isinstance(node.value, dict) for node in nodes):
        faults += reference_faults(record)
        inside = record_faults(record)
        faults += inside
        faults += _faults_of_days(record, inside)
    if faults:
        raise park_error(faults)
    return record


def _read_files(root: Path) -> tuple[list[Node], list[Fault]]:
    """Every file that can be read, and the faults of those that cannot."""
    if root.is_dir():
        files = sorted(file for file in root.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise ParkError([f"{root}: a folder without YAML files; a park is a file or a folder of them"])
    elif root.is_file():
        files = [root]
    else:
        raise ParkError([f"{root}: no such file or folder; give a park file or a folder of them"])
    nodes: list[Node] = []
    faults: list[Fault] = []
    for file in files:
        found = read_yaml(file, file.name)
        if isinstance(found, Node):
            nodes.append(found)
        else:
            faults += found
    return nodes, faults


def _faults_of_days(record: ParkRecord, inside: list[Fault]) -> list[Fault]:
    """Faults between records, each told for the first day on which it shows."""
    broken = frozenset(
        single.id
        for single in record.records
        if not single.whole or any(fault.key.startswith(f"{single.id}.") for fault in inside)
    )
    first: dict[tuple[Place, str], Fault] = {}
    for scenarios in ((), *((name,) for name in record.scenarios())):
        for day in record.change_days():
            park = build_park(record, day, scenarios)
            for fault in [] if park is None else park_faults(park, record, broken):
                told = replace(fault, rule=f"{fault.rule} (scenario {scenarios[0]})") if scenarios else fault
                first.setdefault((fault.place, fault.key), told)
    return list(first.values())
