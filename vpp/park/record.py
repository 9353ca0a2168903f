"""A park file as written: records whose values still carry their marks, sources and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from vpp.ids import ID_PATTERN
from vpp.park.faults import Fault, Place, suggestion
from vpp.park.registry import plate_types
from vpp.park.sections import ASSETS, SECTIONS, STATEMENT_SECTIONS, Section
from vpp.park.yaml_marks import Marked, Node, Statement, read_marked, read_statements

__all__ = ["ParkRecord", "Record", "read_sections"]

#: Identity keys that may name several.
_LISTS: Final = ("bus", "areas", "assets", "kinds")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its identity, its marked values with all their dates, and the sentences about it.

    Args:
        section: Section it stands in.
        id: Its id; the section's name for a single record.
        identity: Plain keys, as in `{"area": "songshan"}`.
        values: Marked values by key, in the order of their days.
        facts: Sentences that no model uses.
        place: Where the record begins.
        places: Where each key stands.
        whole: Whether it was read without a fault.
    """

    section: str
    id: str
    identity: Mapping[str, Any]
    values: Mapping[str, tuple[Marked, ...]]
    facts: tuple[Statement, ...]
    place: Place
    places: Mapping[str, Place]
    whole: bool

    def at(self, day: date) -> dict[str, Marked]:
        """The value of each key as of a day; a key whose first value begins later is absent."""
        found: dict[str, Marked] = {}
        for key, values in self.values.items():
            begun = [value for value in values if value.since is None or value.since <= day]
            if begun:
                found[key] = begun[-1]
        return found

    def in_service(self, day: date) -> bool:
        """Whether it is in service on a day; always, where nothing is said."""
        for span in self.values.get("in_service", ()):
            return span.value <= day and (span.until is None or day <= span.until)
        return True

    def place_of(self, key: str) -> Place:
        """Where a key stands, or the record itself."""
        return self.places.get(key, self.place)

    def days(self) -> set[date]:
        """Days on which something about it changes."""
        spans = self.values.get("in_service", ())
        found = {value.since for values in self.values.values() for value in values if value.since is not None}
        return found | {span.value for span in spans}


