from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.forecast import QUANTILE_LEVELS
from forecasting.known import CheckedDoor, FarmSite
from forecasting.model_store import load_models, save_models, train_cached
from forecasting.predict import predict
from forecasting.scores import pinball
from forecasting.train import ForecastModels, train
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid

STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def models(toy_world) -> ForecastModels:
    at = toy_world.start + timedelta(days=60)
    return train(CheckedDoor(toy_world.door), toy_world.farms, known_at=at, settings=toy_world.settings)


@pytest.fixture
def now(toy_world):
    return toy_world.start + timedelta(days=62, hours=6)


@pytest.fixture
def day(now):
    return TimeGrid.regular(now, STEP, 96)


def test_recent_input_makes_a_fresh_forecast(models, toy_world, now, day) -> None:
    forecast = predict(models, toy_world.door, known_at=now, grid=day)
    assert forecast.quality == ("fresh", "fresh")
    assert forecast.quantile_frac.shape == (2, 96, len(QUANTILE_LEVELS))
    assert forecast.issued_at == now


def test_the_same_training_twice_gives_the_same_bits(models, toy_world, now, day) -> None:
    again = train(toy_world.door, toy_world.farms, known_at=models.known_at, settings=toy_world.settings)
    one = predict(models, toy_world.door, known_at=now, grid=day)
    two = predict(again, toy_world.door, known_at=now, grid=day)
    assert np.array_equal(one.quantile_frac, two.quantile_frac)
    assert np.array_equal(one.mean_frac, two.mean_frac)


def test_a_forecast_does_not_change_when_the_future_is_taken_away(models, toy_world, now, day) -> None:
    blind = toy_world.door.without_power_after(now).without_runs_after(now)
    seen = predict(models, toy_world.door, known_at=now, grid=day)
    assert np.array_equal(seen.quantile_frac, predict(models, blind, known_at=now, grid=day).quantile_frac)


def test_the_model_beats_climatology_on_days_it_has_not_seen(models, toy_world) -> None:
    ours, usual = [], []
    for ahead in range(5):
        now = toy_world.start + timedelta(days=61 + ahead, hours=6)
        day = TimeGrid.regular(now, STEP, 96)
        truth = np.stack([toy_world.door.power_of[farm.asset_id].between(day.start, day.end).value for farm in toy_world.farms])
        for found, door in ((ours, toy_world.door), (usual, toy_world.door.without_runs().without_power_after(now - STEP * 20))):
            forecast = predict(models, door, known_at=now, grid=day)
            found.append(pinball(truth[0], forecast.quantile_frac[0], QUANTILE_LEVELS))
    assert np.mean(ours) < 0.6 * np.mean(usual)


def test_without_runs_the_last_value_fades_and_is_flagged(models, toy_world, now, day) -> None:
    forecast = predict(models, toy_world.door.without_runs(), known_at=now, grid=day)
    last = toy_world.door.power_of[toy_world.farms[0].asset_id].between(now - STEP, now).value[-1]
    assert forecast.quality[0] == "persistence"
    assert forecast.mean_frac[0, 0] == pytest.approx(last, abs=0.03)
    width = forecast.quantile_frac[0, :, -1] - forecast.quantile_frac[0, :, 0]
    assert width[-1] > 3 * width[0]


def test_old_measurements_make_a_stale_forecast(models, toy_world, now, day) -> None:
    door = toy_world.door.without_power_after(now - timedelta(hours=2))
    assert predict(models, door, known_at=now, grid=day).quality == ("stale", "stale")


def test_a_late_run_makes_a_stale_forecast(models, toy_world, now, day) -> None:
    door = toy_world.door.without_runs_after(now - timedelta(days=2))
    assert predict(models, door, known_at=now, grid=day).quality == ("stale", "fresh")


