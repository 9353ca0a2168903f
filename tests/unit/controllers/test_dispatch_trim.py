"""What the meter shows beside what was cleared is followed, bounded, and moves the targets of events in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.dispatch.trim import Trim
from tests.world_builders import START, connection, park
from vpp.events import Event
from vpp.ids import ConnectionId

GRID = ConnectionId("grid.a")
PARK = park([], [replace(connection(GRID, "a"), import_limit_mw=500.0)])
SECOND = timedelta(seconds=1)


def call(target_mw: float = 200.0) -> Event:
    return Event(
        event_id="e1",
        kind="peak",
        connection=GRID,
        target_mw=target_mw,
        start=START,
        end=START + timedelta(hours=1),
        issued_at=START,
        received_at=START,
    )


def followed(beyond_mw: float, periods: int, step: timedelta = SECOND) -> Trim:
    """A trim after so many periods in which the meter shows more than the target that was cleared for."""
    trim, at = Trim(), START
    for _ in range(periods):
        (event,) = trim.applied([call()], at)
        trim = trim.cleared(at, {GRID: event.target_mw})
        at += step
        trim = trim.seen(PARK, at, {GRID: event.target_mw + beyond_mw})
    return trim


def test_the_meter_comes_to_the_target_and_stays_there() -> None:
    (event,) = followed(18.0, 300).applied([call()], START)
    assert event.target_mw + 18.0 == pytest.approx(200.0, abs=0.01)


def test_half_a_minute_of_losses_is_mostly_learnt() -> None:
    assert 10.0 < followed(18.0, 30).beyond_mw[GRID] < 13.0


def test_after_a_long_step_only_half_of_the_news_counts() -> None:
    assert followed(18.0, 1, timedelta(minutes=5)).beyond_mw[GRID] == pytest.approx(9.0)


def test_a_meter_that_lies_moves_a_target_by_a_tenth_of_the_limit_at_most() -> None:
    assert followed(4_000.0, 500).beyond_mw[GRID] == pytest.approx(50.0)
    assert followed(-4_000.0, 500).beyond_mw[GRID] == pytest.approx(-50.0)


def test_events_that_do_not_bind_yet_keep_their_target() -> None:
    trim = followed(18.0, 300)
    assert trim.applied([call()], START - SECOND) == (call(),)


def test_without_a_reading_nothing_is_learnt() -> None:
    trim = followed(18.0, 300)
    assert trim.seen(PARK, START + timedelta(hours=1), {}).beyond_mw == trim.beyond_mw
