"""From records as written to typed objects of one day, faults collected on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final, TypeVar, cast
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from vpp.ids import AreaId, AssetId, BusId
from vpp.park.duties import CoalRate, Contract, EmissionFactor, GridRule, Target
from vpp.park.faults import Fault
from vpp.park.plate_rules import plate_findings, tariff_findings
from vpp.park.record import ParkRecord, Record
from vpp.park.registry import plate_types
from vpp.park.schema import Area, Asset, Bus, Connection, Line, Network, NetworkBasis, Park, Site, Transformer
from vpp.park.sections import ASSETS, SECTIONS
from vpp.park.tariff import Prices, Tariff
from vpp.park.yaml_marks import Provenance

__all__ = ["build_park", "record_faults"]

T = TypeVar("T")

#: Reasons of pydantic in the words of a park file.
_REASONS: Final[dict[str, str]] = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must not be below {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must not be above {le:g}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number, without quotes or unit",
    "int_type": "must be a whole number, without quotes or unit",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dataclass_type": "must be a mapping of keys",
    "unexpected_keyword_argument": "unknown key",
    "literal_error": "must be one of {expected}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "date_from_datetime_parsing": "must be a day, YYYY-MM-DD",
}


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _validated(shape: type[T], fields: Mapping[str, Any], record: Record, faults: list[Fault]) -> T | None:
    """The object, or None with its faults; JSON mode is strict about numbers and still takes lists and days."""
    try:
        found: T = _adapter(cast("Any", shape)).validate_json(json.dumps(dict(fields), default=str), strict=True)
    except ValidationError as error:
        faults += [_fault(dict(detail), record) for detail in error.errors(include_url=False)]
        return None
    return found


def _fault(detail: dict[str, Any], record: Record) -> Fault:
    where = [str(part) for part in detail["loc"]]
    key = where[0] if where else ""
    path = f"{record.id}." + key + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in where[1:])
    if detail["type"] in ("missing", "missing_argument"):
        rule = "missing; write {fact: VALUE, source: TEXT}" if len(where) == 1 else "missing"
        return Fault.of(record.place, path, None, rule)
    pattern = _REASONS.get(detail["type"])
    rule = pattern.format(**detail.get("ctx", {})) if pattern else str(detail["msg"])
    return Fault.of(record.place_of(key), path, detail["input"], rule)


def _fields(record: Record, day: date) -> dict[str, Any]:
    """Identity and values of a record as of a day, by the keys of its dataclass."""
    values = {key: marked.value for key, marked in record.at(day).items() if key != "in_service"}
    return {**record.identity, **values}


def _asset(record: Record, day: date, faults: list[Fault]) -> Asset | None:
    kind = str(record.identity.get("kind"))
    shape = plate_types().get(kind)
    spans = record.values.get("in_service", ())
    if shape is None or not spans or not {"area", "bus"} <= set(record.identity):
        return None
    values = {key: marked.value for key, marked in record.at(day).items() if key != "in_service"}
    plate: Any = _validated(shape, values, record, faults)
    if plate is None:
        return None
    buses = record.identity["bus"]
    return Asset(
        id=AssetId(record.id),
        kind=kind,
        area=AreaId(record.identity["area"]),
        buses=tuple(BusId(bus) for bus in (buses if isinstance(buses, list) else [buses])),
        name=str(record.identity.get("name", "")),
        name_zh=str(record.identity.get("name_zh", "")),
        in_service_from=spans[0].value,
        in_service_until=spans[0].until,
        plate=plate,
        scenario=record.identity.get("scenario"),
    )


def _plain(record: Record, day: date, faults: list[Fault]) -> object | None:
    """A record of any section but assets."""
    section = SECTIONS[record.section]
    if section.shape is None:
        return _asset(record, day, faults)
    fields = _fields(record, day)
    for span in record.values.get("in_service", ()):
        fields |= {"in_service_from": span.value, "in_service_until": span.until}
    return _validated(section.shape, fields, record, faults)


def record_faults(record: ParkRecord) -> list[Fault]:
    """Faults inside single records, on every day on which one changes."""
    faults: list[Fault] = []
    opens = record.opens()
    for single in record.records:
        spans = single.values.get("in_service", ())
        first = max([opens, *(span.value for span in spans if isinstance(span.value, date))])
        for day in sorted({first} | {day for day in single.days() if isinstance(day, date) and day > first}):
            faults += _faults_on(single, day)
    return faults


def _faults_on(single: Record, day: date) -> list[Fault]:
    faults: list[Fault] = []
    built = _plain(single, day, faults)
    findings: Callable[..., Any] | None = None
    if isinstance(built, Asset):
        findings, built = plate_findings, built.plate
    elif isinstance(built, Tariff):
        findings = tariff_findings
    elif isinstance(built, Site):
        faults += _zone_faults(built, single)
    if findings is not None:
        for key, value, rule in findings(built):
            marked = single.at(day).get(key)
            place = marked.provenance.place if marked else single.place_of(key)
            faults.append(Fault.of(place, f"{single.id}.{key}", value, rule))
    return faults


def _zone_faults(site: Site, record: Record) -> list[Fault]:
    try:
        ZoneInfo(site.time_zone)
    except (KeyError, ValueError):
        rule = "not a time zone; write a name such as Asia/Shanghai"
        return [Fault.of(record.place_of("time_zone"), f"{record.id}.time_zone", site.time_zone, rule)]
    return []


@dataclass(frozen=True, slots=True)
class _Built:
    """Objects of one day, by section; what has faults is left out."""

    by_section: Mapping[str, tuple[Any, ...]]

    def all(self, section: str, shape: type[T]) -> tuple[T, ...]:
        return tuple(item for item in self.by_section.get(section, ()) if isinstance(item, shape))


def build_park(record: ParkRecord, day: date, scenarios: tuple[str, ...] = ()) -> Park | None:
    """The park of one day; records with faults are left out, and without its single records there is no park."""
    ignored: list[Fault] = []  # `record_faults` has told them already
    by_section: dict[str, tuple[Any, ...]] = {}
    provenance: dict[tuple[str, str], Provenance] = {}
    statements: dict[str, Any] = {}
    for single in record.records:
        if not single.in_service(day) or single.identity.get("scenario") not in (None, *scenarios):
            continue
        built = _plain(single, day, ignored)
        if built is None:
            continue
        by_section[single.section] = (*by_section.get(single.section, ()), built)
        provenance |= {(single.id, key): marked.provenance for key, marked in single.at(day).items()}
        if single.facts:
            statements[single.id] = single.facts
    found = _Built(by_section)
    site, prices, basis = found.all("park", Site), found.all("prices", Prices), found.all("network", NetworkBasis)
    if not (site and prices and basis):
        return None
    tariffs = found.all("tariffs", Tariff)
    return Park(
        site=site[0],
        at=day,
        areas=found.all("areas", Area),
        connections=found.all("connections", Connection),
        assets=found.all(ASSETS, Asset),
        network=Network(
            basis=basis[0],
            buses=found.all("buses", Bus),
            lines=found.all("lines", Line),
            transformers=found.all("transformers", Transformer),
        ),
        tariffs=tuple(t for t in tariffs if t.valid_from <= day and (t.valid_until is None or day <= t.valid_until)),
        prices=prices[0],
        contracts=found.all("contracts", Contract),
        targets=found.all("targets", Target),
        grid_rules=found.all("grid_rules", GridRule),
        emission_factors=found.all("emission_factors", EmissionFactor),
        coal_rates=found.all("coal_rates", CoalRate),
        not_modelled=record.statements.get("not_modelled", ()),
        contradictions=record.statements.get("contradictions", ()),
        statements=dict(statements),
        provenance=dict(provenance),
    )
