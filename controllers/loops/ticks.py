"""Ticks that begin at once, and ticks that somebody can bring on: a service does not wait for the next full period."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controllers.clock import Clock
from controllers.loops.bell import Bell
from vpp.timegrid import floor_to

__all__ = ["Wakes", "at_once", "between", "woken"]

_LOOK_AGAIN_S = 0.5
#: Some hours of a loop that ticks every second.
_KEPT: Final = 20_000


@dataclass(slots=True)
class Wakes:
    """What brings a loop's next tick on, and how it went.

    Machine time counts here and not park time: both times protect the processor.

    Args:
        bell: Rung by whoever has news that matter.
        gather_s: News of so long after a first ring are answered together. [s of machine time]
        apart_s: Two ticks that were rung for are this far apart. [s of machine time]
        late_s: How late regular ticks were, the newest of them. [s of park time]
        brought_on: Ticks that were rung for.
    """

    bell: Bell
    gather_s: float = 0.05
    apart_s: float = 0.2
    late_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    brought_on: int = 0


async def at_once(
    clock: Clock, step: timedelta, ready: Callable[[], bool], wakes: Wakes | None = None
) -> AsyncIterator[datetime]:
    """The running multiple of `step` as soon as `ready` says so, then those still to come.

    Args:
        clock: Whose time.
        step: Positive.
        ready: Whether there is anything to work on yet, as a first word of the devices or a first forecast.
        wakes: Who asks for the running multiple again between two, if anybody does.
    """
    while not ready():
        await clock.sleep(_LOOK_AGAIN_S)
    first = floor_to(clock.now(), step)
    coming = clock.every(step) if wakes is None else woken(clock, step, wakes)
    yield first
    if wakes is not None and floor_to(clock.now(), step) > first:
        yield floor_to(clock.now(), step)  # it came while the first was worked on
    async for at in coming:
        # A clock may count an instant that is just now as still to come.
        if wakes is not None or at > first:
            yield floor_to(at, step)


async def between(clock: Clock, step: timedelta) -> AsyncIterator[datetime]:
    """The instants half way between the multiples of `step`: for work that must not stand in the way of those who tick on them.

    Args:
        clock: Whose time; not one in lock-step.
        step: Positive.
    """
    async for at in clock.every(step):
        await clock.sleep((at + step / 2 - clock.now()).total_seconds())
        yield at + step / 2


async def woken(clock: Clock, step: timedelta, wakes: Wakes) -> AsyncIterator[datetime]:
    """The coming multiples of `step`, and between them the instants at which somebody rang.

    A loop that took longer than a step gets the latest multiple that is due.

    Args:
        clock: Whose time; not one in lock-step, whose participants never wait for anything else.
        step: Positive.
        wakes: Who brings a tick on.
    """
    loop, bell, rested_s = asyncio.get_running_loop(), wakes.bell, 0.0
    last = floor_to(clock.now(), step)
    while True:
        coming = last + step
        wait_s = (coming - clock.now()).total_seconds()
        if wait_s <= 0.0:
            last = floor_to(clock.now(), step)
            wakes.late_s.append((clock.now() - last).total_seconds())
            # What was rung for until now is answered by this tick.
            bell.quiet()
            yield last
        elif loop.time() < rested_s:
            await _until(clock, coming, rested_s - loop.time())
        elif await bell.within(clock, wait_s):
            await _until(clock, coming, wakes.gather_s)
            if clock.now() < coming:
                bell.quiet()
                rested_s = loop.time() + wakes.apart_s - wakes.gather_s
                wakes.brought_on += 1
                yield clock.now()


async def _until(clock: Clock, coming: datetime, pause_s: float) -> None:
    """A pause in machine time, but not beyond an instant of park time."""
    pause = asyncio.ensure_future(asyncio.sleep(pause_s))
    until = asyncio.ensure_future(clock.sleep((coming - clock.now()).total_seconds()))
    try:
        await asyncio.wait((pause, until), return_when=asyncio.FIRST_COMPLETED)
    finally:
        pause.cancel()
        until.cancel()
