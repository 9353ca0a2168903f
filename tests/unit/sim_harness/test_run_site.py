"""The park's other side of the wire, put together: who gets a plant, an edge or a client, and what is said each period."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from sim_harness.clock import SimClock
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.site import Site, farms_of
from sim_harness.weather.source import open_weather
from tests.builders import feeder
from tests.world_builders import asset
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.park import Park
from vpp.wire.codec import decode
from vpp.wire.messages import GridMeasurement, Message, Status, Telemetry
from vpp.wire.topics import Channel, filter_of, parse

CONTROL_S = 10.0


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    short = load("first-week").with_options(days=timedelta(hours=1) / timedelta(days=1))
    return replace(short, initial={AssetId("bess.hongshan"): {"soc_frac": 0.31}, AssetId("nh3.envision"): {"level_frac": 0.25}})


def site_of(scenario: Scenario, park: Park, bus: LocalBus) -> Site:
    weather = open_weather(None, farms_of(park), seed=scenario.seed, start=scenario.start, end=scenario.end)
    return Site(park, scenario, weather, lambda _: bus, SimClock(scenario.start))


def heard(bus: LocalBus, park: Park, channel: Channel, kind: type[Message]) -> dict[str, Message]:
    """What is said on a channel from now on, the last word by subject."""
    words: dict[str, Message] = {}

    def keep(topic: str, payload: bytes) -> None:
        words[parse(topic).subject] = decode(kind, topic, payload)

    bus.subscribe(filter_of(park.id, channel), keep)
    return words


def test_every_asset_but_a_cluster_has_an_edge_and_a_cluster_a_client(scenario: Scenario) -> None:
    park = load_park_of(scenario)
    site = site_of(scenario, park, LocalBus())
    assert {plant.asset_id for plant in site.world.plants} == {a.id for a in park.assets}
    assert [cluster.asset_id for cluster in site.clusters] == ["compute.aidc"]
    assert len(site.edges) == len(park.assets) - 1


def test_a_period_brings_a_word_of_every_device_and_connection(scenario: Scenario) -> None:
    park, bus = load_park_of(scenario), LocalBus()
    site = site_of(scenario, park, bus)
    telemetry = heard(bus, park, Channel.ASSET_TELEMETRY, Telemetry)
    grid = heard(bus, park, Channel.GRID_MEASUREMENT, GridMeasurement)
    flows = site.world.step(scenario.start, CONTROL_S)
    site.report(scenario.start + timedelta(seconds=CONTROL_S))
    assert set(telemetry) == {a.id for a in park.assets if a.kind != "compute"}
    said = {name: m for name, m in grid.items() if isinstance(m, GridMeasurement)}
    assert {name: m.import_mw for name, m in said.items()} == pytest.approx(flows.import_mw, rel=0.002)  # class 0.2 S
    assert all(m.frequency_hz == pytest.approx(50.0, abs=0.1) and m.voltage_kv == 220.0 for m in said.values())


def test_stores_begin_where_the_scenario_says(scenario: Scenario) -> None:
    park, bus = load_park_of(scenario), LocalBus()
    telemetry = heard(bus, park, Channel.ASSET_TELEMETRY, Telemetry)
    site_of(scenario, park, bus).report(scenario.start)
    battery, loop = telemetry["bess.hongshan"], telemetry["nh3.envision"]
    assert isinstance(battery, Telemetry)
    assert isinstance(loop, Telemetry)
    assert battery.state["soc_frac"] == pytest.approx(0.31, abs=0.03)  # the device's own estimate
    assert loop.state["buffer_kg"] == pytest.approx(0.25 * park.asset("nh3.envision").plate.buffer_kg)


def test_an_orderly_end_leaves_every_device_offline(scenario: Scenario) -> None:
    park, bus = load_park_of(scenario), LocalBus()
    site = site_of(scenario, park, bus)
    site.report(scenario.start)
    site.goodbye()
    said = heard(bus, park, Channel.ASSET_STATUS, Status)
    assert set(said) == {a.id for a in park.assets if a.kind != "compute"}
    assert not any(status.online for status in said.values() if isinstance(status, Status))


def test_an_asset_the_world_has_no_plant_for_is_named(scenario: Scenario) -> None:
    park = load_park_of(scenario)
    with_geyser = replace(park, assets=(*park.assets, asset("geyser.new", "geyser", feeder(), "hongshan")))
    with pytest.raises(ScenarioError, match=r"geyser\.new.*kind geyser"):
        site_of(scenario, with_geyser, LocalBus())


def test_the_weather_is_asked_for_the_farms_with_their_plates(scenario: Scenario) -> None:
    park = load_park_of(scenario)
    farms = {farm.asset_id: farm for farm in farms_of(park)}
    assert set(farms) == {a.id for a in park.assets if a.kind in ("wind", "solar")}
    assert farms[AssetId("pv.envision")].kind == "solar"
    assert farms[AssetId("wind.hongshan")].capacity_mw == park.asset("wind.hongshan").plate.capacity_mw
