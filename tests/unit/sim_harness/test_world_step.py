from datetime import timedelta

import numpy as np
import pytest

from sim_harness.balance import check_energy, check_plants
from sim_harness.plants.base import Plant, PushOrder
from sim_harness.plants.base_load import BaseLoad
from sim_harness.plants.battery import Battery
from sim_harness.plants.wind import WindFarm
from sim_harness.world import World
from tests.world_builders import BASE, BATTERY, START, WIND, SteadyWeather, Stub, asset, connection, park, stub
from vpp.errors import BalanceError, ScenarioError
from vpp.ids import AssetId, ConnectionId
from vpp.park import Connection

STEP_S = 10.0


def world_of(*plants: Stub, connections: tuple[Connection, ...] = (), areas: tuple[str, ...] = ()) -> World:
    assets = [asset(plant.asset_id, "base_load", BASE, plant.area) for plant in plants]
    return World(park(assets, connections, areas), plants, SteadyWeather(), START)


def load(name: str, area: str, power_mw: float) -> Stub:
    return stub(name, area, power_mw, power_mw, power_mw, PushOrder.NEVER)


def shed(name: str, area: str, power_mw: float) -> Stub:
    return stub(name, area, power_mw, 0.0, power_mw, PushOrder.SHEDDING)


def source(name: str, area: str, power_mw: float) -> Stub:
    return stub(name, area, -power_mw, -power_mw, 0.0, PushOrder.CURTAILMENT)


def store(name: str, area: str, power_mw: float, band_mw: float) -> Stub:
    return stub(name, area, power_mw, -band_mw, band_mw, PushOrder.GRID_FORMING)


def test_an_area_on_the_grid_takes_its_net_through_its_connection() -> None:
    world = world_of(load("mill", "a", 70.0), source("farm", "a", 30.0), connections=(connection("grid.a", "a"),))
    flows = world.step(START, STEP_S)
    assert flows.import_mw == {"grid.a": 40.0}


def test_a_nested_area_reaches_the_grid_through_its_parent() -> None:
    tie = connection("tie.b", "b", to="a")
    world = world_of(
        load("mill", "a", 70.0), source("farm", "b", 30.0), connections=(connection("grid.a", "a"), tie), areas=("a", "b")
    )
    flows = world.step(START, STEP_S)
    assert flows.import_mw == {"tie.b": -30.0, "grid.a": 40.0}


def test_sources_give_way_at_once_when_their_export_limit_is_reached() -> None:
    farm = source("farm", "a", 90.0)
    world = world_of(farm, load("mill", "a", 10.0), connections=(connection("grid.a", "a", export_mw=50.0),))
    flows = world.step(START, STEP_S)
    assert (farm.power_mw, flows.import_mw[ConnectionId("grid.a")]) == (-60.0, -50.0)


def test_the_limit_of_an_inner_connection_curtails_only_what_is_behind_it() -> None:
    near, far = source("near", "a", 40.0), source("far", "b", 90.0)
    ties = (connection("grid.a", "a", export_mw=500.0), connection("tie.b", "b", to="a", export_mw=50.0))
    world_of(near, far, connections=ties, areas=("a", "b")).step(START, STEP_S)
    assert (near.power_mw, far.power_mw) == (-40.0, -50.0)


def test_import_above_its_limit_flows_and_is_counted() -> None:
    world = world_of(load("mill", "a", 236.0), connections=(connection("grid.a", "a", import_mw=200.0),))
    flows = world.step(START, STEP_S)
    truth = world.truth()
    assert flows.import_mw[ConnectionId("grid.a")] == 236.0
    assert truth.limit_violation_s == {"grid.a": STEP_S}
    assert truth.excess_mwh[0, 0] == pytest.approx(0.1, abs=1e-12)


