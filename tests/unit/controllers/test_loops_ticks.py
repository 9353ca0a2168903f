"""Ticks that begin at once, on a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from controllers.loops.ticks import at_once
from sim_harness.clock import SimClock
from tests.world_builders import START

STEP, MINUTE = timedelta(minutes=15), timedelta(minutes=1)


async def note(ticks: AsyncIterator[datetime], seen: list[datetime], clock: SimClock, busy_s: float = 0.0) -> None:
    async for at in ticks:
        seen.append(at)
        if busy_s:
            await clock.sleep(busy_s)


async def seen_until(clock: SimClock, ticks: AsyncIterator[datetime], minutes: int, busy_s: float = 0.0) -> list[datetime]:
    seen: list[datetime] = []
    task = clock.spawn(note(ticks, seen, clock, busy_s))
    await clock.run_until(clock.now() + minutes * MINUTE)
    task.cancel()
    return seen


async def test_the_first_tick_is_the_running_multiple() -> None:
    clock = SimClock(START + 7 * MINUTE)
    assert await seen_until(clock, at_once(clock, STEP, lambda: True), 40) == [
        START,
        START + STEP,
        START + 2 * STEP,
        START + 3 * STEP,
    ]


async def test_nothing_ticks_before_there_is_something_to_work_on() -> None:
    clock = SimClock(START + 7 * MINUTE)
    ticks = at_once(clock, STEP, lambda: clock.now() >= START + 20 * MINUTE)
    assert await seen_until(clock, ticks, 5) == []


async def test_what_becomes_ready_later_begins_with_the_quarter_that_runs_then() -> None:
    clock = SimClock(START + 7 * MINUTE)
    ticks = at_once(clock, STEP, lambda: clock.now() >= START + 20 * MINUTE)
    assert await seen_until(clock, ticks, 30) == [START + STEP, START + 2 * STEP]


async def test_a_start_on_a_multiple_gives_it_once() -> None:
    clock = SimClock(START)
    assert await seen_until(clock, at_once(clock, STEP, lambda: True), 20) == [START, START + STEP]


async def test_a_tick_that_comes_while_the_first_is_worked_on_is_not_lost() -> None:
    clock = SimClock(START + 14 * MINUTE)
    ticks = at_once(clock, STEP, lambda: True)
    assert await seen_until(clock, ticks, 5, busy_s=120.0) == [START, START + STEP]
