"""A scenario run step by step in this process, with world, edges and controller in reach of a test."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from controllers.edge import Phase
from controllers.service import Controller
from sim_harness.clock import SimClock
from sim_harness.faults import FaultEntry
from sim_harness.run import Policy, advance, make_controller
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from sim_harness.wires import LocalWire
from vpp.ids import AssetId

__all__ = ["MINUTE", "Run", "fault"]

MINUTE = timedelta(minutes=1)


class Run:
    """One minute after another, with everything in reach.

    Args:
        scenario: What is run, under rules unless `policy` says otherwise.
        faults: What goes wrong.
        policy: Who controls.
        models: Where trained forecasters are kept; no matter under rules.
    """

    def __init__(self, scenario: Scenario, *faults: FaultEntry, policy: Policy = "rules", models: Path = Path("unused")) -> None:
        self.scenario, self._policy, self._models = replace(scenario, faults=faults), policy, models
        self.park, self.clock = load_park_of(scenario), SimClock(scenario.start)
        self.controllers: list[Controller] = []
        weather = open_weather(None, farms_of(self.park), seed=1, start=scenario.start, end=scenario.end)
        self.wire = LocalWire(self._make, self.clock)
        self.site = Site(self.park, self.scenario, weather, lambda _: self.wire.world_bus, self.clock)

    def _make(self, bus: Any, clock: SimClock) -> tuple[Controller, int]:
        made = make_controller(self.scenario, self._policy, None, self._models, bus, clock)
        self.controllers.append(made[0])
        return made

    async def start(self) -> None:
        self._world = asyncio.ensure_future(advance(self.site, self.clock, self.scenario, self.wire))
        await self.wire.start(self.scenario.start)
        await self.clock.wait_for_participants(1 + self.wire.participants)

    async def until(self, minute: int) -> None:
        await self.clock.run_until(self.scenario.start + minute * MINUTE)

    async def end(self) -> None:
        self._world.cancel()
        await asyncio.gather(self._world, return_exceptions=True)
        await self.wire.end()
        assert self.site.world.truth().unsafe_s == 0.0

    def phase(self, asset_id: AssetId) -> Phase:
        return next(e.phase for e in self.site.edges if e._device.asset_id == asset_id)  # noqa: SLF001  nobody else says

    def said(self, asset_id: AssetId) -> Any:
        return self.controllers[0].inbox.snapshot(self.clock.now()).assets.get(asset_id)


def fault(kind: Any, start_min: float = 10.0, minutes: float = 20.0, **more: Any) -> FaultEntry:
    return FaultEntry(kind=kind, start_h=start_min / 60.0, duration_h=minutes / 60.0, **more)
