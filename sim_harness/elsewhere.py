"""A controller in another process, in lock-step with the world: both ends of the line between them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.service import Controller
from sim_harness.barrier import Bye, Done, Failed, Fence, Go, Line, Listening, Ready, Summary, TalliedBus, Tally, call
from sim_harness.clock import SimClock
from vpp.errors import BrokerError, ScenarioError, VppError
from vpp.units import MS_PER_S

__all__ = ["LOCK_STEP_BUS", "MakeController", "RemoteController", "ack_p99_ms"]

#: Virtual time may run a thousand times faster than the wall: a side that lost the broker comes back at once.
LOCK_STEP_BUS: Final = MqttSettings(first_retry_s=0.02, last_retry_s=0.2, timeout_s=15.0, max_wait_s=60.0)
_READY_WITHIN_S: Final = 600.0
_LOOK_S: Final = 0.2
_ENDS_WITHIN_S: Final = 3.0
_INSTANT: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Makes a controller on a bus and a clock, and says how many of its tasks wait on the clock; a module-level function, or a
#: partial of one, because it travels to the other process.
MakeController = Callable[[TalliedBus, SimClock], tuple[Controller, int]]


def ack_p99_ms(controller: Controller) -> float | None:
    """99th percentile of the time from command to ack."""
    delays_s = controller.commander.counters.ack_delay_s
    return float(np.percentile(delays_s, 99)) * MS_PER_S if delays_s else None


@dataclass(slots=True)
class RemoteController:
    """The world's end.

    Args:
        process: Where the controller runs.
        line: To it.
        bus: The world's own.
        commands: How many it has sent, as it last said.
        alive: Whether it answers; a run goes on without one that was killed.
        p99_ms: As it said at its end.
    """

    process: BaseProcess
    line: Line
    bus: TalliedBus
    commands: int = 0
    alive: bool = True
    p99_ms: float | None = None

    @classmethod
    async def start(
        cls, make: MakeController, url: str, start: datetime, path: Path, called: asyncio.Future[Line], bus: TalliedBus
    ) -> RemoteController:
        """Starts the process and returns when its loops wait for time to pass.

        Raises:
            VppError: What was wrong over there.
        """
        # A fresh interpreter: nothing of this one, its threads or its connections, is shared.
        process = get_context("spawn").Process(target=_process, args=(make, url, start, path), daemon=True)
        process.start()
        line = await _until_called(process, called)
        match await line.hear():
            case Ready(filters=filters):
                bus.count_what(filters)
                await line.say(Listening(bus.filters))
                return cls(process, line, bus)
            case Failed(faults=faults):
                raise ScenarioError(faults)
            case _:
                raise BrokerError("controller: its process ended before it was ready")

    async def turn(self, at: datetime) -> None:
        """The controller's turn at an instant; at once over when it is dead."""
        if not self.alive:
            return
        await self.bus.hand_on()
        self.alive = await self.line.say(Go(self.bus.tally, (at - _EPOCH) // _INSTANT))
        while self.alive:
            match await self.line.hear():
                case Fence(tally=tally):
                    await self._answer(tally)
                    self.alive = await self.line.say(Fence(self.bus.tally))
                case Done(tally=tally, commands=commands):
                    await self._answer(tally)
                    self.commands = commands
                    return
                case _:
                    self.alive = False

    async def end(self) -> None:
        """Asks for its last word and ends the process."""
        if self.alive and await self.line.say(Bye()):
            word = await self.line.hear()
            if isinstance(word, Summary):
                self.commands, self.p99_ms = word.commands, word.ack_p99_ms
        await asyncio.to_thread(self.process.join, _ENDS_WITHIN_S)
        if self.process.is_alive():
            self.process.kill()

    async def _answer(self, tally: Tally) -> None:
        """What the controller said has reached the world, and what the world answered is under way."""
        await self.bus.catch_up(tally)
        await self.bus.hand_on()


async def _until_called(process: BaseProcess, called: asyncio.Future[Line]) -> Line:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + _READY_WITHIN_S
    while not called.done():
        await asyncio.wait([called], timeout=_LOOK_S)
        if not process.is_alive() or loop.time() > end_s:
            raise BrokerError(f"controller: its process did not come up (exit code {process.exitcode})")
    return called.result()


def _process(make: MakeController, url: str, start: datetime, path: Path) -> None:
    """The other process. An interrupt is for the world's, which then hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_other_end(make, url, start, path))


async def _other_end(make: MakeController, url: str, start: datetime, path: Path) -> None:
    line = await call(path)
    clock = SimClock(start)
    try:
        async with connected_bus(url, f"controller_{os.getpid()}", settings=LOCK_STEP_BUS) as mqtt:
            bus = TalliedBus(mqtt)
            controller, participants = make(bus, clock)
            loops = asyncio.ensure_future(controller.run())
            await clock.wait_for_participants(participants)
            await bus.flush()
            await line.say(Ready(bus.filters))
            await _take_turns(line, bus, clock, controller)
            loops.cancel()
            await asyncio.gather(loops, return_exceptions=True)
    except VppError as error:
        await line.say(Failed(tuple(str(error).splitlines())))
    line.close()


async def _take_turns(line: Line, bus: TalliedBus, clock: SimClock, controller: Controller) -> None:
    counters = controller.commander.counters
    fenced = -1

    async def fence() -> None:
        # What a loop said is heard, acted on and answered before the next loop looks, as inside one process.
        nonlocal fenced
        await bus.hand_on()
        tally = bus.tally
        if tally.sent == fenced:
            return
        fenced = tally.sent
        if await line.say(Fence(tally)) and isinstance(answer := await line.hear(), Fence):
            await bus.catch_up(answer.tally)

    while True:
        match await line.hear():
            case Listening(filters=filters):
                bus.count_what(filters)
            case Go(tally=tally, until_us=until_us):
                await bus.catch_up(tally)
                await clock.run_until(_EPOCH + (until_us + 1) * _INSTANT, fence)
                await line.say(Done(bus.tally, counters.sent))
            case Bye():
                await line.say(Summary(counters.sent, ack_p99_ms(controller)))
                return
            case _:  # the world has gone
                return
