from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import ammonia_loop, electrolyser
from vpp.assets.ammonia_loop import AMMONIA_LOOP, AmmoniaLoopState
from vpp.assets.electrolyser import ELECTROLYSER, hydrogen_kg_per_h
from vpp.units import HYDROGEN_KG_PER_NM3, KW_PER_MW


def test_a_stack_at_full_load_makes_what_its_plate_says() -> None:
    plate = ELECTROLYSER.plate([electrolyser()])
    made = hydrogen_kg_per_h(plate, np.array([1.0]), np.array([5.0]))
    # 5 MW at 5.0 kWh/Nm3 are 1,000 Nm3/h.
    assert made[0] == pytest.approx(5.0 * KW_PER_MW / 5.0 * HYDROGEN_KG_PER_NM3)


def test_hydrogen_between_two_points_lies_on_the_line_between_them() -> None:
    plate = ELECTROLYSER.plate([electrolyser()])
    ends = [hydrogen_kg_per_h(plate, np.array([10.0]), np.array([mw]))[0] for mw in (15.0, 30.0)]
    middle = hydrogen_kg_per_h(plate, np.array([10.0]), np.array([22.5]))[0]
    assert middle == pytest.approx(sum(ends) / 2)


def test_no_stack_on_makes_no_hydrogen() -> None:
    plate = ELECTROLYSER.plate([electrolyser()])
    assert hydrogen_kg_per_h(plate, np.array([0.0]), np.array([5.0]))[0] == 0.0


def test_curves_of_different_lengths_stand_side_by_side() -> None:
    short = electrolyser(load_frac=(0.5, 1.0), specific_kwh_per_nm3=(4.8, 5.0))
    both = hydrogen_kg_per_h(ELECTROLYSER.plate([electrolyser(), short]), np.array([1.0, 1.0]), np.array([5.25, 5.25]))
    alone = hydrogen_kg_per_h(ELECTROLYSER.plate([short]), np.array([1.0]), np.array([5.25]))
    assert both[1] == pytest.approx(alone[0])


def test_warm_stacks_come_on_after_a_warm_start_and_then_stay_for_their_minimum_time() -> None:
    plate = ELECTROLYSER.plate([electrolyser()])
    state = ELECTROLYSER.with_counts(plate, ELECTROLYSER.initial(plate), np.array([100.0]), np.array([30.0]))
    assert (state.stacks_on[0], state.stacks_warming[0], state.stacks_standby[0]) == (65.0, 35.0, 30.0)
    power_mw = ELECTROLYSER.feasible(plate, state, 0.1).high_mw
    after = ELECTROLYSER.step(plate, state, power_mw, 0.1)
    assert after.stacks_on[0] == 100.0
    assert after.locked_on_h[0] == pytest.approx(1.0 - (0.1 - 180 / 3600))
    assert ELECTROLYSER.with_counts(plate, after, np.array([0.0]), np.array([0.0])).stacks_on[0] == 100.0


def test_starts_end_with_the_day_allowance() -> None:
    plate = ELECTROLYSER.plate([electrolyser(starts_per_day=1.0)])
    state = replace(ELECTROLYSER.initial(plate), starts_today=np.array([120.0]))
    asked = ELECTROLYSER.with_counts(plate, state, np.array([130.0]), np.array([0.0]))
    assert asked.stacks_warming[0] == 10.0


def test_a_power_below_least_load_sends_as_many_stacks_to_standby_as_it_must() -> None:
    plate = ELECTROLYSER.plate([electrolyser(stacks=10, standby_frac=0.0)])
    state = replace(ELECTROLYSER.initial(plate), stacks_on=np.array([10.0]), stacks_standby=np.array([0.0]))
    after = ELECTROLYSER.step(plate, replace(state, power_mw=np.array([15.0])), np.array([7.0]), 0.25)
    # 1.5 MW each: 7 MW keep four stacks.
    assert (after.stacks_on[0], after.stacks_standby[0]) == (4.0, 6.0)
    assert after.locked_off_h[0] == pytest.approx(0.25)


def test_without_starts_a_quarter_hour_of_electrolysis_is_fifteen_minutes() -> None:
    plate = ELECTROLYSER.plate([electrolyser()])
    state = replace(ELECTROLYSER.initial(plate), power_mw=np.array([200.0]))
    power_mw, minutes = np.array([190.0]), state
    for _ in range(15):
        minutes = ELECTROLYSER.step(plate, minutes, power_mw, 1 / 60)
    quarter = ELECTROLYSER.step(plate, state, power_mw, 0.25)
    assert quarter.stacks_on[0] == minutes.stacks_on[0]
    assert quarter.locked_off_h[0] == pytest.approx(minutes.locked_off_h[0])


def _loop(buffer_kg: float, load_frac: float, intake_frac: float) -> AmmoniaLoopState:
    return AmmoniaLoopState(np.array([buffer_kg]), np.array([load_frac]), np.array([intake_frac * 45.0 * 178.0]))


def test_the_loop_ramps_no_faster_than_its_plate_says() -> None:
    plate = AMMONIA_LOOP.plate([ammonia_loop()])
    band = AMMONIA_LOOP.feasible(plate, _loop(60_000.0, 0.6, 0.6), 0.25)
    loads = [(mw - 28 * 0.4) / (28 * 0.6) for mw in (band.low_mw[0], band.high_mw[0])]
    assert loads == pytest.approx([0.55, 0.65])


def test_hydrogen_that_does_not_fit_is_vented_and_the_balance_closes() -> None:
    plate = AMMONIA_LOOP.plate([ammonia_loop()])
    state = _loop(119_900.0, 0.3, 1.0)
    power_mw = AMMONIA_LOOP.feasible(plate, state, 0.25).low_mw
    balance = AMMONIA_LOOP.hydrogen(plate, state, power_mw, 0.25)
    assert balance.vented_kg[0] > 1000.0
    assert balance.taken_kg[0] == pytest.approx(balance.stored_kg[0] + balance.used_kg[0] + balance.vented_kg[0], abs=1e-6)


def test_a_starved_loop_trips_and_starts_again_when_an_hour_of_hydrogen_waits() -> None:
    plate = AMMONIA_LOOP.plate([ammonia_loop()])
    starved = _loop(10.0, 0.3, 0.0)
    tripped = AMMONIA_LOOP.step(plate, starved, AMMONIA_LOOP.feasible(plate, starved, 0.25).high_mw, 0.25)
    assert tripped.load_frac[0] == 0.0
    refilled = replace(tripped, buffer_kg=np.array([45.0 * 178.0 * 0.3]), hydrogen_in_kg_per_h=np.array([8010.0]))
    again = AMMONIA_LOOP.step(plate, refilled, AMMONIA_LOOP.feasible(plate, refilled, 0.25).low_mw, 0.25)
    assert again.load_frac[0] == pytest.approx(0.3)
