"""A forecaster's meters of inflexible loads are those of the world, as far as the run has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.bus.local import LocalBus
from forecasting.known import CheckedDoor
from forecasting.load_sites import references_mw
from sim_harness.clock import SimClock
from sim_harness.load_door import PAST, LoadDoor
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.base import Weather
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import open_weather
from vpp.ids import AssetId
from vpp.park import Park
from vpp.series import to_stamp

QUARTER = timedelta(minutes=15)
BASE = AssetId("base.hongshan")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return replace(load("first-week"), days=1.0 / 24.0, control_step_s=60.0)


@pytest.fixture(scope="module")
def park(scenario: Scenario) -> Park:
    return load_park_of(scenario)


@pytest.fixture(scope="module")
def weather(scenario: Scenario, park: Park) -> Weather:
    return open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)


def door_of(park: Park, scenario: Scenario, weather: Weather) -> LoadDoor:
    return LoadDoor(WeatherDoor(weather), park, scenario, scenario.control_step_s)


def test_in_the_run_the_meters_agree_with_the_world(park: Park, scenario: Scenario, weather: Weather) -> None:
    bus = LocalBus()
    site = Site(park, scenario, weather, lambda _: bus, SimClock(scenario.start))
    at, step = scenario.start, timedelta(seconds=scenario.control_step_s)
    while at < scenario.end:
        site.world.step(at, scenario.control_step_s)
        at += step
    truth, door = site.world.truth(), CheckedDoor(door_of(park, scenario, weather))
    for load_id, size_mw in references_mw(park).items():
        told = door.power(load_id, known_at=scenario.end, start=scenario.start, end=scenario.end)
        meant_mw = truth.energy_mwh[truth.assets.index(load_id)] / truth.grid.step_h
        np.testing.assert_allclose(told.value * size_mw, meant_mw, rtol=1e-9)


def test_nothing_is_told_before_its_quarter_is_over(park: Park, scenario: Scenario, weather: Weather) -> None:
    door = CheckedDoor(door_of(park, scenario, weather))
    for minutes, quarters in ((0, 0), (14, 0), (15, 1), (44, 2), (60, 4)):
        known_at = scenario.start + timedelta(minutes=minutes)
        told = door.power(BASE, known_at=known_at, start=scenario.start, end=scenario.end)
        assert told.value.size == quarters
    early = door.power(BASE, known_at=scenario.start + QUARTER, start=scenario.start, end=scenario.end)
    assert early.value.size == 1, "who asks late for what was known early gets no more"


def test_before_the_run_there_are_weeks_and_every_seed_has_the_same(park: Park, scenario: Scenario, weather: Weather) -> None:
    ask = {"known_at": scenario.start, "start": scenario.start - 2 * PAST, "end": scenario.start}
    one = door_of(park, scenario, weather).power(BASE, **ask)
    other = door_of(park, replace(scenario, seed=scenario.seed + 1), weather).power(BASE, **ask)
    np.testing.assert_array_equal(one.value, other.value)
    assert one.measured_at[0] == to_stamp(scenario.start - PAST)
    assert one.measured_at[-1] == to_stamp(scenario.start - QUARTER)
    assert one.value.mean() * references_mw(park)[BASE] == pytest.approx(park.asset(BASE).plate.mean_mw, rel=0.06)
    assert not np.isnan(one.value).any()


def test_farms_are_asked_behind_it(park: Park, scenario: Scenario, weather: Weather) -> None:
    door, farm = door_of(park, scenario, weather), farms_of(park)[0].asset_id
    ask = {"known_at": scenario.start, "start": scenario.start - timedelta(days=1), "end": scenario.start}
    np.testing.assert_array_equal(door.power(farm, **ask).value, WeatherDoor(weather).power(farm, **ask).value)
    assert (
        door.weather_runs(farm, known_at=scenario.start).n == WeatherDoor(weather).weather_runs(farm, known_at=scenario.start).n
    )
    assert door.weather_runs(BASE, known_at=scenario.start).n == 0
