from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from sim_harness.plants.base import Intent
from tests.plant_runs import MANY_STACKS, Run, Tank, electrolyser
from vpp.wire.messages import HeatStart, Limit, StackCounts, Target

PLATE = MANY_STACKS


def within(supply_mw: float, intent: Intent) -> float:
    return min(max(supply_mw, intent.low_mw), intent.high_mw)


def lowest(intent: Intent) -> float:
    return intent.low_mw


def test_without_a_command_it_makes_hydrogen_at_the_nominal_rate() -> None:
    plant = electrolyser(6_500.0)
    Run(plant).hours(24)
    assert plant.totals()["hydrogen_kg"] == pytest.approx(24 * 6_500.0, rel=0.03)
    assert plant.totals()["cold_starts"] <= 0.1 * PLATE.stacks
    assert plant.totals()["trips"] == 0


def test_every_kilogram_it_makes_reaches_its_node() -> None:
    tank = Tank()
    plant = electrolyser(node=tank)
    Run(plant).hours(3)
    assert tank.received_kg == pytest.approx(plant.totals()["hydrogen_kg"], rel=1e-12)


def test_its_specific_energy_is_near_the_plate() -> None:
    plant = electrolyser()
    Run(plant).hours(24)
    kwh_per_nm3 = plant.totals()["energy_mwh"] * 1000.0 / (plant.totals()["hydrogen_kg"] / 0.08994)
    assert 4.7 < kwh_per_nm3 < 5.2


def test_a_cold_stack_needs_half_an_hour_to_an_hour() -> None:
    plant = electrolyser(0.0)
    run = Run(plant, temperature_c=-20.0)
    run.hours(1)
    warm = int(plant.read().state["stacks_standby"])
    plant.apply(StackCounts(on=warm + 20, standby=0, power_mw=100.0), None)
    minutes = 0
    while plant.read().state["stacks_on"] < warm + 20:
        run.step()
        minutes += 1
        assert minutes <= 70
    assert minutes >= 30
    assert plant.totals()["cold_starts"] == 20


def test_a_warm_stack_needs_minutes() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    plant.apply(StackCounts(on=60, standby=40, power_mw=200.0), None)
    run.hours(0.1)
    plant.apply(StackCounts(on=100, standby=0, power_mw=300.0), None)
    run.step()
    assert plant.read().state["stacks_on"] == 60
    run.hours(5.0 / 60.0)
    assert plant.read().state["stacks_on"] == 100
    assert plant.totals()["warm_starts"] >= 40
    assert plant.totals()["cold_starts"] == 0


def test_counts_and_power_are_followed_at_the_plants_meter() -> None:
    plant = electrolyser()
    run = Run(plant)
    applied = plant.apply(StackCounts(on=80, standby=10, power_mw=250.0), None)
    run.hours(0.2)
    assert applied.outcome == "accepted"
    assert plant.power_mw == pytest.approx(250.0)
    assert (plant.read().state["stacks_on"], plant.read().state["stacks_standby"]) == (80, 10)


def test_stacks_that_are_ordered_and_still_cold_do_not_raise_the_power_of_those_that_run() -> None:
    plant = electrolyser()
    run = Run(plant)
    run.step()
    on = plant.read().state["stacks_on"]
    low_mw = plant.read().limits["min_power_mw"]
    plant.apply(StackCounts(on=PLATE.stacks, standby=0, power_mw=low_mw), None)
    run.step()
    assert plant.read().state["load_frac"] == pytest.approx(PLATE.min_load_frac, abs=0.02)
    assert plant.read().state["stacks_on"] >= on


def test_power_below_minimum_load_of_the_counts_is_clamped() -> None:
    applied = electrolyser().apply(StackCounts(on=100, standby=0, power_mw=10.0), None)
    assert applied.outcome == "clamped"
    assert applied.power_mw == pytest.approx(100 * PLATE.min_load_frac * PLATE.stack_mw)
    assert applied.reason is not None
    assert applied.reason.limit == "min_load"


