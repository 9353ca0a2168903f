from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from sim_harness.plants.arc_furnace import ArcFurnaces
from sim_harness.plants.casting import Caster, Furnace, Stage
from tests.plant_runs import Run, furnaces
from tests.world_builders import FURNACES, START
from vpp.wire.messages import HeatStart, Limit, StackCounts, Target

FULL_MW = 2 * FURNACES.melting_mw + FURNACES.auxiliary_mw


def stage(plant: ArcFurnaces, i: int) -> int:
    return int(plant.read().state[f"furnace.{i}.stage"])


def until(plant: ArcFurnaces, run: Run, wanted: Stage, i: int = 0) -> None:
    for _ in range(100_000):
        if stage(plant, i) == wanted:
            return
        run.step()
    raise AssertionError(f"furnace {i} never came to {wanted}")


def each_heat(seed: int, dt_s: float = 5.0) -> Iterator[tuple[float, float]]:
    """Power-on time and energy of single heats, carried out without a caster."""
    furnace = Furnace(FURNACES, np.random.default_rng(seed))
    for _ in range(20):
        furnace.begin(0.0)
        on_s = energy_mwh = 0.0
        while furnace.is_powered:
            noise = furnace.noise(dt_s)
            taken_mwh, used_s = furnace.burn(furnace.wanted_mw * noise, dt_s)
            on_s, energy_mwh = on_s + used_s, energy_mwh + taken_mwh
        assert energy_mwh == pytest.approx(furnace.drawn_mwh, rel=1e-9)
        yield on_s, energy_mwh


def test_left_to_itself_it_makes_the_days_heats() -> None:
    plant = furnaces()
    Run(plant, dt_s=60.0).hours(48)
    assert plant.totals()["heats_done"] == pytest.approx(2 * FURNACES.heats_per_day, abs=2)
    assert plant.totals()["heats_late"] == 0


def test_it_stops_when_the_days_count_is_reached() -> None:
    plant = furnaces()
    Run(plant, dt_s=60.0).hours(23.5)
    assert plant.read().state["heats_today"] == FURNACES.heats_per_day
    assert plant.power_mw == FURNACES.auxiliary_mw


def test_the_production_day_turns_at_midnight_of_the_park() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=60.0)
    run.hours(23.9)
    assert plant.read().state["heats_today"] == FURNACES.heats_per_day
    run.hours(0.3)
    assert 0 < plant.read().state["heats_today"] <= 2


def test_a_heat_takes_45_to_50_minutes_and_about_40_mwh() -> None:
    heats = list(each_heat(seed=3))
    assert all(43 * 60 <= on_s <= 53 * 60 for on_s, _ in heats)
    assert np.mean([energy_mwh for _, energy_mwh in heats]) == pytest.approx(FURNACES.heat_mwh, rel=0.03)


def test_melting_takes_60_to_70_percent_of_the_energy_at_80_to_100_percent_of_the_power() -> None:
    furnace = Furnace(FURNACES, np.random.default_rng(5))
    for _ in range(50):
        furnace.begin(0.0)
        assert 0.6 <= furnace.left_mwh / furnace.drawn_mwh <= 0.7
        assert 0.8 <= furnace.wanted_mw / FURNACES.melting_mw <= 1.0
        furnace.burn(furnace.wanted_mw, 3600.0)
        assert furnace.stage is Stage.REFINING
        assert 0.3 - 1e-9 <= furnace.wanted_mw / FURNACES.melting_mw <= 0.5 + 1e-9
        furnace.burn(furnace.wanted_mw, 3600.0)


def test_electrodes_wander_in_melting_within_15_percent() -> None:
    furnace = Furnace(FURNACES, np.random.default_rng(5))
    furnace.begin(0.0)
    noise = [furnace.noise(1.0) for _ in range(5_000)]
    assert 0.85 <= min(noise) < 0.9
    assert 1.1 < max(noise) <= 1.15
    assert np.mean(noise) == pytest.approx(1.0, abs=0.02)


def test_the_caster_takes_sequences_of_six_to_eight_and_rests_between() -> None:
    caster = Caster(FURNACES, np.random.default_rng(2))
    lengths, at_s = [], 0.0
    for _ in range(200):
        heats = caster.heats
        at_s = caster.ready_s(at_s)
        caster.take(at_s)
        if caster.heats == 0:
            lengths.append(heats + 1)
    assert set(lengths) == {6, 7, 8}
    assert caster.broken == 0


def test_a_gap_too_long_breaks_a_sequence() -> None:
    caster = Caster(FURNACES, np.random.default_rng(2))
    caster.take(0.0)
    caster.take(caster.free_s + FURNACES.sequence_gap_s + 1.0)
    assert caster.broken == 1
    assert caster.heats == 1


def test_a_booked_heat_starts_when_it_is_told_to() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=10.0)
    for i in range(2):
        plant.apply(HeatStart(furnace=f"furnace.{i}", start_at=START + timedelta(minutes=40)), None)
    run.hours(39.5 / 60.0)
    assert plant.power_mw == FURNACES.auxiliary_mw
    run.hours(1.0 / 60.0)
    assert stage(plant, 0) == stage(plant, 1) == Stage.MELTING


