"""Multi-cut L-shaped method: a better first stage and a better bound each round, a whole plan from the first one on.

The master's first stage jumps about, so what is evaluated lies between it and the best one known. Counts are rounded when the
bound is near, fixed in the same master, mended by a few more cuts, and released.

Source:
    J. R. Birge and F. V. Louveaux, A multicut algorithm for two-stage stochastic linear programs, EJOR 34(3), 1988.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from controllers.planner.kept import KeptModel
from controllers.planner.model import LinearModel
from controllers.planner.stochastic.crew import Crew
from controllers.planner.stochastic.master import Master, Point
from controllers.planner.stochastic.recourse import Evaluation
from controllers.planner.stochastic.risk import Risk
from controllers.planner.stochastic.split import TwoStage
from vpp.errors import PlanError
from vpp.units import FloatArray

__all__ = ["Held", "Limits", "Options", "Round", "Rounding", "StochasticAnswer", "Whole", "solve_two_stage"]

#: How far an evaluated first stage lies from the best one towards the master's.
STEP_FRAC: Final = 0.3
#: The relaxation is near enough when it is within this part of the gap asked for; the rest is left to rounding.
RELAXED_FRAC: Final = 0.6
#: A first rounding, once, where the relaxation is still this many gaps away: a good plan long before the bound is near.
EARLY_GAPS: Final = 4.0

#: Gains below this part of the gap asked for are no reason to go on.
SETTLED_FRAC: Final = 0.1

#: Bounds of all columns that hold the counts of the first stage.
Held: TypeAlias = tuple[FloatArray, FloatArray]
#: From all columns of a relaxed answer to some ways of holding its counts, rounded; the cheapest is taken.
Rounding: TypeAlias = Callable[[FloatArray], Sequence[Held]]


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop. Rounds are counted, so that a run repeats to the bit; the clock only guards.

    Args:
        gap_cny: Near enough, in money: a share of an objective that holds income means nothing.
        gap_frac: Or this share of gross cost, the mean over the scenarios, if that is more.
        rounds: At most so many masters.
        mends: Cuts added around one rounding.
        guard_s: Time after which the best answer so far is given; a run in which it fires does not repeat.
    """

    gap_cny: float
    gap_frac: float = 0.0
    rounds: int = 40
    mends: int = 3
    guard_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """How far the search was at some moment: seconds after the start, the best whole plan, the bound."""

    at_s: float
    objective_cny: float
    bound_cny: float
    what: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A first stage with whole counts and what it costs.

    Args:
        point: Its columns and duals, as the master or the mean scenario left them.
        objective_cny: First stage and risk-weighted second.
        later_cny: Second-stage cost by scenario, shape (S,).
    """

    point: Point
    objective_cny: float
    later_cny: FloatArray

    @property
    def first(self) -> FloatArray:
        """The first stage's columns, shape (F,)."""
        return self.point.first


@dataclass(frozen=True, slots=True)
class StochasticAnswer:
    """The best whole first stage, with a bound over all scenarios.

    Args:
        best: See `Whole`.
        bound_cny: No first stage can cost less.
        rounds: Every step, the mean plan first.
        masters: How many masters were solved.
        near: Whether the gap asked for was reached.
        stopped_by_clock: Whether the guard fired.
        seconds: Wall time of the whole search.
    """

    best: Whole
    bound_cny: float
    rounds: tuple[Round, ...]
    masters: int
    near: bool
    stopped_by_clock: bool
    seconds: float

    @property
    def gap_cny(self) -> float:
        """How far the answer may be from the best."""
        return max(self.best.objective_cny - self.bound_cny, 0.0)


