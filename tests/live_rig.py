"""A small park over a real broker, faster than the clock on the wall, with the shipped controller in a process to kill."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controllers.bus.broker import EmbeddedBroker, find_nats_server
from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.edge import Edge
from controllers.family import Call, Child, Family, Word
from controllers.planner.rules import RuleThresholds
from controllers.service import ControllerSettings
from controllers.settings import ClockSettings, Settings, StoreSettings
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park

__all__ = ["BESS", "GRID", "LiveRig", "always_discharge", "big_battery", "live_rig"]

BESS, GRID = AssetId("bess.hongshan"), ConnectionId("grid.hongshan")
SPEED, CONTROL_S = 30.0, 5.0
#: Of the machine; two busy cores start an interpreter in some seconds.
PATIENCE_S = 60.0


def always_discharge(usual: ControllerSettings) -> ControllerSettings:
    """Any price is dear enough: the battery gives all it has."""
    thresholds = RuleThresholds(charge_below_cny_per_mwh=-1e4, discharge_above_cny_per_mwh=-1e3)
    return replace(usual, thresholds=thresholds)


def big_battery(park: Park) -> Park:
    """The same park with 500 MW of battery behind a connection that can carry them."""
    assets = tuple(
        replace(a, plate=replace(a.plate, power_mw=500.0, energy_mwh=4_000.0)) if a.id == BESS else a for a in park.assets
    )
    connections = tuple(replace(c, export_limit_mw=600.0) if c.id == GRID else c for c in park.connections)
    return replace(park, assets=assets, connections=connections)


@dataclass
class LiveRig:
    """Everything in reach."""

    park: Park
    settings: Settings
    clock: WallClock
    site: Site
    family: Family
    broker: EmbeddedBroker
    stepped: asyncio.Condition = field(default_factory=asyncio.Condition)
    import_mw: list[float] = field(default_factory=list)
    #: When the world told of itself; a starved machine makes it tell less often.
    reported: list[datetime] = field(default_factory=list)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for a condition, looking after every step of the world."""
        try:
            async with asyncio.timeout(PATIENCE_S), self.stepped:
                await self.stepped.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"never came about: {what}") from None

    def edge(self, asset_id: AssetId = BESS) -> Edge:
        return next(e for e in self.site.edges if e._device.asset_id == asset_id)  # noqa: SLF001  nobody else says

    def power_mw(self, asset_id: AssetId = BESS) -> float:
        return self.site.world.plant(asset_id).power_mw

    @property
    def epoch(self) -> int:
        """Under which the battery follows."""
        return self.edge()._applied[0]  # noqa: SLF001  its telemetry says so too

    def kill(self, name: str) -> None:
        os.kill(self.family.pids[name], signal.SIGKILL)

    async def new_controller(self) -> None:
        """Waits until another controller's command acts at the battery."""
        before = self.epoch
        await self.until(lambda: self.epoch > before, "a command of the next controller")


@asynccontextmanager
async def live_rig(
    folder: Path,
    *,
    tuned: Call | None = None,
    changed: Callable[[Park], Park] | None = None,
    store_url: str | None = None,
    speed: float = SPEED,
) -> AsyncIterator[LiveRig]:
    find_nats_server()
    scenario: Scenario = replace(load("first-week"), days=0.5, control_step_s=CONTROL_S)
    park = load_park_of(scenario)
    park = park if changed is None else changed(park)
    weather = open_weather(None, farms_of(park), seed=1, start=scenario.start, end=scenario.end)
    broker, family = EmbeddedBroker(folder / "broker"), Family()
    await broker.start()
    may_run = asyncio.Event()
    may_run.set()
    clock = ClockSettings(speed=speed, start=scenario.start, began_s=time.monotonic())
    store = StoreSettings(url=store_url)
    settings = Settings(state_dir=folder / "state", control_s=CONTROL_S, clock=clock, store=store)
    patient = MqttSettings(first_retry_s=0.05, last_retry_s=0.5)
    try:
        async with connected_bus(broker.url, "world", settings=patient) as bus:
            here = settings.clock.clock()
            rig = LiveRig(park, settings, here, Site(park, scenario, weather, lambda _: bus, here), family, broker)
            target = Call("controllers.controller_process:controller_process", (settings, park, broker.url, None, tuned))
            tasks: list[asyncio.Future[Any]] = [
                asyncio.ensure_future(family.keep_broker(broker, may_run)),
                asyncio.ensure_future(family.keep(Child("controller", target), _heard)),
                asyncio.ensure_future(_world(rig, scenario)),
            ]
            try:
                yield rig
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                await family.end()
            failed = [e for e in ended if isinstance(e, Exception)]
            assert not failed, failed
    finally:
        await broker.stop()


def _heard(word: Word) -> None:
    assert word.ready, word.text


async def _world(rig: LiveRig, scenario: Scenario) -> None:
    step, before = timedelta(seconds=CONTROL_S), scenario.start
    async for at in rig.clock.every(step):
        async with rig.stepped:
            while before + step <= at:
                flows = rig.site.world.step(before, CONTROL_S)
                rig.import_mw.append(flows.import_mw[GRID])
                before += step
            rig.site.report(before)
            rig.reported.append(before)
            rig.stepped.notify_all()