def test_an_island_pushes_storage_before_loads_and_loads_before_it_sheds() -> None:
    bess, stacks = store("bess", "i", 0.0, 20.0), stub("h2", "i", 50.0, 10.0, 60.0, PushOrder.FAST_LOAD)
    base = shed("base", "i", 30.0)
    world = world_of(bess, stacks, base, source("farm", "i", 40.0))
    world.step(START, STEP_S)
    assert (bess.power_mw, stacks.power_mw, base.power_mw) == (-20.0, 30.0, 30.0)


def test_an_island_with_too_much_wind_charges_then_makes_hydrogen_then_curtails() -> None:
    bess, stacks = store("bess", "i", 0.0, 20.0), stub("h2", "i", 50.0, 10.0, 60.0, PushOrder.FAST_LOAD)
    farm = source("farm", "i", 100.0)
    world_of(bess, stacks, farm).step(START, STEP_S)
    assert (bess.power_mw, stacks.power_mw, farm.power_mw) == (20.0, 60.0, -80.0)


def test_plants_of_one_order_share_in_proportion_to_their_room() -> None:
    small, large = store("small", "i", 0.0, 10.0), store("large", "i", 0.0, 30.0)
    world_of(small, large, load("mill", "i", 20.0)).step(START, STEP_S)
    assert (small.power_mw, large.power_mw) == (-5.0, -15.0)


def test_load_that_an_island_sheds_is_unserved_and_unsafe() -> None:
    base = shed("base", "i", 30.0)
    world = world_of(base, source("farm", "i", 12.0))
    world.step(START, STEP_S)
    truth = world.truth()
    assert base.power_mw == pytest.approx(12.0, abs=1e-12)
    assert truth.unserved_mwh[0, 0] == pytest.approx(0.05, abs=1e-12)
    assert truth.unsafe_s == STEP_S


def test_an_island_that_cannot_carry_its_firm_load_blacks_it_out() -> None:
    mill = load("mill", "i", 30.0)
    world = world_of(mill, source("farm", "i", 12.0))
    flows = world.step(START, STEP_S)
    assert mill.power_mw == pytest.approx(12.0, abs=1e-12)
    assert flows.unserved_mw == {"i": pytest.approx(18.0, abs=1e-12)}


def test_generation_that_can_not_give_way_trips_and_is_unsafe() -> None:
    unit = stub("unit", "i", -50.0, -50.0, -50.0, PushOrder.NEVER)
    world = world_of(unit, load("mill", "i", 20.0))
    world.step(START, STEP_S)
    assert unit.power_mw == pytest.approx(-20.0, abs=1e-12)
    assert world.truth().unsafe_s == STEP_S


def test_an_island_of_two_areas_is_not_asked_for_more_behind_a_full_tie() -> None:
    far = store("far", "b", 0.0, 40.0)
    base = shed("base", "a", 30.0)
    tie = connection("tie.b", "b", to="a", export_mw=10.0)
    flows = world_of(far, base, connections=(tie,), areas=("a", "b")).step(START, STEP_S)
    assert flows.import_mw[ConnectionId("tie.b")] == pytest.approx(-10.0, abs=1e-12)
    assert [far.power_mw, base.power_mw] == pytest.approx([-10.0, 10.0], abs=1e-12)


def test_a_connection_with_no_limit_above_zero_is_an_open_breaker() -> None:
    base = shed("base", "i", 30.0)
    world_of(base, connections=(connection("tie.i", "i", import_mw=0.0, export_mw=0.0),)).step(START, STEP_S)
    assert base.power_mw == 0.0


def test_two_connections_of_one_area_are_refused() -> None:
    with pytest.raises(ScenarioError, match="already has"):
        world_of(load("mill", "a", 1.0), connections=(connection("grid.a", "a"), connection("grid.a2", "a")))


def test_connections_in_a_ring_are_refused() -> None:
    ring = (connection("tie.a", "a", to="b"), connection("tie.b", "b", to="a"))
    with pytest.raises(ScenarioError, match="ring"):
        world_of(load("mill", "a", 1.0), connections=ring, areas=("a", "b"))