@dataclass(slots=True)
class _Search:
    problem: TwoStage
    crew: Crew
    master: Master
    risk: Risk
    limits: Limits
    rounding: Rounding
    report: Callable[[Round], None]
    began_s: float
    bound_cny: float = -np.inf
    best: Whole | None = None
    #: The best first stage known, whole or not, and its cost.
    centre: FloatArray = field(default_factory=lambda: np.zeros(0))
    centre_cny: float = np.inf
    rounds: list[Round] = field(default_factory=list)
    masters: int = 0

    def evaluate(self, point: Point, what: str, *, whole: bool) -> float:
        """Costs a first stage, adds its cuts, keeps it if it is the best."""
        first = point.first
        told = self.crew.evaluate(first)
        cost = self._cost(first, told)
        self.master.add_cuts(told, first)
        if cost < self.centre_cny:
            self.centre, self.centre_cny = first, cost
        if whole and (self.best is None or cost < self.best.objective_cny):
            self.best = Whole(point, cost, told.cost_cny)
        self.note(what)
        return cost

    def note(self, what: str) -> None:
        """Writes down how far the search is."""
        best = np.inf if self.best is None else self.best.objective_cny
        self.rounds.append(Round(time.perf_counter() - self.began_s, best, self.bound_cny, what))
        self.report(self.rounds[-1])

    def relax(self, until_cny: float) -> None:
        """Masters and first stages between theirs and the best, until the relaxation is known to within some money."""
        while self.going_on():
            point = self.master.solve()
            if point is None:
                raise PlanError("the first stage has no answer: its own rows contradict one another")
            self.masters += 1
            self.bound_cny = max(self.bound_cny, point.believed_cny)
            self.note("bound")
            if self.centre_cny - self.bound_cny <= until_cny:
                return
            between = STEP_FRAC * point.first + (1.0 - STEP_FRAC) * self.centre
            self.evaluate(Point(between, np.nan), "relaxed", whole=False)

    def round(self, mends: int) -> float:
        """Rounds the counts of the best first stage, holds them, and mends the rest; what it gained."""
        before = np.inf if self.best is None else self.best.objective_cny
        x = np.zeros(self.problem.model.cost.size)
        x[self.problem.columns] = self.centre
        ways = [(low[self.problem.columns], high[self.problem.columns]) for low, high in self.rounding(x)]
        for _ in range(mends):
            if self.out_of_time():
                break
            found = [point for point in map(self.master.solve, ways) if point is not None]
            if not found:
                break
            self.masters += 1
            point = min(found, key=lambda one: one.believed_cny)
            cost = self.evaluate(point, "rounded", whole=True)
            if self.near() or cost - point.believed_cny <= SETTLED_FRAC * self.limits.gap_cny:
                break
        after = np.inf if self.best is None else self.best.objective_cny
        return before - after if np.isfinite(before) else np.inf

    def measure(self, model: LinearModel, x: FloatArray) -> None:
        """Takes the gap asked for as a share of what an answer costs, income not set against it."""
        gross = sum(max(amount, 0.0) for amount in model.cost_items_cny(x).values())
        self.limits = replace(self.limits, gap_cny=max(self.limits.gap_cny, self.limits.gap_frac * gross))

    def measure_all(self) -> None:
        """The same of the best plan over all scenarios: what goes wrong in some of them costs nothing in the mean one."""
        told = self.problem
        if self.limits.gap_frac == 0.0 or self.best is None:
            return
        x = np.zeros(told.model.cost.size)
        x[told.columns] = self.best.first
        x[told.later_columns] = told.scenarios.probability @ self.crew.answers().x
        self.measure(told.scenarios.mean(told.model), x)

    def going_on(self) -> bool:
        """Whether another master may be solved."""
        return self.masters < self.limits.rounds and not self.out_of_time()

    def out_of_time(self) -> bool:
        """Whether the guard has fired."""
        return time.perf_counter() - self.began_s >= self.limits.guard_s

    def near(self) -> bool:
        """Whether the best whole plan is as near to the bound as was asked."""
        return self.best is not None and self.best.objective_cny - self.bound_cny <= self.limits.gap_cny

    def _cost(self, first: FloatArray, told: Evaluation) -> float:
        own = float(self.problem.model.cost[self.problem.columns] @ first)
        return own + self.risk.value_cny(told.cost_cny, self.problem.scenarios.probability)


@dataclass(frozen=True, slots=True)
class Options:
    """What may be left to its default.

    Args:
        risk: How scenarios are weighed.
        start: A first stage to begin from, as the last plan's moved on, shape (F,), counts whole; None for the mean scenario's.
        report: Told of every step as it is taken.
    """

    risk: Risk = field(default_factory=Risk)
    start: FloatArray | None = None
    report: Callable[[Round], None] | None = None


def solve_two_stage(
    problem: TwoStage, rounding: Rounding, limits: Limits, crew: Crew | None = None, options: Options | None = None
) -> StochasticAnswer:
    """The best whole first stage within the limits.

    Args:
        problem: The cut model.
        rounding: How counts become whole; given all columns, of which the first stage's are right.
        limits: When to stop.
        crew: Who solves the scenarios; None for this process alone.
        options: Risk, start and report.

    Raises:
        PlanError: The first stage contradicts itself, or a scenario has no answer.
    """
    began, told = time.perf_counter(), options or Options()
    workers = crew or Crew()
    workers.hand_over(problem)
    master = Master(problem, told.risk)
    search = _Search(problem, workers, master, told.risk, limits, rounding, told.report or _nobody, began)
    _begin(search, told.start)
    search.relax(EARLY_GAPS * search.limits.gap_cny)
    search.round(1)
    search.measure_all()
    gap_cny, part = search.limits.gap_cny, RELAXED_FRAC
    while not search.near() and search.going_on():
        search.relax(part * gap_cny)
        gained = search.round(limits.mends)
        part *= 0.5
        if max(gained, search.centre_cny - search.bound_cny) < SETTLED_FRAC * gap_cny:
            break
    if search.best is None:
        raise PlanError("rounding left the first stage without an answer; its counts cannot be held")
    seconds = time.perf_counter() - began
    return StochasticAnswer(
        search.best, search.bound_cny, tuple(search.rounds), search.masters, search.near(), search.out_of_time(), seconds
    )  # fmt: skip


def _begin(search: _Search, start: FloatArray | None) -> None:
    """The plan of the mean scenario, whole, evaluated over all; or one that is at hand."""
    problem = search.problem
    if start is not None:
        search.evaluate(Point(start, np.nan), "start", whole=True)
        return
    mean, model = KeptModel(), problem.scenarios.mean(problem.model).relaxed()
    mean.hand_over(model)
    relaxed = mean.relax()
    if not relaxed.feasible:
        raise PlanError("the mean scenario has no plan: a row of the first stage contradicts another")
    search.bound_cny = relaxed.objective_cny
    search.measure(model, relaxed.x)
    tried = [mean.fix(*_of_mean(problem, model, held)) for held in search.rounding(relaxed.x)]
    rounded = min(tried, key=lambda one: one.objective_cny)
    chosen = rounded if rounded.feasible else relaxed
    rows, columns = problem.rows, problem.columns
    point = Point(chosen.x[columns], chosen.objective_cny, chosen.row_dual[rows], chosen.column_dual[columns])
    search.evaluate(point, "mean plan", whole=rounded.feasible)


def _of_mean(problem: TwoStage, model: LinearModel, held: Held) -> Held:
    """Held first stage, the second between the mean scenario's own bounds."""
    low, high = model.low.copy(), model.high.copy()
    low[problem.columns], high[problem.columns] = (bound[problem.columns] for bound in held)
    return low, high


def _nobody(step: Round) -> None:
    del step
