"""The park alive: broker, world and controller, each in a process of its own, and a view of it on the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

import structlog
from rich.console import Console

from controllers.bus.base import Bus
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from controllers.console.board import Board
from controllers.console.live import watch
from controllers.edge import offline_will
from controllers.loops.forecast import Forecaster
from controllers.loops.worker import ProcessWorker
from controllers.service import Controller, ControllerSettings
from sim_harness.broker_keeper import BrokerKeeper
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
_READY_WITHIN_S: Final = 1_200.0
_PATIENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How the living park is run.

    Args:
        speed: Park seconds in a second.
        data_dir: Measured series; None to generate weather.
        cache_dir: Where trained models are kept.
        log: Where the controller writes its log.
    """

    speed: float
    data_dir: Path | None
    cache_dir: Path = Path("out/models")
    log: Path = Path("out/controller.log")


def control_step(speed: float) -> timedelta:
    """The control period at a speed."""
    return _FINE_STEP if speed <= FASTEST_AT_1_S else _COARSE_STEP


def run_live(scenario: Scenario, options: LiveOptions) -> int:
    """Runs until it is interrupted or the scenario ends; ends everything it started.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
        BrokerError: The broker could not be started.
    """
    # A shell that starts us in the background has us ignore the interrupt; whoever sends one means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(_live(scenario, options))
    except KeyboardInterrupt:
        print("\nstopped: world, controller and broker have ended")  # noqa: T201  the last word of a command on a terminal
    return 0


async def _live(scenario: Scenario, options: LiveOptions) -> None:
    park = load_park_of(scenario)
    weather = _weather(park, scenario, options)
    console = Console(stderr=True)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        # The world begins anew at every start, so must what the broker retains: an old signal would outrank a new one.
        state_dir = Path(stack.enter_context(TemporaryDirectory(prefix="vpp-broker-")))
        broker = EmbeddedBroker(state_dir)
        await broker.start()
        stack.push_async_callback(broker.stop)
        url = broker.url
        console.print(f"broker  [bold]{url}[/]  (topics vpp/v1/{park.id}/#; any MQTT 3.1.1 client may listen)")
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_controller_process, args=(theirs, url, scenario, options))
        process.start()
        theirs.close()
        stack.callback(_end, process)
        with console.status("controller: training the forecasters on what was known before the first day …"):
            await _until_ready(ours)
        began_s = time.monotonic()
        ours.send(began_s)
        clock = _clock(scenario, options, began_s)
        site = await _site(stack, url, (park, scenario, weather), clock, options.data_dir)
        screen = await stack.enter_async_context(connected_bus(url, "screen"))
        board = Board(park, screen)
        await _first_of(watch(board, clock), _run_world(site, clock, control_step(options.speed), scenario, BrokerKeeper(broker)))


async def _first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Runs the parts until one ends or fails, and ends the others with it: a view that broke must not go unseen."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _weather(park: Park, scenario: Scenario, options: LiveOptions) -> Weather:
    data_dir = scenario.weather_from(options.data_dir)
    return open_weather(data_dir, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)


def _clock(scenario: Scenario, options: LiveOptions, began_s: float) -> WallClock:
    """The same park time in every process: the machine's monotonic clock is one for all of them."""
    gone_s = (time.monotonic() - began_s) * options.speed
    return WallClock(options.speed, scenario.start + timedelta(seconds=gone_s))


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


async def _run_world(site: Site, clock: WallClock, step: timedelta, scenario: Scenario, keeper: BrokerKeeper) -> None:
    restarts = site.faults.broker_restarts
    before = scenario.start
    site.report(before)
    async for at in clock.every(step):
        # A machine that was busy catches up in steps of the same length: the ledger has no holes.
        while before + step <= at:
            site.world.step(before, step.total_seconds())
            before += step
        await keeper.tend(at, wanted_down=any(window.holds(at) for window in restarts))
        site.report(before)
        if at >= scenario.end:
            return


async def _until_ready(pipe: Pipe) -> None:
    """Waits for the controller's first word, which is either "ready" or what is wrong."""
    ready = await asyncio.to_thread(pipe.poll, _READY_WITHIN_S)
    word = pipe.recv() if ready else f"controller: not ready after {_READY_WITHIN_S:g} s"
    if word != "ready":
        raise VppError(str(word))


def _end(process: BaseProcess) -> None:
    process.terminate()
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()


def _controller_process(pipe: Pipe, url: str, scenario: Scenario, options: LiveOptions) -> None:
    """The controller's own process. An interrupt is for the parent, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing to tidy up: the devices hold their leases and fallbacks, the solver's process watches for its parent.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with options.log.open("a", encoding="utf-8") as log:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
        try:
            park = load_park_of(scenario)
            weather = _weather(park, scenario, options)
            faults = Injector(scenario.faults_in(park), park.id, scenario.seed, WallClock(options.speed, scenario.start))
            forecaster = forecaster_of(park, weather, scenario.start, options.cache_dir, faults)
        except VppError as error:
            pipe.send(str(error))
            return
        pipe.send("ready")
        try:
            began_s = pipe.recv()
        except EOFError:  # the parent gave up before the park began
            return
        Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
        clock = _clock(scenario, options, began_s)
        with ProcessWorker() as worker:
            asyncio.run(_control(url, park, clock, forecaster, worker, options.speed))


def _end_with_parent(pipe: Pipe) -> None:
    """The parent says nothing more; when its end of the pipe is gone, so is it, and nobody would end this process."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    os.kill(os.getpid(), signal.SIGTERM)


async def _control(url: str, park: Park, clock: WallClock, forecaster: Forecaster, worker: ProcessWorker, speed: float) -> None:
    settings = ControllerSettings(control=control_step(speed), live=True)
    async with connected_bus(url, f"controller_{os.getpid()}") as bus:
        await Controller(park, bus, clock, settings, forecaster, worker).run()
