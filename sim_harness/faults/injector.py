"""All faults of a run in one hand: it wraps what they befall, knows who is tripped, and counts what showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np

from controllers.bus.base import Bus
from controllers.edge import Device, Timepiece
from forecasting.known import KnownDoor
from sim_harness.faults.device import FaultyDevice, SkewedClock
from sim_harness.faults.door import FaultyDoor
from sim_harness.faults.schedule import Window
from sim_harness.faults.wire import MESSAGE_KINDS, FaultyBus
from sim_harness.plants.drift import seeded
from vpp.ids import AssetId, ConnectionId
from vpp.wire.topics import ROOT

__all__ = ["Injector"]

_DEVICE_KINDS: Final = ("lying_meter", "stuck_sensor", "clock_skew", "refused_command")
#: Counted a message at a time; all others once, when they begin to show.
_EACH_MESSAGE: Final = ("lost", "late", "doubled", "reordered", "malformed")


class Injector:
    """The faults of one run.

    Args:
        windows: From `schedule_of`.
        park: Id of the park.
        seed: Of the run.
        clock: Real time of the world.
    """

    def __init__(self, windows: Sequence[Window], park: str, seed: int, clock: Timepiece) -> None:
        self.windows = tuple(windows)
        self._root, self._seed, self._clock = f"{ROOT}/{park}", seed, clock
        self._buses: dict[int, FaultyBus] = {}
        self._shown: set[int] = set()
        self._stuck_mw: dict[int, float] = {}
        #: What showed so far, by kind: every message that was taken, and every other fault once.
        self.counts: Counter[str] = Counter()
        self._random: dict[int, np.random.Generator] = {}
        self._trips = self._of("plant_trip")
        self._meters = self._of("lying_meter", "stuck_sensor")
        self.broker_restarts = self._of("broker_restart")

    @property
    def injected(self) -> int:
        """How many faults showed, for `faults_injected`."""
        return sum(self.counts.values())

    def bus(self, bus: Bus) -> Bus:
        """A bus on which messages get lost; the same for the same bus."""
        if not any(w.kind in MESSAGE_KINDS for w in self.windows):
            return bus
        if id(bus) not in self._buses:
            self._buses[id(bus)] = FaultyBus(bus, self._root, self._clock, self.windows, self._luck, self.acted)
        return self._buses[id(bus)]

    def device(self, device: Device) -> Device:
        """A device as its edge sees it."""
        mine = [w for w in self._of(*_DEVICE_KINDS) if w.target == device.asset_id]
        return FaultyDevice(device, self._clock, mine) if mine else device

    def timepiece(self, asset_id: AssetId) -> Timepiece:
        """The clock of an edge or a scheduler's client."""
        mine = [w for w in self._of("clock_skew") if w.target == asset_id]
        return SkewedClock(self._clock, mine) if mine else self._clock

    def door(self, door: KnownDoor) -> KnownDoor:
        """A door to weather runs."""
        mine = self._of("forecast_missing", "forecast_wrong")
        return FaultyDoor(door, mine) if mine else door

    def begin_period(self) -> None:
        """Once a control period of the world: late messages come, and what holds from now on is counted."""
        now = self._clock.now()
        for bus in self._buses.values():
            bus.release()
        for window in self.windows:
            if window.kind not in _EACH_MESSAGE and window.holds(now):
                self.acted(window)

    def tripped(self, at: datetime) -> frozenset[str]:
        """Plants that are forced out."""
        return frozenset(w.target for w in self._trips if w.holds(at))

    def metered_mw(self, connection_id: ConnectionId, import_mw: float) -> float:
        """What the gateway of a connection reads."""
        now = self._clock.now()
        for window in self._meters:
            if window.target == connection_id and window.holds(now):
                if window.kind == "lying_meter":
                    import_mw *= window.entry.number("factor")
                else:
                    import_mw = self._stuck_mw.setdefault(window.number, import_mw)
        return import_mw

    def acted(self, window: Window) -> None:
        """Counts a fault that showed."""
        if window.kind in _EACH_MESSAGE:
            self.counts[window.kind] += 1
        elif window.number not in self._shown:
            self._shown.add(window.number)
            self.counts[window.kind] += 1

    def _luck(self, window: Window) -> np.random.Generator:
        if window.number not in self._random:
            self._random[window.number] = seeded(self._seed, f"faults.luck.{window.number}")
        return self._random[window.number]

    def _of(self, *kinds: str) -> tuple[Window, ...]:
        return tuple(w for w in self.windows if w.kind in kinds)
