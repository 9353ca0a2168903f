"""When the grid is told anew what can be held of a call, and when it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controllers.loops.promises import Outlook, missing_mw, promised_mw
from controllers.store.rows import EventRow

AT = datetime(2030, 10, 7, 8, tzinfo=UTC)


def row(kind: str = "peak", **said: object) -> EventRow:
    values: dict[str, object] = {
        "event_id": "e1", "connection": "grid.a", "kind": kind, "target_mw": 50.0, "start": AT, "end": AT + timedelta(hours=1),
        "who": "grid", "asked_at": AT, "changed_at": AT, "state": "accepted", "asked_mw": 30.0, "accepted_mw": 20.0,
    }  # fmt: skip
    return EventRow(**values | said)  # type: ignore[arg-type]


def told(missing: list[float], accepted_mw: float = 20.0, outlook: Outlook | None = None) -> list[str | None]:
    outlook, found = outlook or Outlook(), []
    for one in missing:
        outlook, news = outlook.seen(one, accepted_mw)
        found.append(news)
    return found


def test_what_is_missing_is_told_at_the_first_look_and_once() -> None:
    assert told([0.0, 1.9, 2.1, 2.5, 2.1]) == [None, None, "short", None, None]


def test_a_small_promise_has_a_tolerance_of_a_megawatt() -> None:
    assert told([0.9, 1.1], accepted_mw=2.0) == [None, "short"]


def test_it_is_told_again_when_it_gets_worse_or_better_by_more_than_the_tolerance() -> None:
    assert told([5.0, 6.5, 8.0, 7.0, 5.5]) == ["short", None, "short", None, "short"]


def test_it_is_possible_again_after_two_looks_in_a_row_and_that_is_told_once() -> None:
    assert told([5.0, 0.5, 0.5, 0.5]) == ["short", None, "again", None]
    assert told([5.0, 0.5, 1.5, 0.5, 0.5]) == ["short", None, None, None, "again"]


def test_a_figure_that_swings_about_the_tolerance_is_told_once() -> None:
    assert [news for news in told([2.1, 1.9] * 10) if news] == ["short"]


def test_who_takes_over_does_not_tell_again_what_was_told() -> None:
    assert told([5.0, 0.5, 0.5], outlook=Outlook(5.5)) == [None, None, "again"]


@pytest.mark.parametrize(
    ("event", "promised", "level", "missing"),
    [
        (row(), 50.0, 53.0, 3.0),
        (row(held_mw=60.0), 60.0, 53.0, 0.0),
        (row("valley", held_mw=40.0), 40.0, 33.0, 7.0),
        (row("valley", held_mw=40.0), 40.0, 45.0, 0.0),
        # An emergency binds at its target, and only what was accepted of it is promised.
        (row("emergency", held_mw=50.0), 60.0, 61.0, 1.0),
        (row("export_limit", held_mw=50.0), 40.0, 38.0, 2.0),
        # No more can be missing than was promised.
        (row(), 50.0, 90.0, 20.0),
    ],
)
def test_what_is_missing_counts_against_what_was_promised(event: EventRow, promised: float, level: float, missing: float) -> None:
    assert promised_mw(event) == promised
    assert missing_mw(event, level) == missing
