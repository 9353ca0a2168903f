import math

import pytest

from sim_harness.plants.base import Ambient
from sim_harness.plants.battery import Battery
from tests.world_builders import BATTERY, START, asset
from vpp.wire.messages import HeatStart, Limit, Target

STEP = Ambient(START, 10.0, 10.0)
AUXILIARY_MW = BATTERY.auxiliary_frac * BATTERY.power_mw


def battery(soc_frac: float = 0.5, seed: int = 1) -> Battery:
    return Battery(asset("bess.a", "battery", BATTERY, "a"), start=START, seed=seed, soc_frac=soc_frac)


def step(plant: Battery, ambient: Ambient = STEP) -> float:
    plant.settle(plant.intend(ambient).power_mw, ambient)
    return plant.power_mw


def test_a_cycle_at_rating_and_half_charge_returns_the_round_trip_of_the_plate() -> None:
    rating_mw, plant = BATTERY.power_mw, battery()
    first_mwh = plant.stock()["stored_mwh"]
    plant.settle(rating_mw + AUXILIARY_MW, STEP)
    charged_mwh = plant.stock()["stored_mwh"] - first_mwh
    plant = battery()
    plant.settle(-rating_mw + AUXILIARY_MW, STEP)
    drained_mwh = first_mwh - plant.stock()["stored_mwh"]
    assert charged_mwh / drained_mwh == pytest.approx(BATTERY.round_trip_frac, rel=1e-9)


def test_part_load_loses_less_than_rating() -> None:
    slow, fast = battery(), battery()
    for plant, power_mw, times in ((slow, 4.0, 4), (fast, 16.0, 1)):
        for _ in range(times):
            plant.settle(power_mw + AUXILIARY_MW, STEP)
    assert slow.totals()["lost_mwh"] == pytest.approx(fast.totals()["lost_mwh"] / 4, rel=1e-3)


def test_auxiliaries_are_drawn_at_rest() -> None:
    plant = battery()
    assert step(plant) == pytest.approx(AUXILIARY_MW, rel=1e-12)
    assert plant.stock()["stored_mwh"] == pytest.approx(33.0, rel=1e-12)


def test_a_full_battery_refuses_to_charge() -> None:
    plant = battery(BATTERY.soc_max_frac)
    answer = plant.apply(Target(power_mw=10.0), None)
    assert answer.outcome == "clamped"
    assert answer.reason is not None
    assert answer.reason.code == "soc_ceiling"
    assert step(plant) == pytest.approx(AUXILIARY_MW, rel=1e-9)


def test_an_empty_battery_does_not_discharge() -> None:
    plant = battery(BATTERY.soc_min_frac)
    plant.apply(Target(power_mw=-10.0), None)
    assert step(plant) == pytest.approx(AUXILIARY_MW, rel=1e-9)


def test_the_last_charge_lands_on_the_ceiling() -> None:
    plant = battery(BATTERY.soc_max_frac - 1e-5)
    plant.apply(Target(power_mw=16.5), None)
    step(plant)
    assert plant.soc_frac == pytest.approx(BATTERY.soc_max_frac, abs=1e-12)


def test_the_last_discharge_lands_on_the_floor() -> None:
    plant = battery(BATTERY.soc_min_frac + 1e-5)
    plant.apply(Target(power_mw=-16.5), None)
    step(plant)
    assert plant.soc_frac == pytest.approx(BATTERY.soc_min_frac, abs=1e-12)


def test_a_target_is_approached_at_the_ramp_that_came_with_it() -> None:
    plant = battery()
    plant.apply(Target(power_mw=-12.0), 6.0)
    assert step(plant) == pytest.approx(AUXILIARY_MW - 1.0, rel=1e-9)


def test_a_target_above_rating_is_clamped_and_says_so() -> None:
    answer = battery().apply(Target(power_mw=40.0), None)
    assert (answer.outcome, answer.power_mw) == ("clamped", BATTERY.power_mw)


def test_a_limit_alone_lets_it_rest() -> None:
    plant = battery()
    plant.apply(Target(power_mw=-12.0), None)
    step(plant)
    answer = plant.apply(Limit(max_power_mw=5.0), None)
    assert answer.outcome == "accepted"
    assert step(plant) == pytest.approx(AUXILIARY_MW, rel=1e-9)


def test_a_heat_start_is_rejected_and_changes_nothing() -> None:
    plant = battery()
    plant.apply(Target(power_mw=-12.0), None)
    answer = plant.apply(HeatStart(furnace="eaf.1", start_at=START), None)
    assert answer.outcome == "rejected"
    assert step(plant) == -12.0


def test_a_blacked_out_battery_leaves_its_fans_unfed_and_its_books_balanced() -> None:
    plant = battery(BATTERY.soc_min_frac)
    plant.settle(0.25 * AUXILIARY_MW, STEP)
    (law,) = plant.balances()
    assert plant.soc_frac == pytest.approx(BATTERY.soc_min_frac, rel=1e-12)
    assert abs(law.residual) < 1e-12


def test_a_week_of_swings_closes_its_energy() -> None:
    plant = battery()
    ambient = Ambient(START, 900.0, 10.0)
    for k in range(672):
        plant.apply(Target(power_mw=16.5 * math.sin(k / 7.0)), None)
        step(plant, ambient)
    (law,) = plant.balances()
    assert abs(law.residual) < 1e-9 * law.size
    assert plant.totals()["cycles"] > 3.0
    assert BATTERY.soc_min_frac - 1e-9 <= plant.soc_frac <= BATTERY.soc_max_frac + 1e-9


def test_the_reported_charge_is_near_the_true_one_and_not_it() -> None:
    errors = [abs(battery(seed=seed).read().state["soc_frac"] - 0.5) for seed in range(20)]
    assert 0.0 < max(errors) < 0.05


def test_the_same_seed_reports_the_same_charge() -> None:
    assert battery(seed=7).read().state == battery(seed=7).read().state


def test_a_year_of_daily_cycles_fades_the_cells_by_some_percent() -> None:
    plant = battery()
    ambient = Ambient(START, 900.0, 10.0)
    for k in range(96 * 365):
        plant.apply(Target(power_mw=16.5 if k % 96 < 16 else -16.5 if 48 <= k % 96 < 64 else 0.0), None)
        step(plant, ambient)
    fade_frac = plant.totals()["fade_frac"]
    assert 0.02 < fade_frac < 0.035  # 1.5 % of standing, and 330 cycles of the 6,000 that take 20 %
    assert plant.stock()["stored_mwh"] <= BATTERY.soc_max_frac * BATTERY.energy_mwh
    (law,) = plant.balances()
    assert abs(law.residual) < 1e-9 * law.size


def test_a_faded_store_holds_less_and_tells_its_charge_of_what_is_left() -> None:
    plant = battery(BATTERY.soc_max_frac)
    ambient = Ambient(START, 900.0, 10.0)
    for _ in range(96 * 200):
        step(plant, ambient)
    assert plant.soc_frac > BATTERY.soc_max_frac
    assert plant.apply(Target(power_mw=10.0), None).outcome == "clamped"