@dataclass(frozen=True, slots=True)
class ParkRecord:
    """All sections of a park, unresolved.

    Args:
        records: Every record of every section, in the order of the files.
        statements: Sentences by section: what is not modelled, what contradicts itself.
        root: The file or folder, for faults that have no line.
    """

    records: tuple[Record, ...]
    statements: Mapping[str, tuple[Statement, ...]]
    root: Place

    def of(self, section: str) -> tuple[Record, ...]:
        """Records of a section."""
        return tuple(record for record in self.records if record.section == section)

    def values(self) -> Iterator[tuple[str, str, Marked]]:
        """Every marked value: its owner's id, its key, the value."""
        for record in self.records:
            for key, marked in record.values.items():
                for value in marked:
                    yield record.id, key, value

    def sentences(self) -> Iterator[Statement]:
        """Every marked sentence: about a record, not modelled, contradictory."""
        for record in self.records:
            yield from record.facts
        for statements in self.statements.values():
            yield from statements

    def count_marks(self) -> tuple[int, int]:
        """How many values and sentences are facts, and how many assumptions."""
        marks = [value.provenance.mark for _, _, value in self.values()]
        marks += [statement.provenance.mark for statement in self.sentences()]
        return marks.count("fact"), marks.count("assumption")

    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that switch assets on."""
        named = {str(record.identity["scenario"]) for record in self.of(ASSETS) if record.identity.get("scenario")}
        return tuple(sorted(named))

    def opens(self) -> date:
        """The first day that the park describes."""
        for record in self.of("park"):
            for value in record.values.get("opens", ()):
                if type(value.value) is date:
                    return value.value
        return min(self._days(), default=date.min)

    def change_days(self) -> tuple[date, ...]:
        """The first day, and every later one on which something changes."""
        opens = self.opens()
        return tuple(sorted({opens} | {day for day in self._days() if day > opens}))

    def _days(self) -> set[date]:
        return {day for record in self.records for day in record.days() if isinstance(day, date)}


def read_sections(roots: list[Node], root: Place) -> tuple[ParkRecord, list[Fault]]:
    """Files as one park; sections of the same name are joined."""
    faults: list[Fault] = []
    records: list[Record] = []
    statements: dict[str, tuple[Statement, ...]] = {name: () for name in STATEMENT_SECTIONS}
    for node in roots:
        if not isinstance(node.value, dict):
            faults.append(Fault.of(node.place, "", node.plain(), "not a mapping; a park file has sections such as 'areas:'"))
            continue
        for name, content in node.value.items():
            if name in STATEMENT_SECTIONS:
                statements[name] += read_statements(content, name, faults)
            elif name in SECTIONS:
                records += _read_section(name, content, faults)
            else:
                meant = suggestion(name, (*SECTIONS, *STATEMENT_SECTIONS))
                hint = f"did you mean '{meant}'?" if meant else "sections are " + ", ".join((*SECTIONS, *STATEMENT_SECTIONS))
                faults.append(Fault.of(content.place, name, None, f"unknown section; {hint}"))
    _check_unique(records, faults)
    return ParkRecord(tuple(records), statements, root), faults


def _check_unique(records: list[Record], faults: list[Fault]) -> None:
    first: dict[str, Record] = {}
    for record in records:
        known = first.setdefault(record.id, record)
        if known is not record:
            rule = f"an id that exists already at {known.place}; give this one another"
            faults.append(Fault.of(record.place_of("id"), f"{record.section}.id", record.id, rule))


def _read_section(name: str, content: Node, faults: list[Fault]) -> list[Record]:
    section = SECTIONS[name]
    if section.single:
        if isinstance(content.value, dict):
            return [_read_record(name, section, content, faults)]
        faults.append(
            Fault.of(content.place, name, content.plain(), "not a mapping; write 'key: {fact: VALUE, source: TEXT}' lines")
        )
        return []
    if not isinstance(content.value, list):
        faults.append(Fault.of(content.place, name, content.plain(), "not a list; write records that begin with '- id:'"))
        return []
    records = []
    for item in content.value:
        if isinstance(item.value, dict):
            records.append(_read_record(name, section, item, faults))
        else:
            faults.append(Fault.of(item.place, name, item.plain(), "not a record; write 'key: value' lines under '- id:'"))
    return records


def _read_record(name: str, section: Section, node: Node, faults: list[Fault]) -> Record:
    before = len(faults)
    entries: dict[str, Node] = node.value
    owner = _owner(name, section, node, faults)
    entries, renamed = _known_entries(name, section, owner, entries, faults)
    kind = _kind(entries)
    if name == ASSETS and "kind" in entries and kind not in plate_types():
        meant = suggestion(str(kind), plate_types())
        hint = f"did you mean '{meant}'?" if meant else "kinds are " + ", ".join(plate_types())
        faults.append(Fault.of(entries["kind"].place, f"{owner}.kind", kind, f"unknown asset kind; {hint}"))
    for key in section.required_identity():
        if key not in entries and key != "id":
            faults.append(Fault.of(node.place, f"{owner}.{key}", None, f"missing; write {key}: ..."))
    identity = _read_identity(owner, section, entries, faults)
    values = {
        key: read_marked(value, f"{owner}.{key}", faults)
        for key, value in entries.items()
        if key not in section.identity and key != "facts"
    }
    values = {key: marked for key, marked in values.items() if marked}
    facts = read_statements(entries["facts"], f"{owner}.facts", faults) if "facts" in entries else ()
    places = {key: value.place for key, value in entries.items()}
    record = Record(name, owner, identity, values, facts, node.place, places, whole=False)
    _check_spans(record, section, faults)
    usable = {key: marked for key, marked in values.items() if key != "in_service" or type(marked[0].value) is date}
    return replace(record, values=usable, whole=len(faults) - renamed == before)


def _kind(entries: dict[str, Node]) -> str | None:
    """What is written as the kind, as text whatever it is."""
    return str(entries["kind"].plain()) if "kind" in entries else None


def _owner(name: str, section: Section, node: Node, faults: list[Fault]) -> str:
    """The record's id, or the section's name where it has none."""
    if section.single and "id" not in section.identity:
        return name
    found = node.value.get("id")
    if found is None:
        faults.append(Fault.of(node.place, f"{name}.id", None, "missing; every record begins with its id"))
        return f"{name}[line {node.place.line}]"
    if not isinstance(found.value, str) or not ID_PATTERN.match(found.value):
        rule = "not an id; use lower-case letters, digits, '_' and single dots, as in 'wind.songshan'"
        faults.append(Fault.of(found.place, f"{name}.id", found.plain(), rule))
    return str(found.plain())


def _known_entries(
    name: str, section: Section, owner: str, entries: dict[str, Node], faults: list[Fault]
) -> tuple[dict[str, Node], int]:
    """Entries under their right keys: a misspelt one is reported and read as what it was meant for.

    Returns:
        The entries, and how many of them had to be renamed.
    """
    kind = _kind(entries)
    if name == ASSETS and kind not in plate_types():
        # without a kind nobody can say which keys are right; the kind itself is the fault
        if "kind" not in entries:
            _report_without_kind(section, owner, entries, faults)
        return {key: value for key, value in entries.items() if key in (*section.identity, "in_service", "facts")}, 0
    known = [*section.identity, *section.value_keys(kind), "facts", *(("in_service",) if section.dated else ())]
    right: dict[str, Node] = {key: value for key, value in entries.items() if key in known}
    renamed = 0
    for key, value in entries.items():
        if key in known:
            continue
        meant = suggestion(key, [word for word in known if word not in entries] or known)
        if meant is None:
            rule = "unknown key; known here are " + ", ".join(known)
        elif meant.startswith(key + "_"):
            rule = f"missing unit: write {meant}"
        else:
            rule = f"unknown key; did you mean '{meant}'?"
        faults.append(Fault.of(value.place, f"{owner}.{key}", value.plain(), rule))
        if meant is not None and meant not in right:
            right[meant] = value
            renamed += 1
    return right, renamed


def _report_without_kind(section: Section, owner: str, entries: dict[str, Node], faults: list[Fault]) -> None:
    near = [key for key in entries if suggestion(key, ["kind"]) and key not in section.identity]
    for key in near:
        faults.append(Fault.of(entries[key].place, f"{owner}.{key}", entries[key].plain(), "unknown key; did you mean 'kind'?"))


def _read_identity(owner: str, section: Section, entries: dict[str, Node], faults: list[Fault]) -> dict[str, Any]:
    """The plain keys of a record; what is not a word, or a list of words where lists are allowed, is reported and left out."""
    identity: dict[str, Any] = {}
    for key in section.identity:
        if key not in entries:
            continue
        value = entries[key].plain()
        words = value if isinstance(value, list) and key in _LISTS else [value]
        if words and all(isinstance(word, str) and word for word in words):
            identity[key] = value
        else:
            faults.append(Fault.of(entries[key].place, f"{owner}.{key}", value, "not a word; write it plainly, without a mark"))
    return identity


def _check_spans(record: Record, section: Section, faults: list[Fault]) -> None:
    """Dates of service are days and in order; only `in_service` ends by `until`."""
    spans = record.values.get("in_service", ())
    if section.dated and record.section == ASSETS and not spans and "in_service" not in record.places:
        rule = "missing; write in_service: {fact: YYYY-MM-DD, source: TEXT}"
        faults.append(Fault.of(record.place, f"{record.id}.in_service", None, rule))
    for span in spans:
        key, place = f"{record.id}.in_service", span.provenance.place
        if type(span.value) is not date:
            faults.append(Fault.of(place, key, span.value, "not a day; write YYYY-MM-DD"))
        elif span.until is not None and span.until < span.value:
            faults.append(Fault.of(place, key, span.until, f"ends before it begins on {span.value}"))
    if len(spans) > 1:
        faults.append(Fault.of(record.place_of("in_service"), f"{record.id}.in_service", None, "one span only; drop the others"))
    for key, values in record.values.items():
        for value in values:
            if value.until is not None and key != "in_service":
                rule = "'until' belongs to in_service; end a value by the 'from' of the next"
                faults.append(Fault.of(value.provenance.place, f"{record.id}.{key}", value.until, rule))
            if value.since is not None and key == "in_service":
                faults.append(
                    Fault.of(value.provenance.place, f"{record.id}.{key}", value.since, "write in_service without 'from'")
                )