def test_a_target_is_carried_by_as_many_stacks_as_run_well() -> None:
    plant = electrolyser()
    run = Run(plant)
    plant.apply(Target(power_mw=150.0), None)
    run.hours(1)
    assert plant.power_mw == pytest.approx(150.0, rel=0.01)
    assert 0.4 < plant.read().state["load_frac"] < 0.95


def test_a_limit_caps_what_it_does_by_itself() -> None:
    plant = electrolyser()
    run = Run(plant)
    plant.apply(Limit(max_power_mw=120.0), None)
    run.hours(1)
    assert plant.power_mw <= 120.0 + 1e-6


def test_a_setpoint_of_another_kind_is_rejected() -> None:
    applied = electrolyser().apply(HeatStart(furnace="furnace.0", start_at=Run(electrolyser()).time.at), None)
    assert applied.outcome == "rejected"
    assert applied.reason is not None


def test_a_commanded_ramp_is_kept() -> None:
    plant = electrolyser()
    run = Run(plant)
    before_mw = plant.power_mw
    plant.apply(StackCounts(on=100, standby=0, power_mw=160.0), 10.0)
    run.step()
    assert plant.power_mw == pytest.approx(before_mw - 10.0)


def test_efficiency_is_best_in_the_middle_of_the_load() -> None:
    specific = []
    for power_mw in (105.0 * 0.3 * 5.0, 105.0 * 0.6 * 5.0, 105.0 * 1.05 * 5.0):
        plant = electrolyser()
        run = Run(plant)
        plant.apply(StackCounts(on=105, standby=0, power_mw=power_mw), None)
        run.hours(2)
        before = dict(plant.totals())
        run.hours(2)
        after = plant.totals()
        specific.append((after["energy_mwh"] - before["energy_mwh"]) / (after["hydrogen_kg"] - before["hydrogen_kg"]))
    assert specific[1] < specific[0]
    assert specific[1] < specific[2]


def test_the_frequency_pushes_it_up_to_maximum_load_and_no_further() -> None:
    plant = electrolyser()
    run = Run(plant)
    state = plant.read().state
    intent = run.step(lambda i: i.high_mw)[0]
    warm_mw = state["stacks_standby"] * PLATE.standby_frac * PLATE.stack_mw
    assert intent.high_mw == pytest.approx(warm_mw + state["stacks_on"] * PLATE.max_load_frac * PLATE.stack_mw)
    assert plant.totals()["trips"] == 0


def test_a_full_tank_takes_no_surplus_without_a_command() -> None:
    plant = electrolyser(node=Tank(level_frac=0.99))
    intent = Run(plant).step()[0]
    assert intent.high_mw == intent.power_mw


def test_a_deficit_that_grows_slowly_parks_stacks_and_trips_none() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    supply_mw = plant.power_mw
    while supply_mw > 0.0:
        run.step(partial(within, supply_mw))
        supply_mw -= 0.5
    assert plant.totals()["trips"] == 0
    assert plant.read().state["stacks_on"] < 5


def test_a_sudden_deep_deficit_trips_stacks() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    run.step()
    run.step(lambda _: 20.0)
    assert plant.totals()["trips"] > 50
    assert plant.power_mw == 20.0


def test_a_stack_held_below_minimum_load_trips_on_hydrogen_in_oxygen() -> None:
    plant = electrolyser(plate=replace(PLATE, standby_frac=0.0))
    run = Run(plant, dt_s=1.0)
    run.step(lowest)
    assert plant.totals()["trips"] == 0
    for _ in range(400):
        run.step(lambda i: max(0.5 * plant.read().state["stacks_on"] * 1.5, i.low_mw))
    assert plant.totals()["trips"] > 0
    assert plant.read().state["hydrogen_in_oxygen_frac"] <= 0.02


