"""What holds for every forecast and every fine series, whatever the input."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecasting.calibrate import HORIZON_EDGES_H, calibrated
from forecasting.features import WIND_COLUMNS
from forecasting.forecast import QUANTILE_LEVELS
from forecasting.quantile_model import KindModel, fit, predict_rows
from forecasting.scores import pinball
from forecasting.settings import ForecastSettings
from forecasting.training_set import TrainingSet
from sim_harness.weather.fine import level_exponent, refine

FRACTIONS = st.floats(0, 1)
Q = len(QUANTILE_LEVELS)


@pytest.fixture(scope="module")
def model() -> KindModel:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 25, (1500, len(WIND_COLUMNS)))
    x[:, 0] = rng.integers(0, 3, 1500)
    y = np.clip(x[:, 1] / 25 + 0.1 * rng.standard_normal(1500), 0, 1)
    data = TrainingSet(x, y, np.ones(1500), np.arange(1500) % 5 == 0)
    return fit("wind", data, ForecastSettings(rounds=10, leaf_rows=20, threads=1))


@settings(max_examples=40, deadline=None)
@given(
    x=arrays(float, (6, len(WIND_COLUMNS)), elements=st.one_of(st.floats(-1e3, 1e3), st.just(float("nan")))),
    scale=arrays(float, 6, elements=FRACTIONS),
)
def test_quantiles_never_cross_nor_leave_the_farm_whatever_the_features(model: KindModel, x, scale) -> None:
    x[:, WIND_COLUMNS.index("farm")] = 1.0
    quantile, mean = predict_rows(model, x, scale)
    assert np.all(np.diff(quantile, axis=1) >= 0)
    assert quantile.min() >= 0
    assert quantile.max() <= 1
    assert not np.isnan(mean).any()


@given(
    quantile=arrays(float, (5, Q), elements=st.floats(-2, 2)),
    shifts=arrays(float, (len(HORIZON_EDGES_H) + 1, Q), elements=st.floats(-1, 1)),
    horizon_h=arrays(float, 5, elements=st.floats(0, 100)),
)
def test_calibrated_quantiles_never_cross(quantile, shifts, horizon_h) -> None:
    assert np.all(np.diff(calibrated(quantile, shifts, horizon_h), axis=1) >= 0)


@given(outcome=arrays(float, 4, elements=FRACTIONS), quantile=arrays(float, (4, Q), elements=FRACTIONS))
def test_no_forecast_scores_better_than_the_truth(outcome, quantile) -> None:
    truth = np.repeat(outcome[:, None], Q, axis=1)
    assert pinball(outcome, truth, QUANTILE_LEVELS) == 0.0
    assert pinball(outcome, quantile, QUANTILE_LEVELS) >= 0.0


@given(
    mean_frac=arrays(float, st.integers(2, 30), elements=FRACTIONS),
    minutes=st.sampled_from([15, 60]),
    capacity_mw=st.floats(1, 2000),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_fine_series_keeps_the_energy_of_every_step_and_its_bounds(mean_frac, minutes, capacity_mw, seed) -> None:
    fine = refine(mean_frac, timedelta(minutes=minutes), capacity_mw, np.random.default_rng(seed))
    assert fine.reshape(-1, minutes).mean(axis=1) == pytest.approx(mean_frac, abs=1e-12)
    assert fine.min() >= 0
    assert fine.max() <= 1


@given(power=arrays(float, 50, elements=st.floats(0.05, 0.95)), wanted=st.floats(0.2, 0.5))
def test_the_level_reaches_the_wanted_mean_and_keeps_the_order(power, wanted) -> None:
    power[0] = 0.3  # something between nothing and everything
    level = 1.0 - (1.0 - power) ** level_exponent(power, wanted)
    assert level.mean() == pytest.approx(wanted, abs=1e-5)
    assert np.all(np.diff(level[np.argsort(power)]) >= 0)
