"""The grid's frequency falls to 49.5 Hz and the controller is dead: everything that it had armed acts within a second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from sim_harness.grid.events import ScenarioEvent
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from tests.plant_runs import Time
from vpp.ids import AssetId
from vpp.park import Park, areas_behind

#: Generation that trips, for a lowest frequency of about 49.5 Hz in the world's grid.
LOST_MW, TRIP_S, BELOW_HZ = 2_000.0, 10, 49.8


@dataclass(frozen=True)
class Dip:
    """What was seen, second by second: frequency, and the power of every battery."""

    park: Park
    frequency_hz: list[float]
    power_mw: dict[AssetId, list[float]]


def dip(*, armed: bool) -> Dip:
    trip = ScenarioEvent(event_id="trip.1", kind="unit_trip", start_h=TRIP_S / 3600.0, duration_h=0.25, lost_mw=LOST_MW)
    scenario: Scenario = replace(load("first-week").with_options(days=1.0 / 24.0), control_step_s=1.0, events=(trip,))
    park, bus, time = load_park_of(scenario), LocalBus(), Time(scenario.start)
    weather = open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    site = Site(park, scenario, weather, lambda _: bus, time)
    if armed:
        # It arms, and is never heard of again.
        Controller(park, bus, SimClock(scenario.start), ControllerSettings(live=True)).guard.arm_all()
    # An island has a frequency of its own.
    on_grid = {area for c in park.connections if c.is_grid for area in areas_behind(park, c)}
    batteries = [asset.id for asset in park.assets_of("battery") if asset.area in on_grid]
    found = Dip(park, [], {asset_id: [] for asset_id in batteries})
    for _ in range(40):
        site.world.step(time.at, 1.0)
        time.at += timedelta(seconds=1)
        site.report(time.at)
        found.frequency_hz.append(site.world.plant(batteries[0]).read().state["frequency_hz"])  # type: ignore[attr-defined]  # a device
        for asset_id in batteries:
            found.power_mw[asset_id].append(site.world.plant(asset_id).power_mw)
    return found


@pytest.fixture(scope="module")
def acted() -> Dip:
    return dip(armed=True)


def test_the_frequency_falls_to_about_49_5_hz(acted: Dip) -> None:
    assert min(dip(armed=False).frequency_hz) == pytest.approx(49.5, abs=0.06)


def test_every_armed_battery_gives_all_it_has_within_a_second_of_seeing_it(acted: Dip) -> None:
    seen = next(k for k, hz in enumerate(acted.frequency_hz) if hz < BELOW_HZ)
    assert seen >= TRIP_S
    assert acted.power_mw
    for asset_id, powers in acted.power_mw.items():
        rated_mw = acted.park.asset(asset_id).plate.power_mw
        assert powers[seen - 1] > -0.5 * rated_mw, asset_id
        assert powers[seen + 1] == pytest.approx(-rated_mw, rel=0.02), asset_id


def test_without_arming_nobody_acts() -> None:
    assert max(abs(mw) for powers in dip(armed=False).power_mw.values() for mw in powers) < 0.5