def test_pushed_stacks_come_back_after_the_deficit() -> None:
    plant = electrolyser()
    run = Run(plant)
    run.hours(1, lowest)
    assert plant.power_mw < 60.0
    run.hours(2, lambda i: i.power_mw)
    assert plant.read().state["stacks_on"] > 70


def test_a_blackout_leaves_nothing_running() -> None:
    plant = electrolyser()
    run = Run(plant)
    run.step(lambda _: 0.0)
    state = plant.read().state
    assert (state["stacks_on"], state["stacks_standby"], state["stacks_starting"]) == (0, 0, 0)
    assert all(abs(b.residual) <= 1e-6 * max(b.size, 1.0) for b in plant.balances())


def test_its_safe_power_is_its_steady_production() -> None:
    plant = electrolyser(6_500.0)
    safe_mw = plant.safe_power_mw()
    Run(plant).hours(1)
    assert plant.power_mw == pytest.approx(safe_mw, rel=0.01)


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [electrolyser(seed=7) for _ in range(2)]
    for plant in runs:
        Run(plant).hours(6, lambda i: i.low_mw if i.power_mw > 200.0 else i.high_mw)
    assert runs[0].totals() == runs[1].totals()


@pytest.mark.parametrize("dt_s", [1.0, 10.0, 60.0, 900.0])
def test_the_step_length_hardly_matters(dt_s: float) -> None:
    plant = electrolyser()
    Run(plant, dt_s=dt_s).hours(4)
    assert plant.totals()["hydrogen_kg"] == pytest.approx(4 * 6_500.0, rel=0.03)


def test_stacks_that_have_just_come_on_are_kept_on_for_their_minimum_time() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    plant.apply(StackCounts(on=60, standby=60, power_mw=200.0), None)
    run.hours(0.5)
    plant.apply(StackCounts(on=100, standby=0, power_mw=300.0), None)
    run.hours(0.1)
    answer = plant.apply(StackCounts(on=20, standby=80, power_mw=40.0), None)
    assert answer.outcome == "clamped"
    assert answer.reason is not None
    assert answer.reason.limit == "min_on"
    run.hours(0.1)
    young = plant.read().state["stacks_on"]
    assert young == plant.read().state["stacks_locked_on"] >= 30
    run.hours(PLATE.min_on_h)
    assert plant.read().state["stacks_on"] == 20


def test_stacks_that_have_gone_off_rest_before_they_are_warmed_again() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    plant.apply(StackCounts(on=20, standby=0, power_mw=60.0), None)
    run.hours(PLATE.min_on_h + 0.1)
    plant.apply(StackCounts(on=0, standby=0, power_mw=0.0), None)
    run.hours(0.1)
    plant.apply(StackCounts(on=0, standby=130, power_mw=0.0), None)
    run.step()
    assert plant.read().state["stacks_off"] >= 20
    run.hours(PLATE.min_off_h)
    assert plant.read().state["stacks_off"] == 0


def test_what_the_frequency_asks_breaks_minimum_times() -> None:
    plant = electrolyser()
    run = Run(plant, dt_s=10.0)
    plant.apply(StackCounts(on=60, standby=60, power_mw=200.0), None)
    run.hours(0.2)
    plant.apply(StackCounts(on=110, standby=0, power_mw=400.0), None)
    run.hours(0.1)
    assert plant.read().state["stacks_locked_on"] > 0
    run.hours(0.1, partial(within, 30.0))
    assert plant.read().state["stacks_on"] < 60


def test_hours_starts_and_trips_wear_the_stacks() -> None:
    kept, tortured = electrolyser(), electrolyser()
    Run(kept).hours(24)
    run = Run(tortured)
    for _ in range(6):
        run.hours(2)
        run.step(lambda _: 0.0)
        run.hours(2)
    assert tortured.totals()["wear_frac"] > 2.0 * kept.totals()["wear_frac"] > 0.0
