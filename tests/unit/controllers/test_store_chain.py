"""The audit's chain: whatever is done to an entry is found and named."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.store.chain import ChainEnd, Entry, check_chain, hash_of


def chain(*texts: str) -> list[Entry]:
    made: list[Entry] = []
    for number, text in enumerate(texts, start=1):
        previous = made[-1].hash if made else ""
        words = (number, "li", text)
        made.append(Entry(number, words, previous, hash_of(number, words, previous)))
    return made


def end_of(entries: list[Entry]) -> ChainEnd:
    return ChainEnd(entries[-1].number, entries[-1].hash) if entries else ChainEnd()


def faults(entries: list[Entry], end: ChainEnd, *, newest: bool = True) -> list[str]:
    return list(check_chain(sorted(entries, key=lambda entry: entry.number), end, newest=newest))


WHOLE = chain("a", "b", "c", "d", "e", "f")
END = end_of(WHOLE)


def test_a_hash_is_sha_256_of_place_words_and_the_hash_before_as_json() -> None:
    said = '[2,7,"李","a\\"b","00"]'.encode()
    assert hash_of(2, (7, "李", 'a"b'), "00") == hashlib.sha256(said).hexdigest()


@pytest.mark.parametrize("n", [0, 1, 6])
def test_a_whole_chain_has_no_faults(n: int) -> None:
    assert faults(WHOLE[:n], end_of(WHOLE[:n])) == []


def test_an_altered_entry_is_named() -> None:
    wrong = [*WHOLE[:2], replace(WHOLE[2], words=(3, "zhao", "c")), *WHOLE[3:]]
    assert faults(wrong, END) == ["audit entry 3 was altered"]


def test_an_altered_entry_with_a_new_hash_is_found_by_the_one_after_it() -> None:
    words = (3, "zhao", "c")
    wrong = replace(WHOLE[2], words=words, hash=hash_of(3, words, WHOLE[2].previous))
    told = "audit entry 4 was written anew, or what stands before it was: it does not follow 3"
    assert faults([*WHOLE[:2], wrong, *WHOLE[3:]], END) == [told]


def test_an_altered_last_entry_with_a_new_hash_is_found_by_the_end_that_was_kept() -> None:
    words = (6, "zhao", "f")
    wrong = replace(WHOLE[5], words=words, hash=hash_of(6, words, WHOLE[5].previous))
    assert faults([*WHOLE[:5], wrong], END) == ["audit entry 6 is not the one of which the end of the chain was kept"]


def test_removed_entries_are_named() -> None:
    assert faults([WHOLE[0], *WHOLE[3:5], WHOLE[5]], END) == ["audit entries 2 to 3 were removed"]
    assert faults(WHOLE[1:], END) == ["audit entry 1 was removed"]
    assert faults([WHOLE[0], *WHOLE[2:4], WHOLE[5]], END) == ["audit entry 2 was removed", "audit entry 5 was removed"]
    assert faults(WHOLE[:4], END) == ["audit entries 5 to 6 were removed from the end"]
    assert faults([], END) == ["audit entries 1 to 6 were removed from the end"]


def test_removed_entries_whose_place_was_closed_up_are_found() -> None:
    moved = [replace(entry, number=entry.number - 1) for entry in WHOLE[2:]]
    told = faults([WHOLE[0], *moved], END)
    assert "audit entry 2 was reordered: it was written as 3" in told
    assert "audit entry 6 was removed from the end" in told


def test_two_that_changed_places_are_named_with_their_own() -> None:
    third, fourth = replace(WHOLE[2], number=4), replace(WHOLE[3], number=3)
    assert faults([*WHOLE[:2], third, fourth, *WHOLE[4:]], END) == [
        "audit entry 3 was reordered: it was written as 4",
        "audit entry 4 was reordered: it was written as 3",
    ]


def test_entries_that_somebody_else_put_behind_the_end_are_named() -> None:
    longer = chain("a", "b", "c", "d", "e", "f", "g", "h")
    assert faults(longer, END) == ["audit entries 7 to 8 were put behind the end by somebody else"]


def test_an_end_that_was_kept_elsewhere_finds_a_chain_that_was_made_anew() -> None:
    other = chain("a", "b", "C", "d", "e", "f", "g")
    assert faults(other, end_of(other)) == []
    assert faults(other, ChainEnd.parse(str(END)), newest=False) == [
        "audit entry 6 is not the one of which the end of the chain was kept"
    ]
    assert faults(chain("a", "b", "c", "d", "e", "f", "g"), END, newest=False) == []


@pytest.mark.parametrize("text", ["", "7", "7:abc", "x:" + "0" * 64, "0:" + "0" * 64])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no end of a chain"):
        ChainEnd.parse(text)


@given(st.data())
def test_no_single_change_goes_unseen(data: st.DataObject) -> None:
    entries = list(WHOLE)
    k = data.draw(st.integers(0, 5))
    match data.draw(st.sampled_from(["remove", "alter", "previous", "hash", "swap"])):
        case "remove":
            del entries[k]
        case "alter":
            entries[k] = replace(entries[k], words=(data.draw(st.integers(7, 99)), *entries[k].words[1:]))
        case "previous":
            entries[k] = replace(entries[k], previous=hashlib.sha256(b"x").hexdigest())
        case "hash":
            entries[k] = replace(entries[k], hash=hashlib.sha256(b"x").hexdigest())
        case _:
            other = data.draw(st.integers(0, 5).filter(lambda j: j != k))
            first, second = entries[k], entries[other]
            entries[k], entries[other] = replace(second, number=first.number), replace(first, number=second.number)
    assert faults(entries, END)
