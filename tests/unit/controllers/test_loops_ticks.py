"""Ticks that begin at once, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from controllers.clock import WallClock
from controllers.loops.bell import Bell
from controllers.loops.ticks import Wakes, at_once, woken
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


async def test_a_ring_gives_the_running_multiple_again() -> None:
    clock, wakes = WallClock(start=START + 7 * MINUTE), Wakes(Bell(), gather_s=0.0, apart_s=0.0)
    ticks = at_once(clock, STEP, lambda: True, wakes)
    assert await anext(ticks) == START
    asyncio.get_running_loop().call_later(0.01, wakes.bell.ring)
    assert await anext(ticks) == START


async def test_a_ring_does_not_lose_the_tick_that_came_meanwhile() -> None:
    clock, wakes = WallClock(2_000.0, START + 14 * MINUTE), Wakes(Bell())
    ticks = at_once(clock, STEP, lambda: True, wakes)
    assert await anext(ticks) == START
    await clock.sleep(120.0)
    assert await anext(ticks) == START + STEP


async def test_a_ring_brings_a_tick_on_and_many_rings_bring_one() -> None:
    clock, wakes = WallClock(start=START), Wakes(Bell())
    ticks = woken(clock, MINUTE, wakes)
    loop = asyncio.get_running_loop()
    for after_s in (0.01, 0.02, 0.03, 0.1, 0.12):
        loop.call_later(after_s, wakes.bell.ring)
    first, second = await anext(ticks), await anext(ticks)
    # Gathered over 50 ms, and the next one not before 200 ms later.
    assert 0.055 <= (first - START).total_seconds() <= 0.15
    assert 0.2 <= (second - first).total_seconds() <= 0.4
    assert wakes.brought_on == 2


async def test_without_a_ring_ticks_come_at_their_multiples() -> None:
    clock, wakes = WallClock(speed=100.0, start=START), Wakes(Bell())
    ticks = woken(clock, timedelta(seconds=10), wakes)
    assert [await anext(ticks) for _ in range(3)] == [START + timedelta(seconds=s) for s in (10, 20, 30)]
    assert (wakes.brought_on, len(wakes.late_s)) == (0, 3)
