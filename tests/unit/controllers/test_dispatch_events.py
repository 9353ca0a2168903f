from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.dispatch.bids import TIE_CNY_PER_MWH
from controllers.dispatch.events import (
    EVENT_CNY_PER_MWH,
    TO_TARGET_CNY_PER_MWH,
    EventBook,
    EventBounds,
    bounded,
    bounds_of,
    judge,
)
from tests.world_builders import BASE, asset, connection, park
from vpp.events import Event
from vpp.ids import ConnectionId
from vpp.wire.messages import GridEvent

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = ConnectionId("grid.a")
#: a hangs on the grid, b behind a, c behind b, d apart.
PARK = park(
    [asset(f"base.{area}", "base_load", BASE, area) for area in "abcd"],
    (
        connection("grid.a", "a", import_mw=200.0, export_mw=50.0),
        connection("tie.b", "b", to="a"),
        connection("tie.c", "c", to="b"),
    ),
    tuple("abcd"),
)


def said(**changes: Any) -> GridEvent:
    event = GridEvent(
        event_id="peak-1", revision=1, kind="peak", target_mw=80.0, start=NOW + HOUR, end=NOW + 2 * HOUR, issued_at=NOW
    )
    return GridEvent(**{**{f: getattr(event, f) for f in event.__struct_fields__}, **changes})


def event(**changes: Any) -> Event:
    [found] = EventBook({}).taken(said(), GRID, NOW).open_at(NOW)
    return replace(found, **changes)


def test_an_event_is_kept_until_it_is_over() -> None:
    book = EventBook({}).taken(said(), GRID, NOW)
    assert [e.event_id for e in book.open_at(NOW)] == ["peak-1"]
    assert book.open_at(NOW + 2 * HOUR) == ()


def test_the_same_revision_again_changes_nothing_and_a_newer_one_replaces_it() -> None:
    book = EventBook({}).taken(said(), GRID, NOW).taken(said(target_mw=10.0), GRID, NOW)
    assert book.open_at(NOW)[0].target_mw == 80.0
    amended = book.taken(said(target_mw=10.0, revision=2), GRID, NOW + HOUR / 2)
    assert (amended.open_at(NOW)[0].target_mw, amended.open_at(NOW)[0].received_at) == (10.0, NOW)
    late = amended.taken(said(), GRID, NOW + HOUR / 2)
    assert late.open_at(NOW)[0].target_mw == 10.0


@pytest.mark.parametrize("revision", [1, 2])
def test_a_cancelled_event_binds_no_more_whether_or_not_its_revision_counts_up(revision: int) -> None:
    book = EventBook({}).taken(said(), GRID, NOW).taken(said(revision=revision, cancelled=True), GRID, NOW)
    assert book.open_at(NOW) == ()
    # Nor is it brought back by the call itself, said once more.
    assert book.taken(said(revision=revision), GRID, NOW).open_at(NOW) == ()


@pytest.mark.parametrize(
    ("changes", "place", "code"),
    [
        ({}, "grid.a", None),
        ({}, "grid.x", "unknown_connection"),
        ({"start": NOW - 2 * HOUR, "end": NOW - HOUR}, "grid.a", "past"),
        ({"target_mw": 10_000.0}, "grid.a", "absurd"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(changes: dict[str, Any], place: str, code: str | None) -> None:
    reason = judge(PARK, said(**changes), ConnectionId(place), NOW)
    assert (None if reason is None else reason.code) == code


def test_events_bind_only_inside_their_span() -> None:
    grid = PARK.connection("grid.a")
    assert bounds_of([event()], grid, NOW) == EventBounds()
    assert bounds_of([event()], grid, NOW + HOUR) == EventBounds(at_most_mw=80.0, is_service=True)
    assert bounds_of([event()], grid, NOW + 2 * HOUR) == EventBounds()
    assert bounds_of([event(kind="valley")], grid, NOW + HOUR) == EventBounds(at_least_mw=80.0, is_service=True)
    assert bounds_of([event(kind="import_limit")], grid, NOW + HOUR) == EventBounds(at_most_mw=80.0)
    assert bounds_of([event()], PARK.connection("tie.b"), NOW + HOUR) == EventBounds()


def test_of_two_caps_the_lower_holds_and_a_contradiction_goes_to_the_first_in_rank() -> None:
    grid, at = PARK.connection("grid.a"), NOW + HOUR
    caps = [event(), event(event_id="2", target_mw=60.0)]
    assert bounds_of(caps, grid, at) == EventBounds(at_most_mw=60.0, is_service=True)
    valley = event(event_id="3", kind="valley", target_mw=120.0, priority=1)
    assert bounds_of([*caps, valley], grid, at) == EventBounds(at_least_mw=60.0, at_most_mw=60.0, is_service=True)
    assert bounds_of([*caps, replace(valley, kind="export_limit", priority=0, event_id="0")], grid, at).at_most_mw == 120.0
    emergency = event(event_id="9", kind="emergency", target_mw=30.0, priority=9)
    assert bounds_of([valley, emergency], grid, at) == EventBounds(at_least_mw=30.0, at_most_mw=30.0, is_service=True)


def test_a_cap_makes_import_above_it_dear_and_leaves_the_rest() -> None:
    segments = ((50.0, 900.0), (150.0, 480.0), (50.0, 150.0))
    assert bounded(segments, -200.0, EventBounds(at_most_mw=80.0)) == (
        (50.0, 900.0 + EVENT_CNY_PER_MWH),
        (70.0, 480.0 + EVENT_CNY_PER_MWH),
        (80.0, 480.0),
        (50.0, 150.0),
    )


def test_a_floor_makes_less_import_than_it_cost_the_same() -> None:
    segments = ((200.0, 480.0), (50.0, 150.0))
    assert bounded(segments, -200.0, EventBounds(at_least_mw=120.0)) == (
        (80.0, 480.0),
        (120.0, 480.0 - EVENT_CNY_PER_MWH),
        (50.0, 150.0 - EVENT_CNY_PER_MWH),
    )
    assert bounded(segments, -200.0, EventBounds(at_least_mw=0.0))[-1] == (50.0, 150.0 - EVENT_CNY_PER_MWH)


def test_ties_go_to_the_target_of_a_peak_or_a_valley_and_past_a_limit_to_the_plan() -> None:
    # A machine that the plan lets give more lies one tie below its worth, one that it lets give less one tie above.
    assert TO_TARGET_CNY_PER_MWH > 2.0 * TIE_CNY_PER_MWH
    segments = ((200.0, 480.0), (50.0, 150.0))
    peak = bounded(segments, -200.0, EventBounds(at_most_mw=80.0, is_service=True))
    assert peak[1:] == ((80.0, 480.0 - TO_TARGET_CNY_PER_MWH), (50.0, 150.0 - TO_TARGET_CNY_PER_MWH))
    valley = bounded(segments, -200.0, EventBounds(at_least_mw=120.0, is_service=True))
    assert valley[0] == (80.0, 480.0 + TO_TARGET_CNY_PER_MWH)
    between = bounded(segments, -200.0, EventBounds(at_least_mw=60.0, at_most_mw=120.0, is_service=True))
    assert between[1] == (60.0, 480.0)
    assert bounded(segments, -200.0, EventBounds(at_most_mw=80.0))[1] == (80.0, 480.0)
