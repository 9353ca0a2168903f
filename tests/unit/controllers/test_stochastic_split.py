"""Cutting a model in two: what is shared by itself, what is refused, how little the second stage sees of the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controllers.planner.kept import KeptModel
from controllers.planner.model import LinearModel, ModelBuilder, lagged, term
from controllers.planner.stochastic import (
    Crew,
    Elastic,
    Limits,
    Options,
    Risk,
    Scenarios,
    solve_two_stage,
    two_stage,
    with_elastic,
)
from controllers.planner.stochastic.extensive import extensive_form
from vpp.errors import PlanError
from vpp.units import FloatArray

HOURS = 3


def newsvendor(demand: float) -> LinearModel:
    """Buy at 4 today, sell at 10 what is asked for, throw away the rest: columns bought, sold, left; rows stock and demand."""
    b = ModelBuilder()
    bought, sold, left = b.columns(1, cost=4.0), b.columns(1, cost=-10.0), b.columns(1)
    b.rows(1, term(bought), term(sold, -1.0), term(left, -1.0), low=0.0, high=0.0)
    b.rows(1, term(sold), high=demand)
    return b.build()


def sold_out(demands: list[float]) -> tuple[LinearModel, Scenarios]:
    return newsvendor(float(np.mean(demands))), Scenarios.of_models([newsvendor(demand) for demand in demands])


BOUGHT = np.array([True, False, False])


def as_is(model: LinearModel) -> list[tuple[FloatArray, FloatArray]]:
    return [(model.low, model.high)]


def test_a_newsvendor_buys_the_critical_quantile() -> None:
    # Six of ten earn their cost: the quantile 1 - 4 / 10 of 1..10 is 6.
    model, scenarios = sold_out([float(d) for d in range(1, 11)])
    cut = two_stage(model, BOUGHT, scenarios)
    answer = solve_two_stage(cut, lambda x: as_is(model), Limits(1e-6, rounds=60))
    assert answer.near
    assert 6.0 - 1e-6 <= answer.best.first[0] <= 7.0 + 1e-6
    assert answer.best.objective_cny == pytest.approx(24.0 - 10.0 * np.minimum(np.arange(1, 11), 6.0).mean(), abs=1e-5)


def test_one_who_minds_only_the_worst_buys_what_is_surely_sold() -> None:
    model, scenarios = sold_out([2.0, 5.0, 8.0, 9.0])
    cut = two_stage(model, BOUGHT, scenarios)
    answer = solve_two_stage(
        cut, lambda x: as_is(model), Limits(1e-6, rounds=60), options=Options(risk=Risk(weight=1.0, level=0.75))
    )
    assert answer.best.first[0] == pytest.approx(2.0, abs=1e-5)


def test_cuts_agree_with_one_model_over_all_scenarios_on_random_numbers() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        model, scenarios = sold_out(rng.uniform(1.0, 50.0, 7).tolist())
        cut = two_stage(model, BOUGHT, scenarios)
        kept = KeptModel()
        kept.hand_over(extensive_form(cut))
        answer = solve_two_stage(cut, lambda x, m=model: as_is(m), Limits(1e-6, rounds=80))  # type: ignore[misc]  # bound at once
        assert answer.best.objective_cny == pytest.approx(kept.relax().objective_cny, abs=1e-4)


def store(wind: float) -> LinearModel:
    """A store charged in three hours from wind that varies in the last: columns charge, level, curtailed."""
    b = ModelBuilder()
    charge, level, cut = b.columns(HOURS), b.columns(HOURS, high=10.0), b.columns(HOURS, cost=1.0)
    b.rows(HOURS, term(level), lagged(level, 1, -1.0), term(charge, -1.0), low=0.0, high=0.0)
    available = np.array([5.0, 5.0, wind])
    b.rows(HOURS, term(charge), term(cut), low=available, high=available)
    return b.build()


def test_what_an_equality_ties_to_shared_columns_is_shared_and_what_nothing_touches_as_well() -> None:
    shared = np.zeros(9, dtype=bool)
    shared[:2] = True  # the first two hours' charge
    cut = two_stage(store(4.0), shared, Scenarios.of_models([store(2.0), store(8.0)]))
    charge, level, curtailed = cut.first[:3], cut.first[3:6], cut.first[6:]
    assert charge.tolist() == [True, True, False]
    assert level.tolist() == [True, True, False]
    assert curtailed.tolist() == [True, True, False]
    # The second stage sees the level of the second hour and nothing else.
    assert cut.links.count == 1


def test_rows_that_are_multiples_of_one_another_share_a_link() -> None:
    b = ModelBuilder()
    x, y = b.columns(2), b.columns(3, cost=1.0)
    rows = np.array([0, 0, 1, 1, 2])
    b.rows(3, (rows, x[[0, 1, 0, 1, 0]], np.array([1.0, 2.0, -3.0, -6.0, 1.0])), term(y), low=1.0)
    model = b.build()
    varied = replace(model, row_low=model.row_low + 1.0)
    cut = two_stage(model, np.array([True, True, False, False, False]), Scenarios.of_models([model, varied]))
    assert cut.links.count == 2
    first = np.array([0.3, 0.9])
    by_rows = model.matrix.tocsr()[cut.later_rows][:, cut.columns] @ first
    np.testing.assert_allclose(cut.links.spread @ (cut.links.define @ first), by_rows)


def test_a_way_out_gives_way_in_its_row_at_its_price() -> None:
    model, named = with_elastic(newsvendor(3.0), [Elastic(np.array([1]), -1.0, 7.0, "lost")])
    kept = KeptModel()
    kept.hand_over(replace(model, low=np.array([5.0, 5.0, 0.0, 0.0]), high=np.array([5.0, 5.0, np.inf, np.inf])))
    assert kept.relax().x[named["lost"]].tolist() == [2.0]


def test_a_scenario_without_an_answer_is_named() -> None:
    stuck = replace(newsvendor(3.0), high=np.array([np.inf, np.inf, 0.0]))
    cut = two_stage(stuck, BOUGHT, Scenarios.of_models([stuck, replace(stuck, row_high=np.array([0.0, 1.0]))]))
    crew = Crew()
    crew.hand_over(cut)
    with pytest.raises(PlanError, match="the second stage has no answer"):
        crew.evaluate(np.array([9.0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cost": np.array([5.0, -10.0, 0.0])}, "the costs differ"),
        ({"matrix": newsvendor(1.0).matrix * 2.0}, "the matrices differ"),
    ],
)
def test_scenarios_may_differ_in_bounds_alone(change: dict[str, FloatArray], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Scenarios.of_models([newsvendor(1.0), replace(newsvendor(2.0), **change)])  # type: ignore[arg-type]  # one of the fields


def test_a_shared_column_that_varies_is_refused() -> None:
    one, other = newsvendor(1.0), replace(newsvendor(1.0), high=np.array([3.0, np.inf, np.inf]))
    with pytest.raises(PlanError, match="a shared column has bounds that differ"):
        two_stage(one, BOUGHT, Scenarios.of_models([one, other]))


def test_probabilities_must_sum_to_one() -> None:
    with pytest.raises(PlanError, match="sum to 1"):
        Scenarios.of_models([newsvendor(1.0), newsvendor(2.0)], np.array([0.5, 0.6]))


@pytest.mark.parametrize(("weight", "level"), [(-0.1, 0.9), (1.1, 0.9), (0.5, 1.0)])
def test_a_risk_outside_its_range_is_refused(weight: float, level: float) -> None:
    with pytest.raises(PlanError, match="risk"):
        Risk(weight, level)


def test_other_numbers_of_the_same_cut_keep_the_programs() -> None:
    model, scenarios = sold_out([2.0, 4.0, 6.0])
    cut = two_stage(model, BOUGHT, scenarios)
    _, others = sold_out([20.0, 40.0, 60.0])
    with Crew() as crew:
        assert not crew.hand_over(cut)
        crew.evaluate(np.array([3.0]))
        assert crew.hand_over(cut.retold(others))
        kept = crew.evaluate(np.array([30.0])).cost_cny
    fresh = Crew()
    fresh.hand_over(two_stage(model, BOUGHT, others))
    np.testing.assert_allclose(kept, fresh.evaluate(np.array([30.0])).cost_cny)
