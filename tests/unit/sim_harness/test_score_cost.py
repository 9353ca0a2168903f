from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_harness.balance import check_energy, check_money
from sim_harness.cost import Cost, comparable_cost, pro_rata_month_frac
from sim_harness.green import attribute
from sim_harness.plants.base import PushOrder
from sim_harness.prices import FIXED, FixedPrices, price_table
from sim_harness.score import Conduct, score
from sim_harness.truth import Truth
from sim_harness.world import World
from tests.world_builders import (
    BASE,
    BATTERY,
    CLUSTER,
    FURNACES,
    LOOP,
    STACKS,
    START,
    TARIFF,
    SteadyWeather,
    Stub,
    asset,
    connection,
    park,
    run,
    stub,
)
from vpp.errors import BalanceError, ScenarioError
from vpp.ids import AreaId, AssetId
from vpp.park import Target
from vpp.park.plates import Plate

PLATES: dict[str, Plate] = {
    "base_load": BASE,
    "battery": BATTERY,
    "electrolyser": STACKS,
    "ammonia_loop": LOOP,
    "arc_furnace": FURNACES,
    "compute": CLUSTER,
}


def fixed_load(asset_id: str, power_mw: float, area: str = "a") -> Stub:
    made = stub(asset_id, area, power_mw, power_mw, power_mw, PushOrder.NEVER)
    made.counters = {"unserved_mwh": 0.0}
    return made


def truth_of(hours: float = 24.0, load_mw: float = 100.0, **others: str) -> Truth:
    """A day of an area with a steady load; `others` are further idle plants, id by kind."""
    plants = [fixed_load("base.a", load_mw)]
    assets = [asset("base.a", "base_load", BASE, "a")]
    for kind, asset_id in others.items():
        plants.append(fixed_load(asset_id, 0.0))
        assets.append(asset(asset_id, kind, PLATES[kind], "a"))
    return run(World(park(assets, [connection("grid.a", "a")]), plants, SteadyWeather(), START), hours)


def told(truth: Truth, asset_id: str, counters: Mapping[str, float], last: Mapping[str, float] | None = None) -> Truth:
    """The same run, in which a plant told other counters and ends with other stocks (it began with none)."""
    own = AssetId(asset_id)
    stocks = dict(last or {})
    return replace(
        truth,
        totals={**truth.totals, own: dict(counters)},
        stock_first={**truth.stock_first, own: dict.fromkeys(stocks, 0.0)},
        stock_last={**truth.stock_last, own: stocks},
    )


def bill(truth: Truth, prices: FixedPrices = FIXED) -> Cost:
    return comparable_cost(truth, attribute(truth), prices)


def test_imported_energy_pays_the_price_of_its_period_in_park_time() -> None:
    items = bill(truth_of()).items
    hours = {"valley": 9, "flat": 10, "peak": 5}
    for period, length_h in hours.items():
        assert items[f"energy_{period}"] == pytest.approx(length_h * 100.0 * TARIFF.import_cny_per_mwh[period], rel=1e-9)


def test_a_day_pays_a_thirtieth_of_the_demand_charge_on_its_own_peak() -> None:
    assert bill(truth_of(load_mw=100.0)).items["demand_charge"] == pytest.approx(100.0 * 33_000.0 / 30.0, rel=1e-9)


def test_a_whole_month_pays_the_demand_charge_in_full_whatever_its_length() -> None:
    assert [pro_rata_month_frac(1, days, int(days)) for days in (28.0, 30.0, 31.0)] == [1.0, 1.0, 1.0]


def test_export_is_income() -> None:
    plants = [fixed_load("base.a", -40.0)]
    world = World(park([asset("base.a", "base_load", BASE, "a")], [connection("grid.a", "a")]), plants, SteadyWeather(), START)
    cost = bill(run(world, 2.0))
    assert cost.items["export"] == pytest.approx(-80.0 * 150.0, rel=1e-9)
    assert [cost.total_cny, cost.gross_cny] == pytest.approx([-12_000.0, 0.0])


def test_import_above_the_contract_pays_extra() -> None:
    assert bill(truth_of(hours=1.0, load_mw=236.0)).items["above_contract"] == pytest.approx(36.0 * 3000.0, rel=1e-9)


def test_unserved_base_load_costs_what_lost_load_is_worth() -> None:
    assert bill(told(truth_of(), "base.a", {"unserved_mwh": 30.0})).items["unserved"] == 300_000.0


