"""A unit of the grid trips, nobody commands the park: what was armed at the devices acts, and the grid is the better for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from sim_harness.grid.events import ScenarioEvent
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from tests.plant_runs import Time
from vpp.ids import AssetId
from vpp.wire.codec import encode
from vpp.wire.messages import Arm, Reflex, Target
from vpp.wire.topics import Channel, topic_of

BATTERY = AssetId("bess.hongshan")
TRIP_S = 10
BELOW_HZ = 49.93


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    trip = ScenarioEvent(event_id="trip.1", kind="unit_trip", start_h=TRIP_S / 3600.0, duration_h=0.25, lost_mw=2_000.0)
    return replace(load("first-week").with_options(days=1.0 / 24.0), control_step_s=1.0, events=(trip,))


def run(scenario: Scenario, *, armed: bool) -> tuple[list[float], list[float]]:
    """Frequency that the battery's reading carries and the battery's power, second by second, with no controller anywhere."""
    park, bus, time = load_park_of(scenario), LocalBus(), Time(scenario.start)
    weather = open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    site = Site(park, scenario, weather, lambda _: bus, time)
    if armed:
        then = Target(power_mw=-park.asset(BATTERY).plate.power_mw)
        reflex = Reflex(quantity="frequency_hz", below=BELOW_HZ, hold_s=30.0, then=then)
        arm = Arm(epoch=1, seq=1, issued_at=time.at, reflexes=(reflex,))
        bus.post(topic_of(park.id, Channel.ASSET_ARM, BATTERY), encode(arm), qos=1, retain=True)
    plant = site.world.plant(BATTERY)
    frequencies, powers = [], []
    for _ in range(60):
        site.world.step(time.at, 1.0)
        time.at += timedelta(seconds=1)
        site.report(time.at)
        frequencies.append(plant.read().state["frequency_hz"])  # type: ignore[attr-defined]  # a battery is a device
        powers.append(plant.power_mw)
    return frequencies, powers


def test_an_armed_battery_answers_a_dip_within_a_second_and_without_anybody(scenario: Scenario) -> None:
    frequencies, powers = run(scenario, armed=True)
    seen = next(k for k, frequency_hz in enumerate(frequencies) if frequency_hz < BELOW_HZ)
    assert seen >= TRIP_S
    assert max(abs(power) for power in powers[: seen + 1]) < 0.5
    assert powers[seen + 1] == pytest.approx(-16.5)


def test_an_unarmed_battery_sleeps_through_it(scenario: Scenario) -> None:
    frequencies, powers = run(scenario, armed=False)
    assert min(frequencies) < BELOW_HZ
    assert max(abs(power) for power in powers) < 0.5
