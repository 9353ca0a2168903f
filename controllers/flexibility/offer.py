"""The offer: for starts over a day and durations up to four hours, both ways, what is held with which confidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.flexibility.correction import Correction
from controllers.flexibility.hold import WORTH_CNY_PER_MWH, Course, courses_of, held, kept_cost_cny
from controllers.flexibility.speed import Speed, speed_of
from controllers.flexibility.sure import CONFIDENCES, Spread, sure_level_mw
from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable, Promise
from controllers.flexibility.window import DURATIONS, Direction, Window, meters_of
from controllers.planner.problem import Problem
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray, hours

__all__ = ["COURSES", "Plan", "expected_mw", "gathered", "mean_speed", "offer_of_meter", "table_of", "windows_of"]

#: Courses of wind and sun that an offer stands on.
COURSES: Final = 20
#: Starts after now; from the first whole hour beyond a quarter of a day they are whole hours, as the plan's own grid is there.
_STARTS_H: Final = (0.0, 0.25, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0)
_FINE_H: Final = 6.0
_HOUR: Final = timedelta(hours=1)
_DIRECTIONS: Final[tuple[Direction, ...]] = ("give", "take")
_DIGITS: Final = 3
#: Speeds are those of a response that begins now and lasts so long. [h]
_SPEED_H: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What an offer is made from.

    Args:
        problem: Of the planner at this moment, calls that stand in it.
        courses: Available power of every farm in each course, equally likely, shape (T,) each.
        events: Names of the calls that stand.
    """

    problem: Problem
    courses: tuple[Mapping[AssetId, FloatArray], ...]
    events: tuple[str, ...] = ()

    @classmethod
    def of(cls, problem: Problem, available_mw: Mapping[AssetId, FloatArray], events: Sequence[str] = ()) -> Plan:
        """From scenarios of shape (S, T) by farm; a park without farms has one course."""
        return cls(problem, tuple(courses_of(available_mw)) or ({},), tuple(events))

    @property
    def expected(self) -> dict[AssetId, FloatArray]:
        """The mean course."""
        return {i: np.mean([course[i] for course in self.courses], axis=0) for i in self.courses[0]}


def windows_of(grid: TimeGrid) -> tuple[Window, ...]:
    """What is asked about at the beginning of a plan: starts, durations, both directions; nothing that reaches beyond it."""
    at = grid.start
    found: list[Window] = []
    for direction in _DIRECTIONS:
        for start_h in _STARTS_H:
            start = at + start_h * _HOUR
            if start_h > _FINE_H and start.minute:
                start = start + _HOUR - timedelta(minutes=start.minute)
            found += [Window(direction, start, start + span) for span in DURATIONS if start + span <= grid.end]
    return tuple(found)


def expected_mw(courses: Sequence[Course], window: Window, grid: TimeGrid) -> float:
    """Net import without a call, mean over the window and over the courses. [MW]."""
    steps = window.steps(grid)
    weights = grid.step_h[steps]
    return float(np.mean([np.average(course.net_mw[steps], weights=weights) for course in courses]))


