"""Ticks that begin at once: a service that starts in the middle of a quarter does not wait for the next one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from controllers.clock import Clock
from vpp.timegrid import floor_to

__all__ = ["at_once"]

_LOOK_AGAIN_S = 0.5


async def at_once(clock: Clock, step: timedelta, ready: Callable[[], bool]) -> AsyncIterator[datetime]:
    """The running multiple of `step` as soon as `ready` says so, then those still to come.

    Args:
        clock: Whose time.
        step: Positive.
        ready: Whether there is anything to work on yet, as a first word of the devices or a first forecast.
    """
    while not ready():
        await clock.sleep(_LOOK_AGAIN_S)
    yield floor_to(clock.now(), step)
    async for at in clock.every(step):
        yield at
