"""The world of the living park in a process of its own: plants, edges, clusters, the grid's gateway; and who forecasts it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from controllers.bus.base import Bus
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from controllers.edge import offline_will
from controllers.family import Word
from controllers.log import log_to
from controllers.loops.forecast import Forecaster
from controllers.settings import Settings
from sim_harness.clusters.source import jobs_of
from sim_harness.faults import Injector
from sim_harness.live import LiveOptions, control_step
from sim_harness.run import forecaster_of
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.base import Weather
from sim_harness.weather.source import open_weather
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.park import Park

__all__ = ["make_forecaster", "world_process"]


def make_forecaster(scenario: Scenario, options: LiveOptions) -> Forecaster:
    """In the worker's process: trained on what was known before the first day, or read from where it was left."""
    park = load_park_of(scenario)
    weather = _weather(park, scenario, options)
    faults = Injector(scenario.faults_in(park), park.id, scenario.seed, WallClock(options.speed, scenario.start))
    step_s = control_step(options.speed).total_seconds()
    return forecaster_of(park, weather, scenario, options.cache_dir, faults, step_s)


def world_process(settings: Settings, scenario: Scenario, options: LiveOptions, url: str, pipe: Pipe) -> None:
    """Plants, edges, clusters and the grid's gateway; the target of a child."""
    log_to(options.log_dir / "world.log", "world")
    try:
        with contextlib.suppress(asyncio.CancelledError):  # asked to end
            asyncio.run(_world(pipe, settings, scenario, options, url))
    except VppError as error:
        pipe.send(Word(ready=False, text=str(error)))
        raise SystemExit(1) from error


async def _world(pipe: Pipe, settings: Settings, scenario: Scenario, options: LiveOptions, url: str) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    park, clock = load_park_of(scenario), settings.clock.clock()
    weather = _weather(park, scenario, options)
    async with AsyncExitStack() as stack:
        site = await _site(stack, url, (park, scenario, weather), clock, options.data_dir)
        site.world.grid.market = scenario.market(park, options.data_dir)
        pipe.send(Word(ready=True))
        await _run_world(site, clock, control_step(options.speed), scenario)


async def _site(
    stack: AsyncExitStack, url: str, world: tuple[Park, Scenario, Weather], clock: WallClock, data_dir: Path | None
) -> Site:
    """Every device has a connection and a last will of its own, as in the field."""
    park, scenario, weather = world
    buses: dict[AssetId | None, Bus] = {None: await stack.enter_async_context(connected_bus(url, "gateway"))}
    for asset in park.assets:
        will = None if asset.kind == "compute" else offline_will(park.id, asset.id)
        buses[asset.id] = await stack.enter_async_context(connected_bus(url, f"edge_{asset.id.replace('.', '_')}", will=will))
    return Site(park, scenario, weather, buses.__getitem__, clock, jobs_of(park, scenario, data_dir))


async def _run_world(site: Site, clock: WallClock, step: timedelta, scenario: Scenario) -> None:
    before = scenario.start
    site.report(before)
    async for at in clock.every(step):
        # A machine that was busy catches up in steps of the same length: the ledger has no holes.
        while before + step <= at:
            site.world.step(before, step.total_seconds())
            before += step
        site.report(before)
        if at >= scenario.end:
            return


def _weather(park: Park, scenario: Scenario, options: LiveOptions) -> Weather:
    data_dir = scenario.weather_from(options.data_dir)
    return open_weather(data_dir, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
