"""Park-96 solved: the bound, a first whole answer with its proven gap, the optimum, and the same one step later."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from controllers.planner.kept import KeptModel, MipLimits, Solved
from controllers.planner.reference.build import ReferenceModel, build
from controllers.planner.reference.data import STEP_H, Park96, Profiles, Start
from vpp.units import FloatArray

__all__ = ["EXACT", "Answer", "ReferencePlanner", "state_after"]

#: The gap to which the optimum of the specification is stated.
EXACT: Final = MipLimits(gap_frac=5e-7, guard_s=300.0)
#: The search starts from a good answer: little is gained by looking for others, measured 3.9 s against 5.2 s to the exact gap.
HEURISTIC_EFFORT: Final = 0.0
#: A count this far above a whole number is rounded up.
ROUND_UP_ABOVE: Final = 0.3
#: A heat starts in the step in which the cumulative count passes this part of it.
ROUND_HEAT_AT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to park-96.

    Args:
        status: `optimal` within the gap asked for, `incumbent` where the search was cut short, `none` without any.
        first_objective_cny: Cost of the first whole answer; NaN where rounding gave none.
        build_s: From data to a model inside the solver.
        solve_s: In the solver, all in all.
        first_answer_s: From data to the first whole answer (of a linear program: to its optimum).
        x: Columns.
    """

    status: str
    objective_cny: float
    bound_cny: float
    first_objective_cny: float
    build_s: float
    solve_s: float
    first_answer_s: float
    x: FloatArray = field(repr=False)

    @property
    def gap_frac(self) -> float:
        """Proven distance from the optimum, relative to the objective."""
        return max(self.objective_cny - self.bound_cny, 0.0) / max(abs(self.objective_cny), 1.0)


@dataclass(slots=True)
class ReferencePlanner:
    """The park and the kept model; a rolled step changes its bounds, right-hand sides and costs only.

    Args:
        park: Form and size.
        kept: Where the model stays.
        drawn: The last model.
    """

    park: Park96
    kept: KeptModel = field(default_factory=lambda: KeptModel(mip_heuristic_effort=HEURISTIC_EFFORT))
    drawn: ReferenceModel | None = None

    def relaxed(self, profiles: Profiles, start: Start | None = None) -> Answer:
        """The linear program."""
        began = time.perf_counter()
        self._hand_over(profiles, start)
        build_s = time.perf_counter() - began
        solved = self.kept.relax()
        first_s = time.perf_counter() - began
        return _answer(solved, solved.bound_cny, (solved.objective_cny, build_s, first_s - build_s, first_s))

    def planned(
        self, profiles: Profiles, start: Start | None = None, limits: MipLimits | None = EXACT, shifted: FloatArray | None = None
    ) -> Answer:
        """Bound, first whole answer, and the search from it.

        Args:
            profiles: From the start's step on.
            start: The state before step 0.
            limits: When the search stops; None for the first answer alone.
            shifted: The last plan moved on, a better beginning than rounding where it is at hand.
        """
        began = time.perf_counter()
        drawn = self._hand_over(profiles, start)
        build_s = time.perf_counter() - began
        relaxed = self.kept.relax()
        rounded = self.kept.fix(*rounded_bounds(drawn, relaxed.x)) if relaxed.feasible else relaxed
        first_s = time.perf_counter() - began
        first = (rounded.objective_cny if rounded.feasible else np.nan, build_s, first_s - build_s, first_s)
        near = rounded.feasible and rounded.objective_cny - relaxed.bound_cny <= _gap_cny(rounded, limits)
        if limits is None or near:
            return _answer(rounded, relaxed.bound_cny, first, proven=near)
        found = self.kept.search(limits, shifted if shifted is not None else rounded.x if rounded.feasible else None)
        if not found.feasible or (rounded.feasible and rounded.objective_cny < found.objective_cny):
            found = rounded
        bound = max(found.bound_cny, relaxed.bound_cny) if found is not rounded else relaxed.bound_cny
        spent = (first[0], build_s, time.perf_counter() - began - build_s, first_s)
        return _answer(found, bound, spent, proven=found.proven and found is not rounded)

    def _hand_over(self, profiles: Profiles, start: Start | None) -> ReferenceModel:
        self.drawn = drawn = build(self.park, profiles, start)
        self.kept.hand_over(drawn.model)
        return drawn


def rounded_bounds(drawn: ReferenceModel, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds that hold all counts at a rounded answer: nested counts by their sum, heats by their cumulative sum.

    The cumulative sum keeps the day's number of heats and never puts more of them into a cycle than there are furnaces.
    """
    low, high, columns = drawn.model.low.copy(), drawn.model.high.copy(), drawn.columns
    on = np.ceil(x[columns.on] - ROUND_UP_ABOVE)
    warm = np.maximum(np.ceil(x[columns.on] + x[columns.standby] - ROUND_UP_ABOVE), on)
    heats = np.diff(np.floor(np.cumsum(x[columns.heats], axis=1) + ROUND_HEAT_AT), axis=1, prepend=0.0)
    for where, whole in ((columns.on, on), (columns.standby, warm - on), (columns.heats, heats)):
        low[where] = high[where] = np.clip(whole, drawn.model.low[where], drawn.model.high[where])
    return low, high


def state_after(drawn: ReferenceModel, x: FloatArray, steps: int = 1) -> Start:
    """The state when the first steps of an answer have been carried out."""
    columns, was, last = drawn.columns, drawn.start, steps - 1
    recent = np.concatenate([was.recent_heats[::-1], np.round(x[columns.heats[:, :steps]]).T])[::-1][:3]
    return Start(
        step=was.step + steps,
        on=np.round(x[columns.on[:, last]]),
        standby=np.round(x[columns.standby[:, last]]),
        started=x[columns.started[:, last]],
        above_mw=x[columns.above[:, :, last]],
        stored_mwh=x[columns.stored[:, last]],
        tank_kg=float(x[columns.tank[last]]),
        ammonia_t_per_h=float(x[columns.rate[last]]),
        recent_heats=recent,
        made_t=was.made_t + STEP_H * float(x[columns.rate[:steps]].sum()),
        heats=was.heats + np.round(x[columns.heats[:, :steps]]).sum(axis=1),
        done_mwh=x[columns.done[:, last]],
    )


def shifted_plan(drawn: ReferenceModel, x: FloatArray, steps: int = 1) -> FloatArray:
    """An answer moved on by some steps, its last step held to the end: where the next search begins."""
    moved = x.copy()
    for name in ("on", "standby", "heats"):
        columns = getattr(drawn.columns, name)
        moved[columns[:, :-steps]] = x[columns[:, steps:]]
        if name == "heats":
            moved[columns[:, -steps:]] = 0.0
    return moved


def _gap_cny(solved: Solved, limits: MipLimits | None) -> float:
    return 0.0 if limits is None else limits.gap_frac * abs(solved.objective_cny)


def _answer(solved: Solved, bound: float, spent: tuple[float, float, float, float], *, proven: bool = True) -> Answer:
    first_objective, build_s, solve_s, first_s = spent
    status = "none" if not solved.feasible else "optimal" if proven else "incumbent"
    return Answer(status, solved.objective_cny, bound, first_objective, build_s, solve_s, first_s, solved.x)
