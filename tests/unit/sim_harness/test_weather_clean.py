from __future__ import annotations

import numpy as np
import pytest

from sim_harness.weather.clean import Mark, clean_temperature_c, fill_gaps, mark_solar, mark_wind, partly_down_frac

WALK = np.linspace(0.2, 0.8, 80)
BREEZE = np.full(80, 6.0)
GALE = np.full(80, 11.0)


def test_a_null_reading_is_missing() -> None:
    power = WALK.copy()
    power[5] = np.nan
    assert mark_wind(power, BREEZE)[4:7].tolist() == [Mark.MEASURED, Mark.MISSING, Mark.MEASURED]


def test_equal_readings_at_high_power_are_stuck() -> None:
    power = WALK.copy()
    power[10:16] = 0.968
    assert np.flatnonzero(mark_wind(power, BREEZE) == Mark.STUCK).tolist() == list(range(10, 16))


def test_a_farm_that_idles_at_its_resolution_for_some_hours_is_not_stuck() -> None:
    power = WALK.copy()
    power[10:20] = 0.0019
    assert not (mark_wind(power, BREEZE) == Mark.STUCK).any()


def test_zero_in_a_gale_is_an_outage_and_zero_in_a_breeze_is_a_calm() -> None:
    power = WALK.copy()
    power[10:30] = 0.0
    assert (mark_wind(power, GALE)[10:30] == Mark.OUTAGE).all()
    assert (mark_wind(power, BREEZE)[10:30] == Mark.MEASURED).all()


def test_a_short_gap_is_a_line_and_a_long_one_follows_the_near_farms() -> None:
    power = np.full(20, 0.5)
    marks = np.zeros(20, dtype=np.int8)
    power[3], marks[3] = np.nan, Mark.MISSING
    marks[8:14] = Mark.STUCK
    filled = fill_gaps(power, marks, stand_in=np.full(20, 0.9))
    assert filled[3] == pytest.approx(0.5)
    assert filled[8:14] == pytest.approx(0.9)


def test_an_outage_is_played_as_it_was() -> None:
    power = np.array([0.5, 0.0, 0.0, 0.0, 0.5])
    marks = np.array([0, Mark.OUTAGE, Mark.OUTAGE, Mark.OUTAGE, 0], dtype=np.int8)
    assert fill_gaps(power, marks, np.full(5, 0.9)).tolist() == power.tolist()


def test_a_plant_without_output_in_full_sun_is_out_and_one_at_a_third_is_derated() -> None:
    sun = np.concatenate((np.zeros(4), np.full(40, 800.0), np.zeros(4)))
    power = sun / 1000.0
    power[10:16] = 0.0
    power[30:34] = 0.25
    marks = mark_solar(power, sun)
    assert (marks[10:16] == Mark.OUTAGE).all()
    assert (marks[30:34] == Mark.DERATED).all()
    assert (marks[16:30] == Mark.MEASURED).all()


def test_sentinels_and_a_frozen_logger_are_bridged() -> None:
    air = np.linspace(10.0, 20.0, 101)
    sun = np.linspace(1.0, 900.0, 101)
    broken, frozen = air.copy(), sun.copy()
    broken[20] = -99.0
    broken[40:95], frozen[40:95] = 12.0, 40.0
    assert clean_temperature_c(broken, frozen) == pytest.approx(air)


def test_a_month_that_never_comes_near_the_top_ran_with_part_of_the_farm() -> None:
    month = np.repeat(np.arange(5), 100)
    power = np.tile(np.linspace(0.0, 1.0, 100), 5) * np.repeat([1.0, 1.0, 0.7, 0.95, 1.0], 100)
    assert partly_down_frac(power, month)[::100] == pytest.approx([1.0, 1.0, 0.7, 1.0, 1.0])
