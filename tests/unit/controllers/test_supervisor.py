"""Loops under one supervisor: restarts with back-off and counts, budgets, and cancellation that nobody swallows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from controllers.supervisor import BackOff, Loop, LoopHealth, Supervisor, watched
from sim_harness.clock import SimClock
from tests.world_builders import START


class Flaky:
    """A loop that fails a few times before it holds."""

    def __init__(self, clock: SimClock, failures: int) -> None:
        self.clock, self.left = clock, failures
        self.began_s: list[float] = []

    async def run(self) -> None:
        self.began_s.append(self.clock.monotonic_s())
        if self.left:
            self.left -= 1
            raise ValueError(f"{self.left} left")
        await self.clock.sleep(1e6)


async def test_a_loop_that_fails_begins_again_after_pauses_that_double() -> None:
    clock = SimClock(START)
    flaky, told = Flaky(clock, 3), list[str]()
    supervisor = Supervisor(clock, BackOff(), lambda key, text: told.append(f"{key}: {text}"))
    task = asyncio.ensure_future(supervisor.run([Loop("flaky", flaky.run)]))
    await clock.wait_for_participants(1)
    await clock.run_until(START + timedelta(seconds=60))
    assert flaky.began_s == [0.0, 1.0, 3.0, 7.0]
    assert supervisor.of("flaky").restarts == 3
    assert told[0].startswith("loop.flaky: flaky failed (ValueError: 2 left)")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_back_off_the_first_failure_ends_everything() -> None:
    clock = SimClock(START)
    with pytest.raises(ExceptionGroup) as caught:
        await Supervisor(clock).run([Loop("flaky", Flaky(clock, 1).run)])
    assert caught.group_contains(ValueError, match="0 left")


async def test_a_loop_that_is_over_is_not_begun_again() -> None:
    ran = []

    async def once() -> None:
        ran.append(1)

    await Supervisor(SimClock(START), BackOff()).run([Loop("once", once)])
    assert ran == [1]


async def test_one_loop_that_fails_leaves_the_others_alone() -> None:
    clock = SimClock(START)
    steady, flaky = Flaky(clock, 0), Flaky(clock, 100)
    task = asyncio.ensure_future(Supervisor(clock, BackOff()).run([Loop("steady", steady.run), Loop("flaky", flaky.run)]))
    await clock.wait_for_participants(2)
    await clock.run_until(START + timedelta(minutes=10))
    assert steady.began_s == [0.0]
    assert 10 <= len(flaky.began_s) <= 20
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_tick_beyond_its_budget_is_counted_and_told() -> None:
    clock, health, told = SimClock(START), LoopHealth(), list[str]()

    async def ticks() -> AsyncIterator[datetime]:
        for _ in range(3):
            yield clock.now()

    async def work() -> None:
        took_s = iter((0.5, 2.0, 0.5))
        async for _ in watched(clock, ticks(), health, 1.0, told.append):
            await clock.sleep(next(took_s))

    task = clock.spawn(work())
    await clock.run_until(START + timedelta(minutes=1))
    await task
    assert (health.ticks, health.overruns, health.longest_s) == (3, 1, 2.0)
    assert told == ["a period took 2.00 s of 1 s; 1 so far"]
