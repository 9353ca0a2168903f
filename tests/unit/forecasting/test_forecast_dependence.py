from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from forecasting.dependence import Dependence, independent, learn_dependence, place_in_quantiles, scenarios, values_at
from forecasting.scores import energy_score, variogram_score
from vpp.ids import AssetId

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
IDS = (AssetId("wind.a"), AssetId("wind.b"), AssetId("pv.c"))
LEAD_H = np.arange(0.5, 24.0)


def correlated_paths(rng: np.random.Generator, n: int) -> np.ndarray:
    """Errors of three farms, two of them near each other, remembered for six hours."""
    root = np.linalg.cholesky(np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    keep = np.exp(-1.0 / 6.0)
    path = np.empty((n, 3, LEAD_H.size))
    path[..., 0] = rng.standard_normal((n, 3)) @ root.T
    for t in range(1, LEAD_H.size):
        path[..., t] = keep * path[..., t - 1] + np.sqrt(1 - keep**2) * (rng.standard_normal((n, 3)) @ root.T)
    return path


@pytest.fixture(scope="module")
def learnt() -> Dependence:
    place = norm.cdf(correlated_paths(np.random.default_rng(1), 400))
    return learn_dependence(IDS, np.clip(place, 1e-3, 1 - 1e-3), LEAD_H)


def test_near_farms_are_found_to_err_together_and_far_ones_apart(learnt: Dependence) -> None:
    assert learnt.correlation[0, 1] == pytest.approx(0.8, abs=0.06)
    assert abs(learnt.correlation[0, 2]) < 0.06


def test_the_memory_of_errors_is_found(learnt: Dependence) -> None:
    after_3h = (1 - learnt.slow_frac) * np.exp(-3 / learnt.fast_h) + learnt.slow_frac * np.exp(-3 / learnt.slow_h)
    assert after_3h == pytest.approx(np.full(3, np.exp(-0.5)), abs=0.05)


def test_the_marginals_of_scenarios_are_the_quantiles(learnt: Dependence) -> None:
    quantile = np.sort(np.random.default_rng(2).random((3, 24, 5)), axis=2)
    drawn = scenarios(learnt, quantile, LEVELS, np.ones(24), 400, np.random.default_rng(3))
    below = (drawn[..., None] <= quantile).mean(axis=0)
    assert np.abs(below - np.array(LEVELS)).max() <= 1.5 / 400


def test_scenarios_hang_together_as_the_errors_did(learnt: Dependence) -> None:
    quantile = np.tile(norm.ppf(LEVELS) / 8 + 0.5, (3, 24, 1))
    drawn = scenarios(learnt, quantile, LEVELS, np.ones(24), 2000, np.random.default_rng(3))
    together = np.corrcoef(drawn[:, 0, 5], drawn[:, 1, 5])[0, 1]
    later = np.corrcoef(drawn[:, 0, 5], drawn[:, 0, 8])[0, 1]
    assert together == pytest.approx(0.8, abs=0.08)
    assert later == pytest.approx(np.exp(-0.5), abs=0.08)


def test_joint_scenarios_beat_independent_draws_in_both_scores(learnt: Dependence) -> None:
    rng = np.random.default_rng(5)
    quantile = np.tile(norm.ppf(LEVELS) / 8 + 0.5, (3, 24, 1))
    apart = Dependence(IDS, np.eye(3), np.full(3, 1e-3), np.full(3, 1e-3), np.zeros(3))
    gain = []
    for outcome in 0.5 + correlated_paths(rng, 60) / 8:
        pair = [scenarios(one, quantile, LEVELS, np.ones(24), 100, rng).reshape(100, -1) for one in (learnt, apart)]
        gain.append(
            [score(outcome.ravel(), pair[0]) - score(outcome.ravel(), pair[1]) for score in (energy_score, variogram_score)]
        )
    assert np.all(np.mean(gain, axis=0) < 0)


def test_the_same_seed_draws_the_same_scenarios(learnt: Dependence) -> None:
    quantile = np.sort(np.random.default_rng(2).random((3, 6, 5)), axis=2)
    one, two = (scenarios(learnt, quantile, LEVELS, np.ones(6), 10, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one, two)


def test_a_farm_nobody_knew_hangs_together_with_itself_only(learnt: Dependence) -> None:
    wider = learnt.of((*IDS, AssetId("wind.new")))
    assert wider.correlation[3].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert wider.fast_h[3] == pytest.approx(learnt.fast_h.mean())


def test_outcomes_are_placed_where_they_lie_and_the_way_back_leads_to_them() -> None:
    quantile = np.array([[0.1, 0.2, 0.4, 0.6, 0.9]])
    place = place_in_quantiles(np.array([0.3]), quantile, LEVELS)
    assert place[0] == pytest.approx(0.375)
    assert values_at(place[:, None], quantile, LEVELS)[0, 0] == pytest.approx(0.3)


def test_a_night_has_no_place() -> None:
    assert np.isnan(place_in_quantiles(np.array([0.0]), np.zeros((1, 5)), LEVELS)[0])


def test_without_errors_to_learn_from_farms_stand_apart() -> None:
    assert np.array_equal(independent(IDS).correlation, np.eye(3))
    nothing = learn_dependence(IDS, np.full((5, 3, LEAD_H.size), np.nan), LEAD_H)
    assert nothing.correlation == pytest.approx(np.eye(3))


def test_the_energy_score_of_a_normal_law_is_the_known_one() -> None:
    # For x = 0 and X ~ N(0, 1): E|X| - E|X - X'| / 2 = sqrt(2 / pi) - 1 / sqrt(pi) (Gneiting and Raftery 2007, CRPS of N(0, 1)).
    drawn = multivariate_normal.rvs(mean=[0.0], cov=[[1.0]], size=3000, random_state=4)[:, None]
    assert energy_score(np.zeros(1), drawn) == pytest.approx(np.sqrt(2 / np.pi) - 1 / np.sqrt(np.pi), abs=0.02)
