"""The park alive: the world in a process of its own against the service as it is shipped; a view on the terminal if wanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from controllers.bus.base import Bus
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from controllers.console.board import Board
from controllers.console.live import watch
from controllers.controller_process import ControllerOptions
from controllers.edge import offline_will
from controllers.family import Child, Word
from controllers.log import log_to
from controllers.loops.forecast import Forecaster
from controllers.serve import Service, operator_token, serve
from controllers.service import ControllerSettings
from controllers.settings import BrokerSettings, ClockSettings, Settings, StoreSettings, load_settings
from sim_harness.clusters.source import jobs_of
from sim_harness.faults import Injector
from sim_harness.run import forecaster_of
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.base import Weather
from sim_harness.weather.source import open_weather
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.park import Park

__all__ = ["FASTEST_AT_1_S", "LiveOptions", "control_step", "run_live"]

#: Up to this speed the park is controlled every second; faster, every ten.
FASTEST_AT_1_S: Final = 10.0
_COARSE_STEP: Final = timedelta(seconds=10)
_FINE_STEP: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How the living park is run.

    Args:
        speed: Park seconds in a second.
        data_dir: Measured series; None to generate weather.
        cache_dir: Where trained models are kept.
        log_dir: Where the processes write their logs.
        view: Whether the park is shown on this terminal too.
        port: Of API and screen; 0 finds a free one.
    """

    speed: float
    data_dir: Path | None
    cache_dir: Path = Path("out/models")
    log_dir: Path = Path("out/log")
    view: bool = False
    port: int = 8080


def control_step(speed: float) -> timedelta:
    """The control period at a speed."""
    return _FINE_STEP if speed <= FASTEST_AT_1_S else _COARSE_STEP


def run_live(scenario: Scenario, options: LiveOptions) -> int:
    """Runs until it is interrupted or the scenario ends; ends everything it started.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
        VppError: The broker could not be started, or the address is taken.
    """
    park = load_park_of(scenario)
    # The world begins anew at every start, and so must what it is remembered by: an old signal would outrank a new one.
    with TemporaryDirectory(prefix="vpp-live-") as folder:
        settings = _settings(scenario, options, Path(folder))
        log_to(options.log_dir / "live.log", "live")
        _say(f"token    {operator_token(settings)}  (operator, 12 h)")
        asyncio.run(_live(scenario, options, settings, park))
    _say("stopped: world, controller, API and broker have ended")
    return 0


async def _live(scenario: Scenario, options: LiveOptions, settings: Settings, park: Park) -> None:
    control = control_step(options.speed)
    make = partial(_make_forecaster, scenario, options) if farms_of(park) else None
    service = Service(
        settings,
        park,
        options=ControllerOptions(make, ControllerSettings(control=control, live=True)),
        beside=(Child("world", _world_process, (settings, scenario, options), vital=True),),
        tend_broker=partial(_tend_broker, scenario, park, settings),
        log_dir=options.log_dir,
    )
    if not options.view:
        await serve(service, _say)
        return
    urls: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    viewing = asyncio.ensure_future(_view(park, urls, settings.clock.clock()))
    try:
        await serve(service, partial(_say_and_note, urls))
    finally:
        viewing.cancel()
        await asyncio.gather(viewing, return_exceptions=True)


def _settings(scenario: Scenario, options: LiveOptions, folder: Path) -> Settings:
    """One park time for all processes: the machine's monotonic clock is one for all of them."""
    given = {"api": {"port": options.port}, "control_s": control_step(options.speed).total_seconds()}
    known = load_settings(None, given=given)
    clock = ClockSettings(speed=options.speed, start=scenario.start, began_s=time.monotonic())
    return replace(known, state_dir=folder, clock=clock, broker=BrokerSettings(), store=StoreSettings())


def _weather(park: Park, scenario: Scenario, options: LiveOptions) -> Weather:
    data_dir = scenario.weather_from(options.data_dir)
    return open_weather(data_dir, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)


def _make_forecaster(scenario: Scenario, options: LiveOptions) -> Forecaster:
    """In the worker's process: trained on what was known before the first day, or read from where it was left."""
    park = load_park_of(scenario)
    weather = _weather(park, scenario, options)
    faults = Injector(scenario.faults_in(park), park.id, scenario.seed, WallClock(options.speed, scenario.start))
    return forecaster_of(park, weather, scenario.start, options.cache_dir, faults)


async def _tend_broker(
    scenario: Scenario, park: Park, settings: Settings, broker: EmbeddedBroker, may_run: asyncio.Event
) -> None:
    """Kills the broker where the scenario says so, as kill -9 does, and lets it come back."""
    clock = settings.clock.clock()
    windows = Injector(scenario.faults_in(park), park.id, scenario.seed, clock).broker_restarts
    async for at in clock.every(_FINE_STEP):
        if not any(window.holds(at) for window in windows):
            may_run.set()
            continue
        may_run.clear()
        if broker.pid is not None:
            os.kill(broker.pid, signal.SIGKILL)


def _world_process(pipe: Pipe, settings: Settings, scenario: Scenario, options: LiveOptions, url: str) -> None:
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


async def _view(park: Park, urls: asyncio.Future[str], clock: WallClock) -> None:
    async with connected_bus(await urls, "view") as bus:
        await watch(Board(park, bus), clock)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command speaks on the terminal


def _say_and_note(urls: asyncio.Future[str], line: str) -> None:
    _say(line)
    word, *rest = line.split()
    if word == "broker" and not urls.done():
        urls.set_result(rest[0])
