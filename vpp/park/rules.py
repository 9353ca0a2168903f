"""Rules between records: whom they refer to, where hydrogen goes, and whether every connection outlives a dead controller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from vpp.ids import AreaId
from vpp.park.faults import Fault, Place, suggestion
from vpp.park.plates import AmmoniaLoopPlate, ElectrolyserPlate
from vpp.park.record import ParkRecord, Record
from vpp.park.registry import plate_types
from vpp.park.safe_power import SafeRange, safe_power_range_mw
from vpp.park.schema import GRID, Connection, Park
from vpp.park.sections import ASSETS, SECTIONS

__all__ = ["SafeRange", "areas_behind", "park_faults", "reference_faults", "safe_power_range_mw"]

_TOLERANCE_MW = 1e-6
#: Identity keys that name a record of another section.
_REFERENCES = {
    ("connections", "area"): "areas",
    ("connections", "tariff"): "tariffs",
    (ASSETS, "area"): "areas",
    (ASSETS, "bus"): "buses",
    ("buses", "area"): "areas",
    ("lines", "from_bus"): "buses",
    ("lines", "to_bus"): "buses",
    ("transformers", "hv_bus"): "buses",
    ("transformers", "lv_bus"): "buses",
    ("contracts", "areas"): "areas",
    ("contracts", "assets"): ASSETS,
    ("targets", "areas"): "areas",
}


def reference_faults(record: ParkRecord) -> list[Fault]:
    """Ids that name nothing, sections that are missing, assets whose bus lies in another area."""
    ids = {section: [single.id for single in record.of(section)] for section in SECTIONS}
    faults = _section_faults(record, ids)
    for single in record.records:
        for (section, key), target in _REFERENCES.items():
            if single.section == section and key in single.identity:
                faults += _dangling(single, key, target, ids[target])
    for single in record.of("connections"):
        faults += _connection_ends(single, ids["areas"])
    for single in record.of("targets"):
        faults += _unknown_kinds(single)
    return [*faults, *_bus_faults(record)]


def _section_faults(record: ParkRecord, ids: dict[str, list[str]]) -> list[Fault]:
    missing = [section for section in ("park", "areas", ASSETS, "network", "prices") if not ids[section]]
    faults = [Fault.of(record.root, section, None, f"missing section; write '{section}:'") for section in missing]
    for section in ("park", "network", "prices"):
        if len(ids[section]) > 1:
            faults.append(Fault.of(record.of(section)[1].place, section, None, "written twice; a park has one"))
    return faults


def _bus_faults(record: ParkRecord) -> Iterator[Fault]:
    areas = {area.id for area in record.of("areas")}
    area_of_bus = {bus.id: bus.identity.get("area") for bus in record.of("buses")}
    for single in record.of(ASSETS):
        if single.identity.get("area") not in areas:
            continue  # told already
        for bus in _words(single.identity.get("bus")):
            area = area_of_bus.get(bus)
            if area is not None and area != single.identity.get("area"):
                rule = f"this bus lies in area {area}, the asset in {single.identity.get('area')}; correct one of them"
                yield Fault.of(single.place_of("bus"), f"{single.id}.bus", bus, rule)


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _dangling(single: Record, key: str, target: str, ids: list[str]) -> Iterator[Fault]:
    for word in _words(single.identity[key]):
        if word not in ids:
            meant = suggestion(word, ids)
            hint = f"did you mean '{meant}'?" if meant else f"known are {', '.join(ids)}" if ids else "none is written"
            yield Fault.of(single.place_of(key), f"{single.id}.{key}", word, f"not in section '{target}'; {hint}")


def _connection_ends(single: Record, areas: list[str]) -> Iterator[Fault]:
    to = single.identity.get("to")
    if to == single.identity.get("area"):
        yield Fault.of(single.place_of("to"), f"{single.id}.to", to, "both ends are one area; write another area or 'grid'")
    elif to is not None and to != GRID and to not in areas:
        rule = f"neither an area nor 'grid'; areas are {', '.join(areas)}"
        yield Fault.of(single.place_of("to"), f"{single.id}.to", to, rule)
    if to == GRID:
        if "tariff" not in single.identity:
            yield Fault.of(single.place, f"{single.id}.tariff", None, "missing; a connection to the grid needs a tariff")
        for key in ("contract_demand_mw", "green_origin_frac"):
            if key not in single.values:
                yield Fault.of(single.place, f"{single.id}.{key}", None, f"missing; a connection to the grid needs {key}")


def _unknown_kinds(single: Record) -> Iterator[Fault]:
    for kind in _words(single.identity.get("kinds")):
        if kind not in plate_types():
            meant = suggestion(kind, plate_types())
            hint = f"did you mean '{meant}'?" if meant else "kinds are " + ", ".join(plate_types())
            yield Fault.of(single.place_of("kinds"), f"{single.id}.kinds", kind, f"unknown asset kind; {hint}")


def park_faults(park: Park, record: ParkRecord, broken: frozenset[str]) -> list[Fault]:
    """What is wrong with a park on one day, though each record by itself is right.

    Args:
        park: The park of that day.
        record: The park as written.
        broken: Ids of records with faults of their own; rules that would only echo those are left for the next reading.
    """
    faults: list[Fault] = []
    torn = [single for single in record.records if single.id in broken]
    if not any("hydrogen_node" in single.values for single in torn):
        faults += _hydrogen_faults(park)
        faults += _contract_faults(park)
    if not any(single.section == "connections" for single in torn):
        faults += _safe_mode_faults(park, broken)
        faults += _tariff_faults(park, record)
    return faults


def _place(park: Park, owner: str, key: str) -> Place:
    return park.provenance[(owner, key)].place


def _hydrogen_faults(park: Park) -> Iterator[Fault]:
    """Hydrogen needs two ends: a fleet that makes it and a loop that takes it."""
    makers = [asset for asset in park.assets if isinstance(asset.plate, ElectrolyserPlate)]
    takers = [asset for asset in park.assets if isinstance(asset.plate, AmmoniaLoopPlate)]
    for ends, others, missing in ((makers, takers, "ammonia_loop takes"), (takers, makers, "electrolyser makes")):
        nodes = {other.plate.hydrogen_node for other in others}
        for asset in ends:
            node = asset.plate.hydrogen_node
            if node not in nodes:
                hint = f"other ends are {', '.join(sorted(nodes))}" if nodes else "write one"
                rule = f"no {missing} hydrogen at this node on {park.at}; {hint}"
                yield Fault.of(_place(park, asset.id, "hydrogen_node"), f"{asset.id}.hydrogen_node", node, rule)
    for node, sharing in groupby(sorted(takers, key=lambda a: str(a.plate.hydrogen_node)), lambda a: str(a.plate.hydrogen_node)):
        loops = list(sharing)
        for extra in loops[1:]:
            rule = f"{loops[0].id} has its buffer at this node already; one loop a node"
            yield Fault.of(_place(park, extra.id, "hydrogen_node"), f"{extra.id}.hydrogen_node", node, rule)


def _contract_faults(park: Park) -> Iterator[Fault]:
    """A loop's plate prices what its contract demands; the two must say the same."""
    plates = {asset.id: asset.plate for asset in park.assets if isinstance(asset.plate, AmmoniaLoopPlate)}
    for contract in park.contracts:
        for asset_id in contract.assets:
            plate = plates.get(asset_id)
            if plate is None or contract.metric != "ammonia_of_target_frac":
                continue
            for key, said, planned in (
                ("value", contract.value, plate.contract_frac),
                ("shortfall_cny_per_t", contract.shortfall_cny_per_t, plate.shortfall_cny_per_t),
            ):
                if said is not None and said != planned:
                    rule = f"the plate of {asset_id} says {planned:g}; make them equal"
                    yield Fault.of(_place(park, contract.id, key), f"{contract.id}.{key}", f"{said:g}", rule)