def test_an_asset_without_a_plant_and_a_plant_without_an_asset_are_both_named() -> None:
    assets = [asset("base.a", "base_load", BASE, "a")]
    with pytest.raises(ScenarioError) as caught:
        World(park(assets), [load("mill", "a", 1.0)], SteadyWeather(), START)
    assert len(caught.value.faults) == 2


def test_registers_hold_the_energy_of_every_quarter_hour() -> None:
    world = world_of(load("mill", "a", 60.0), connections=(connection("grid.a", "a"),))
    for k in range(135):  # an hour and a half of a register
        world.step(START + timedelta(seconds=k * STEP_S), STEP_S)
    truth = world.truth()
    assert truth.grid.n == 2
    assert truth.import_mwh[0] == pytest.approx([15.0, 7.5], abs=1e-9)
    assert world.ledger.month_peak_mw(ConnectionId("grid.a")) == pytest.approx(60.0, abs=1e-9)


def test_the_peak_of_a_month_is_forgotten_when_the_next_begins_in_the_park() -> None:
    world = world_of(load("mill", "a", 60.0), connections=(connection("grid.a", "a"),))
    last_quarter = START + timedelta(days=31, minutes=-15)
    world = World(world.park, world.plants, SteadyWeather(), last_quarter - timedelta(minutes=15))
    world.step(last_quarter - timedelta(minutes=15), 900.0)
    assert world.ledger.month_peak_mw(ConnectionId("grid.a")) == pytest.approx(60.0, abs=1e-9)
    world.step(last_quarter, 900.0)
    assert world.ledger.month_peak_mw(ConnectionId("grid.a")) == 0.0


def test_a_step_that_leaves_a_gap_in_time_is_refused() -> None:
    world = world_of(load("mill", "a", 60.0), connections=(connection("grid.a", "a"),))
    world.step(START, STEP_S)
    with pytest.raises(BalanceError, match="must start at"):
        world.step(START + timedelta(seconds=60), STEP_S)


def test_a_step_over_an_edge_of_the_registers_is_refused() -> None:
    world = world_of(load("mill", "a", 60.0), connections=(connection("grid.a", "a"),))
    with pytest.raises(BalanceError, match="end by"):
        world.step(START, 901.0)


def test_a_plant_whose_meter_disagrees_with_the_flows_is_found_by_area_and_interval() -> None:
    class Liar(Stub):
        def settle(self, power_mw: float, ambient: object) -> None:
            self.power_mw = power_mw + 1.0

    honest = load("mill", "a", 60.0)
    liar = Liar(honest.asset_id, honest.area, honest.intent)
    world = world_of(liar, connections=(connection("grid.a", "a"),))
    world.step(START, STEP_S)
    with pytest.raises(BalanceError, match="energy of area a"):
        check_energy(world.truth())


def test_an_hour_of_real_plants_on_an_island_closes_every_balance() -> None:
    assets = [
        asset("wind.i", "wind", WIND, "i"),
        asset("bess.i", "battery", BATTERY, "i"),
        asset("base.i", "base_load", BASE, "i"),
    ]
    here = park(assets)
    plants: list[Plant] = [
        WindFarm(assets[0], start=START, seed=1),
        Battery(assets[1], start=START, seed=1),
        BaseLoad(assets[2], start=START, seed=1, zone=here.zone),
    ]
    world = World(here, plants, SteadyWeather(("wind.i",), frac=0.85), START)
    for k in range(360):
        world.step(START + timedelta(seconds=k * STEP_S), STEP_S)
    truth = world.truth()
    check_energy(truth)
    check_plants(truth)
    assert np.max(np.abs(np.sum(truth.energy_mwh, axis=0))) < 1e-9
    assert truth.totals[AssetId("wind.i")]["generated_mwh"] > 80.0
