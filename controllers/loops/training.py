"""Models made anew by the service itself: a look at each start and each day, the work in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from controllers.clock import Clock
from controllers.foreteller import ForecastSetup, Training, look_and_train, too_young
from controllers.loops.forecast import Told
from controllers.loops.mailbox import Mailbox
from controllers.loops.worker import ProcessWorker
from vpp.errors import ForecastError, WorkerError

__all__ = ["TrainingDesk", "run_training", "training_ticks"]

log = structlog.get_logger(__name__)

#: After a start the loops come to rest first. [s of park time]
_FIRST_LOOK_S: Final = 30.0
#: A whole park on two busy cores takes minutes; whoever takes a working day hangs. [s of machine time]
PATIENCE_S: Final = 21_600.0


@dataclass(slots=True)
class TrainingDesk:
    """Looks, trains where it is due, and says what became of it.

    Args:
        setup: Whose farms.
        worker: Where it is done; its process ends afterwards, because it is large.
        told: The last forecast, which knows what drifts.
        on_promoted: Called when better models are in use.
        last: What became of the last look.
        failure: Why the last look failed; empty if it did not.
        busy_since: When a look began that has not ended.
    """

    setup: ForecastSetup
    worker: ProcessWorker
    told: Mailbox[Told]
    on_promoted: Callable[[], None]
    last: Training | None = None
    failure: str = ""
    busy_since: datetime | None = None

    async def look(self, at: datetime) -> None:
        """One look; what fails is tried again at the next one."""
        told = self.told.value
        drifting = () if told is None else tuple(farm for farm, health in told.health.items() if health.drifts)
        self.busy_since = at
        try:
            last = await asyncio.to_thread(too_young, self.setup, at)
            if last is None:
                last = await self.worker.within(PATIENCE_S, look_and_train, self.setup, at, drifting)
            self.last = last
            self.failure = ""
        except (ForecastError, WorkerError) as error:
            self.failure = str(error)
            log.error("training.failed", reason=self.failure)  # noqa: TRY400  one line says it all
            return
        finally:
            self.busy_since = None
            self.worker.end()
        log.info(
            "training.looked",
            reason=last.reason,
            measured_days=round(last.measured_days, 2),
            version=last.version,
            promoted=last.promoted,
            pinball=last.pinball,
            rival_pinball=last.rival_pinball,
        )
        if last.promoted:
            self.on_promoted()


async def training_ticks(clock: Clock, zone: ZoneInfo, hour: int) -> AsyncIterator[datetime]:
    """Soon after the start, then once a day.

    Args:
        clock: Park time.
        zone: In which the hour is meant.
        hour: Of the day.
    """
    await clock.sleep(_FIRST_LOOK_S)
    yield clock.now()
    while True:
        now = clock.now()
        local = now.astimezone(zone)
        coming = local.replace(hour=hour, minute=0, second=0, microsecond=0)
        coming += timedelta(days=0 if coming > local else 1)
        await clock.sleep((coming - now).total_seconds())
        yield clock.now()


async def run_training(ticks: AsyncIterator[datetime], desk: TrainingDesk) -> None:
    """The loop."""
    async for at in ticks:
        await desk.look(at)
