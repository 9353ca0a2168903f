from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import arc_furnace, thermal_unit, wind
from vpp.assets.arc_furnace import ARC_FURNACE
from vpp.assets.thermal_unit import THERMAL_UNIT
from vpp.assets.wind import WIND

BOTH = np.array([[True, True]])
FIRST = np.array([[True, False]])


def test_a_lull_takes_a_farm_down_whatever_its_ramp_says() -> None:
    plate = WIND.plate([wind(ramp_frac_per_min=0.001)])
    lull = replace(WIND.initial(plate), available_mw=np.array([5.0]))
    band = WIND.feasible(plate, lull, 1 / 60)
    assert band.low_mw[0] == pytest.approx(-5.0)


def test_an_uncommanded_farm_does_not_follow_a_rising_wind() -> None:
    plate = WIND.plate([wind()])
    gust = replace(WIND.initial(plate), available_mw=np.array([150.0]))
    assert WIND.safe_power_mw(plate, gust)[0] == pytest.approx(-51.0)


def test_a_unit_that_comes_on_runs_for_its_minimum_time() -> None:
    plate = THERMAL_UNIT.plate([thermal_unit(off_by_default=True)])
    state = THERMAL_UNIT.with_units(plate, THERMAL_UNIT.initial(plate), np.array([1.0]))
    for _ in range(5):
        state = THERMAL_UNIT.step(plate, state, THERMAL_UNIT.feasible(plate, state, 1.0).high_mw, 1.0)
    assert state.units_on[0] == 1.0
    assert state.power_mw[0] == pytest.approx(-67.5)
    assert THERMAL_UNIT.with_units(plate, state, np.array([0.0])).units_on[0] == 1.0


def test_heat_keeps_units_on() -> None:
    plate = THERMAL_UNIT.plate([thermal_unit()])
    bound = replace(THERMAL_UNIT.initial(plate), must_run_units=np.array([1.0]))
    assert THERMAL_UNIT.with_units(plate, bound, np.array([0.0])).units_on[0] == 1.0


def test_a_steam_led_unit_takes_no_command() -> None:
    plate = THERMAL_UNIT.plate([thermal_unit(units=1, unit_mw=30.0, heat_led=True)])
    state = replace(THERMAL_UNIT.initial(plate), steam_generation_mw=np.array([22.0]))
    band = THERMAL_UNIT.feasible(plate, state, 0.25)
    assert (band.low_mw[0], band.high_mw[0]) == (-22.0, -22.0)


def test_no_heat_means_no_power_but_auxiliaries() -> None:
    plate = ARC_FURNACE.plate([arc_furnace()])
    band = ARC_FURNACE.feasible(plate, ARC_FURNACE.initial(plate), 0.25)
    assert (band.low_mw[0], band.high_mw[0]) == (4.0, 4.0)


def test_a_heat_melts_within_its_stage_limits_and_refines_at_less() -> None:
    plate = ARC_FURNACE.plate([arc_furnace(hold_max_s=0.0)])
    melting = ARC_FURNACE.start_heat(plate, ARC_FURNACE.initial(plate), FIRST)
    band = ARC_FURNACE.feasible(plate, melting, 1 / 60)
    assert (band.low_mw[0], band.high_mw[0]) == pytest.approx((4.0 + 56.0, 4.0 + 70.0))
    refining = replace(melting, heat_left_mwh=np.array([[10.0, 0.0]]))
    band = ARC_FURNACE.feasible(plate, refining, 1 / 60)
    assert (band.low_mw[0], band.high_mw[0]) == pytest.approx((4.0 + 21.0, 4.0 + 35.0))


def test_an_arc_may_be_off_for_ten_minutes_of_melting_and_no_longer() -> None:
    plate = ARC_FURNACE.plate([arc_furnace()])
    state = ARC_FURNACE.start_heat(plate, ARC_FURNACE.initial(plate), FIRST)
    off_min = 0
    for _ in range(15):
        low_mw = ARC_FURNACE.feasible(plate, state, 1 / 60).low_mw
        off_min += int(low_mw[0] < 4.1)
        state = ARC_FURNACE.step(plate, state, low_mw, 1 / 60)
    assert off_min == 10


def test_a_heat_taps_when_its_energy_is_in_and_the_furnace_then_turns_around() -> None:
    plate = ARC_FURNACE.plate([arc_furnace()])
    state, minutes = ARC_FURNACE.start_heat(plate, ARC_FURNACE.initial(plate), FIRST), 0
    while state.heat_left_mwh[0, 0] > 0.0:
        state = ARC_FURNACE.step(plate, state, ARC_FURNACE.feasible(plate, state, 1 / 60).high_mw, 1 / 60)
        minutes += 1
    # 26 MWh at 70 MW and 14 MWh at 35 MW.
    assert minutes == pytest.approx((26 / 70 + 14 / 35) * 60, abs=1.0)
    assert state.sequence_heats[0] == 1.0
    assert ARC_FURNACE.start_heat(plate, state, BOTH).heat_left_mwh[0].tolist() == [0.0, 40.0]


def test_a_sequence_breaks_when_the_caster_waits_too_long() -> None:
    plate = ARC_FURNACE.plate([arc_furnace()])
    state = replace(
        ARC_FURNACE.initial(plate),
        sequence_heats=np.array([4.0]),
        since_tap_h=np.array([3.0]),
        heat_left_mwh=np.array([[0.1, 0.0]]),
    )
    after = ARC_FURNACE.step(plate, state, ARC_FURNACE.feasible(plate, state, 0.25).high_mw, 0.25)
    assert after.sequence_heats[0] == 1.0
