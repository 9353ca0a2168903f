"""The park alive: the world in a process of its own against the service as it is shipped; a view on the terminal if wanted."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from controllers.family import Call, Child
from controllers.log import log_to
from controllers.serve import Service, operator_token, serve
from controllers.settings import BrokerSettings, ClockSettings, Settings, StoreSettings, load_settings
from sim_harness.scenario import Scenario, load_park_of
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
        _say(f"token    {operator_token(settings)}  (operator, 12 h; the screen asks for it once)")
        asyncio.run(_live(scenario, options, settings, park))
    _say("stopped: world, controller, API and broker have ended")
    return 0


async def _live(scenario: Scenario, options: LiveOptions, settings: Settings, park: Park) -> None:
    forecasts = any(asset.kind in ("wind", "solar") for asset in park.assets)
    service = Service(
        settings,
        park,
        make_forecaster=Call("sim_harness.live_world:make_forecaster", (scenario, options)) if forecasts else None,
        beside=(Child("world", Call("sim_harness.live_world:world_process", (settings, scenario, options)), vital=True),),
        tend_broker=partial(_tend_broker, scenario, park, settings),
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
    known = replace(known, park=scenario.park_path, state_dir=folder, log_dir=options.log_dir)
    return replace(known, clock=clock, broker=BrokerSettings(), store=StoreSettings())


async def _tend_broker(
    scenario: Scenario, park: Park, settings: Settings, broker: EmbeddedBroker, may_run: asyncio.Event
) -> None:
    """Kills the broker where the scenario says so, as kill -9 does, and lets it come back."""
    # A scenario without such faults needs none of what makes them.
    from sim_harness.faults import Injector

    clock = settings.clock.clock()
    windows = Injector(scenario.faults_in(park), park.id, scenario.seed, clock).broker_restarts
    async for at in clock.every(_FINE_STEP):
        if not any(window.holds(at) for window in windows):
            may_run.set()
            continue
        may_run.clear()
        if broker.pid is not None:
            os.kill(broker.pid, signal.SIGKILL)


async def _view(park: Park, urls: asyncio.Future[str], clock: WallClock) -> None:
    from controllers.console.board import Board
    from controllers.console.live import watch

    async with connected_bus(await urls, "view") as bus:
        await watch(Board(park, bus), clock)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command speaks on the terminal


def _say_and_note(urls: asyncio.Future[str], line: str) -> None:
    _say(line)
    word, *rest = line.split()
    if word == "broker" and not urls.done():
        urls.set_result(rest[0])
