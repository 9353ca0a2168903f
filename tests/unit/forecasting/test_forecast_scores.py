from __future__ import annotations

import numpy as np
import pytest

from forecasting.calibrate import calibrated, conformal_shifts
from forecasting.scores import coverage_frac, nrmse_frac, pinball
from vpp.errors import ForecastError


def test_pinball_weighs_a_miss_by_its_level() -> None:
    # By hand: 0.9 * 0.2 above the 90 % quantile, 0.1 * 0.2 below it.
    assert pinball(np.array([0.7]), np.array([[0.5]]), (0.9,)) == pytest.approx(0.18)
    assert pinball(np.array([0.3]), np.array([[0.5]]), (0.9,)) == pytest.approx(0.02)


def test_scores_leave_out_unknown_outcomes() -> None:
    outcome = np.array([np.nan, 0.5])
    assert nrmse_frac(outcome, np.array([0.0, 0.6])) == pytest.approx(0.1)
    assert coverage_frac(outcome, np.array([0.0, 0.4]), np.array([0.0, 0.6])) == 1.0


def test_a_score_without_outcomes_is_not_a_number() -> None:
    assert np.isnan(pinball(np.array([np.nan]), np.array([[0.5]]), (0.5,)))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ForecastError, match="pinball"):
        pinball(np.zeros(3), np.zeros((3, 2)), (0.5,))


def test_a_shift_brings_a_biased_quantile_to_its_level() -> None:
    rng = np.random.default_rng(1)
    outcome, horizon_h = rng.random(4000), np.full(4000, 2.0)
    too_low = np.tile([0.3, 0.7], (4000, 1))
    shifts = conformal_shifts(outcome[:2000], too_low[:2000], (0.5, 0.9), horizon_h[:2000])
    share_below = (outcome[2000:, None] <= calibrated(too_low[2000:], shifts, horizon_h[2000:])).mean(axis=0)
    assert share_below == pytest.approx([0.5, 0.9], abs=0.03)


def test_a_group_with_few_rows_is_left_alone() -> None:
    shifts = conformal_shifts(np.ones(10), np.zeros((10, 1)), (0.5,), np.full(10, 2.0))
    assert not shifts.any()
