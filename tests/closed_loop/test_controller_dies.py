"""What is left of the park when its controller is gone: leases run out, fallbacks hold, nothing breaks a connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.orders import LeaseTimes
from controllers.edge import Phase
from controllers.planner.rules import RuleThresholds
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from sim_harness.run import advance
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from vpp.park import Park

CONTROL = timedelta(seconds=10)
#: Any price is dear enough: the grid's battery discharges with all it has.
ALWAYS_DISCHARGE = RuleThresholds(charge_below_cny_per_mwh=-1e4, discharge_above_cny_per_mwh=-1e3)
LEASES = LeaseTimes()
#: The safe power is approached over five minutes, and a slow lease may just have been renewed.
SETTLED = timedelta(seconds=LEASES.slow_s + LEASES.tail_s + 600.0)


@dataclass
class Watched:
    """What was seen of the world, control step by control step."""

    import_mw: list[float]
    phases: list[set[Phase]]
    battery_mw: list[float]


async def kill_after(scenario: Scenario, alive: timedelta, then: timedelta) -> tuple[Park, Site, Watched, int]:
    park = load_park_of(scenario)
    weather = open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    clock, bus = SimClock(scenario.start), LocalBus()
    site = Site(park, scenario, weather, lambda _: bus, clock)
    settings = ControllerSettings(control=CONTROL, thresholds=ALWAYS_DISCHARGE)
    controller = Controller(park, bus, clock, settings)
    world = asyncio.ensure_future(advance(site, clock, scenario))
    control = asyncio.ensure_future(controller.run())
    await clock.wait_for_participants(3)
    seen = Watched([], [], [])

    async def watch(span: timedelta) -> None:
        end = clock.now() + span
        while clock.now() < end:
            await clock.run_until(clock.now() + CONTROL)
            if site.world.flows is not None:
                seen.import_mw.append(site.world.flows.import_mw[park.connections[0].id])
                seen.phases.append({edge.phase for edge in site.edges if edge.phase is not Phase.IDLE})
                seen.battery_mw.append(site.world.plant(park.asset("bess.hongshan").id).power_mw)

    await watch(alive)
    control.cancel()
    await asyncio.gather(control, return_exceptions=True)
    died = len(seen.battery_mw)
    await watch(then)
    world.cancel()
    await asyncio.gather(world, return_exceptions=True)
    return park, site, seen, died


@pytest.fixture(scope="module")
def run() -> tuple[Park, Site, Watched, int]:
    scenario = replace(load("first-week"), days=0.25)
    return asyncio.run(kill_after(scenario, timedelta(minutes=10), SETTLED))


def test_it_dies_while_the_battery_discharges_with_all_it_has(run: tuple[Park, Site, Watched, int]) -> None:
    park, _, seen, died = run
    assert seen.battery_mw[died - 1] == pytest.approx(-park.asset("bess.hongshan").plate.power_mw, rel=0.02)


def test_no_connection_ever_leaves_its_limits(run: tuple[Park, Site, Watched, int]) -> None:
    park, site, seen, _ = run
    limits = park.connections[0]
    assert max(seen.import_mw) <= limits.import_limit_mw
    assert min(seen.import_mw) >= -limits.export_limit_mw
    assert sum(site.world.truth().limit_violation_s.values()) == 0.0


def test_the_battery_does_not_vanish_with_its_controller(run: tuple[Park, Site, Watched, int]) -> None:
    _, _, seen, died = run
    steps = [abs(b - a) for a, b in zip(seen.battery_mw[died - 1 :], seen.battery_mw[died:], strict=False)]
    minutes = CONTROL / timedelta(minutes=1)
    assert max(steps) <= 16.5 / 5.0 * minutes * 1.05


def test_every_commanded_device_goes_from_lease_over_fallback_into_its_safe_mode(run: tuple[Park, Site, Watched, int]) -> None:
    park, site, seen, died = run
    assert seen.phases[died - 1] == {Phase.HELD}
    assert any(Phase.FALLBACK in phases for phases in seen.phases[died:])
    assert seen.phases[-1] == {Phase.SAFE}
    battery = site.world.plant(park.asset("bess.hongshan").id)
    assert abs(battery.power_mw) <= 0.01 * park.asset("bess.hongshan").plate.power_mw
