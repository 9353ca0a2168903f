"""What a call of the grid gets: accepted whole, in part, or refused; judged on what can be held over exactly its span. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from controllers.flexibility.correction import Correction
from controllers.flexibility.hold import Course, held
from controllers.flexibility.offer import Plan, expected_mw, mean_speed
from controllers.flexibility.sure import Spread, sure_level_mw
from controllers.flexibility.window import Window
from vpp.ids import ConnectionId
from vpp.wire.messages import Reason

__all__ = ["ALWAYS_TAKEN", "CONFIDENCE", "Ask", "Verdict", "assessed", "judged"]

Outcome: TypeAlias = Literal["accepted", "part", "refused"]
#: Unless the operator asks otherwise.
CONFIDENCE: Final = 0.99
#: Less than this is no part worth promising: the larger of a megawatt and a fiftieth of what was asked.
_LEAST_MW: Final = 1.0
_LEAST_FRAC: Final = 0.02
#: A target within this of what can be held is held. [MW]
_SAME_MW: Final = 0.05
#: These bind whatever can be promised: the emergency by its nature, limits because the grid keeps them with or without us.
ALWAYS_TAKEN: Final = frozenset({"emergency", "import_limit", "export_limit"})
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked.

    Args:
        kind: As in `vpp.events.EventKind`.
        connection: Where.
        window: Over which span, which way.
        target_mw: Import to keep: at most for give, at least for take. [MW]
        confidence: How surely.
    """

    kind: str
    connection: ConnectionId
    window: Window
    target_mw: float
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a call.

    Args:
        outcome: Whole, in part, or not at all.
        target_mw: Import that is kept in mind from now on: the caller's own, or what can be held where it is taken in part. [MW]
        asked_mw: Change against the import that is expected without it, mean over the span, never negative. [MW]
        accepted_mw: How much of it is promised. [MW]
        level_mw: What can be held with the confidence. [MW]
        expected_mw: Import without it. [MW]
        confidence: Of the promise.
        cost_cny: What holding the furthest costs in the mean over the courses; an upper bound for less. [CNY]
        reason: In words and with the limit.
        response_s: Until 90 % of it is there, from the present states of the machines; None where a quarter of an hour is not
            enough. [s]
    """

    outcome: Outcome
    target_mw: float
    asked_mw: float
    accepted_mw: float
    level_mw: float
    expected_mw: float
    confidence: float
    cost_cny: float
    reason: Reason
    response_s: float | None = None


def assessed(plan: Plan, ask: Ask, taught: Correction) -> Verdict:
    """Solves every course for the call's own span, then judges.

    Args:
        plan: What is known now, with the calls that were accepted before this one and without itself.
        ask: The call.
        taught: What replays have taught.

    Raises:
        PlanError: The span reaches beyond the plan, or the connection is not in it.
    """
    courses = [held(plan.problem, (ask.connection,), course, (ask.window,)) for course in plan.courses]
    return judged(plan, ask, courses, taught)


def judged(plan: Plan, ask: Ask, courses: Sequence[Course], taught: Correction) -> Verdict:
    """The verdict on what each course can hold.

    Args:
        plan: See `assessed`.
        ask: The call.
        courses: Of its connection, with its window as their only one.
        taught: What replays have taught.
    """
    window, gives = ask.window, ask.window.direction == "give"
    limit_mw = plan.problem.park.connection(ask.connection).import_limit_mw
    spread = Spread(window.direction, np.array([course.level_mw[0] for course in courses]), limit_mw)
    level = sure_level_mw(spread, ask.confidence, taught.of(spread, ask.confidence))
    expected = expected_mw(courses, window, plan.problem.grid)
    asked = max(0.0, expected - ask.target_mw if gives else ask.target_mw - expected)
    possible = max(0.0, expected - level if gives else level - expected)
    is_whole = ask.target_mw >= level - _SAME_MW if gives else ask.target_mw <= level + _SAME_MW
    accepted = asked if is_whole else min(asked, possible)
    is_part = accepted >= max(_LEAST_MW, _LEAST_FRAC * asked)
    outcome: Outcome = "accepted" if is_whole else "part" if is_part or ask.kind in ALWAYS_TAKEN else "refused"
    held_target = level if outcome == "part" and ask.kind not in ALWAYS_TAKEN else ask.target_mw
    return Verdict(
        outcome=outcome,
        target_mw=round(held_target, _DIGITS),
        asked_mw=round(asked, _DIGITS),
        accepted_mw=round(0.0 if outcome == "refused" else accepted, _DIGITS),
        level_mw=round(level, _DIGITS),
        expected_mw=round(expected, _DIGITS),
        confidence=ask.confidence,
        cost_cny=round(float(np.mean([course.cost_cny[0] for course in courses])), 2),
        reason=_reason(ask, outcome, (asked, accepted), level, plan.events),
        response_s=mean_speed(plan, courses, 0).response_s,
    )


def _reason(ask: Ask, outcome: Outcome, powers: tuple[float, float], level_mw: float, events: Sequence[str]) -> Reason:
    asked, accepted = powers
    side = "at most" if ask.window.direction == "give" else "at least"
    beside = f", beside {', '.join(events[:3])}" if events else ""
    can = f"{side} {level_mw:.1f} MW can be held at {100 * ask.confidence:g} %{beside}"
    limit = f"connection.{ask.connection}.{'low' if ask.window.direction == 'give' else 'high'}"
    match outcome:
        case "accepted":
            return Reason(code="can_be_held", text=f"{ask.target_mw:.1f} MW is held: {can}", limit=limit)
        case "part":
            words = "taken as far as it goes" if ask.kind in ALWAYS_TAKEN else "taken in part"
            text = f"{words}: {accepted:.1f} of {asked:.1f} MW promised; {can}"
            return Reason(code="partly_held", text=text, limit=limit)
        case _:
            return Reason(code="cannot_be_held", text=f"{ask.target_mw:.1f} MW cannot be promised: {can}", limit=limit)
