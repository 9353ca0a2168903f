"""World and controller in two processes over a real broker: the same score, and no kill of either that hangs the run."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from controllers.edge import Phase
from sim_harness.clock import SimClock
from sim_harness.faults import FaultEntry
from sim_harness.run import RunOptions, advance, make_controller, run_scenario
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from sim_harness.wires import MqttWire

MINUTE = timedelta(minutes=1)
#: What two runs of one scenario may differ in.
WALL_TIMES = ("wall_s", "ack_p99_ms")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Half a day in steps of a minute: what happens here happens at instants, not at speeds."""
    return replace(load("first-week"), days=0.5, control_step_s=60.0)


@dataclass
class Seen:
    """Phases of the devices that were ever commanded, minute by minute, and what was sent by then."""

    phases: list[set[Phase]] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    site: Site | None = None


async def run_minutes(scenario: Scenario, minutes: int, at: dict[int, Callable[[MqttWire], None]]) -> Seen:
    """A run of which parts are killed at given minutes."""
    park, clock, seen = load_park_of(scenario), SimClock(scenario.start), Seen()
    weather = open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    make = partial(make_controller, scenario, "rules", None, Path("unused"))
    async with MqttWire(make, clock) as wire:
        site = seen.site = Site(park, scenario, weather, lambda _: wire.world_bus, clock)
        world = asyncio.ensure_future(advance(site, clock, scenario, wire))
        await wire.start(scenario.start)
        await clock.wait_for_participants(1)
        for minute in range(minutes):
            if minute in at:
                at[minute](wire)
            await clock.run_until(scenario.start + (minute + 1) * MINUTE, wire.fence)
            seen.phases.append({edge.phase for edge in site.edges if edge.phase is not Phase.IDLE})
            seen.commands.append(wire.commands or 0)
        world.cancel()
        await asyncio.gather(world, return_exceptions=True)
    return seen


def kill_broker(wire: MqttWire) -> None:
    assert wire.broker is not None
    assert wire.broker.pid is not None
    os.kill(wire.broker.pid, signal.SIGKILL)


def kill_controller(wire: MqttWire) -> None:
    assert wire.controller_pid is not None
    os.kill(wire.controller_pid, signal.SIGKILL)


def test_without_faults_the_score_is_the_same_as_in_one_process() -> None:
    short = load("first-week").with_options(days=timedelta(minutes=10) / timedelta(days=1))
    local, wired = (run_scenario(short, RunOptions("rules", None, wire)).to_json() for wire in ("local", "mqtt"))
    assert {k: v for k, v in wired.items() if k not in WALL_TIMES} == {k: v for k, v in local.items() if k not in WALL_TIMES}


def test_a_broker_that_is_killed_leaves_devices_on_their_fallback_until_it_is_back(scenario: Scenario) -> None:
    gone = FaultEntry(kind="broker_restart", start_h=0.25, duration_h=0.5)
    seen = asyncio.run(run_minutes(replace(scenario, faults=(gone,)), 55, {}))
    assert seen.phases[14] == {Phase.HELD}
    assert Phase.FALLBACK in seen.phases[43]
    assert seen.phases[54] == {Phase.HELD}
    assert seen.commands[54] > seen.commands[43]
    assert seen.site is not None
    assert seen.site.world.truth().unsafe_s == 0.0


def test_strangers_kill_the_broker_and_then_the_controller_and_the_world_goes_on(scenario: Scenario) -> None:
    seen = asyncio.run(run_minutes(scenario, 75, {10: kill_broker, 25: kill_controller}))
    assert seen.phases[24] == {Phase.HELD}
    assert seen.commands[24] > seen.commands[12]
    assert any(Phase.FALLBACK in phases for phases in seen.phases[25:])
    assert seen.phases[-1] == {Phase.SAFE}
    assert seen.commands[-1] == seen.commands[24]
    assert seen.site is not None
    assert seen.site.world.truth().unsafe_s == 0.0
