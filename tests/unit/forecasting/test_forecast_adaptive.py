from __future__ import annotations

import numpy as np
import pytest

from forecasting.adaptive import Tracker, replay
from vpp.errors import ForecastError

LEVELS = (0.05, 0.5, 0.95)


def test_a_forecast_that_is_too_sure_comes_to_cover_what_it_says() -> None:
    rng = np.random.default_rng(3)
    n = 6000
    outcome = 0.5 + 0.1 * rng.standard_normal((n, 1))
    too_sure = np.tile(np.array([0.45, 0.5, 0.55]), (n, 1, 1))
    said = replay(Tracker.fresh(LEVELS, 1), too_sure, outcome, np.array([4]))
    inside = (outcome[3000:, 0] >= said[3000:, 0, 0]) & (outcome[3000:, 0] <= said[3000:, 0, 2])
    assert inside.mean() == pytest.approx(0.9, abs=0.015)


def test_an_outcome_teaches_nothing_before_it_has_come_in() -> None:
    outcome = np.full((10, 1), 0.9)
    quantile = np.tile(np.array([0.4, 0.5, 0.6]), (10, 1, 1))
    said = replay(Tracker.fresh(LEVELS, 1), quantile, outcome, np.array([6]))
    assert np.array_equal(said[:6], quantile[:6])
    assert said[6, 0, 2] > quantile[6, 0, 2]


def test_an_outcome_on_the_quantile_is_no_miss() -> None:
    before = Tracker.fresh(LEVELS, 1)
    after = before.learnt(np.zeros((1, 3)), np.array([0]), np.array([0.0]))
    assert after.stretch[0, 0] < 0
    assert after.stretch[0, 2] < 0


def test_an_unknown_outcome_teaches_nothing() -> None:
    before = Tracker.fresh(LEVELS, 2)
    assert before.learnt(np.zeros((1, 3)), np.array([0]), np.array([np.nan])) is before


def test_groups_learn_apart() -> None:
    after = Tracker.fresh(LEVELS, 2).learnt(np.array([[0.4, 0.5, 0.6]]), np.array([1]), np.array([0.9]))
    assert not after.stretch[0].any()
    assert after.stretch[1, 2] > 0


def test_levels_without_a_median_are_refused() -> None:
    with pytest.raises(ForecastError, match="no median"):
        Tracker.fresh((0.1, 0.9), 1)
