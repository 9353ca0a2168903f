from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from forecasting.load import predict_load
from vpp.ids import AssetId
from vpp.series import Series, to_stamp
from vpp.timegrid import TimeGrid

LOAD = AssetId("load.toy")
STEP = timedelta(minutes=15)


@pytest.fixture
def weekly_door(toy_world):
    """Working days at 0.9, weekends at 0.5, for seventy days."""
    days = (toy_world.end - toy_world.start).days
    weekday = np.array([(toy_world.start + timedelta(days=d)).weekday() for d in range(days)])
    value = np.repeat(np.where(weekday < 5, 0.9, 0.5), 96)
    measured_at = to_stamp(toy_world.start) + np.arange(value.size) * np.timedelta64(STEP)
    series = Series("load_frac", measured_at, measured_at + np.timedelta64(STEP), value)
    return type(toy_world.door)({LOAD: series})


def test_the_weeks_profile_is_repeated(weekly_door, toy_world) -> None:
    now = toy_world.start + timedelta(days=60)
    forecast = predict_load(weekly_door, (LOAD,), known_at=now, grid=TimeGrid.regular(now, timedelta(days=1), 7))
    weekday = [(now + timedelta(days=d)).weekday() for d in range(7)]
    assert forecast.mean_frac[0] == pytest.approx([0.9 if day < 5 else 0.5 for day in weekday])
    assert forecast.quality == ("fresh",)


def test_in_the_first_week_the_last_days_stand_in(weekly_door, toy_world) -> None:
    now = toy_world.start + timedelta(days=2)
    forecast = predict_load(weekly_door, (LOAD,), known_at=now, grid=TimeGrid.regular(now, STEP, 96))
    assert forecast.mean_frac[0] == pytest.approx(0.9)


def test_an_unknown_load_is_flagged(weekly_door, toy_world) -> None:
    now = toy_world.start + timedelta(days=2)
    forecast = predict_load(weekly_door, (AssetId("load.new"),), known_at=now, grid=TimeGrid.regular(now, STEP, 4))
    assert forecast.quality == ("climatology",)
