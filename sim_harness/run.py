"""A whole run: world, wire and controller in lock-step, then the score. The only place that starts a controller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from controllers.bus.base import Bus
from controllers.bus.broker import embedded_broker
from controllers.bus.local import LocalBus
from controllers.bus.mqtt import connected_bus
from controllers.loops.forecast import Forecaster
from controllers.loops.worker import InlineWorker
from controllers.planner import SolveSettings
from controllers.service import Controller, ControllerSettings
from forecasting.known import CheckedDoor, FarmSite
from forecasting.model_store import train_cached
from sim_harness.balance import check_energy, check_money, check_plants
from sim_harness.clock import SimClock
from sim_harness.scenario import Scenario, load_park_of
from sim_harness.score import Conduct, Score, score
from sim_harness.site import Site, farms_of
from sim_harness.skill import ForecastEar
from sim_harness.truth import Truth
from sim_harness.weather.base import Weather
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import open_weather
from vpp.park import Park
from vpp.units import MS_PER_S

__all__ = ["POLICIES", "Outcome", "Policy", "RunOptions", "Wire", "advance", "forecaster_of", "run_scenario"]

Policy: TypeAlias = Literal["none", "rules", "mpc"]
Wire: TypeAlias = Literal["local", "mqtt"]
Progress: TypeAlias = Callable[[float], None]

POLICIES: Final[tuple[Policy, ...]] = ("none", "rules", "mpc")
#: A run gives the solver no time limit that could fire: only counts, so that it repeats to the bit.
_NO_GUARD_S: Final = 3_600.0
_WORLD_FIRST: Final = -1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a scenario is run.

    Args:
        policy: Who controls.
        data_dir: Measured series; None to generate weather.
        wire: In process, or over a real broker that the run starts.
        cache_dir: Where trained models are kept.
        progress: Told the share of simulated time that has passed.
    """

    policy: Policy
    data_dir: Path | None
    wire: Wire = "local"
    cache_dir: Path = Path("out/models")
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: the truth, the score, and how it was made."""

    truth: Truth
    score: Score
    conduct: Conduct

    def to_json(self) -> dict[str, Any]:
        """The facts as `--json` writes them."""
        return self.score.to_json(self.conduct)


def run_scenario(scenario: Scenario, options: RunOptions) -> Outcome:
    """Runs a scenario to its end and scores it.

    Raises:
        ScenarioError: The scenario, its park or its data are not in order.
        BalanceError: Energy, hydrogen, work or money does not add up.
    """
    return asyncio.run(_run(scenario, options))


def forecaster_of(park: Park, weather: Weather, start: datetime, cache_dir: Path) -> Forecaster:
    """Models trained on what was known when the run begins, behind the door that refuses the future."""
    site = park.site
    farms = tuple(FarmSite(f.asset_id, f.kind, site.latitude_deg, site.longitude_deg) for f in farms_of(park))
    door = CheckedDoor(WeatherDoor(weather))
    models = train_cached(door, farms, known_at=start, directory=cache_dir)
    return Forecaster(models, door, InlineWorker())


async def _run(scenario: Scenario, options: RunOptions) -> Outcome:
    began_s = time.perf_counter()
    park = load_park_of(scenario)
    data_dir = scenario.weather_from(options.data_dir)
    weather = open_weather(data_dir, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    clock = SimClock(scenario.start)
    async with _buses(options.wire) as (world_bus, controller_bus):
        site = Site(park, scenario, weather, lambda _: world_bus, clock)
        ear = ForecastEar(world_bus, park.id)
        controller = None if options.policy == "none" else _controller(park, scenario, options, weather, controller_bus, clock)
        tasks = [asyncio.ensure_future(advance(site, clock, scenario))]
        if controller is not None:
            tasks.append(asyncio.ensure_future(controller.run()))
        await clock.wait_for_participants(_participants(options.policy))
        await _pass_time(clock, scenario, options, _fence(options.wire, world_bus, controller_bus))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    truth = site.world.truth()
    result = score(truth)
    check_energy(truth)
    check_plants(truth)
    check_money(result.cost_items, result.cost_cny)
    conduct = Conduct(
        scenario=scenario.name,
        seed=scenario.seed,
        policy=options.policy,
        data="; ".join(weather.facts),
        wall_s=time.perf_counter() - began_s,
        commands=None if controller is None else controller.commander.counters.sent,
        ack_p99_ms=None if controller is None else _p99_ms(controller.commander.counters.ack_delay_s),
        forecast=ear.skill(truth),
    )
    return Outcome(truth, result, conduct)


def _controller(park: Park, scenario: Scenario, options: RunOptions, weather: Weather, bus: Bus, clock: SimClock) -> Controller:
    control = timedelta(seconds=scenario.control_step_s)
    settings = ControllerSettings(control=control, solve=SolveSettings(guard_s=_NO_GUARD_S))
    if settings.rules < control:
        settings = replace(settings, rules=control)
    forecaster = forecaster_of(park, weather, scenario.start, options.cache_dir) if options.policy == "mpc" else None
    return Controller(park, bus, clock, settings, forecaster)


def _participants(policy: Policy) -> int:
    """Tasks that wait on the clock: the world, and the loops of the controller."""
    return {"none": 1, "rules": 3, "mpc": 4}[policy]


async def advance(site: Site, clock: SimClock, scenario: Scenario) -> None:
    """The world's turn at every control step: let the step behind us pass, then report."""
    before: datetime | None = None
    async for at in clock.every(timedelta(seconds=scenario.control_step_s), priority=_WORLD_FIRST):
        if before is not None:
            site.world.step(before, (at - before).total_seconds())
        site.report(at)
        before = at


async def _pass_time(clock: SimClock, scenario: Scenario, options: RunOptions, fence: Callable[[], Any] | None) -> None:
    """Time in hours, so that somebody can watch; one moment longer than the run, so that its last step passes too."""
    at = scenario.start
    while at < scenario.end:
        at = min(at + timedelta(hours=1), scenario.end)
        until = at if at < scenario.end else at + timedelta(microseconds=1)
        await clock.run_until(until, fence)
        if options.progress is not None:
            options.progress((at - scenario.start) / (scenario.end - scenario.start))


def _fence(wire: Wire, world_bus: Bus, controller_bus: Bus) -> Callable[[], Any] | None:
    """Over a broker, nobody looks before everything said has been heard."""
    if wire == "local":
        return None

    async def flush() -> None:
        # What either side said reaches the other, and so do the acks that the other says to it.
        for bus in (controller_bus, world_bus, world_bus, controller_bus):
            await bus.flush()

    return flush


@asynccontextmanager
async def _buses(wire: Wire) -> AsyncIterator[tuple[Bus, Bus]]:
    """One bus for the world's side and one for the controller's."""
    if wire == "local":
        hub = LocalBus()
        yield hub, hub
        return
    with TemporaryDirectory(prefix="vpp-broker-") as folder:
        async with (
            embedded_broker(Path(folder)) as url,
            connected_bus(url, "world") as world_bus,
            connected_bus(url, "controller") as controller_bus,
        ):
            yield world_bus, controller_bus


def _p99_ms(delays_s: list[float]) -> float | None:
    return float(np.percentile(delays_s, 99)) * MS_PER_S if delays_s else None
