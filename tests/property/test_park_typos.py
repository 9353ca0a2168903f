from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vpp.errors import ParkError
from vpp.park import load_record

TEXT = (Path(__file__).resolve().parents[2] / "seeds" / "parks" / "two_areas.yaml").read_text(encoding="utf-8")
#: Where a key stands: at a line's begin, after a dash, or inside braces.
KEYS = [match.span(1) for match in re.finditer(r"(?m)(?:^ *(?:- )?(?:\{)?|(?<=[{,]) *)([a-z_]+)(?=: )", TEXT)]
#: Lines that hold one value, and what somebody might put there instead.
LINES = [index for index, line in enumerate(TEXT.splitlines()) if ": " in line and not line.startswith("#")]
JUNK = [
    "",
    "[]",
    "{}",
    "-1",
    "true",
    "2026-01-01",
    "[1, {a: b}]",
    "&a [*a]",
    '{fact: [], source: "x"}',
    '{fact: {a: 1}, source: "x"}',
    '{fact: .nan, source: "x"}',
    '{fact: -3, source: "x"}',
    '{fact: 1.0e+300, source: "x"}',
    '{assumption: true, source: "x"}',
    '{assumption: [[1]], source: "x"}',
    '[{from: 2027-01-01, fact: 1, source: "x"}]',
]
LETTERS = "abcdefghijklmnopqrstuvwxyz_"


def is_comment(position: int) -> bool:
    return TEXT[TEXT.rfind("\n", 0, position) + 1] == "#"


def mistyped(word: str, how: str, place: int, letter: str) -> str:
    at = place % len(word)
    match how:
        case "drop":
            return word[:at] + word[at + 1 :]
        case "double":
            return word[: at + 1] + word[at:]
        case "swap":
            return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        case _:
            return word[:at] + letter + word[at + 1 :]


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(KEYS),
    how=st.sampled_from(["drop", "double", "swap", "replace"]),
    place=st.integers(0, 30),
    letter=st.sampled_from(LETTERS),
)
def test_a_mistyped_key_never_loads_in_silence(key: tuple[int, int], how: str, place: int, letter: str) -> None:
    start, end = key
    word = TEXT[start:end]
    wrong = mistyped(word, how, place, letter)
    assume(wrong not in ("", word) and not is_comment(start))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "park.yaml"
        path.write_text(TEXT[:start] + wrong + TEXT[end:], encoding="utf-8")
        try:
            load_record(path)
        except ParkError as error:
            said = error.faults
        else:
            raise AssertionError(f"{word!r} written as {wrong!r} on line {TEXT.count(chr(10), 0, start) + 1} was accepted")
    assert said
    assert all("\n" not in fault for fault in said)


@settings(max_examples=150, deadline=None)
@given(line=st.sampled_from(LINES), junk=st.sampled_from(JUNK))
def test_a_nonsense_value_is_refused_by_name_or_read_but_never_crashes_the_reader(line: int, junk: str) -> None:
    lines = TEXT.splitlines()
    lines[line] = f"{lines[line].split(': ')[0]}: {junk}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "park.yaml"
        path.write_text("\n".join(lines), encoding="utf-8")
        try:
            said = ["park.yaml: ok"] if load_record(path).of("assets") else []
        except ParkError as error:
            said = list(error.faults)
    assert said
    assert all(fault.startswith("park.yaml:") and "\n" not in fault for fault in said)