def offer_of_meter(
    plan: Plan, name: str, meter: Sequence[ConnectionId], courses: Sequence[Course], windows: Sequence[Window], taught: Correction
) -> MeterOffer:
    """One meter's offer out of what single courses can hold.

    Args:
        plan: See `Plan`.
        name: Of the meter.
        meter: Its connections.
        courses: One for each of the plan's, from `held`.
        windows: The same that the courses were asked.
        taught: What replays have taught.
    """
    grid, park = plan.problem.grid, plan.problem.park
    limit_mw = sum(park.connection(c).import_limit_mw for c in meter)
    levels = np.zeros((len(windows), len(CONFIDENCES)))
    expected = np.zeros(len(windows))
    for w, window in enumerate(windows):
        spread = Spread(window.direction, np.array([course.level_mw[w] for course in courses]), limit_mw)
        levels[w] = [sure_level_mw(spread, c, taught.of(spread, c)) for c in CONFIDENCES]
        expected[w] = expected_mw(courses, window, grid)
    sign = np.array([1.0 if window.direction == "give" else -1.0 for window in windows])
    power = np.maximum(0.0, sign[:, None] * (expected[:, None] - levels))
    # Surer is never more.
    power = np.minimum.accumulate(power, axis=1)
    cost = kept_cost_cny(plan.problem, meter, plan.expected, windows, levels)
    cells = tuple(
        _cell(window, float(expected[w]), power[w], levels[w], np.where(power[w] > 0.0, cost[w], 0.0))
        for w, window in enumerate(windows)
    )
    speeds = {direction: _speed(plan, courses, windows, direction) for direction in _DIRECTIONS}
    return MeterOffer(
        connection=name,
        response_s={d: s.response_s for d, s in speeds.items()},
        ramp_mw_per_min={d: round(s.ramp_mw_per_min, _DIGITS) for d, s in speeds.items()},
        cells=cells,
    )


def table_of(plan: Plan, taught: Correction, windows: Sequence[Window] | None = None) -> OfferTable:
    """The whole offer in one go, for whoever can wait for it.

    Args:
        plan: See `Plan`.
        taught: What replays have taught.
        windows: What is asked about; None for all of `windows_of`.
    """
    asked = windows_of(plan.problem.grid) if windows is None else tuple(windows)
    meters = []
    for name, meter in meters_of(plan.problem.park).items():
        courses = [held(plan.problem, meter, course, asked) for course in plan.courses]
        meters.append(offer_of_meter(plan, name, meter, courses, asked, taught))
    return gathered(plan, plan.problem.grid.start, taught, meters)


def gathered(plan: Plan, at: datetime, taught: Correction, meters: Sequence[MeterOffer]) -> OfferTable:
    """The table of some meters' offers."""
    return OfferTable(
        at=at,
        courses=len(plan.courses),
        confidences=CONFIDENCES,
        worth_cny_per_mwh=WORTH_CNY_PER_MWH,
        events=plan.events,
        learnt_from=taught.learnt_from,
        meters=tuple(meters),
    )


def _cell(window: Window, expected: float, power: FloatArray, level: FloatArray, cost: FloatArray) -> OfferCell:
    promises = []
    for confidence, power_mw, level_mw, cost_cny in zip(CONFIDENCES, power.tolist(), level.tolist(), cost.tolist(), strict=True):
        energy_mwh = power_mw * window.hours
        promises.append(
            Promise(
                confidence=confidence,
                power_mw=round(power_mw, _DIGITS),
                import_mw=round(level_mw, _DIGITS),
                cost_cny=round(cost_cny, 2),
                cost_cny_per_mwh=round(cost_cny / energy_mwh, 2) if round(power_mw, _DIGITS) > 0.0 else None,
            )
        )
    return OfferCell(
        direction=window.direction,
        start=window.start,
        duration_h=hours(window.end - window.start),
        expected_import_mw=round(expected, _DIGITS),
        promises=tuple(promises),
    )


def _speed(plan: Plan, courses: Sequence[Course], windows: Sequence[Window], direction: Direction) -> Speed:
    """Of what the machines do in the mean course of a window of an hour that begins now."""
    mine = [w for w, window in enumerate(windows) if window.direction == direction and window.hours == _SPEED_H]
    if not mine:
        return Speed(0.0, 0.0)
    first = min(mine, key=lambda w: windows[w].start)
    return mean_speed(plan, courses, first)


def mean_speed(plan: Plan, courses: Sequence[Course], w: int) -> Speed:
    """Of what machines do in the mean over the courses, in the first interval of one of their windows."""
    before: FloatArray = np.mean([course.before_mw[w] for course in courses], axis=0)
    change: FloatArray = np.mean([course.power_mw[w] for course in courses], axis=0)
    return speed_of(plan.problem.park, plan.problem.states, courses[0].asset_ids, before, change)