def test_a_battery_pays_wear_and_for_the_charge_it_lost() -> None:
    truth = told(truth_of(battery="bess.a"), "bess.a", {"discharged_mwh": 50.0}, {"stored_mwh": -20.0})
    items = bill(truth).items
    assert [items["wear"], items["inventory_battery"]] == pytest.approx([3000.0, 20.0 * 277.0])


def test_starts_of_stacks_are_paid_cold_and_warm() -> None:
    truth = told(truth_of(electrolyser="h2.a"), "h2.a", {"cold_starts": 3.0, "warm_starts": 10.0, "hydrogen_kg": 5e3})
    assert bill(truth).items["starts"] == 3.0 * 800.0 + 10.0 * 150.0
    assert score(truth).electrolyser_starts == 13.0
    assert score(truth).hydrogen_t == 5.0


def test_ammonia_is_income_and_what_the_contract_lacks_is_paid() -> None:
    counters = {"ammonia_t": 500.0, "vented_kg": 100.0, "starved_t": 2.0}
    items = bill(told(truth_of(ammonia_loop="nh3.a"), "nh3.a", counters, {"hydrogen_kg": 1000.0})).items
    owed_t = 0.85 * 320_000.0 / 365.0
    assert items["ammonia_income"] == -500.0 * 2300.0
    # A tonne of hydrogen left is contract ammonia that is still to be made.
    assert items["ammonia_shortfall"] == pytest.approx((owed_t - 500.0 - 1000.0 / 178.0) * 1200.0, rel=1e-9)
    assert (items["hydrogen_vented"], items["trips"], items["inventory_hydrogen"]) == (2000.0, 24_000.0, -12_000.0)


def test_a_tank_that_was_emptied_for_the_contract_owes_it_what_it_took() -> None:
    truth = truth_of(ammonia_loop="nh3.a")
    kept = bill(told(truth, "nh3.a", {"ammonia_t": 500.0, "vented_kg": 0.0, "starved_t": 0.0}, {"hydrogen_kg": 0.0})).items
    emptied = bill(
        told(truth, "nh3.a", {"ammonia_t": 600.0, "vented_kg": 0.0, "starved_t": 0.0}, {"hydrogen_kg": -17_800.0})
    ).items
    assert emptied["ammonia_shortfall"] == pytest.approx(kept["ammonia_shortfall"], rel=1e-9)


def test_heats_that_were_due_and_not_done_pay_their_delay_and_owe_their_energy() -> None:
    truth = truth_of(arc_furnace="eaf.a")
    counters, own = {"heats_done": 33.0, "heats_late": 1.0}, AssetId("eaf.a")
    truth = told(truth, own, counters, {"heats_due": 4.0, "begun_mwh": 25.0})
    # At midnight the day's 38 heats lie ahead; a day later 4 of them should have been begun and were not.
    truth = replace(truth, stock_first={**truth.stock_first, own: {"heats_due": 38.0, "begun_mwh": 0.0}})
    items = bill(truth).items
    assert (items["late_heats"], items["missing_heats"]) == (60_000.0, 240_000.0)
    assert items["inventory_heats"] == pytest.approx((4 * 40.0 - 25.0) * 480.0, rel=1e-9)
    assert score(truth).heats_missing == 4.0


def test_compute_pays_for_waiting_by_its_share_of_the_slack_for_misses_and_for_lost_throughput() -> None:
    counters = {"delayed_mwh_h.slack_6h": 12.0, "delayed_mwh_h.slack_24h": 240.0, "lost_throughput_mwh": 2.0}
    counters |= {"missed_mwh.slack_6h": 0.5, "missed_mwh.slack_24h": 0.0, "missed_mwh": 0.5}
    truth = told(
        truth_of(compute="compute.a"), "compute.a", counters, {"waiting_mwh.slack_6h": 3.0, "waiting_mwh.slack_24h": 7.0}
    )
    items = bill(truth).items
    assert items["compute_delay"] == pytest.approx(12.0 / 6.0 * 216.0 + 240.0 / 24.0 * 70.0, rel=1e-12)
    assert (items["compute_missed"], items["compute_throughput"]) == (10_000.0, 8_600.0)
    assert items["inventory_compute"] == pytest.approx(10.0 * 480.0, rel=1e-12)
    assert (score(truth).compute.deadline_misses, score(truth).compute.missed_mwh) == (None, 0.5)


