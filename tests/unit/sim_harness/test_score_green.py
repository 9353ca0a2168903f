import numpy as np
import pytest

from sim_harness.green import attribute
from sim_harness.plants.base import PushOrder
from sim_harness.score import score
from sim_harness.truth import Truth
from sim_harness.world import World
from tests.world_builders import (
    BASE,
    BATTERY,
    START,
    WIND,
    SteadyWeather,
    Stub,
    asset,
    connection,
    park,
    run,
    stub,
)
from vpp.park import Connection
from vpp.park.plates import Plate

KINDS: dict[str, Plate] = {"wind": WIND, "battery": BATTERY, "base_load": BASE}


def plant(asset_id: str, area: str, power_mw: float, stored_mwh: float | None = None) -> Stub:
    made = stub(asset_id, area, power_mw, power_mw, power_mw, PushOrder.NEVER)
    made.counters = {"unserved_mwh": 0.0}
    if asset_id.startswith("wind"):
        made.counters = {"available_mwh": 0.0}
    if asset_id.startswith("bess"):
        made.counters = {"discharged_mwh": 0.0}
        made.held = {"stored_mwh": 0.0 if stored_mwh is None else stored_mwh}
    return made


def kind_of(made: Stub) -> str:
    return {"wind": "wind", "bess": "battery"}.get(made.asset_id.split(".")[0], "base_load")


def world_of(plants: list[Stub], *connections: Connection) -> World:
    assets = [asset(p.asset_id, kind_of(p), KINDS[kind_of(p)], p.area) for p in plants]
    return World(park(assets, connections), plants, SteadyWeather(), START)


def all_rows(truth: Truth) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.ones(len(truth.assets), dtype=np.bool_)


def test_matched_green_energy_is_the_smaller_of_generation_and_load_when_importing() -> None:
    truth = run(world_of([plant("wind.a", "a", -30.0), plant("base.a", "a", 40.0)], connection("grid.a", "a")), 1.0)
    assert attribute(truth).share_frac(all_rows(truth)) == pytest.approx(0.75, abs=1e-12)


def test_export_is_not_own_use() -> None:
    truth = run(world_of([plant("wind.a", "a", -70.0), plant("base.a", "a", 40.0)], connection("grid.a", "a")), 1.0)
    account = attribute(truth)
    assert account.green_mwh(all_rows(truth)) == pytest.approx(40.0, abs=1e-12)
    assert account.share_frac(all_rows(truth)) == 1.0


def test_a_store_filled_from_wind_delivers_green_power_later() -> None:
    wind, base, bess = plant("wind.a", "a", -50.0), plant("base.a", "a", 40.0), plant("bess.a", "a", 10.0)
    world = world_of([wind, base, bess], connection("grid.a", "a"))
    bess.held = {"stored_mwh": 2.0}
    world.step(START, 900.0)
    wind.intent, bess.intent = plant("wind.a", "a", 0.0).intent, plant("bess.a", "a", -8.0).intent
    bess.held = {"stored_mwh": 0.0}
    world.step(world.truth().grid.end, 900.0)
    assert attribute(world.truth()).mix_frac[0, 1] == pytest.approx(0.2, abs=1e-12)


def test_without_the_way_through_stores_only_what_comes_straight_is_green_and_charging_is_no_use() -> None:
    wind, base, bess = plant("wind.a", "a", -50.0), plant("base.a", "a", 40.0), plant("bess.a", "a", 10.0)
    world = world_of([wind, base, bess], connection("grid.a", "a"))
    bess.held = {"stored_mwh": 2.5}
    world.step(START, 900.0)
    wind.intent, bess.intent = plant("wind.a", "a", -4.0).intent, plant("bess.a", "a", -8.0).intent
    bess.held = {"stored_mwh": 0.5}
    world.step(world.truth().grid.end, 900.0)
    truth = world.truth()
    straight, stored = attribute(truth, through_stores=False), attribute(truth)
    assert straight.mix_frac[0].tolist() == pytest.approx([1.0, 0.1], abs=1e-12)
    assert stored.mix_frac[0].tolist() == pytest.approx([1.0, 0.3], abs=1e-12)
    assert straight.used_mwh(all_rows(truth)) == stored.used_mwh(all_rows(truth)) == pytest.approx(20.0)


def test_what_a_store_held_at_the_start_is_not_green() -> None:
    plants = [plant("base.a", "a", 40.0), plant("bess.a", "a", -8.0, stored_mwh=30.0)]
    truth = run(world_of(plants, connection("grid.a", "a")), 0.25)
    assert attribute(truth).mix_frac[0, 0] == 0.0


def test_a_neighbour_receives_the_mix_of_the_sender() -> None:
    ties = (connection("grid.a", "a"), connection("tie.b", "b", to="a"))
    plants = [plant("base.a", "a", 60.0), plant("wind.b", "b", -30.0), plant("base.b", "b", 10.0)]
    truth = run(world_of(plants, *ties), 0.25)
    account = attribute(truth)
    assert account.mix_frac[:, 0] == pytest.approx([20.0 / 60.0, 1.0], abs=1e-12)
    assert account.green_mwh(all_rows(truth)) == pytest.approx(30.0 * 0.25, abs=1e-12)


def test_the_score_tells_the_share_of_each_area() -> None:
    plants = [plant("base.a", "a", 60.0), plant("wind.i", "i", -10.0), plant("base.i", "i", 10.0)]
    truth = run(world_of(plants, connection("grid.a", "a")), 0.25)
    share = score(truth).green_share_frac
    assert share.by_area == {"a": 0.0, "i": 1.0}
    assert share.total == pytest.approx(10.0 / 70.0, abs=1e-12)


def test_a_park_without_sources_has_no_utilisation_to_tell() -> None:
    truth = run(world_of([plant("base.a", "a", 60.0)], connection("grid.a", "a")), 0.25)
    assert score(truth).renewable_utilisation_frac is None
