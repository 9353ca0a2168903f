"""The bill of the kinds beside hydrogen, furnaces and computing, counted by hand from plates and counters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sim_harness.cost_plants import plant_items
from sim_harness.prices import FIXED
from sim_harness.world import World
from tests import builders
from tests.unit.sim_harness.test_score_cost import fixed_load, told
from tests.world_builders import BASE, START, SteadyWeather, asset, connection, park, run
from vpp.park.plates import Plate


def items_of(kind: str, plate: Plate, counters: Mapping[str, float], last: Mapping[str, float]) -> dict[str, float]:
    """Items of one plant of a kind that told these counters and ends with these stocks (it began with none)."""
    plants = [fixed_load("base.a", 10.0), fixed_load("one", 0.0)]
    place = park([asset("base.a", "base_load", BASE, "a"), asset("one", kind, plate, "a")], [connection("grid.a", "a")])
    truth = told(run(World(place, plants, SteadyWeather(), START), 1.0), "one", counters, last)
    found: dict[str, float] = {}
    for name, cny in plant_items(truth, FIXED):
        found[name] = found.get(name, 0.0) + cny
    return found


def test_compressed_air_pays_wear_and_starts_and_is_owed_what_it_stores() -> None:
    plate = builders.compressed_air(wear_cny_per_mwh=20.0, start_cost_cny=2_000.0)
    items = items_of("compressed_air", plate, {"discharged_mwh": 50.0, "starts": 3.0}, {"stored_mwh": 10.0})
    assert items["wear"] == 1_000.0
    assert items["starts"] == 6_000.0
    assert items["inventory_air"] == pytest.approx(-10.0 * FIXED.stored_cny_per_mwh)


def test_a_thermal_unit_pays_the_fuel_that_part_load_burns_and_its_carbon() -> None:
    plate = builders.thermal_unit(fuel_cost_cny_per_mwh=300.0, start_cost_cny=80_000.0)
    counters = {"fuel_equivalent_mwh": 100.0, "starts": 1.0, "emissions_t": 90.0}
    items = items_of("thermal_unit", plate, counters, {})
    assert items["fuel"] == 30_000.0
    assert items["starts"] == 80_000.0
    assert items["carbon_fuel"] >= 0.0


def test_a_smelter_pays_for_yesterdays_shortfall_and_owes_what_today_is_behind() -> None:
    plate = builders.copper_refining(shortfall_cny_per_mwh=2_000.0)
    items = items_of("copper_refining", plate, {"undelivered_mwh": 5.0, "off_grade_mwh": 1.0}, {"owed_mwh": 7.0})
    assert items["quota_shortfall"] == 10_000.0
    assert items["spoilt"] == 2_000.0
    assert items["inventory_quota"] == pytest.approx(7.0 * FIXED.pending_work_cny_per_mwh)


def test_zinc_pays_for_every_mwh_below_its_band() -> None:
    plate = builders.zinc(shortfall_cny_per_mwh=1_000.0, reduction_price_cny_per_mwh=500.0)
    items = items_of("zinc_electrowinning", plate, {"undelivered_mwh": 3.0, "below_band_mwh": 4.0}, {"owed_mwh": 0.0})
    assert items["reductions"] == 2_000.0
    assert items["quota_shortfall"] == 3_000.0


def test_a_vehicle_that_leaves_short_and_a_truck_without_a_pack_are_missed_alike() -> None:
    plate = builders.ev_charging(slack_h=6.0, delay_cny_per_mwh=60.0, miss_cny_per_mwh=3_000.0)
    counters = {"undelivered_mwh": 1.0, "missed_swap_mwh": 2.0, "delayed_mwh_h": 12.0}
    items = items_of("ev_charging", plate, counters, {"waiting_mwh": 0.0})
    assert items["vehicles_missed"] == 9_000.0
    assert items["vehicles_delay"] == pytest.approx(120.0)


def test_a_feeder_is_paid_by_contract_and_lost_load_by_its_worth() -> None:
    plate = builders.feeder(call_cny_per_mwh=1_500.0)
    items = items_of("feeder", plate, {"interrupted_mwh": 2.0, "unserved_mwh": 0.5}, {})
    assert items["interruptions"] == 3_000.0
    assert items["unserved"] == pytest.approx(0.5 * FIXED.unserved_cny_per_mwh)
