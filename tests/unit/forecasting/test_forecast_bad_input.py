"""What comes in wrong in service: a named error, or a fall-back with its flag; never an exception of ours, never silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.archive import ArchiveDoor, read_power, read_runs
from forecasting.clean import clean_power, clock_shift_h, find_stuck
from forecasting.history import PowerHistory
from forecasting.known import FarmSite, WeatherRuns
from forecasting.predict import Ask, predict
from forecasting.train import ForecastModels, train
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import Series
from vpp.timegrid import TimeGrid

STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def models(toy_world) -> ForecastModels:
    return train(toy_world.door, toy_world.farms, known_at=toy_world.start + timedelta(days=60), settings=toy_world.settings)


@pytest.fixture
def now(toy_world):
    return toy_world.start + timedelta(days=62, hours=6)


def door_with(toy_world, number: int, change) -> object:
    farm = toy_world.farms[number].asset_id
    one = toy_world.door.power_of[farm]
    value = one.value.copy()
    change(value)
    changed = Series(one.name, one.measured_at, one.received_at, value)
    return replace(toy_world.door, power_of={**toy_world.door.power_of, farm: changed})


def at(toy_world, now) -> int:
    return (now - toy_world.start) // STEP


def said(models, door, now, **asked):
    return predict(models, door, known_at=now, grid=TimeGrid.regular(now, STEP, 96), ask=Ask(**asked))


def width(forecast, row: int, steps: slice = slice(None)) -> float:
    return float((forecast.quantile_frac[row, steps, -1] - forecast.quantile_frac[row, steps, 0]).mean())


def test_sound_input_raises_no_flag(models, toy_world, now) -> None:
    assert said(models, toy_world.door, now).flags == ((), ())


def test_a_stuck_meter_is_flagged_and_not_believed(models, toy_world, now) -> None:
    n = at(toy_world, now)

    def stuck(value: np.ndarray) -> None:
        value[n - 40 : n] = 0.437

    forecast = said(models, door_with(toy_world, 0, stuck), now)
    assert set(forecast.flags_of(toy_world.farms[0].asset_id)) == {"power_late", "power_stuck"}
    assert forecast.quality[0] == "stale"
    assert width(forecast, 0, slice(0, 8)) > width(said(models, toy_world.door, now), 0, slice(0, 8))


def test_a_gap_of_hours_is_flagged_and_widens_what_is_near(models, toy_world, now) -> None:
    blind = toy_world.door.without_power_after(now - timedelta(hours=3))
    forecast = said(models, blind, now)
    assert forecast.flags_of(toy_world.farms[0].asset_id) == ("power_late",)
    assert width(forecast, 0, slice(0, 8)) > width(said(models, toy_world.door, now), 0, slice(0, 8))


def test_a_late_run_is_flagged_and_widens(models, toy_world, now) -> None:
    late = toy_world.door.without_runs_after(now - timedelta(days=2))
    forecast = said(models, late, now)
    assert "run_late" in forecast.flags_of(toy_world.farms[0].asset_id)
    assert width(forecast, 0, slice(32, 96)) > width(said(models, toy_world.door, now), 0, slice(32, 96))


def test_missing_runs_are_flagged(models, toy_world, now) -> None:
    forecast = said(models, toy_world.door.without_runs(), now)
    assert forecast.flags_of(toy_world.farms[0].asset_id) == ("run_missing",)
    assert forecast.quality[0] == "persistence"


def test_a_run_with_a_hole_is_flagged_and_the_fall_back_fills_it(models, toy_world, now) -> None:
    farm = toy_world.farms[0].asset_id
    runs = toy_world.door.runs_of[farm]
    value = runs.value.copy()
    value[:, 10:14] = np.nan
    holed = replace(
        toy_world.door, runs_of={farm: WeatherRuns(runs.issued_at, runs.received_at, runs.lead_h, runs.features, value)}
    )
    forecast = said(models, holed, now)
    assert "run_partial" in forecast.flags_of(farm)
    assert forecast.quality[0] == "stale"
    assert not np.isnan(forecast.quantile_frac).any()


def test_a_clock_put_forward_by_an_hour_is_flagged_and_its_days_are_not_believed(models, toy_world, now) -> None:
    n = at(toy_world, now)

    def moved(value: np.ndarray) -> None:
        value[:n] = np.where(np.arange(n) >= n - 3 * 96, np.roll(value[:n], 4), value[:n])

    forecast = said(models, door_with(toy_world, 1, moved), now)
    assert "clock_shift" in forecast.flags_of(toy_world.farms[1].asset_id)
    assert forecast.quality[1] == "climatology"


def test_a_sound_clock_is_not_suspected_on_any_day(toy_world) -> None:
    farm = toy_world.farms[1]
    whole = toy_world.door.power_of[farm.asset_id]
    for day in range(12, 70, 3):
        history = PowerHistory.of(whole.between(toy_world.start, toy_world.start + timedelta(days=day, hours=6)))
        assert abs(clock_shift_h(history, farm)) < 0.5


def test_a_constant_series_teaches_nothing_and_is_a_flagged_fall_back(toy_world, now) -> None:
    farm = FarmSite(AssetId("wind.constant"), "wind", 42.3, 118.9)
    one = toy_world.door.power_of[toy_world.farms[0].asset_id]
    constant = Series(one.name, one.measured_at, one.received_at, np.full(one.value.shape, 0.3))
    door = replace(toy_world.door, power_of={farm.asset_id: constant})
    forecast = said(train(door, (farm,), known_at=now, settings=toy_world.settings), door, now)
    assert {"power_stuck", "history_missing"} <= set(forecast.flags_of(farm.asset_id))
    assert forecast.quality == ("climatology",)


def test_a_farm_without_history_says_so(toy_world, now) -> None:
    new = FarmSite(AssetId("wind.new"), "wind", 42.3, 118.9)
    door = ArchiveDoor({})
    forecast = said(train(door, (new,), known_at=now, settings=toy_world.settings), door, now, scenarios=20)
    assert {"power_missing", "history_missing"} <= set(forecast.flags_of(new.asset_id))
    assert forecast.scenario_frac is not None
    assert forecast.scenario_frac.shape == (20, 1, 96)


def test_impossible_readings_are_left_out_and_counted(toy_world) -> None:
    value = np.array([0.1, 5.0, -3.0, 0.2] * 10)
    one = PowerHistory(np.datetime64("2030-01-01", "us"), np.arange(40).astype("datetime64[us]"), value)
    cleaned = clean_power(toy_world.farms[0], one, WeatherRuns.none())
    assert cleaned.impossible == 20
    assert np.isnan(cleaned.history.value).sum() == 20
    assert "outside what the farm can give" in cleaned.facts()[0]


def test_a_farm_at_its_rating_and_a_long_calm_are_not_stuck() -> None:
    assert not find_stuck(np.concatenate((np.full(40, 0.99), np.zeros(200)))).any()
    assert find_stuck(np.concatenate((np.full(23, 0.5), [0.4], np.full(24, 0.5)))).sum() == 24


def test_scenarios_come_with_the_forecast_and_are_drawn_from_its_quantiles(models, toy_world, now) -> None:
    forecast = said(models, toy_world.door, now, scenarios=200)
    below = (forecast.scenario_frac <= forecast.quantile_frac[..., 3]).mean(axis=0)
    by_day = forecast.quantile_frac[1, :, -1] > 0.05
    assert below[0].mean() == pytest.approx(0.5, abs=0.03)
    assert below[1][by_day].mean() == pytest.approx(0.5, abs=0.05)


def test_ninety_nine_levels_never_cross(models, toy_world, now) -> None:
    levels = tuple(round(0.01 * i, 2) for i in range(1, 100))
    assert said(models, toy_world.door, now, levels=levels).quantile_frac.shape == (2, 96, 99)


def table(tmp_path: Path, **columns: object) -> Path:
    path = tmp_path / "power.csv"
    pd.DataFrame({"asset_id": "wind.a", **columns}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"measured_at": ["2030-01-01T00:00+00:00"]}, "column available_frac is missing"),
        ({"measured_at": ["2030-01-01T00:00"], "available_frac": [0.1]}, "without a zone"),
        ({"measured_at": ["2030-01-01T00:00+00:00"] * 2, "available_frac": [0.1, 0.2]}, "1 doubled stamps"),
        ({"measured_at": ["soon"], "available_frac": [0.1]}, "is no instant"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, columns: dict[str, object], says: str) -> None:
    with pytest.raises(ForecastError, match=says):
        read_power(table(tmp_path, **columns))


def test_tables_become_a_door_that_hides_what_came_later(tmp_path: Path, now) -> None:
    stamps = [f"2030-01-01T0{hour}:00+08:00" for hour in range(8)]
    power = read_power(table(tmp_path, measured_at=stamps, available_frac=np.arange(8.0)))
    door = ArchiveDoor(power)
    known = pd.Timestamp("2029-12-31T20:00Z").to_pydatetime()
    assert door.power(AssetId("wind.a"), known_at=known, start=known - timedelta(days=1), end=now).value.tolist() == [0, 1, 2, 3]


def test_a_run_table_keeps_the_order_of_the_winds(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    rows = {"asset_id": "wind.a", "issued_at": "2030-01-01T00:00Z", "received_at": "2030-01-01T04:00Z", "lead_h": [1, 2]}
    winds = {"v100_m_s": 4.0, "u100_m_s": 3.0, "v10_m_s": 2.0, "u10_m_s": 1.0}
    pd.DataFrame({**rows, **winds}).to_csv(path, index=False)
    assert read_runs(path)[AssetId("wind.a")].value[0, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
