"""Inflexible loads: the profile of their week, the models beside it, and what is told where neither knows enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.clean import clean_power, find_cut_off
from forecasting.features import Rows
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.history import STEP_US, PowerHistory
from forecasting.holidays import is_holiday
from forecasting.journal import Journal
from forecasting.known import CheckedDoor, FarmSite, WeatherRuns
from forecasting.load import LOAD_COLUMNS, Meters, load_features, profile_forecast
from forecasting.model_store import load_models, save_models
from forecasting.predict import grid_middles, predict, predict_raw
from forecasting.scores import coverage_frac, pinball
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, train
from vpp.ids import AssetId
from vpp.series import Series, to_stamp
from vpp.timegrid import TimeGrid

OFFICE, WORKS, NEW = AssetId("base.office"), AssetId("base.works"), AssetId("base.new")
STEP = timedelta(minutes=15)
#: A Tuesday, 00:00 in UTC.
START = datetime(2030, 1, 1, tzinfo=UTC)
DAYS = 100
LEARNT = START + timedelta(days=84)
NOW = LEARNT + timedelta(hours=30)
SITES = tuple(FarmSite(load, "load", 42.3, 118.9) for load in (OFFICE, WORKS))
SETTINGS = ForecastSettings(
    load_rounds=30, load_leaves=8, load_leaf_rows=20, load_rows=6000, span=timedelta(days=84), horizon=timedelta(hours=24)
)


@dataclass(frozen=True)
class LoadDoor:
    """Holds what it is given and hides what came later; no weather."""

    power_of: dict[AssetId, Series]

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        empty = np.array([], dtype="datetime64[us]")
        return self.power_of.get(farm_id, Series("load_frac", empty, empty, np.array([]))).known(known_at).between(start, end)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        return WeatherRuns.none()

    def until(self, load: AssetId, at: datetime) -> LoadDoor:
        return LoadDoor({**self.power_of, load: self.power_of[load].between(START, at)})


def series_of(value: np.ndarray) -> Series:
    measured_at = to_stamp(START) + np.arange(value.size) * STEP_US
    return Series("load_frac", measured_at, measured_at + STEP_US, value)


def history_of(value: np.ndarray) -> PowerHistory:
    return PowerHistory.of(series_of(value))


def week_of(days: int, working: float, resting: float) -> np.ndarray:
    """Working days and weekends, each with a hill around noon."""
    weekday = np.array([(START + timedelta(days=d)).weekday() for d in range(days)])
    hill = 1.0 + 0.2 * np.sin(np.arange(96) / 96.0 * np.pi)
    return (np.where(weekday < 5, working, resting)[:, None] * hill).reshape(-1)


def wandering(n: int, spread: float, memory_steps: float, seed: int) -> np.ndarray:
    luck, keep = np.random.default_rng(seed).standard_normal(n), np.exp(-1.0 / memory_steps)
    value, last = np.empty(n), 0.0
    for t in range(n):
        last = keep * last + spread * np.sqrt(1.0 - keep**2) * luck[t]
        value[t] = last
    return value


@pytest.fixture(scope="module")
def door() -> LoadDoor:
    """Two loads whose users wander for hours about the profile of their week."""
    n = DAYS * 96
    office = week_of(DAYS, 0.5, 0.3) * (1.0 + wandering(n, 0.05, 16.0, 1))
    works = week_of(DAYS, 0.45, 0.4) * (1.0 + wandering(n, 0.05, 16.0, 2))
    return LoadDoor({OFFICE: series_of(office), WORKS: series_of(works)})


@pytest.fixture(scope="module")
def models(door: LoadDoor) -> ForecastModels:
    return train(CheckedDoor(door), SITES, known_at=LEARNT, settings=SETTINGS)


def day_from(at: datetime) -> TimeGrid:
    return TimeGrid.regular(at, STEP, 96)


def rows_of(at: datetime, grid: TimeGrid) -> Rows:
    middle = grid_middles(grid)
    return Rows(np.full(middle.shape, to_stamp(at)), middle)


def said(models: ForecastModels, door: LoadDoor, at: datetime = NOW) -> Forecast:
    return predict(models, CheckedDoor(door), known_at=at, grid=day_from(at))


# The profile.


def test_the_weeks_profile_is_repeated() -> None:
    value = np.repeat(np.where(np.array([(START + timedelta(days=d)).weekday() for d in range(70)]) < 5, 0.9, 0.5), 96)
    at = START + timedelta(days=60)
    grid = TimeGrid.regular(at, timedelta(days=1), 7)
    quantile, mean = profile_forecast(PowerHistory.of(series_of(value).known(at)), rows_of(at, grid))
    assert mean == pytest.approx([0.9 if (at + timedelta(days=d)).weekday() < 5 else 0.5 for d in range(7)])
    np.testing.assert_allclose(quantile, np.repeat(mean[:, None], quantile.shape[1], axis=1))


def test_in_the_first_week_the_last_days_stand_in() -> None:
    at = START + timedelta(days=2)
    _, mean = profile_forecast(history_of(week_of(2, 0.5, 0.5)), rows_of(at, day_from(at)))
    np.testing.assert_allclose(mean, week_of(2, 0.5, 0.5)[:96])


def test_a_load_that_nobody_metered_has_no_profile() -> None:
    assert np.isnan(profile_forecast(history_of(np.array([])), rows_of(START, day_from(START)))[1]).all()


def test_the_profiles_band_is_as_wide_as_its_misses() -> None:
    rng = np.random.default_rng(3)
    at = START + timedelta(days=63)
    value = 0.5 + 0.02 * rng.standard_normal(63 * 96)
    quantile, _ = profile_forecast(history_of(value), rows_of(at, day_from(at)))
    # Six weeks' mean misses by a little more than one reading spreads.
    width = (quantile[:, -2] - quantile[:, 1]).mean()
    assert width == pytest.approx(2 * 1.645 * 0.02 * (1 + 1 / 6) ** 0.5, rel=0.06)


# Features.


def features(rows: Rows, value: np.ndarray, runs: WeatherRuns | None = None, code: int = 0) -> np.ndarray:
    return load_features(rows, (code,), Meters.of((history_of(value),), rows), (runs or WeatherRuns.none(),))[0]


def test_no_feature_knows_what_came_after_the_origin(door: LoadDoor) -> None:
    value = door.power_of[OFFICE].value
    origins = np.array([to_stamp(NOW + timedelta(hours=h)) for h in (0, 7, 13)])
    rows = Rows(np.repeat(origins, 4), np.concatenate([origin + np.array([1, 9, 97, 290]) * STEP_US // 2 for origin in origins]))
    before = features(rows, value)
    for k, origin in enumerate(origins):
        spoilt = value.copy()
        spoilt[int((origin - to_stamp(START)) // STEP_US) :] = 9.0
        after = features(rows, spoilt)
        np.testing.assert_array_equal(after[4 * k : 4 * k + 4], before[4 * k : 4 * k + 4])


def test_loads_whose_records_begin_and_end_apart_are_seen_together_as_each_alone(door: LoadDoor) -> None:
    rows = rows_of(NOW, day_from(NOW))
    parts = [
        door.power_of[OFFICE].known(NOW),
        door.power_of[WORKS].between(START + timedelta(days=50), NOW - timedelta(hours=2)),
        Series("load_frac", *(np.array([], dtype="datetime64[us]"),) * 2, np.array([])),
    ]
    histories = [PowerHistory.of(part) for part in parts]
    none = WeatherRuns.none()
    together = load_features(rows, (0, 1, 2), Meters.of(histories, rows), (none,) * 3)
    for code, history in enumerate(histories):
        alone = load_features(rows, (code,), Meters.of((history,), rows), (none,))[0]
        np.testing.assert_allclose(together[code], alone, rtol=1e-12)
    assert np.isnan(together[1, :, LOAD_COLUMNS.index("last_miss_frac")]).all(), "two hours old"
    assert np.isnan(together[2, :, 1:9]).all()


def test_hour_weekday_and_holiday_are_park_time() -> None:
    at = datetime(2030, 9, 30, 16, 30, tzinfo=UTC)  # 00:30 of the National Day, a Tuesday
    grid = TimeGrid.regular(at, timedelta(hours=1), 1)
    row = features(rows_of(at, grid), np.full(8, 0.5), code=3)[0]
    told = dict(zip(LOAD_COLUMNS, row, strict=True))
    assert (told["farm"], told["hour"], told["weekday"], told["holiday"]) == (3.0, 1.0, 1.0, 1.0)


def test_the_weather_runs_temperature_is_taken_where_there_is_one() -> None:
    at = START + timedelta(days=8)
    issued = np.array([to_stamp(at - timedelta(hours=6))])
    runs = WeatherRuns(issued, issued, np.array([0.0, 100.0]), ("temperature_c",), np.array([[[0.0], [100.0]]]))
    row = features(rows_of(at, day_from(at)), week_of(8, 0.5, 0.4), runs)[:, -1]
    np.testing.assert_allclose(row, 6.125 + np.arange(96) * 0.25)


@pytest.mark.parametrize(
    ("day", "rests"),
    [("2030-02-02", True), ("2030-02-08", True), ("2030-02-10", False), ("2030-05-02", True), ("2030-10-03", True),
     ("2030-10-04", False), ("2031-01-01", True), ("2031-01-02", False)],
)  # fmt: skip
def test_long_holidays_are_known(day: str, rests: bool) -> None:
    assert bool(is_holiday(np.array([f"{day}T12:00"], dtype="datetime64[us]"))[0]) is rests


# Models.


def test_the_model_beats_the_weeks_profile_and_holds_its_band(models: ForecastModels, door: LoadDoor) -> None:
    outcome, ours, week, near = [], [], [], []
    for k in range(42):
        at = LEARNT + k * timedelta(hours=8, minutes=30)
        grid, first = day_from(at), int((at - START) / STEP)
        history = PowerHistory.of(door.power(OFFICE, known_at=at, start=START, end=at))
        outcome.append(door.power_of[OFFICE].value[first : first + 96])
        ours.append(said(models, door, at).quantile_frac[0])
        week.append(profile_forecast(history, rows_of(at, grid))[0][:, 1:-1])
        near.append(grid.offset_h < 2.0)
    true, model, rival, soon = (np.concatenate(rows) for rows in (outcome, ours, week, near))
    assert pinball(true[soon], model[soon], QUANTILE_LEVELS) < 0.75 * pinball(true[soon], rival[soon], QUANTILE_LEVELS)
    assert pinball(true, model, QUANTILE_LEVELS) < pinball(true, rival, QUANTILE_LEVELS)
    assert 0.82 < coverage_frac(true, model[:, 0], model[:, -1]) < 0.97


def test_loads_stand_beside_farms_and_are_named_as_loads(toy_world, door: LoadDoor) -> None:
    both = replace(toy_world.door, power_of={**toy_world.door.power_of, **door.power_of})
    at = toy_world.start + timedelta(days=63)
    learnt = train(both, (*toy_world.farms, *SITES), known_at=at - timedelta(days=1), settings=toy_world.settings)
    forecast = predict(learnt, both, known_at=at, grid=day_from(at))
    assert forecast.loads == {OFFICE, WORKS}
    assert forecast.quality == ("fresh",) * 4
    alone = train(both, toy_world.farms, known_at=at - timedelta(days=1), settings=toy_world.settings)
    np.testing.assert_array_equal(
        predict(alone, both, known_at=at, grid=day_from(at)).mean_frac, forecast.mean_frac[:2], "loads change no farm's forecast"
    )


def test_between_the_hours_a_model_is_asked_for_lie_its_own_words_nearly(models: ForecastModels, door: LoadDoor) -> None:
    two_days = TimeGrid.regular(NOW, STEP, 192)
    raw = predict_raw(models, door, known_at=NOW, grid=two_days)
    # Single intervals are all asked for.
    for t in (3, 31, 42, 77, 130, 191):
        alone = predict_raw(models, door, known_at=NOW, grid=TimeGrid(two_days.edges[t : t + 2]))
        np.testing.assert_allclose(raw.mean_frac[:, t], alone.mean_frac[:, 0], atol=0.006)
        np.testing.assert_allclose(raw.quantile_frac[:, t], alone.quantile_frac[:, 0], atol=0.02)


def test_stored_models_of_loads_say_the_same(models: ForecastModels, door: LoadDoor, tmp_path: Path) -> None:
    save_models(models, tmp_path / "one")
    again = load_models(tmp_path / "one")
    np.testing.assert_array_equal(said(again, door).quantile_frac, said(models, door).quantile_frac)


def test_the_journal_settles_loads_as_it_does_farms(models: ForecastModels, door: LoadDoor) -> None:
    journal = Journal.empty(models)
    for k in range(24):
        at = NOW + k * timedelta(hours=1)
        raw = predict_raw(models, door, known_at=at, grid=day_from(at))
        journal = journal.settled(door, at).with_forecast(raw, models)
    assert (journal.count > 0).all()
    assert not any(journal.health(n).drifts for n in range(2))


# Fall-backs.


def test_sound_input_is_fresh(models: ForecastModels, door: LoadDoor) -> None:
    assert said(models, door).quality == ("fresh", "fresh")
    assert said(models, door).flags == ((), ())


def test_a_meter_that_is_late_makes_a_flagged_forecast(models: ForecastModels, door: LoadDoor) -> None:
    forecast = said(models, door.until(OFFICE, NOW - timedelta(hours=3)))
    assert forecast.quality == ("stale", "fresh")
    assert forecast.flags_of(OFFICE) == ("power_late",)


def test_a_meter_that_is_dead_for_more_than_a_week_leaves_climatology(models: ForecastModels, door: LoadDoor) -> None:
    forecast = said(models, door.until(OFFICE, NOW - timedelta(days=8)))
    assert forecast.quality == ("climatology", "fresh")
    assert "power_late" in forecast.flags_of(OFFICE)


def test_too_little_to_learn_from_leaves_the_weeks_profile(door: LoadDoor) -> None:
    at = START + timedelta(days=3)
    young = train(door, SITES, known_at=at - timedelta(days=2, hours=12), settings=SETTINGS)
    assert young.of_kind("load") is None
    forecast = said(young, door, at)
    assert forecast.quality == ("persistence", "persistence")
    known = history_of(door.power_of[OFFICE].value[: 3 * 96])
    np.testing.assert_allclose(forecast.mean_frac[0], profile_forecast(known, rows_of(at, day_from(at)))[1])


def test_a_load_of_some_hours_is_worth_no_more_than_climatology(models: ForecastModels, door: LoadDoor) -> None:
    short = door.power_of[OFFICE].between(NOW - timedelta(hours=6), NOW)
    forecast = said(models, LoadDoor({**door.power_of, OFFICE: short}))
    assert forecast.quality == ("climatology", "fresh")


def test_a_load_without_history_can_be_anything_and_says_so(models: ForecastModels, door: LoadDoor) -> None:
    forecast = said(models.with_loads((FarmSite(NEW, "load", 42.3, 118.9),)), door)
    assert forecast.quality[forecast.row(NEW)] == "climatology"
    assert set(forecast.flags_of(NEW)) == {"power_missing", "history_missing"}
    np.testing.assert_allclose(forecast.quantile_frac[2], np.tile(QUANTILE_LEVELS, (96, 1)))


def test_a_load_that_came_after_training_is_forecast_and_flagged(models: ForecastModels, door: LoadDoor) -> None:
    site, wind = FarmSite(NEW, "load", 42.3, 118.9), FarmSite(AssetId("wind.new"), "wind", 42.3, 118.9)
    known = models.with_loads((*SITES, site, wind))
    assert [farm.asset_id for farm in known.farms] == [OFFICE, WORKS, NEW]
    forecast = said(known, LoadDoor({**door.power_of, NEW: door.power_of[OFFICE]}))
    assert (forecast.quality[2], forecast.flags_of(NEW)) == ("stale", ("history_missing",))
    assert np.abs(forecast.mean_frac[2] - forecast.mean_frac[0]).max() < 0.05


def test_gaps_and_a_stuck_meter_are_no_exception(models: ForecastModels, door: LoadDoor) -> None:
    one = door.power_of[OFFICE]
    value, here = one.value.copy(), int((NOW - START) / STEP)
    value[here - 2000 : here - 1500] = np.nan
    value[here - 40 : here] = 0.4
    forecast = said(models, LoadDoor({**door.power_of, OFFICE: replace(one, value=value)}))
    assert "power_stuck" in forecast.flags_of(OFFICE)
    assert forecast.quality[0] == "stale"


def test_a_load_that_was_cut_off_is_not_learnt_as_one_that_rests() -> None:
    cut, resting = np.full(400, 0.5), np.full(400, 0.5)
    cut[100:110] = 0.0
    resting[::4] = 0.0
    assert int(find_cut_off(cut).sum()) == 10
    assert not find_cut_off(resting).any()
    noisy = history_of(cut + np.where(cut > 0, 0.01 * np.sin(np.arange(400.0)), 0.0))
    cleaned = clean_power(SITES[0], noisy, WeatherRuns.none())
    assert np.isnan(cleaned.history.value[100:110]).all()
    assert any("cut off" in fact for fact in cleaned.facts())
