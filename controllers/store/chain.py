"""The audit as a chain: each entry carries the hash of the one before, so that none is changed or taken out unseen.

Whoever can write the database can also make a whole new chain. Against that helps only a copy of the chain's end that is kept
elsewhere: `vpp store check` prints it, and takes one to hold against.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

__all__ = ["END", "ChainEnd", "Entry", "check_chain", "hash_of"]

#: Under this name the end of the chain stands in `memory`, so that a lost last entry is seen too.
END: Final = "audit.end"
_NO_HASH: Final = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit.

    Args:
        number: Its place, from 1.
        words: When (in microseconds since 1970), who, action, subject, outcome, detail.
        previous: Hash of the entry before; empty for the first.
        hash: Of this one, as 64 hexadecimal digits.
    """

    number: int
    words: tuple[Any, ...]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Number and hash of the last entry; 0 and empty before the first."""

    number: int = 0
    hash: str = _NO_HASH

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> ChainEnd:
        """Reads what `str` wrote.

        Raises:
            ValueError: It is no end of a chain.
        """
        number, _, hashed = text.strip().partition(":")
        if not number.isdecimal() or (int(number) > 0) != (len(hashed) == hashlib.sha256().digest_size * 2):
            raise ValueError(f"{text!r} is no end of a chain; write NUMBER:HASH as `vpp store check` prints it")
        return cls(int(number), hashed)


def hash_of(number: int, words: Iterable[Any], previous: str) -> str:
    """SHA-256 over place, words and the hash before, as JSON in UTF-8."""
    said = json.dumps([number, *words, previous], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def check_chain(entries: Iterable[Entry], end: ChainEnd, *, newest: bool = True) -> Iterator[str]:
    """What is wrong with a chain, one line for each fault.

    Args:
        entries: In order of their numbers.
        end: What is known of the end.
        newest: It is the end of now, not one that was copied earlier: nothing may stand behind it.
    """
    last, hash_at_end, is_sound = ChainEnd(), _NO_HASH, True
    changed: list[Entry] = []
    gone: list[int] = []
    for entry in entries:
        if entry.number > last.number + 1:
            gone.extend(range(last.number + 1, entry.number))
        if hash_of(entry.number, entry.words, entry.previous) != entry.hash:
            changed.append(entry)
        elif is_sound and entry.number == last.number + 1 and entry.previous != last.hash:
            yield f"audit entry {entry.number} was written anew, or what stands before it was: it does not follow {last.number}"
        is_sound = entry not in changed[-1:]
        last = ChainEnd(entry.number, entry.hash)
        if entry.number == end.number:
            hash_at_end = entry.hash
    yield from _named(changed, gone)
    if end.number > last.number:
        yield f"{_span(last.number + 1, end.number)} removed from the end"
    elif end.number in gone:
        yield f"audit entry {end.number}, the end that was kept, was removed"
    elif newest and end.number < last.number:
        yield f"{_span(end.number + 1, last.number)} put behind the end by somebody else"
    elif hash_at_end != end.hash:
        yield f"audit entry {end.number} is not the one of which the end of the chain was kept"


def _named(changed: list[Entry], gone: list[int]) -> Iterator[str]:
    """An entry whose words are whole at another place was moved; one that is whole nowhere was altered."""
    places = sorted({*gone, *(entry.number for entry in changed)})
    for entry in changed:
        own = next((place for place in places if hash_of(place, entry.words, entry.previous) == entry.hash), None)
        if own is None:
            yield f"audit entry {entry.number} was altered"
        else:
            yield f"audit entry {entry.number} was reordered: it was written as {own}"
    first = None
    for number, after in pairwise([*gone, 0]):
        first = number if first is None else first
        if after != number + 1:
            yield f"{_span(first, number)} removed"
            first = None


def _span(first: int, last: int) -> str:
    return f"audit entry {first} was" if first == last else f"audit entries {first} to {last} were"
