"""What is wrong in a park file: one line a fault, naming file, key, value, rule and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from vpp.errors import ParkError

__all__ = ["Fault", "Place", "park_error", "suggestion"]

_SHOWN_CHARS: Final = 60


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something is written: file and line, counted from one."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a park file.

    Args:
        place: File and line.
        key: What is meant, with its owner, as in `bess.songshan.energy_mwh`.
        value: What is written there, as text; empty where nothing is.
        rule: The rule that is broken and what would be right.
    """

    place: Place
    key: str
    value: str
    rule: str

    @classmethod
    def of(cls, place: Place, key: str, value: Any, rule: str) -> Fault:
        """A fault about a value of any type; long values are cut, line breaks taken out."""
        text = "" if value is None else " ".join(str(value).split())
        if len(text) > _SHOWN_CHARS:
            text = text[: _SHOWN_CHARS - 3] + "..."
        return cls(place, key, text, " ".join(rule.split()))

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.key, self.value, self.rule) if part)


def park_error(faults: Iterable[Fault]) -> ParkError:
    """All faults as one error, in the order of the file, each once."""
    return ParkError([str(fault) for fault in sorted(set(faults))])


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: the one with its unit, or the nearest in spelling.

    >>> suggestion("capacity", ["capacity_mw", "capacity_factor_frac", "name"])
    'capacity_mw'
    >>> suggestion("capcity_mw", ["capacity_mw", "name"])
    'capacity_mw'
    >>> suggestion("colour", ["capacity_mw", "name"]) is None
    True
    """
    words = sorted(known, key=len)
    with_unit = [k for k in words if k.startswith(word + "_")]
    near = with_unit or get_close_matches(word, words, n=1, cutoff=0.6)
    return near[0] if near else None
