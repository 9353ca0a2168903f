"""The month's peak is metered as the tariff does: means of quarters, months in park time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controllers.loops.registers import PeakMeter
from vpp.ids import ConnectionId

EAST, WEST = ConnectionId("grid.east"), ConnectionId("grid.west")
NOON = datetime(2030, 10, 10, 4, tzinfo=UTC)
#: Midnight of 2030-11-01 in the park, eight hours before that in UTC.
NOVEMBER = datetime(2030, 10, 31, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def meter() -> PeakMeter:
    return PeakMeter(ZoneInfo("Asia/Shanghai"))


def test_a_peak_is_the_mean_of_its_quarter(meter: PeakMeter) -> None:
    for k, import_mw in enumerate((10.0, 20.0, 60.0)):
        meter.record(NOON + 5 * k * MINUTE, EAST, import_mw)
    meter.record(NOON + 15 * MINUTE, EAST, 0.0)
    assert meter.peaks_mw() == {EAST: 30.0}


def test_a_quarter_that_still_runs_is_no_peak_yet(meter: PeakMeter) -> None:
    meter.record(NOON, EAST, 99.0)
    assert meter.peaks_mw() == {}


def test_the_highest_quarter_stays(meter: PeakMeter) -> None:
    for k, import_mw in enumerate((10.0, 50.0, 20.0, 5.0)):
        meter.record(NOON + 15 * k * MINUTE, EAST, import_mw)
    assert meter.peaks_mw() == {EAST: 50.0}


def test_export_does_not_lower_a_quarter_below_nothing(meter: PeakMeter) -> None:
    meter.record(NOON, EAST, -80.0)
    meter.record(NOON + 5 * MINUTE, EAST, 40.0)
    meter.record(NOON + 15 * MINUTE, EAST, 0.0)
    assert meter.peaks_mw() == {EAST: 20.0}


def test_connections_are_metered_apart(meter: PeakMeter) -> None:
    for k in range(2):
        meter.record(NOON + 15 * k * MINUTE, EAST, 10.0)
        meter.record(NOON + 15 * k * MINUTE, WEST, 70.0)
    assert meter.peaks_mw() == {EAST: 10.0, WEST: 70.0}


def test_a_month_begins_at_midnight_of_the_park(meter: PeakMeter) -> None:
    meter.record(NOVEMBER - 30 * MINUTE, EAST, 90.0)
    meter.record(NOVEMBER - 15 * MINUTE, EAST, 20.0)
    assert meter.peaks_mw() == {EAST: 90.0}
    meter.record(NOVEMBER, EAST, 5.0)
    assert meter.peaks_mw() == {}


def test_midnight_utc_begins_no_month(meter: PeakMeter) -> None:
    for k, import_mw in enumerate((90.0, 20.0, 20.0)):
        meter.record(datetime(2030, 10, 31, 23, 30, tzinfo=UTC) + 15 * k * MINUTE, EAST, import_mw)
    assert meter.peaks_mw() == {EAST: 90.0}


def test_the_last_quarter_of_a_month_is_no_peak_of_the_next_at_any_connection(meter: PeakMeter) -> None:
    for connection in (EAST, WEST):
        meter.record(NOVEMBER - 15 * MINUTE, connection, 90.0)
    for k in range(2):
        for connection in (EAST, WEST):
            meter.record(NOVEMBER + 15 * k * MINUTE, connection, 5.0)
    assert meter.peaks_mw() == {EAST: 5.0, WEST: 5.0}
