from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from sim_harness.scenario import list_scenarios, load
from sim_harness.weather.calendar import PARK_UTC_OFFSET, SolarCalendar, WindCalendar


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


@pytest.mark.parametrize("year", [2026, 2030])
def test_the_reporting_months_land_in_the_last_quarter_of_the_target_year(year: int) -> None:
    first, last = WindCalendar(year).interval_starts(stamps("2013-04-01T01:00", "2013-07-01T00:00")).astype("datetime64[D]")
    assert abs(first - np.datetime64(f"{year}-10-01")) <= np.timedelta64(4, "D")
    assert abs(last - np.datetime64(f"{year}-12-31")) <= np.timedelta64(4, "D")


@pytest.mark.parametrize("year", [2026, 2030, 2031])
def test_wind_keeps_the_weekday_and_moves_the_hour_by_two(year: int) -> None:
    shift = WindCalendar(year).shift - timedelta(hours=2)
    assert shift % timedelta(weeks=1) == timedelta(0)


def test_an_hour_ending_stamp_becomes_the_start_of_its_hour() -> None:
    start = WindCalendar(2030).interval_starts(stamps("2013-04-02T01:00"))[0]
    # The hour 00:00-01:00 UTC is 10:00-11:00 in Australia; 10:00-11:00 in the park is 02:00-03:00 UTC.
    assert start == np.datetime64("2030-10-01T02:00")


def test_wind_history_begins_fifteen_months_before_the_reporting_months() -> None:
    assert WindCalendar(2030).interval_starts(stamps("2012-01-01T01:00"))[0] == np.datetime64("2029-07-01T02:00")


def test_the_suns_date_is_kept_and_its_noon_moved_to_the_parks() -> None:
    start, kept = SolarCalendar(2030).interval_starts(stamps("2019-03-05T13:35"))
    # 13:35 becomes 12:05 Beijing time, which is 04:05 UTC.
    assert (start[0], kept[0]) == (np.datetime64("2029-03-05T04:05"), True)


def test_the_leap_day_is_dropped_where_the_park_has_none() -> None:
    _, kept = SolarCalendar(2030).interval_starts(stamps("2020-02-28T13:00", "2020-02-29T13:00", "2020-03-01T13:00"))
    assert kept.tolist() == [True, False, True]


def test_the_sun_covers_the_target_year_to_its_last_evening() -> None:
    start, _ = SolarCalendar(2030).interval_starts(stamps("2020-12-31T23:45"))
    assert start[0] >= np.datetime64("2030-12-31T14:00")


@pytest.mark.parametrize("path", list_scenarios(), ids=lambda path: path.stem)
def test_the_measured_wind_lasts_as_long_as_every_scenario_that_is_shipped(path: Path) -> None:
    scenario = load(path)
    year = (scenario.start + PARK_UTC_OFFSET).year
    # The last stamp of the measured data ends its hour.
    first, last = WindCalendar(year).interval_starts(stamps("2012-01-01T01:00", "2013-07-01T00:00"))
    assert first.item() <= scenario.start.replace(tzinfo=None)
    assert scenario.end.replace(tzinfo=None) <= last.item() + timedelta(hours=1)
