from __future__ import annotations

import pytest

from sim_harness.plants.ammonia_loop import RESTART_H, AmmoniaLoop
from tests.plant_runs import Run, ammonia
from tests.world_builders import LOOP
from vpp.wire.messages import Limit, StackCounts, Target

NOMINAL_KG_PER_H = LOOP.target_t_per_a / 8760.0 * LOOP.hydrogen_kg_per_t


def fed(hours: float, kg_per_h: float, level_frac: float = 0.5, dt_s: float = 60.0) -> tuple[AmmoniaLoop, Run]:
    plant = ammonia(level_frac)
    run = Run(plant, dt_s=dt_s)
    feed(plant, run, hours, kg_per_h)
    return plant, run


def feed(plant: AmmoniaLoop, run: Run, hours: float, kg_per_h: float) -> None:
    for _ in range(round(hours * 3600.0 / run.dt_s)):
        plant.deliver(kg_per_h * run.dt_s / 3600.0)
        run.step()


def test_fed_at_the_nominal_rate_it_stays_at_half_full() -> None:
    plant, _ = fed(48, NOMINAL_KG_PER_H)
    assert plant.level_frac == pytest.approx(0.5, abs=0.02)
    assert plant.totals()["ammonia_t"] == pytest.approx(48 * LOOP.target_t_per_a / 8760.0, rel=0.01)


def test_a_full_tank_makes_it_run_faster_and_an_empty_one_slower() -> None:
    full, _ = fed(4, NOMINAL_KG_PER_H, level_frac=0.9)
    low, _ = fed(4, NOMINAL_KG_PER_H, level_frac=0.2)
    assert full.read().state["rate_t_per_h"] > low.read().state["rate_t_per_h"]


def test_its_rate_moves_by_a_fifth_of_the_loop_an_hour_at_most() -> None:
    plant, run = fed(1, NOMINAL_KG_PER_H)
    before = plant.read().state["rate_t_per_h"]
    plant.apply(Target(power_mw=0.0), None)
    feed(plant, run, 1, NOMINAL_KG_PER_H)
    assert before - plant.read().state["rate_t_per_h"] == pytest.approx(0.2 * LOOP.loop_t_per_h, rel=1e-6)


def test_a_target_power_means_a_rate() -> None:
    plant, run = fed(1, NOMINAL_KG_PER_H)
    applied = plant.apply(Target(power_mw=28.0 * (0.4 + 0.6 * 0.6)), None)
    feed(plant, run, 4, NOMINAL_KG_PER_H)
    assert applied.outcome == "accepted"
    assert plant.read().state["rate_t_per_h"] == pytest.approx(0.6 * LOOP.loop_t_per_h)
    assert plant.power_mw == pytest.approx(applied.power_mw)


def test_a_target_below_minimum_load_is_clamped_and_says_so() -> None:
    applied = ammonia().apply(Target(power_mw=1.0), None)
    assert applied.outcome == "clamped"
    assert applied.power_mw == pytest.approx(28.0 * (0.4 + 0.6 * 0.3))
    assert applied.reason is not None
    assert applied.reason.limit == "min_load"


def test_a_limit_keeps_the_level_control_below_it() -> None:
    plant, run = fed(1, NOMINAL_KG_PER_H, level_frac=0.9)
    plant.apply(Limit(max_power_mw=20.0), None)
    feed(plant, run, 5, NOMINAL_KG_PER_H)
    assert plant.power_mw <= 20.0 + 1e-9


def test_stack_counts_mean_nothing_to_a_loop() -> None:
    assert ammonia().apply(StackCounts(on=1, standby=0, power_mw=1.0), None).outcome == "rejected"


def test_it_comes_down_in_time_when_no_hydrogen_comes_any_more() -> None:
    plant, run = fed(1, NOMINAL_KG_PER_H)
    plant.apply(Target(power_mw=28.0), None)
    while plant.read().state["rate_t_per_h"] > LOOP.min_load_frac * LOOP.loop_t_per_h + 1e-6:
        run.step()
    assert plant.totals()["trips"] == 0
    assert plant.level_frac > 0.0


def test_it_trips_when_the_tank_is_empty_at_minimum_load_and_counts_what_is_missing() -> None:
    plant, run = fed(1, 0.0, level_frac=0.1)
    run.hours(12)
    totals = plant.totals()
    assert totals["trips"] == 1
    assert plant.read().state["tripped"] == 1.0
    assert totals["starved_t"] == pytest.approx(totals["starved_s"] / 3600.0 * 0.3 * LOOP.loop_t_per_h, rel=0.02)


def test_after_a_trip_it_restarts_only_after_its_delay() -> None:
    plant, run = fed(0.5, 0.0, level_frac=0.01)
    assert plant.read().state["tripped"] == 1.0
    plant.deliver(60_000.0)
    run.hours(RESTART_H - 1.0)
    assert plant.read().state["rate_t_per_h"] == 0.0
    run.hours(1.5)
    assert plant.read().state["rate_t_per_h"] > 0.0


def test_what_the_tank_cannot_hold_is_vented() -> None:
    plant, _ = fed(6, 12_000.0, level_frac=0.95)
    assert plant.totals()["vented_kg"] > 0.0
    assert plant.stock()["hydrogen_kg"] <= LOOP.buffer_kg + 1e-6


def test_without_its_own_power_it_trips() -> None:
    plant, run = fed(1, NOMINAL_KG_PER_H)
    run.step(lambda _: 5.0)
    assert plant.totals()["trips"] == 1
    assert plant.totals()["unserved_mwh"] > 0.0


def test_nothing_pushes_it() -> None:
    intent = Run(ammonia()).step()[0]
    assert intent.low_mw == intent.power_mw == intent.high_mw


@pytest.mark.parametrize("dt_s", [1.0, 60.0, 900.0])
def test_hydrogen_is_used_vented_or_stored(dt_s: float) -> None:
    plant, _ = fed(3, 9_000.0, level_frac=0.8, dt_s=dt_s)
    for balance in plant.balances():
        assert abs(balance.residual) <= 1e-6 * max(balance.size, 1.0), balance


def test_a_hot_tank_holds_less_and_a_cold_one_stands_lower() -> None:
    hot, cold = ammonia(level_frac=0.9), ammonia(level_frac=0.9)
    for plant, temperature_c in ((hot, 38.0), (cold, -20.0)):
        run = Run(plant, temperature_c=temperature_c)
        for _ in range(12 * 60):
            plant.deliver(12_000.0 / 60.0)
            run.step()
    assert hot.stock()["hydrogen_kg"] < 0.96 * LOOP.buffer_kg
    assert hot.totals()["vented_kg"] > cold.totals()["vented_kg"]
    assert cold.read().state["tank_bar"] < hot.read().state["tank_bar"] <= 30.5