def test_the_same_booking_again_starts_no_second_heat() -> None:
    plant = furnaces(replace(FURNACES, furnaces=1, heats_per_day=10))
    run = Run(plant, dt_s=60.0)
    order = HeatStart(furnace="furnace.0", start_at=START)
    plant.apply(order, None)
    run.step()
    plant.apply(order, None)
    assert "furnace.0.booked_in_s" not in plant.read().state


def test_waiting_ends_when_the_day_would_be_lost() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=60.0)
    for _ in range(24 * 60):
        for i in range(2):
            plant.apply(HeatStart(furnace=f"furnace.{i}", start_at=run.time.at + timedelta(hours=12)), None)
        run.step()
    assert plant.totals()["heats_forced"] > 0
    run.hours(0.5)
    assert plant.totals()["heats_late"] <= 1


def test_a_running_sequence_is_not_kept_waiting_beyond_its_gap() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=60.0)
    until(plant, run, Stage.TURNAROUND)
    forced = plant.totals()["heats_forced"]
    for _ in range(4 * 60):
        for i in range(2):
            plant.apply(HeatStart(furnace=f"furnace.{i}", start_at=run.time.at + timedelta(hours=12)), None)
        run.step()
    assert plant.totals()["heats_forced"] > forced
    assert plant.totals()["sequences_broken"] == 0


def test_a_booking_beyond_the_latest_start_is_taken_as_far_as_possible() -> None:
    applied = furnaces().apply(HeatStart(furnace="furnace.1", start_at=START + timedelta(hours=20)), None)
    assert applied.outcome == "clamped"
    assert applied.reason is not None
    assert applied.reason.code == "latest_start"


def test_there_is_no_third_furnace() -> None:
    applied = furnaces().apply(HeatStart(furnace="furnace.2", start_at=START), None)
    assert applied.outcome == "rejected"
    assert applied.reason is not None
    assert applied.reason.code == "no_such_furnace"


def test_a_cap_within_the_stages_is_kept() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=60.0)
    until(plant, run, Stage.MELTING)
    plant.apply(Limit(max_power_mw=0.85 * FURNACES.melting_mw + FURNACES.auxiliary_mw), None)
    run.power_mw.clear()
    run.hours(5.0 / 60.0)
    assert max(run.power_mw) <= 1.08 * (0.85 * FURNACES.melting_mw + FURNACES.auxiliary_mw)


def test_an_arc_is_held_for_ten_minutes_at_most() -> None:
    plant = furnaces(replace(FURNACES, furnaces=1, heats_per_day=10))
    run = Run(plant, dt_s=60.0)
    until(plant, run, Stage.MELTING)
    plant.apply(Limit(max_power_mw=FURNACES.auxiliary_mw), None)
    run.power_mw.clear()
    run.hours(10.0 / 60.0)
    assert max(run.power_mw) == FURNACES.auxiliary_mw
    run.step()
    assert plant.power_mw > 0.7 * FURNACES.melting_mw
    assert plant.totals()["holds"] == 1
    assert plant.totals()["hold_s"] == pytest.approx(600.0)


def test_a_released_cap_lets_the_arc_burn_again() -> None:
    plant = furnaces(replace(FURNACES, furnaces=1, heats_per_day=10))
    run = Run(plant, dt_s=60.0)
    until(plant, run, Stage.MELTING)
    plant.apply(Limit(max_power_mw=FURNACES.auxiliary_mw), None)
    run.step()
    plant.apply(Limit(max_power_mw=FULL_MW), None)
    run.step()
    assert plant.power_mw > 0.7 * FURNACES.melting_mw


def test_full_power_gives_the_furnaces_back_to_their_own_schedule() -> None:
    plant = furnaces()
    run = Run(plant, dt_s=60.0)
    plant.apply(HeatStart(furnace="furnace.0", start_at=START + timedelta(hours=2)), None)
    assert plant.apply(Target(power_mw=plant.safe_power_mw()), None).outcome == "accepted"
    run.step()
    assert stage(plant, 0) == Stage.MELTING


def test_stack_counts_mean_nothing_to_a_furnace() -> None:
    assert furnaces().apply(StackCounts(on=1, standby=0, power_mw=1.0), None).outcome == "rejected"


def test_energy_that_was_not_there_is_taken_later() -> None:
    plant = furnaces(replace(FURNACES, furnaces=1, heats_per_day=10))
    run = Run(plant, dt_s=60.0)
    until(plant, run, Stage.MELTING)
    run.step()
    left_mwh = plant.read().state["furnace.0.energy_left_mwh"]
    run.step(lambda _: FURNACES.auxiliary_mw)
    assert plant.read().state["furnace.0.energy_left_mwh"] == pytest.approx(left_mwh)


@pytest.mark.parametrize("dt_s", [5.0, 60.0, 900.0])
def test_energy_is_that_of_heats_and_auxiliaries(dt_s: float) -> None:
    plant = furnaces()
    Run(plant, dt_s=dt_s).hours(12)
    (balance,) = plant.balances()
    assert abs(balance.residual) <= 1e-6 * balance.size
    assert plant.totals()["heats_done"] > 15


def test_a_run_that_begins_at_noon_owes_the_other_half_of_the_day() -> None:
    plant = furnaces(start=START + timedelta(hours=12))
    state = plant.read().state
    assert state["heats_due"] - state["heats_today"] == FURNACES.heats_per_day / 2
