"""Virtual time in lock-step: nothing happens by itself, and the same run happens twice in the same order.

A participant is a task that waits on this clock. The driver wakes the participants that are due one after another, by instant and
then by priority, and wakes nobody else until the one it woke waits on the clock again (or ends). Between two of them a fence may
flush the bus, so that what one said has been heard before the next one looks. No wall time is read: speed is the machine's own.

One rule follows. A participant that was woken may wait for the wire, but not for something that only happens at a later virtual
instant, such as another participant's next tick or a sleep of its own child task: the driver would wait for it for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, Final, TypeAlias

from vpp.timegrid import require_utc

__all__ = ["Fence", "RankedClock", "SimClock", "SimTicks"]

Fence: TypeAlias = Callable[[], Awaitable[None]]
_Task: TypeAlias = "asyncio.Task[Any]"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_US_PER_S: Final = 1e6


def _to_us(at: datetime) -> int:
    return (require_utc(at, "at") - _EPOCH) // _MICROSECOND


class SimClock:
    """A `controllers.clock.Clock` whose time is moved by `run_until`.

    Args:
        start: First instant (UTC).
    """

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start, "start")
        #: Microseconds since 1970; read only.
        self.now_us = self._start_us = _to_us(start)
        self._waiting: list[tuple[int, int, int, asyncio.Future[None], _Task]] = []
        self._turn = 0
        self._members: set[_Task] = set()
        self._starting: set[_Task] = set()
        self._failures: list[BaseException] = []
        self._running: _Task | None = None
        self._back: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        """The virtual instant (UTC)."""
        return self._now

    def monotonic_s(self) -> float:
        """Virtual seconds since the start."""
        return (self.now_us - self._start_us) / _US_PER_S

    @property
    def participants(self) -> int:
        """Tasks that have waited on this clock and have not ended."""
        return len(self._members)

    async def sleep(self, duration_s: float, *, priority: int = 0) -> None:
        """Wait for virtual seconds; zero or less gives way to whoever else is due now."""
        await self.park(self.now_us + max(0, round(duration_s * _US_PER_S)), priority)

    def every(self, step: timedelta, *, priority: int = 0) -> SimTicks:
        """The multiples of `step` since 1970 that are still to come; see `SimTicks`.

        Args:
            step: Time between ticks.
            priority: Who comes first at the same instant: the smaller number.

        Raises:
            ValueError: The step is not positive.
        """
        step_us = step // _MICROSECOND
        if step_us <= 0:
            raise ValueError(f"step={step} is not positive")
        return SimTicks(self, step_us, priority)

    def ranked(self, priority: int) -> RankedClock:
        """This clock for a participant that does not know priorities, such as a controller."""
        return RankedClock(self, priority)

    def spawn(self, participant: Coroutine[Any, Any, None], *, name: str | None = None) -> asyncio.Task[None]:
        """Start a participant that time must not pass before it waits on the clock for the first time."""
        task = asyncio.get_running_loop().create_task(participant, name=name)
        self._starting.add(task)
        self._join(task)
        return task

    async def wait_for_participants(self, n: int) -> None:
        """Until `n` tasks wait on the clock: for loops that a supervisor starts by itself, before the first `run_until`.

        Raises:
            BaseException: Whatever a participant died of meanwhile.
        """
        while len({entry[4] for entry in self._waiting if not entry[3].done()}) < n:
            self._raise_failure()
            await self._change()

    async def run_until(self, end: datetime, between: Fence | None = None) -> None:
        """Let time pass to `end`; what is due at `end` itself is left to the next call.

        Args:
            end: Where time stands afterwards (UTC), not before now.
            between: Awaited after each participant that was woken.

        Raises:
            ValueError: `end` is in the past.
            BaseException: Whatever a participant died of; the run stops there.
        """
        end_us = _to_us(end)
        if end_us < self.now_us:
            raise ValueError(f"end={end} is before now={self._now}; virtual time does not go back")
        while True:
            await self._gather_starting()
            self._raise_failure()
            if not self._waiting or self._waiting[0][0] >= end_us:
                break
            due_us, _, _, wake, task = heappop(self._waiting)
            if wake.done():  # its task was cancelled while it waited
                continue
            if due_us != self.now_us:
                self.now_us, self._now = due_us, _EPOCH + due_us * _MICROSECOND
            await self._wake(wake, task)
            if between is not None:
                await between()
        self.now_us, self._now = end_us, end

    async def park(self, due_us: int, priority: int) -> None:
        """Wait until virtual time is `due_us` microseconds after 1970 and it is this task's turn."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("the clock can only be waited on inside a task")
        loop = task.get_loop()
        if task not in self._members:
            self._join(task)
        wake: asyncio.Future[None] = loop.create_future()
        self._turn += 1
        heappush(self._waiting, (due_us, priority, self._turn, wake, task))
        self._starting.discard(task)
        self._came_back(task)
        await wake

    async def _wake(self, wake: asyncio.Future[None], task: _Task) -> None:
        self._running = task
        self._back = asyncio.get_running_loop().create_future()
        wake.set_result(None)
        try:
            await self._back
        finally:
            self._running = self._back = None

    def _came_back(self, task: _Task) -> None:
        if task is self._running and self._back is not None and not self._back.done():
            self._back.set_result(None)
        self._changed.set()

    def _join(self, task: _Task) -> None:
        self._members.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: _Task) -> None:
        self._members.discard(task)
        self._starting.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
        self._came_back(task)

    async def _gather_starting(self) -> None:
        while self._starting and not self._failures:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures.pop(0)


class SimTicks:
    """Ticks on the clock's own grid; a loop that slept through some gets the latest one that is due.

    An instant that is just now counts as still to come: time stands there until every participant due has had its turn.
    """

    def __init__(self, clock: SimClock, step_us: int, priority: int) -> None:
        self._clock, self._step_us, self._priority = clock, step_us, priority
        self._due_us = -(-_to_us(clock.now()) // step_us) * step_us
        #: Ticks that came and went while the loop slept.
        self.missed = 0

    def __aiter__(self) -> SimTicks:
        return self

    async def __anext__(self) -> datetime:
        clock, due_us = self._clock, self._due_us
        await clock.park(max(due_us, clock.now_us), self._priority)
        late = (clock.now_us - due_us) // self._step_us
        self.missed += late
        self._due_us = due_us + (late + 1) * self._step_us
        return clock.now() if clock.now_us == due_us else _EPOCH + (due_us + late * self._step_us) * _MICROSECOND


class RankedClock:
    """A `SimClock` seen by one participant, all of whose waits have one priority."""

    def __init__(self, clock: SimClock, priority: int) -> None:
        self._clock, self._priority = clock, priority

    def now(self) -> datetime:
        """The virtual instant (UTC)."""
        return self._clock.now()

    def monotonic_s(self) -> float:
        """Virtual seconds since the start."""
        return self._clock.monotonic_s()

    async def sleep(self, duration_s: float) -> None:
        """Wait for virtual seconds."""
        await self._clock.sleep(duration_s, priority=self._priority)

    def every(self, step: timedelta) -> SimTicks:
        """The multiples of `step` that are still to come."""
        return self._clock.every(step, priority=self._priority)
