"""Time as something that is passed in; the only place that may ask the machine what time it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "Ticks", "WallClock"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Park time: the same controller code runs in real time, faster, and in simulation."""

    def now(self) -> datetime:
        """Park time, aware UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds of park time since some moment; never runs backwards, whatever happens to `now`."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Waits that many seconds of park time."""
        ...

    def every(self, step: timedelta) -> AsyncIterator[datetime]:
        """The multiples of `step` (counted from 1970, UTC) that are still to come; see `Ticks`."""
        ...


class Ticks:
    """The coming multiples of a step, each yielded when its moment has come.

    They lie on the clock's own grid (a quarter of an hour ticks at :00, :15, :30, :45), so they never drift. A loop
    that took longer than a step gets the latest tick that is due; those in between are skipped and counted.

    Args:
        clock: Whose time.
        step: Positive.

    Raises:
        ValueError: The step is not positive.
    """

    def __init__(self, clock: Clock, step: timedelta) -> None:
        if step <= timedelta(0):
            raise ValueError(f"step={step} is not positive")
        self._clock, self._step = clock, step
        self._last = self._due()
        #: Ticks that came and went while the loop was busy.
        self.missed = 0

    def __aiter__(self) -> Ticks:
        return self

    async def __anext__(self) -> datetime:
        coming = self._last + self._step
        # A sleep may end a hair early: a tick is never given before its time.
        while (wait := coming - self._clock.now()) > timedelta(0):
            await self._clock.sleep(wait.total_seconds())
        latest = self._due()
        self.missed += (latest - coming) // self._step
        self._last = latest
        return latest

    def _due(self) -> datetime:
        now = self._clock.now()
        return now - (now - _EPOCH) % self._step


class WallClock:
    """Park time that follows the machine's, as it is or faster.

    Args:
        speed: Park seconds in a second.
        start: Park time at this moment; None: the machine's own.

    Raises:
        ValueError: The speed is not positive or the start is not aware UTC.
    """

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed={speed} is not positive")
        if start is not None and start.utcoffset() != timedelta(0):
            raise ValueError(f"start={start} is not aware UTC")
        # In plain real time the machine's clock is followed, with the corrections it gets from its time server.
        self._follows_machine = speed == 1.0 and start is None
        self._speed = speed
        self._began_s = time.monotonic()
        self._start = start if start is not None else self._machine_now()

    def now(self) -> datetime:
        """Park time, aware UTC."""
        if self._follows_machine:
            return self._machine_now()
        return self._start + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """Seconds of park time since this clock was made."""
        return (time.monotonic() - self._began_s) * self._speed

    async def sleep(self, duration_s: float) -> None:
        """Waits that many seconds of park time."""
        await asyncio.sleep(max(0.0, duration_s) / self._speed)

    def every(self, step: timedelta) -> Ticks:
        """The coming multiples of `step`; `missed` counts those that a slow loop skipped."""
        return Ticks(self, step)

    @staticmethod
    def _machine_now() -> datetime:
        return datetime.now(UTC)  # noqa: TID251  this clock is where time enters
