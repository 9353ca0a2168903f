"""Who looks after the loops: one task group, restarts with back-off and counts, a time budget for every tick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from controllers.clock import Clock

__all__ = ["BackOff", "Loop", "LoopHealth", "Supervisor", "Trouble", "no_trouble", "watched"]

log = structlog.get_logger(__name__)

#: Told of what someone should look at: the alarm's key, and one line of text.
Trouble = Callable[[str, str], None]
#: Errors kept of each loop, for whoever asks.
_LONGEST_ERROR: Final = 400


def no_trouble(key: str, text: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a loop that failed waits before it begins again.

    Args:
        first_s: After the first failure; doubles with each further one. [s]
        longest_s: Never longer. [s]
        forget_s: A loop that ran for so long starts from the beginning again. [s]
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    forget_s: float = 300.0

    def pause_s(self, failures: int) -> float:
        """Before the next start, after so many failures in a row.

        >>> BackOff().pause_s(3)
        4.0
        """
        return min(self.first_s * 2.0 ** max(failures - 1, 0), self.longest_s)


@dataclass(slots=True)
class LoopHealth:
    """What is known of one loop.

    Args:
        restarts: How often it failed and began again.
        ticks: Periods that it has worked through.
        overruns: Periods that took longer than the budget.
        longest_s: The longest of them. [s of park time]
        last_at: When the last one began (UTC).
        last_error: Of the last failure.
    """

    restarts: int = 0
    ticks: int = 0
    overruns: int = 0
    longest_s: float = 0.0
    last_at: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop by its name, and how it is begun, again and again."""

    name: str
    begin: Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Supervisor:
    """Owns all loops of a controller.

    Args:
        clock: Whose time is waited.
        back_off: How long after a failure; None: the first failure ends everything, as a simulation wants it.
        trouble: Told of every restart and overrun.
    """

    clock: Clock
    back_off: BackOff | None = None
    trouble: Trouble = no_trouble
    health: dict[str, LoopHealth] = field(default_factory=dict)

    def of(self, name: str) -> LoopHealth:
        """The record of a loop."""
        return self.health.setdefault(name, LoopHealth())

    async def run(self, loops: Sequence[Loop]) -> None:
        """All loops until cancelled, or until each has ended by itself."""
        async with asyncio.TaskGroup() as tasks:
            for loop in loops:
                self.of(loop.name)
                begun = loop.begin() if self.back_off is None else self._kept(loop, self.back_off)
                tasks.create_task(begun, name=loop.name)

    async def _kept(self, loop: Loop, back_off: BackOff) -> None:
        health, failures = self.of(loop.name), 0
        while True:
            began_s = self.clock.monotonic_s()
            try:
                return await loop.begin()
            except Exception as error:  # the one place where any failure is caught; a cancellation is none
                failures = 1 if self.clock.monotonic_s() - began_s > back_off.forget_s else failures + 1
                health.restarts += 1
                health.last_error = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
                pause_s = back_off.pause_s(failures)
                log.exception("loop.failed", loop=loop.name, failures=failures, pause_s=pause_s)
                self.trouble(f"loop.{loop.name}", f"{loop.name} failed ({health.last_error}); begins again in {pause_s:g} s")
            await self.clock.sleep(pause_s)

    def watched(self, ticks: AsyncIterator[datetime], name: str, budget_s: float) -> AsyncIterator[datetime]:
        """The same ticks, each measured from its beginning until the loop comes back for the next."""
        return watched(self.clock, ticks, self.of(name), budget_s, lambda text: self.trouble(f"overrun.{name}", text))


async def watched(
    clock: Clock, ticks: AsyncIterator[datetime], health: LoopHealth, budget_s: float, trouble: Callable[[str], None]
) -> AsyncIterator[datetime]:
    """Counts ticks and those that took longer than a budget.

    Args:
        clock: Whose time is measured.
        ticks: Of the loop.
        health: Where it is counted.
        budget_s: Park seconds that a tick may take.
        trouble: Told of the first, second, fourth, eighth ... overrun.
    """
    async for at in ticks:
        began_s = clock.monotonic_s()
        health.last_at = at
        yield at
        took_s = clock.monotonic_s() - began_s
        health.ticks += 1
        health.longest_s = max(health.longest_s, took_s)
        if took_s > budget_s:
            health.overruns += 1
            if health.overruns & (health.overruns - 1) == 0:
                log.warning("loop.overrun", took_s=round(took_s, 3), budget_s=budget_s, overruns=health.overruns)
                trouble(f"a period took {took_s:.2f} s of {budget_s:g} s; {health.overruns} so far")
