"""What planning over scenarios is worth: against a plan for one course of the weather with reserves, on weather neither has seen.

Both plans meet the same paths (common random numbers), so what one path costs more than another cancels. The reserves are tuned
on other paths than those that count, as whoever plans without scenarios would tune them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.stats import t as student

from controllers.planner.kept import KeptModel
from controllers.planner.reference import Park96, Profiles, build
from controllers.planner.reference.data import STORES
from controllers.planner.reference.solve import rounded_bounds
from controllers.planner.stochastic.crew import Crew
from controllers.planner.stochastic.park96 import HOUR_STEPS, ReferenceTwoStage, wind_spread_mw
from controllers.planner.stochastic.split import TwoStage
from vpp.errors import PlanError
from vpp.units import FloatArray

__all__ = ["LEAST_PATHS", "Gain", "Reserves", "first_stage_of", "gain", "path_costs", "reserve_choices", "reserved_plan"]

#: Fewer paths than this prove nothing: a gain of a thousandth drowns in their noise.
LEAST_PATHS: Final = 50


@dataclass(frozen=True, slots=True)
class Gain:
    """What one plan saves against another.

    Args:
        mean_cny: A path.
        low_cny: Lower end of the interval of that mean.
        high_cny: Upper end.
        level: Of the interval.
        paths: How many both met.
    """

    mean_cny: float
    low_cny: float
    high_cny: float
    level: float
    paths: int

    @property
    def shown(self) -> bool:
        """Whether the interval lies above nothing: otherwise no gain could be shown."""
        return self.low_cny > 0.0


def gain(dearer_cny: FloatArray, cheaper_cny: FloatArray, level: float = 0.95) -> Gain:
    """Mean saving with its interval (Student's t on the paired differences).

    Args:
        dearer_cny: Cost of the plan that is held against on each path, shape (N,).
        cheaper_cny: Cost of the plan that may be better on the same paths, shape (N,).
        level: Of the interval.

    Raises:
        PlanError: Other paths, or too few of them.
    """
    if dearer_cny.shape != cheaper_cny.shape or dearer_cny.size < LEAST_PATHS:
        raise PlanError(f"gain: {dearer_cny.shape} and {cheaper_cny.shape} paths; both need the same {LEAST_PATHS} or more")
    saved = dearer_cny - cheaper_cny
    mean = float(saved.mean())
    half = float(student.ppf(0.5 + level / 2.0, saved.size - 1)) * float(saved.std(ddof=1)) / saved.size**0.5
    return Gain(mean, mean - half, mean + half, level, int(saved.size))


@dataclass(frozen=True, slots=True)
class Reserves:
    """How a plan for one course guards itself.

    Args:
        wind_sd: It plans for so many standard deviations less wind than forecast.
        store_frac: It keeps every store this full, from the end of the first hour on.
        tank_kg: It keeps so much hydrogen.
    """

    wind_sd: float = 0.0
    store_frac: float = 0.0
    tank_kg: float = 0.0


def reserve_choices() -> Sequence[Reserves]:
    """What is tried in tuning."""
    grid = itertools.product((-0.3, 0.0, 0.15, 0.3, 0.5), (0.0, 0.1, 0.25), (0.0, 3_000.0))
    return [Reserves(*one) for one in grid]


def reserved_plan(park: Park96, profiles: Profiles, reserves: Reserves) -> FloatArray | None:
    """The deterministic plan with reserves, whole counts; all columns of the reference model, None where it has none."""
    wind = np.clip(profiles.wind_mw - reserves.wind_sd * wind_spread_mw(profiles.wind_mw.size), 0.0, None)
    drawn = build(park, replace(profiles, wind_mw=wind))
    columns, low = drawn.columns, drawn.model.low.copy()
    for row, store in zip(columns.stored, STORES, strict=True):
        low[row[HOUR_STEPS:]] = np.maximum(low[row[HOUR_STEPS:]], reserves.store_frac * store.energy_mwh)
    low[columns.tank[HOUR_STEPS:]] = np.maximum(low[columns.tank[HOUR_STEPS:]], reserves.tank_kg)
    drawn = replace(drawn, model=replace(drawn.model, low=low))
    kept = KeptModel()
    kept.hand_over(drawn.model)
    relaxed = kept.relax()
    if not relaxed.feasible:
        return None
    whole = kept.fix(*rounded_bounds(drawn, relaxed.x))
    return whole.x if whole.feasible else None


def path_costs(crew: Crew, problem: TwoStage, first: FloatArray) -> FloatArray:
    """Cost of a first stage on each path of the problem a crew holds, shape (S,). [CNY]."""
    return float(problem.model.cost[problem.columns] @ first) + crew.evaluate(first).cost_cny


def first_stage_of(drawn: ReferenceTwoStage, x: FloatArray) -> FloatArray:
    """The shared columns out of all columns of the reference model, shape (F,)."""
    columns = drawn.problem.columns
    own = drawn.drawn.model.cost.size
    if columns.max() >= own:
        raise PlanError("a way out was taken for a decision; the cut shares columns that no plan has")
    return x[columns]
