"""A problem planned over scenarios: the shared part exactly, the rest as its mean, with what each promise is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from controllers.planner.kept import ModelCache
from controllers.planner.problem import Problem
from controllers.planner.read import UNMET_TOLERANCE, promises, read_result
from controllers.planner.result import PlanStatus, Result
from controllers.planner.rounding import netted_ties
from controllers.planner.solve import curves_between
from controllers.planner.stochastic.crew import Crew
from controllers.planner.stochastic.lshaped import Limits, Options, StochasticAnswer, solve_two_stage
from controllers.planner.stochastic.park import ParkTwoStage, draw_park
from controllers.planner.stochastic.recourse import Answers
from controllers.planner.stochastic.risk import Risk
from vpp.ids import AssetId
from vpp.plan import ValueCurve
from vpp.units import FloatArray

__all__ = ["StochasticPlan", "plan_over_scenarios"]

#: Stores are priced in so many of the scenarios and the worths averaged.
PRICED_SCENARIOS: Final = 3
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class StochasticPlan:
    """A plan over scenarios.

    Args:
        problem: What was planned, its expected power the mean of the scenarios.
        result: As of any plan: what is shared, and the mean over the scenarios of what is not; its cost is their mean.
        answer: The search: objective, bound, rounds.
        drawn: The cut model; give it to the next plan, which then only changes numbers.
        kept_frac: By promise (`where.what`), in which share of the scenarios it is kept.
        cost_cny: Of each scenario, shape (S,).
        risk: How the costs were weighed.
    """

    problem: Problem
    result: Result
    answer: StochasticAnswer
    drawn: ParkTwoStage
    kept_frac: Mapping[str, float]
    cost_cny: FloatArray
    risk: Risk

    def facts(self) -> dict[str, Any]:
        """What `vpp plan --scenarios` writes beside an ordinary plan's facts."""
        chance = self.drawn.cut.scenarios.probability
        answer = self.answer
        return {
            "scenarios": {
                "count": int(chance.size),
                "risk_weight": self.risk.weight,
                "risk_level": self.risk.level,
                "objective": answer.best.objective_cny,
                "bound": answer.bound_cny,
                "gap_cny": answer.gap_cny,
                "gap_frac": answer.gap_cny / max(self.result.gross_cny, 1.0),
                "rounds": answer.masters,
                "seconds": answer.seconds,
                "near": answer.near,
                "nondeterministic": answer.stopped_by_clock,
                "mean_cny": float(chance @ self.cost_cny),
                "worst_cny": self.risk.worst_cny(self.cost_cny, chance),
                "first_objective": answer.rounds[0].objective_cny,
                "cost_cny": np.round(self.cost_cny, 2).tolist(),
                "course": [
                    {"at_s": one.at_s, "objective": one.objective_cny, "bound": one.bound_cny, "what": one.what}
                    for one in answer.rounds
                ],
            },
            "kept_frac": dict(self.kept_frac),
        }


def plan_over_scenarios(
    problem: Problem,
    available_mw: Mapping[AssetId, FloatArray],
    limits: Limits,
    crew: Crew | None = None,
    options: Options | None = None,
    like: ParkTwoStage | None = None,
) -> StochasticPlan:
    """The best plan over scenarios within the limits.

    Args:
        problem: What is planned; its own available power is not looked at.
        available_mw: Of each farm in each scenario, equally likely, shape (S, T).
        limits: When to stop.
        crew: Who solves the scenarios; None for this process alone.
        options: Risk, start and report.
        like: The last plan's cut model.

    Raises:
        PlanError: No scenarios of a farm, or a kind without a block.
    """
    expected = replace(problem, available_mw={**problem.available_mw, **{i: s.mean(axis=0) for i, s in available_mw.items()}})
    told, workers = options or Options(), crew or Crew()
    drawn = draw_park(expected, available_mw, like)
    answer = solve_two_stage(drawn.cut, drawn.rounded, limits, workers, told)
    workers.evaluate(answer.best.first)
    later = workers.answers()
    result = _read(expected, drawn, answer, later)
    own = float(drawn.cut.model.cost[drawn.cut.columns] @ answer.best.first)
    kept = _kept_frac(expected, drawn, answer, later)
    return StochasticPlan(expected, result, answer, drawn, kept, own + answer.best.later_cny, told.risk)


