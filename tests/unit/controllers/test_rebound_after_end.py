"""After a call to cut has ended it binds nothing, but for two hours plans keep import near what it was before the call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.events import EventBook, EventBounds, bounds_of
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.inbox import Inbox
from controllers.planner import Problem
from controllers.planner.asks import REBOUND_FRAC, Asks
from controllers.planner.assemble import assemble
from sim_harness.clock import SimClock
from tests.builders_control import GRID, MORNING, forecast_of, park_of, snapshot_of
from vpp.wire.codec import encode
from vpp.wire.messages import GridEvent, GridMeasurement
from vpp.wire.topics import Channel, topic_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START, END = MORNING + HOUR, MORNING + 2 * HOUR
BEFORE_MW, CALLED_MW = 60.0, 40.0
CALL = GridEvent(event_id="call", revision=1, kind="peak", target_mw=CALLED_MW, start=START, end=END, issued_at=MORNING)


def call(**changes: Any) -> GridEvent:
    return GridEvent(**{**{f: getattr(CALL, f) for f in CALL.__struct_fields__}, **changes})


class Site:
    """An inbox whose connection is read, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock, self.bus = SimClock(MORNING), LocalBus()
        self.inbox = Inbox(self.bus, "test", self.clock.now)

    async def read(self, minutes: float, import_mw: float) -> None:
        await self.clock.run_until(MORNING + minutes * MINUTE)
        said = GridMeasurement(measured_at=self.clock.now(), import_mw=import_mw)
        self.bus.post(topic_of("test", Channel.GRID_MEASUREMENT, GRID), encode(said))

    def say(self, said: GridEvent) -> None:
        self.bus.post(topic_of("test", Channel.GRID_EVENT, GRID), encode(said))

    def seen(self) -> Snapshot:
        return self.inbox.snapshot(self.clock.now())

    def problem(self) -> Problem:
        seen = self.seen()
        moment = replace(
            snapshot_of(at=seen.at),
            import_mw=seen.import_mw,
            events=seen.events,
            recovering=seen.recovering,
            before_mw=seen.before_mw,
        )
        forecast = forecast_of(16, at=seen.at)
        return assemble(park_of(), moment, forecast, {GRID: 120.0}, asks=Asks(events=seen.events))


async def ran(*minutes: float) -> Site:
    """A call that has begun, and been read at these minutes while it ran."""
    site = Site()
    site.say(CALL)
    for at, import_mw in ((30, 90.0), (59, BEFORE_MW), (61, CALLED_MW), *((m, CALLED_MW) for m in minutes)):
        await site.read(at, import_mw)
    return site


async def test_a_plan_a_quarter_after_the_end_keeps_import_near_what_it_was_before_the_call() -> None:
    site = await ran(119)
    await site.read(135, 75.0)
    problem = site.problem()
    (back,) = problem.rebounds[GRID]
    assert (back.before_step, back.before_mw) == (None, BEFORE_MW)
    assert back.most_mw == pytest.approx(REBOUND_FRAC * park_of().connection(GRID).import_limit_mw)
    assert back.steps == tuple(range(7))
    assert problem.held == {}


async def test_a_plan_two_hours_after_the_end_has_no_limit() -> None:
    site = await ran(119)
    await site.read(240, 75.0)
    assert site.problem().rebounds == {}
    assert site.seen().recovering == ()


async def test_a_plan_made_while_the_call_runs_knows_the_import_before_it() -> None:
    site = await ran(75, 90)
    (back,) = site.problem().rebounds[GRID]
    assert (back.before_step, back.before_mw) == (None, BEFORE_MW)


async def test_without_a_reading_before_the_call_the_import_of_now_counts() -> None:
    site = Site()
    site.say(CALL)
    await site.read(135, 75.0)
    (back,) = site.problem().rebounds[GRID]
    assert back.before_mw == 75.0


async def test_a_call_that_comes_after_its_start_takes_the_import_at_its_booking() -> None:
    site = Site()
    await site.read(60.5, BEFORE_MW)
    site.say(call(kind="emergency"))
    await site.read(62, CALLED_MW)
    assert site.seen().before_mw == {"call": BEFORE_MW}


async def test_a_call_right_after_another_one_remembers_what_was_drawn_before_both() -> None:
    site = await ran(119)
    site.say(call(event_id="next", start=END, end=END + HOUR))
    await site.read(119.5, CALLED_MW)
    await site.read(121, CALLED_MW)
    assert site.seen().before_mw == {"call": BEFORE_MW, "next": BEFORE_MW}


async def test_after_the_end_dispatch_holds_no_target_and_no_call_stands() -> None:
    site = await ran(119)
    await site.read(121, BEFORE_MW)
    seen, connection = site.seen(), park_of().connection(GRID)
    assert [e.event_id for e in seen.recovering] == ["call"]
    assert seen.events == site.inbox.events_at(seen.at) == ()
    assert bounds_of((*seen.events, *seen.recovering), connection, seen.at) == EventBounds()


async def test_a_call_that_is_taken_back_while_it_runs_recovers_from_then_on() -> None:
    site = await ran(90)
    site.say(call(revision=2, cancelled=True))
    await site.read(105, BEFORE_MW)
    assert site.seen().events == ()
    (back,) = site.problem().rebounds[GRID]
    assert (back.before_mw, back.steps) == (BEFORE_MW, tuple(range(7)))
    site.say(call(revision=3, cancelled=True))
    assert [e.end for e in site.seen().recovering] == [MORNING + 90 * MINUTE]


@pytest.mark.parametrize(
    "said", [call(revision=2, cancelled=True), call(kind="valley", revision=2), call(asset="compute.a", revision=2)]
)
def test_what_never_cut_at_the_connection_has_nothing_to_take_back(said: GridEvent) -> None:
    book = EventBook({}).taken(CALL, GRID, MORNING).taken(said, GRID, MORNING)
    assert book.recovering_at(END) == ()


def test_a_refused_call_has_nothing_to_take_back() -> None:
    assert EventBook({}).taken(CALL, GRID, MORNING).refused("call", 1).recovering_at(END) == ()


def test_a_call_that_was_kept_to_its_end_recovers_though_a_cancellation_comes_late() -> None:
    book = EventBook({}).taken(CALL, GRID, MORNING).taken(call(revision=2, cancelled=True), GRID, END + MINUTE)
    assert [e.event_id for e in book.recovering_at(END + MINUTE)] == ["call"]
    assert book.open_at(END + MINUTE) == ()