def _tariff_faults(park: Park, record: ParkRecord) -> Iterator[Fault]:
    valid = {tariff.id for tariff in park.tariffs}
    written = {single.id for single in record.of("tariffs") if single.whole}
    places = {single.id: single.place_of("tariff") for single in record.of("connections")}
    for connection in park.connections:
        if connection.tariff in written and connection.tariff not in valid:
            rule = f"this tariff is not valid on {park.at}; write one that is"
            yield Fault.of(places[connection.id], f"{connection.id}.tariff", connection.tariff, rule)


def areas_behind(park: Park, connection: Connection) -> frozenset[AreaId]:
    """Areas that hang on a connection: its own, and all that reach it without passing the connection or the grid."""
    behind: set[AreaId] = {connection.area}
    grew = True
    while grew:
        grew = False
        for other in park.connections:
            if other.id == connection.id or other.is_grid:
                continue
            ends = {other.area, AreaId(other.to)}
            if ends & behind and not ends <= behind:
                behind |= ends
                grew = True
    return frozenset(behind)


def _crossing_limits_mw(connections: Iterable[Connection], behind: frozenset[AreaId]) -> tuple[float, float]:
    """Import and export limits of all connections over the border of a set of areas."""
    import_mw = export_mw = 0.0
    for connection in connections:
        if connection.area in behind and connection.to not in behind:
            import_mw += connection.import_limit_mw
            export_mw += connection.export_limit_mw
        elif connection.to in behind and connection.area not in behind:
            import_mw += connection.export_limit_mw
            export_mw += connection.import_limit_mw
    return import_mw, export_mw


def _safe_mode_faults(park: Park, broken: frozenset[str]) -> Iterator[Fault]:
    """Safe modes of all assets together never break a connection limit.

    Worst case, for each connection and the areas that hang on it: every load at the top of its safe range in a calm night, no
    generation at all, must fit the import limits of what crosses the border of these areas. And everything that must run, loads
    at the bottom of their range, must fit the export limits; wind and sun are left out there, because the connection's own limit
    reflex, armed in the devices, curtails them. The sum is over steady safe modes, see `vpp.park.safe_power`.
    """
    for connection in park.connections:
        behind = areas_behind(park, connection)
        ranges = [safe_power_range_mw(asset) for asset in park.assets if asset.area in behind and asset.id not in broken]
        drawn_mw = sum(max(span.high_mw, 0.0) for span in ranges)
        fed_mw = -sum(span.low_mw for span in ranges if not span.curtails)
        import_mw, export_mw = _crossing_limits_mw(park.connections, behind)
        names = ", ".join(sorted(behind))
        if drawn_mw > import_mw + _TOLERANCE_MW:
            rule = (
                f"safe modes of {names} together draw up to {drawn_mw:.1f} MW on {park.at}, above {import_mw:g} MW;"
                " raise the limit or lower what loads draw without a controller"
            )
            place = _place(park, connection.id, "import_limit_mw")
            yield Fault.of(place, f"{connection.id}.import_limit_mw", f"{connection.import_limit_mw:g}", rule)
        if fed_mw > export_mw + _TOLERANCE_MW:
            rule = (
                f"what must run in {names} feeds up to {fed_mw:.1f} MW on {park.at}, above {export_mw:g} MW;"
                " raise the limit or lower the minimum of what must run"
            )
            place = _place(park, connection.id, "export_limit_mw")
            yield Fault.of(place, f"{connection.id}.export_limit_mw", f"{connection.export_limit_mw:g}", rule)
