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
    first, coming = floor_to(clock.now(), step), clock.every(step)
    yield first
    async for at in coming:
        # A clock may count an instant that is just now as still to come.
        if at > first:
            yield at