def test_a_run_that_ends_inside_the_grid_is_flagged_and_still_fills_it(models, toy_world, now) -> None:
    door = toy_world.door.without_runs_after(now - timedelta(days=3))
    forecast = predict(models, door, known_at=now, grid=TimeGrid.regular(now, STEP, 192))
    assert forecast.quality[0] == "stale"
    assert not np.isnan(forecast.quantile_frac).any()


def test_without_any_recent_input_climatology_answers(models, toy_world, now, day) -> None:
    door = toy_world.door.without_runs().without_power_after(now - timedelta(days=5))
    assert predict(models, door, known_at=now, grid=day).quality == ("climatology", "climatology")


def test_a_farm_without_a_past_gets_the_widest_forecast(toy_world, now, day) -> None:
    new = FarmSite(AssetId("wind.new"), "wind", 42.3, 118.9)
    models = train(toy_world.door, (*toy_world.farms, new), known_at=now, settings=toy_world.settings)
    forecast = predict(models, toy_world.door, known_at=now, grid=day)
    assert forecast.quality[2] == "climatology"
    assert forecast.quantile_frac[2, 0].tolist() == pytest.approx(QUANTILE_LEVELS)


def test_the_sun_does_not_shine_at_night(models, toy_world, now, day) -> None:
    forecast = predict(models, toy_world.door, known_at=now, grid=day)
    midnight_in_the_park = day.index(now.replace(hour=16))
    assert forecast.quantile_frac[1, midnight_in_the_park].max() == 0.0


def test_a_coarse_tail_of_the_grid_is_forecast_too(models, toy_world, now) -> None:
    grid = TimeGrid.of_steps(now, ((STEP, 32), (timedelta(hours=1), 40)))
    assert predict(models, toy_world.door, known_at=now, grid=grid).mean_frac.shape == (2, 72)


def test_training_without_a_farm_is_refused(toy_world, now) -> None:
    with pytest.raises(ForecastError, match="no farm given"):
        train(toy_world.door, (), known_at=now)


def test_a_farm_given_twice_is_refused(toy_world, now) -> None:
    with pytest.raises(ForecastError, match="given twice"):
        train(toy_world.door, (*toy_world.farms, toy_world.farms[0]), known_at=now)


def test_stored_models_predict_the_same_bits(models, toy_world, now, day, tmp_path: Path) -> None:
    save_models(models, tmp_path / "one")
    back = load_models(tmp_path / "one")
    one = predict(models, toy_world.door, known_at=now, grid=day)
    two = predict(back, toy_world.door, known_at=now, grid=day)
    assert np.array_equal(one.quantile_frac, two.quantile_frac)
    assert (back.settings, back.farms, back.key) == (models.settings, models.farms, models.key)


def test_a_changed_model_file_is_refused(models, tmp_path: Path) -> None:
    save_models(models, tmp_path / "one")
    path = tmp_path / "one" / "wind.mean.txt"
    path.write_text(path.read_text().replace("shrinkage=", "shrinkage=1", 1))
    with pytest.raises(ForecastError, match=r"wind\.mean\.txt: its hash is not the one"):
        load_models(tmp_path / "one")


def test_the_cache_trains_once_and_again_when_the_past_has_changed(toy_world, models, now, tmp_path: Path) -> None:
    small = replace(toy_world.settings, rounds=3)
    for at in (now, now, now + timedelta(days=1)):
        train_cached(toy_world.door, toy_world.farms, known_at=at, directory=tmp_path, settings=small)
    assert len(list(tmp_path.iterdir())) == 2


def test_two_that_train_the_same_models_at_once_keep_one_copy_and_both_have_it(toy_world, now, tmp_path: Path) -> None:
    small = replace(toy_world.settings, rounds=3)

    def trained() -> str:
        return train_cached(toy_world.door, toy_world.farms, known_at=now, directory=tmp_path, settings=small).key

    with ThreadPoolExecutor(2) as pool:
        keys = [future.result() for future in [pool.submit(trained) for _ in range(2)]]
    assert [path.name for path in tmp_path.iterdir()] == keys[:1]
    assert keys[0] == keys[1]
