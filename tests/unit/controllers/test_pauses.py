"""What keeps pauses out of the controller's process."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from controllers.clock import WallClock
from controllers.loops.ticks import between
from controllers.pauses import run_tidy

T0 = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Knot:
    """Holds itself, so that only a collection can free it."""

    alive = 0

    def __init__(self) -> None:
        self.me = self
        Knot.alive += 1

    def __del__(self) -> None:
        Knot.alive -= 1


@pytest.fixture
def by_hand() -> AsyncIterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("by_hand")
async def test_garbage_is_collected_by_the_loop_and_by_nothing_else() -> None:
    Knot()
    seen = []

    async def ticks() -> AsyncIterator[datetime]:
        yield T0
        seen.append(Knot.alive)

    before = Knot.alive
    await run_tidy(ticks())
    assert (before, seen) == (1, [0])


async def test_work_between_two_ticks_comes_half_way() -> None:
    clock = WallClock(speed=20.0, start=T0)
    found = []
    async for at in between(clock, SECOND):
        found.append((at, clock.now()))
        if len(found) == 3:
            break
    assert [at.microsecond for at, _ in found] == [500_000] * 3
    assert all(at <= now < at + SECOND for at, now in found)
