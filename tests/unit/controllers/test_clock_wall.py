"""The clock: park time, its speed, and ticks that never drift."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from controllers.clock import Clock, Ticks, WallClock

AT = datetime(2030, 10, 1, 7, 44, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


class JumpClock:
    """Sleeps in no time."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return (self.time - AT).total_seconds()

    async def sleep(self, duration_s: float) -> None:
        self.time += timedelta(seconds=duration_s)

    def every(self, step: timedelta) -> Ticks:
        return Ticks(self, step)


async def test_ticks_lie_on_the_multiples_of_their_step() -> None:
    ticks = JumpClock(AT).every(QUARTER)
    assert [(await anext(ticks)).isoformat()[11:16] for _ in range(3)] == ["07:45", "08:00", "08:15"]


async def test_a_slow_loop_gets_the_latest_tick_and_a_count_of_those_it_missed() -> None:
    clock = JumpClock(AT)
    ticks = clock.every(QUARTER)
    await anext(ticks)
    await clock.sleep(timedelta(minutes=50).total_seconds())
    assert (await anext(ticks)).isoformat()[11:16] == "08:30"
    assert ticks.missed == 2
    assert (await anext(ticks)).isoformat()[11:16] == "08:45"


async def test_a_loop_that_takes_its_time_does_not_drift() -> None:
    clock = JumpClock(AT)
    ticks = clock.every(timedelta(seconds=1))
    seen = []
    for _ in range(100):
        seen.append(await anext(ticks))
        await clock.sleep(0.9)
    assert seen[-1] - seen[0] == timedelta(seconds=99)
    assert ticks.missed == 0


async def test_a_fast_clock_runs_as_many_times_faster() -> None:
    clock: Clock = WallClock(speed=1000.0, start=AT)
    before_s = asyncio.get_running_loop().time()
    await clock.sleep(20.0)
    wall_s = asyncio.get_running_loop().time() - before_s
    assert clock.now() - AT >= timedelta(seconds=20)
    assert clock.monotonic_s() >= 20.0
    assert wall_s < 10.0


def test_the_machine_s_time_is_aware_utc() -> None:
    assert WallClock().now().tzinfo is UTC


@pytest.mark.parametrize(
    ("speed", "start"),
    [(0.0, None), (-1.0, None), (1.0, datetime(2030, 1, 1)), (float("nan"), None)],  # noqa: DTZ001  naive on purpose
)
def test_a_clock_that_cannot_run_is_refused(speed: float, start: datetime | None) -> None:
    with pytest.raises(ValueError, match="is not"):
        WallClock(speed, start)


def test_a_step_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="is not positive"):
        WallClock().every(timedelta(0))
