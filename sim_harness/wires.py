"""The two ways to connect a world and a controller in lock-step: in one process, or over a real broker in two.

Both are used alike, and a broker restart is carried out on either: links are cut and mended here, a real process is killed there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Protocol

from controllers.bus.base import Bus
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.local import LocalBus
from controllers.bus.mqtt import connected_bus
from controllers.service import Controller
from sim_harness.barrier import TalliedBus, listening
from sim_harness.broker_keeper import BrokerKeeper
from sim_harness.clock import Fence, SimClock
from sim_harness.elsewhere import LOCK_STEP_BUS, RemoteController, ack_p99_ms

__all__ = ["LocalWire", "MqttWire", "Wiring"]

#: Makes a controller on a bus and a clock, and says how many of its tasks wait on the clock.
_Make = Callable[[Bus, SimClock], tuple[Controller, int]]


class Wiring(Protocol):
    """A world's connection to its controller, if it has one."""

    @property
    def world_bus(self) -> Bus:
        """The world's side."""
        ...

    @property
    def fence(self) -> Fence | None:
        """What must be awaited after each participant of the world's clock."""
        ...

    @property
    def participants(self) -> int:
        """Tasks of the controller that wait on the world's own clock."""
        ...

    @property
    def commands(self) -> int | None:
        """Sent so far; None without a controller."""
        ...

    @property
    def ack_p99_ms(self) -> float | None:
        """From command to ack; None without an ack."""
        ...

    @property
    def malformed(self) -> int:
        """Messages refused on the world's side of the wire, and on both in one process."""
        ...

    async def __aenter__(self) -> Wiring:
        """Opens the wire."""
        ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends everything it started."""
        ...

    async def start(self, at: datetime) -> None:
        """Starts the controller, once the world listens."""
        ...

    async def tend_broker(self, at: datetime, *, wanted_down: bool) -> None:
        """Once a control period: takes the broker down or brings it back."""
        ...

    async def end(self) -> None:
        """Ends the controller in good order."""
        ...


class LocalWire:
    """Both sides in this process; every message arrives before `post` returns.

    Args:
        make: Makes the controller; None for none.
        clock: Both sides' own.
        cuttable: Whether each side has a link of its own, which a broker restart cuts; else both sit at the bus itself.
    """

    fence: Fence | None = None

    def __init__(self, make: _Make | None, clock: SimClock, *, cuttable: bool = True) -> None:
        self._make, self._clock = make, clock
        self._hub = LocalBus()
        self._links = (self._hub.link(), self._hub.link()) if cuttable else ()
        self._world: Bus
        self._control: Bus
        self._world, self._control = self._links or (self._hub, self._hub)
        self._controller: Controller | None = None
        self._loops: asyncio.Task[None] | None = None
        self.participants = 0

    @property
    def world_bus(self) -> Bus:
        """The world's side."""
        return self._world

    @property
    def commands(self) -> int | None:
        """Sent so far."""
        return None if self._controller is None else self._controller.commander.counters.sent

    @property
    def ack_p99_ms(self) -> float | None:
        """From command to ack."""
        return None if self._controller is None else ack_p99_ms(self._controller)

    @property
    def malformed(self) -> int:
        """Messages that either side refused."""
        return sum(sum(bus.counters.malformed.values()) for bus in self._links or (self._hub,))

    async def __aenter__(self) -> LocalWire:
        """Nothing to open."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the controller's loops."""
        await self.end()

    async def start(self, at: datetime) -> None:
        """Starts the controller's loops on the world's clock."""
        del at
        if self._make is not None:
            self._controller, self.participants = self._make(self._control, self._clock)
            self._loops = asyncio.ensure_future(self._controller.run())

    async def tend_broker(self, at: datetime, *, wanted_down: bool) -> None:
        """Cuts both links or mends them."""
        del at
        for link in self._links:
            if wanted_down:
                link.cut()
            else:
                link.mend()

    async def end(self) -> None:
        """Cancels the loops."""
        loops, self._loops = self._loops, None
        if loops is not None:
            loops.cancel()
            await asyncio.gather(loops, return_exceptions=True)


class MqttWire:
    """A real broker as a child process, and the controller in another process beyond it.

    Args:
        make: Makes the controller over there; None for none.
        clock: The world's own.
    """

    participants = 0

    def __init__(self, make: _Make | None, clock: SimClock) -> None:
        self._make, self._clock = make, clock
        self._stack = AsyncExitStack()
        self._remote: RemoteController | None = None
        self._keeper: BrokerKeeper | None = None
        self.broker: EmbeddedBroker | None = None

    @property
    def world_bus(self) -> Bus:
        """The world's side."""
        return self._bus

    @property
    def controller_pid(self) -> int | None:
        """Of the process beyond the broker."""
        return None if self._remote is None else self._remote.process.pid

    @property
    def commands(self) -> int | None:
        """Sent so far, as it last said."""
        return None if self._remote is None else self._remote.commands

    @property
    def ack_p99_ms(self) -> float | None:
        """From command to ack, as it said at its end."""
        return None if self._remote is None else self._remote.p99_ms

    @property
    def malformed(self) -> int:
        """Messages that the world's side refused."""
        return sum(self._bus.counters.malformed.values())

    async def __aenter__(self) -> MqttWire:
        """Starts the broker and connects the world to it."""
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="vpp-broker-")))
        self.broker = EmbeddedBroker(self._folder)
        await self.broker.start()
        self._keeper = BrokerKeeper(self.broker)
        self._stack.push_async_callback(self.broker.stop)
        mqtt = await self._stack.enter_async_context(connected_bus(self.broker.url, "world", settings=LOCK_STEP_BUS))
        self._bus = TalliedBus(mqtt)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends controller, connection and broker."""
        await self.end()
        await self._stack.aclose()

    async def start(self, at: datetime) -> None:
        """Starts the controller's process; returns when its loops wait for time to pass."""
        if self._make is None or self.broker is None:
            return
        path = self._folder / "turns.sock"
        called = await self._stack.enter_async_context(listening(path))
        await self._bus.flush()
        self._remote = await RemoteController.start(self._make, self.broker.url, at, path, called, self._bus)

    async def fence(self) -> None:
        """The controller's turn at this instant, after the world's."""
        if self._remote is not None:
            await self._remote.turn(self._clock.now())

    async def tend_broker(self, at: datetime, *, wanted_down: bool) -> None:
        """Kills the broker as kill -9 does, or starts it again and waits for both sides to be back."""
        if self._keeper is not None and await self._keeper.tend(at, wanted_down=wanted_down):
            await self._bus.until_connected()

    async def end(self) -> None:
        """Hears the controller's last word and ends its process."""
        if self._remote is not None:
            await self._remote.end()
