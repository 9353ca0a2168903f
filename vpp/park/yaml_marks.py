"""YAML that remembers its lines, and the mark that every value in it carries.

A value is `{fact: 150, source: "white paper ch. 5 s. 1.1"}` or `{assumption: 0.34, source: "year study"}`, with a `note` where
one is needed. A value that changes is a list of them, each with `from`, the day it begins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import yaml

from vpp.park.faults import Fault, Place, suggestion

__all__ = ["MARKS", "Mark", "Marked", "Node", "Provenance", "Statement", "read_marked", "read_statements", "read_yaml"]

Mark: TypeAlias = Literal["fact", "assumption"]
MARKS: Final[tuple[Mark, Mark]] = ("fact", "assumption")
_VALUE_KEYS: Final = (*MARKS, "source", "note", "from", "until")
_HOW: Final = "write {fact: VALUE, source: TEXT} or {assumption: VALUE, source: TEXT}"
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # five times faster where libyaml is built in


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a file: a scalar, a list of nodes or a mapping of nodes, and where it begins."""

    value: Any
    place: Place

    def plain(self) -> Any:
        """The piece without its lines, as plain Python."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a value is known: its mark, its source, and where it is written."""

    mark: Mark
    source: str
    place: Place
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A value with its provenance and, where it is dated, the day it begins (and ends, for `in_service`)."""

    value: Any
    provenance: Provenance
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence about the park that no model uses, marked and sourced like a value."""

    text: str
    provenance: Provenance


def read_yaml(path: Path, name: str) -> Node | list[Fault]:
    """The one document of a file, with the line of every key; or why it cannot be read, so that other files still are.

    Args:
        path: The file.
        name: How faults shall name it.
    """
    start = Place(name, 1)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError) as error:
        return [Fault.of(start, "", None, f"cannot be read: {error}")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(name, mark.line + 1 if mark else 1)
        problem = getattr(error, "problem", None) or error
        return [Fault.of(place, "", None, f"not YAML: {problem}; check indentation, colons and quotes here")]
    if root is None:
        return [Fault.of(start, "", None, "empty file: write sections such as 'areas:' and 'assets:', or remove it")]
    faults: list[Fault] = []
    node = _walk(root, start, faults, frozenset())
    return faults or node


def _walk(node: yaml.Node, place: Place, faults: list[Fault], outer: frozenset[int]) -> Node:
    if id(node) in outer:
        faults.append(Fault.of(place, "", None, "an alias that contains itself; write the value out"))
        return Node(None, place)
    inside = outer | {id(node)}
    if isinstance(node, yaml.MappingNode):
        return Node(_walk_mapping(node, place, faults, inside), place)
    if isinstance(node, yaml.SequenceNode):
        items = [_walk(item, Place(place.file, item.start_mark.line + 1), faults, inside) for item in node.value]
        return Node(items, place)
    try:
        return Node(yaml.constructor.SafeConstructor().construct_object(node), place)
    except (yaml.YAMLError, ValueError) as error:
        faults.append(Fault.of(place, "", node.value, f"not a value: {error}"))
        return Node(None, place)


def _walk_mapping(node: yaml.MappingNode, place: Place, faults: list[Fault], inside: frozenset[int]) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key_node, value_node in node.value:
        at = Place(place.file, key_node.start_mark.line + 1)
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        if key in entries:
            faults.append(Fault.of(at, key, None, "this key is written twice in one place; keep one"))
        entries[key] = _walk(value_node, at, faults, inside)
    return entries


def read_marked(node: Node, key: str, faults: list[Fault]) -> tuple[Marked, ...]:
    """The value or the dated values under a key, in the order of their days; faults are added to `faults`."""
    if isinstance(node.value, list) and node.value and all(isinstance(item.value, dict) for item in node.value):
        dated = [_one(item, key, faults, dated=True) for item in node.value]
        found = [item for item in dated if item is not None]
        days = [item.since for item in found if item.since is not None]
        if any(later <= earlier for earlier, later in zip(days, days[1:], strict=False)):
            faults.append(Fault.of(node.place, key, ", ".join(map(str, days)), "dated values must stand in the order of 'from'"))
        return tuple(found)
    single = _one(node, key, faults, dated=False)
    return () if single is None else (single,)


def _one(node: Node, key: str, faults: list[Fault], *, dated: bool) -> Marked | None:
    if not isinstance(node.value, dict):
        faults.append(Fault.of(node.place, key, node.plain(), f"a value without mark and source; {_HOW}"))
        return None
    entry: dict[str, Node] = node.value
    if not _known_keys(entry, key, faults):
        return None
    marks = [mark for mark in MARKS if mark in entry]
    if len(marks) != 1:
        said = "both marks; a value is a fact or an assumption" if marks else f"a value without mark; {_HOW}"
        faults.append(Fault.of(node.place, key, node.plain(), said))
        return None
    source = entry["source"].value if "source" in entry else None
    if not isinstance(source, str) or not source.strip():
        faults.append(
            Fault.of(node.place, key, entry[marks[0]].plain(), "a value without source; say where it is from: source: TEXT")
        )
        return None
    note = entry["note"].value if "note" in entry else None
    since, until = (_day(entry, word, key, faults) for word in ("from", "until"))
    if dated and since is None:
        faults.append(Fault.of(node.place, key, node.plain(), "one of several values without 'from'; write from: YYYY-MM-DD"))
    value = entry[marks[0]].plain()
    if value is None:
        faults.append(Fault.of(node.place, key, None, f"nothing after '{marks[0]}:'; write the value"))
        return None
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(Fault.of(node.place, key, value, "must be a finite number"))
        return None
    return Marked(value, Provenance(marks[0], source, node.place, note if note is None else str(note)), since, until)


def _known_keys(entry: dict[str, Node], key: str, faults: list[Fault]) -> bool:
    unknown = [word for word in entry if word not in _VALUE_KEYS]
    for word in unknown:
        meant = suggestion(word, _VALUE_KEYS)
        hint = f"did you mean '{meant}'?" if meant else _HOW
        faults.append(Fault.of(entry[word].place, f"{key}.{word}", entry[word].plain(), f"unknown key beside a value; {hint}"))
    return not unknown


def _day(entry: dict[str, Node], word: str, key: str, faults: list[Fault]) -> date | None:
    if word not in entry:
        return None
    day = entry[word].value
    # datetime is a date too, but an hour has no place here
    if type(day) is date:
        return day
    faults.append(Fault.of(entry[word].place, f"{key}.{word}", entry[word].plain(), "not a day; write YYYY-MM-DD"))
    return None


def read_statements(node: Node, key: str, faults: list[Fault]) -> tuple[Statement, ...]:
    """A list of marked sentences; faults are added to `faults`."""
    if not isinstance(node.value, list):
        faults.append(Fault.of(node.place, key, node.plain(), "not a list; write '- {fact: TEXT, source: TEXT}' lines"))
        return ()
    statements = []
    for item in node.value:
        marked = _one(item, key, faults, dated=False)
        if marked is not None:
            statements.append(Statement(str(marked.value), marked.provenance))
    return tuple(statements)
