import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from controllers.clock import Clock
from sim_harness.clock import SimClock

START = datetime(2030, 10, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def seconds(at: datetime) -> float:
    return (at - START).total_seconds()


async def run(clock: SimClock, horizon_s: float) -> None:
    await clock.run_until(clock.now() + timedelta(seconds=horizon_s))


async def test_participants_due_together_wake_in_priority_order_one_after_another() -> None:
    clock, said = SimClock(START), []

    async def speak(name: str, priority: int, clock: SimClock = clock) -> None:
        async for at in clock.every(SECOND, priority=priority):
            said.append((seconds(at), name, "in"))
            await asyncio.sleep(0)  # gives the loop to others, as waiting for the wire does
            said.append((seconds(at), name, "out"))

    tasks = [clock.spawn(speak("late", 9)), clock.spawn(speak("early", 1))]
    await run(clock, 2)
    for task in tasks:
        task.cancel()
    once = [("early", "in"), ("early", "out"), ("late", "in"), ("late", "out")]
    assert said == [(at, *event) for at in (0.0, 1.0) for event in once]


async def test_time_stands_at_the_end_and_what_is_due_there_comes_next_time() -> None:
    clock, ticks = SimClock(START), []

    async def tick() -> None:
        async for at in clock.every(SECOND):
            ticks.append(seconds(at))

    task = clock.spawn(tick())
    await run(clock, 2)
    assert (ticks, clock.monotonic_s()) == ([0.0, 1.0], 2.0)
    await run(clock, 1)
    assert (ticks, clock.now()) == ([0.0, 1.0, 2.0], START + 3 * SECOND)
    task.cancel()


async def test_ticks_lie_on_the_grid_of_their_step_and_not_on_the_start() -> None:
    clock = SimClock(START + timedelta(minutes=7))
    ticks: list[datetime] = []

    async def tick() -> None:
        async for at in clock.every(timedelta(minutes=15)):
            ticks.append(at)

    task = clock.spawn(tick())
    await run(clock, 1800)
    task.cancel()
    assert ticks == [START + timedelta(minutes=15), START + timedelta(minutes=30)]


async def test_a_loop_that_slept_through_ticks_gets_the_latest_one_and_counts_the_missed() -> None:
    clock, ticks = SimClock(START), []
    grid = clock.every(SECOND)

    async def tick() -> None:
        async for at in grid:
            ticks.append((seconds(at), clock.monotonic_s()))
            if len(ticks) == 1:
                await clock.sleep(2.5)

    task = clock.spawn(tick())
    await run(clock, 4)
    task.cancel()
    assert (ticks, grid.missed) == ([(0.0, 0.0), (2.0, 2.5), (3.0, 3.0)], 1)


async def test_a_sleeper_wakes_between_the_ticks_of_another() -> None:
    clock, said = SimClock(START), []

    async def tick() -> None:
        async for _ in clock.every(SECOND):
            said.append(("tick", clock.monotonic_s()))

    async def nap() -> None:
        await clock.sleep(0.4)
        said.append(("nap", clock.monotonic_s()))

    task = clock.spawn(tick())
    clock.spawn(nap())
    await run(clock, 2)
    task.cancel()
    assert said == [("tick", 0.0), ("nap", 0.4), ("tick", 1.0)]


async def test_the_fence_stands_between_two_participants() -> None:
    clock, said = SimClock(START), []

    async def speak(name: str) -> None:
        async for _ in clock.every(SECOND):
            said.append(name)

    async def fence() -> None:
        said.append("|")

    tasks = [clock.spawn(speak("a")), clock.spawn(speak("b"))]
    await clock.run_until(START + SECOND, between=fence)
    for task in tasks:
        task.cancel()
    assert said == ["a", "|", "b", "|"]


async def test_a_participant_that_raises_stops_the_run_with_its_own_exception() -> None:
    clock = SimClock(START)

    async def fail() -> None:
        async for at in clock.every(SECOND):
            if at > START:
                raise ZeroDivisionError("the plant broke")

    clock.spawn(fail())
    with pytest.raises(ZeroDivisionError, match="the plant broke"):
        await run(clock, 10)
    assert clock.monotonic_s() == 1.0


async def test_a_participant_that_ends_is_dropped_and_the_others_go_on() -> None:
    clock, ticks = SimClock(START), []

    async def once() -> None:
        await clock.sleep(0.5)

    async def tick() -> None:
        async for at in clock.every(SECOND):
            ticks.append(seconds(at))

    clock.spawn(once())
    task = clock.spawn(tick())
    await run(clock, 3)
    assert (ticks, clock.participants) == ([0.0, 1.0, 2.0], 1)
    task.cancel()


async def test_a_cancelled_participant_does_not_hold_time_up() -> None:
    clock = SimClock(START)
    task = clock.spawn(clock.sleep(5))
    await run(clock, 1)
    task.cancel()
    await run(clock, 9)
    assert clock.monotonic_s() == 10.0


async def test_loops_that_a_supervisor_started_are_waited_for_by_number() -> None:
    clock, ticks = SimClock(START), []

    async def slow_to_start() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        async for at in clock.every(SECOND):
            ticks.append(seconds(at))

    task = asyncio.create_task(slow_to_start())
    await clock.wait_for_participants(1)
    await run(clock, 1)
    task.cancel()
    assert ticks == [0.0]


async def test_time_does_not_go_back() -> None:
    clock = SimClock(START)
    with pytest.raises(ValueError, match="does not go back"):
        await clock.run_until(START - SECOND)


async def test_a_ranked_clock_gives_its_priority_to_a_controller_that_knows_none() -> None:
    clock, said = SimClock(START), []

    async def loop(its_clock: Clock, name: str) -> None:
        ticks: AsyncIterator[datetime] = its_clock.every(SECOND)
        async for _ in ticks:
            said.append(name)

    tasks = [clock.spawn(loop(clock.ranked(2), "second")), clock.spawn(loop(clock.ranked(1), "first"))]
    await run(clock, 1)
    for task in tasks:
        task.cancel()
    assert said == ["first", "second"]
