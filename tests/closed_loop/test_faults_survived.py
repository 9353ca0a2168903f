"""Each kind of fault in a closed loop: it shows, the controller answers as it should, and nothing unsafe comes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.edge import Phase
from sim_harness.clock import SimClock
from sim_harness.faults import FaultEntry, Injector
from sim_harness.faults.door import FaultyDoor
from sim_harness.run import RunOptions, run_scenario
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import farms_of
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import open_weather
from tests.run_rig import MINUTE, Run, fault
from vpp.ids import AssetId

WALL_TIMES = ("wall_s",)
BESS, WIND = AssetId("bess.hongshan"), AssetId("wind.envision")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return replace(load("first-week"), days=0.25, control_step_s=30.0)


async def test_a_silent_device_is_left_out_and_goes_to_its_fallback_and_comes_back(scenario: Scenario) -> None:
    run = Run(scenario, fault("silent_device", asset=BESS))
    await run.start()
    await run.until(9)
    assert run.phase(BESS) is Phase.HELD
    await run.until(25)
    assert run.said(BESS) is None
    assert BESS in run.controllers[0].inbox.snapshot(run.clock.now()).silent
    assert run.phase(BESS) is Phase.FALLBACK
    await run.until(35)
    assert run.said(BESS) is not None
    assert run.phase(BESS) is Phase.HELD
    await run.end()


async def test_a_device_that_refuses_is_not_counted_on_and_asked_again(scenario: Scenario) -> None:
    run = Run(scenario, fault("refused_command", asset=BESS))
    await run.start()
    await run.until(20)
    assert not run.said(BESS).follows
    assert run.said(BESS).confirmed_mw is None
    await run.until(35)
    assert run.said(BESS).follows
    await run.end()


@pytest.mark.parametrize("skew_s", [5.0, -5.0])
async def test_a_clock_that_is_five_seconds_wrong_changes_nothing(skew_s: float, scenario: Scenario) -> None:
    run = Run(scenario, fault("clock_skew", asset=BESS, skew_s=skew_s))
    await run.start()
    await run.until(20)
    assert run.said(BESS).follows
    assert run.phase(BESS) is Phase.HELD
    await run.end()


async def test_a_device_that_acknowledges_everything_twice_is_told_everything_once(scenario: Scenario) -> None:
    run = Run(scenario, fault("doubled", topic="asset/+/ack", share_frac=1.0))
    await run.start()
    await run.until(29)
    counters = run.controllers[0].commander.counters
    assert run.site.faults.counts["doubled"] > 20
    assert sum(counters.outcomes.values()) <= counters.sent
    assert run.phase(BESS) is Phase.HELD
    await run.end()


async def test_a_broker_that_is_away_for_five_minutes_leaves_the_plan_s_tail_and_is_back_by_itself(scenario: Scenario) -> None:
    run = Run(scenario, fault("broker_restart", minutes=5.0))
    await run.start()
    before = run.site.world.plant(BESS).power_mw
    await run.until(14)
    assert run.phase(BESS) in (Phase.HELD, Phase.FALLBACK)
    assert abs(run.site.world.plant(BESS).power_mw - before) <= 17.0
    await run.until(18)
    assert run.phase(BESS) is Phase.HELD
    await run.end()


@pytest.mark.parametrize("skew_s", [90.0, -90.0])
async def test_a_wrong_clock_costs_at_most_the_device_and_ends_with_it(skew_s: float, scenario: Scenario) -> None:
    run = Run(scenario, fault("clock_skew", asset=BESS, skew_s=skew_s))
    await run.start()
    await run.until(20)
    # A clock ahead takes every command for stale and says so; one behind follows.
    assert run.said(BESS).follows is (skew_s < 0.0)
    await run.until(35)
    assert run.said(BESS).follows
    assert run.clock.now() - run.said(BESS).measured_at <= MINUTE
    await run.end()


async def test_a_plant_that_trips_stands_still_and_is_no_curtailment(scenario: Scenario) -> None:
    run = Run(scenario, fault("plant_trip", asset=WIND))
    await run.start()
    await run.until(15)
    assert run.site.world.plant(WIND).power_mw == 0.0
    curtailed = run.site.world.plant(WIND).totals()["curtailed_mwh"]
    await run.until(29)
    assert run.site.world.plant(WIND).totals()["curtailed_mwh"] == curtailed
    await run.until(45)
    assert run.site.world.plant(WIND).power_mw < 0.0
    await run.end()


async def test_a_meter_that_lies_or_stands_still_is_what_the_controller_sees(scenario: Scenario) -> None:
    base = AssetId("base.hongshan")
    run = Run(scenario, fault("lying_meter", asset=base, factor=2.0), fault("stuck_sensor", 40.0, asset=base))
    await run.start()
    await run.until(20)
    assert run.said(base).power_mw == pytest.approx(2.0 * run.site.world.plant(base).power_mw, rel=0.1)
    await run.until(42)
    first = run.said(base)
    await run.until(55)
    later = run.said(base)
    assert later.power_mw == first.power_mw
    assert later.measured_at > first.measured_at
    await run.end()


@pytest.mark.parametrize("kind", ["lost", "late", "doubled", "reordered", "malformed"])
async def test_messages_that_suffer_are_counted_and_the_loop_goes_on(kind: str, scenario: Scenario) -> None:
    run = Run(scenario, fault(kind, share_frac=0.5))
    await run.start()
    await run.until(45)
    assert run.site.faults.counts[kind] > 50
    assert (run.wire.malformed > 20) is (kind == "malformed")
    assert run.phase(BESS) is Phase.HELD
    await run.end()


async def test_all_commands_lost_leave_devices_on_their_fallback(scenario: Scenario) -> None:
    run = Run(scenario, fault("lost", topic="asset/+/command", share_frac=1.0))
    await run.start()
    await run.until(25)
    assert run.phase(BESS) is Phase.FALLBACK
    await run.until(35)
    assert run.phase(BESS) is Phase.HELD
    await run.end()


async def test_a_broker_that_restarts_cuts_everybody_off_and_lets_them_back(scenario: Scenario) -> None:
    run = Run(scenario, fault("broker_restart"))
    await run.start()
    await run.until(25)
    assert run.phase(BESS) is Phase.FALLBACK
    assert not run.wire.world_bus.connected
    await run.until(35)
    assert run.phase(BESS) is Phase.HELD
    await run.end()


def test_weather_runs_are_missing_or_wrong_only_while_the_fault_holds(scenario: Scenario) -> None:
    park = load_park_of(scenario)
    weather = open_weather(None, farms_of(park), seed=1, start=scenario.start, end=scenario.end)
    known_at, sound = scenario.start + timedelta(hours=5), WeatherDoor(weather)
    before = sound.weather_runs(WIND, known_at=known_at)
    day = 24.0 * 60.0
    for kind in ("forecast_missing", "forecast_wrong"):
        entries = (FaultEntry(kind=kind, start_h=0.0, duration_h=6.0, factor=0.5 if kind == "forecast_wrong" else None),)
        held = replace(scenario, start=scenario.start - timedelta(hours=12), faults=entries)
        door = Injector(held.faults_in(park), park.id, 1, SimClock(held.start)).door(sound)
        assert isinstance(door, FaultyDoor)
        after = door.weather_runs(WIND, known_at=known_at)
        hit = (before.received_at >= np.datetime64(held.start.replace(tzinfo=None))) & (
            before.received_at < np.datetime64((held.start + timedelta(hours=6)).replace(tzinfo=None))
        )
        assert 0 < np.sum(hit) < before.n < day
        if kind == "forecast_missing":
            assert after.n == before.n - np.sum(hit)
        else:
            np.testing.assert_allclose(after.value[hit], 0.5 * before.value[hit])
            np.testing.assert_array_equal(after.value[~hit], before.value[~hit])


def test_the_same_storm_comes_twice_to_the_bit() -> None:
    storm = replace(load("fault-storm"), days=0.25, control_step_s=60.0)
    first, again = (run_scenario(storm, RunOptions("rules", None)) for _ in range(2))
    assert first.conduct.faults_injected > 200
    assert first.conduct.faults_injected == sum(first.faults.values())
    assert len(first.faults) > 5
    figures = [{k: v for k, v in run.to_json().items() if k not in WALL_TIMES} for run in (first, again)]
    assert figures[0] == figures[1]
    assert first.score.unsafe_s == 0.0