def _read(problem: Problem, drawn: ParkTwoStage, answer: StochasticAnswer, later: Answers) -> Result:
    cut, chance, point = drawn.cut, drawn.cut.scenarios.probability, answer.best.point
    x, column_dual, row_dual = np.zeros(cut.model.cost.size), np.zeros(cut.model.cost.size), np.zeros(cut.model.row_low.size)
    x[cut.columns], x[cut.later_columns] = point.first, chance @ later.x
    if point.row_dual.size:
        row_dual[cut.rows], column_dual[cut.columns] = point.row_dual, point.column_dual
    # A scenario's program counts in its own money; a dual of the whole is the mean over them.
    row_dual[cut.later_rows], column_dual[cut.later_columns] = chance @ later.row_dual, chance @ later.column_dual
    found = _Found(netted_ties(drawn.blueprint, x), row_dual, column_dual, _mean_cost(drawn, x), answer.bound_cny)
    status: PlanStatus = "optimal" if answer.near else "incumbent"
    result = read_result(problem, drawn.blueprint, found, status=status, source="scenarios")
    return replace(result, curves=_curves(drawn, x))


def _mean_cost(drawn: ParkTwoStage, x: FloatArray) -> float:
    return float(drawn.cut.model.cost @ x) + float(drawn.cut.scenarios.probability @ drawn.cut.scenarios.offset_cny)


@dataclass(slots=True)
class _Found:
    x: FloatArray
    row_dual: FloatArray
    column_dual: FloatArray
    objective_cny: float
    bound_cny: float


def _curves(drawn: ParkTwoStage, x: FloatArray) -> dict[AssetId, ValueCurve]:
    """Worth of stores by level, averaged over some scenarios, the plan's counts held."""
    cut = drawn.cut
    held = np.flatnonzero(cut.first & cut.model.integer)
    found: list[dict[AssetId, ValueCurve]] = []
    cache = ModelCache()
    count = cut.scenarios.count
    for scenario in np.unique(np.linspace(0, count - 1, min(PRICED_SCENARIOS, count)).round().astype(int)).tolist():
        model = cut.scenarios.one(cut.model, scenario)
        low, high = model.low.copy(), model.high.copy()
        low[held] = high[held] = np.round(x[held], 6)
        found.append(curves_between(replace(drawn.blueprint, model=model), low, high, cache))
    return {
        asset_id: replace(curve, value_cny_per_mwh=np.mean([one[asset_id].value_cny_per_mwh for one in found], axis=0))
        for asset_id, curve in found[0].items()
        if all(asset_id in one for one in found)
    }


def _kept_frac(problem: Problem, drawn: ParkTwoStage, answer: StochasticAnswer, later: Answers) -> dict[str, float]:
    """Share of the scenarios in which nothing of a promise is missing."""
    cut, step_h = drawn.cut, problem.grid.step_h
    place = np.zeros(cut.model.cost.size, dtype=np.int64)
    place[cut.columns], place[cut.later_columns] = np.arange(cut.columns.size), np.arange(cut.later_columns.size)
    found: dict[str, float] = {}
    for where, what, columns in promises(drawn.blueprint):
        if not where:
            continue  # room kept for a call that nobody made
        weights = step_h if columns.shape == step_h.shape else np.ones(columns.shape)
        shared = cut.first[columns]
        amount = float((answer.best.first[place[columns[shared]]] * weights[shared]).sum())
        missing = amount + later.x[:, place[columns[~shared]]] @ weights[~shared]
        name = f"{where}.{what}"
        share = round(float(cut.scenarios.probability @ (missing <= UNMET_TOLERANCE)), _DIGITS)
        found[name] = min(share, found.get(name, 1.0))
    return found
