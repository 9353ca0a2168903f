"""Baselines of demand response, on registers whose answer is counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controllers.baselines import Registers, baseline
from vpp.timegrid import TimeGrid

ZONE = ZoneInfo("Asia/Shanghai")
QUARTER = timedelta(minutes=15)
#: Monday 2026-06-01, 0:00 park time.
MONDAY = datetime(2026, 5, 31, 16, tzinfo=UTC)
A_DAY = 96


def registers(levels_mw: list[float], **more: object) -> Registers:
    """One constant import a day, from Monday on."""
    values = np.repeat(np.array(levels_mw), A_DAY)
    return Registers(TimeGrid.regular(MONDAY, QUARTER, len(values)), values, ZONE, **more)  # type: ignore[arg-type]


def evening(day: int) -> tuple[datetime, datetime]:
    start = MONDAY + timedelta(days=day, hours=18)
    return start, start + timedelta(hours=1)


def test_jiangsu_is_the_mean_of_the_last_five_working_days() -> None:
    # Monday to Friday 10..50, a weekend of 999, the event on the second Tuesday: Wed, Thu, Fri, Mon and Tue before it.
    told = registers([10, 20, 30, 40, 50, 999, 999, 60, 0])
    found = baseline("jiangsu", told, *evening(8))
    assert found is not None
    assert found.import_mw == pytest.approx(np.full(4, (20 + 30 + 40 + 50 + 60) / 5))
    assert found.days == (date(2026, 6, 2), date(2026, 6, 3), date(2026, 6, 4), date(2026, 6, 5), date(2026, 6, 8))


def test_beijing_takes_the_highest_five_of_ten_days_with_weekends() -> None:
    told = registers([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0])
    found = baseline("beijing", told, *evening(10))
    assert found is not None
    assert found.import_mw[0] == pytest.approx((6 + 7 + 8 + 9 + 10) / 5)


def test_caiso_follows_the_day_itself_by_no_more_than_a_fifth() -> None:
    told = registers([100, 100, 100, 100, 100, 0, 0, 150])
    found = baseline("caiso", told, *evening(7))
    assert found is not None
    assert found.adjusted_by_frac == pytest.approx(1.2)
    assert found.import_mw[0] == pytest.approx(120.0)


def test_a_day_with_an_event_of_its_own_is_no_baseline() -> None:
    told = registers([10, 70, 20, 0], event_days=(date(2026, 6, 2),))
    found = baseline("jiangsu", told, *evening(3))
    assert found is not None
    assert found.import_mw[0] == pytest.approx(15.0)


def test_a_holiday_is_no_working_day() -> None:
    found = baseline("jiangsu", registers([10, 70, 0], holidays=(date(2026, 6, 2),)), *evening(2))
    assert found is not None
    assert found.days == (date(2026, 6, 1),)


def test_without_a_day_before_there_is_no_baseline() -> None:
    assert baseline("jiangsu", registers([10]), *evening(0)) is None


def test_a_day_that_was_not_metered_is_left_out() -> None:
    told = registers([10, float("nan"), 30, 0])
    found = baseline("jiangsu", told, *evening(3))
    assert found is not None
    assert found.import_mw[0] == pytest.approx(20.0)