def test_a_plant_that_hides_a_counter_is_named_and_not_taken_for_zero() -> None:
    with pytest.raises(ScenarioError, match=r"bess\.a: does not tell discharged_mwh"):
        bill(truth_of(battery="bess.a"))


def test_missed_green_targets_pay_certificates() -> None:
    truth = truth_of()
    target = Target(
        id="green", name="green", name_zh="绿电", metric="green_share_frac", sense="at_least", value=0.35, areas=(AreaId("a"),)
    )
    truth = replace(truth, park=replace(truth.park, targets=(target,)))
    assert bill(truth).items["green_shortfall"] == pytest.approx(0.35 * 2400.0 * 40.0, rel=1e-9)


@given(load_mw=st.floats(-60.0, 300.0), discharged_mwh=st.floats(0.0, 500.0), stored_mwh=st.floats(-60.0, 60.0))
def test_items_sum_to_the_total(load_mw: float, discharged_mwh: float, stored_mwh: float) -> None:
    truth = told(
        truth_of(1.0, load_mw, battery="bess.a"), "bess.a", {"discharged_mwh": discharged_mwh}, {"stored_mwh": stored_mwh}
    )
    cost = bill(truth)
    check_money(cost.items, cost.total_cny)
    assert cost.total_cny == pytest.approx(sum(cost.items.values()), abs=1e-6)
    assert cost.gross_cny >= max(0.0, cost.total_cny) - 1e-6


def test_a_total_that_is_not_its_items_is_an_error() -> None:
    with pytest.raises(BalanceError, match="money"):
        check_money({"energy": 100.0, "export": -40.0}, 61.0)


@pytest.mark.parametrize(
    ("price", "item"),
    [
        ("stored_cny_per_mwh", "inventory_battery"),
        ("emission_t_per_mwh", "carbon"),
    ],
)
def test_doubling_a_fixed_price_doubles_its_item_and_no_other(price: str, item: str) -> None:
    truth = told(truth_of(battery="bess.a"), "bess.a", {"discharged_mwh": 1.0}, {"stored_mwh": 5.0})
    once, twice = bill(truth), bill(truth, replace(FIXED, **{price: 2.0 * getattr(FIXED, price)}))
    assert once.items[item] != 0.0
    assert twice.items == pytest.approx({**once.items, item: 2.0 * once.items[item]}, rel=1e-12)


def test_doubling_the_demand_charge_doubles_its_item() -> None:
    truth = truth_of()
    dear = replace(TARIFF, demand_charge_cny_per_kw_month=66.0)
    twice = bill(replace(truth, park=replace(truth.park, tariffs=(dear,))))
    assert twice.items["demand_charge"] == pytest.approx(2.0 * bill(truth).items["demand_charge"], rel=1e-12)


def test_emissions_are_import_times_the_named_factor() -> None:
    result = score(truth_of())
    assert result.emissions_t == pytest.approx(2400.0 * 0.5122, rel=1e-9)
    assert "Northeast" in result.emission_factor


def test_a_run_tells_every_figure_of_the_contract_and_null_where_it_cannot_know() -> None:
    truth = truth_of()
    check_energy(truth)
    figures = score(truth).to_json(Conduct(scenario="real-month", seed=1, policy="none", data="generated"))
    promised = """scenario seed policy data simulated_s wall_s nondeterministic green_share_frac renewable_utilisation_frac
        curtailed_mwh import_mwh export_mwh cost_cny cost_items emissions_t hydrogen_t ammonia_t heats_done heats_late compute
        peak_events battery_cycles electrolyser_starts limit_violation_s commands ack_p99_ms forecast faults_injected unsafe_s"""
    assert set(promised.split()) <= set(figures)
    unknown = ("ammonia_t", "hydrogen_t", "heats_done", "battery_cycles", "ack_p99_ms", "renewable_utilisation_frac")
    assert {figures[name] for name in unknown} == {None}
    assert figures["simulated_s"] == 86_400.0


def test_the_price_table_names_every_price_once_with_its_source() -> None:
    table = price_table(truth_of(battery="bess.a", ammonia_loop="nh3.a").park)
    names = [line.name for line in table]
    assert len(names) == len(set(names))
    assert {"stored_cny_per_mwh", "bess.a.wear_cny_per_mwh", "nh3.a.netback_cny_per_t", "tou.peak_cny_per_mwh"} <= set(names)
    assert all(line.source for line in table)
