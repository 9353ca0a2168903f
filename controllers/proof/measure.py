"""The figures of a response: delivered energy, time, ramp, accuracy, hold and rebound, out of a meter and a reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from controllers.proof.evidence import AFTER, Call, Steps
from controllers.proof.facts import Delivery, Reaction
from vpp.units import SECONDS_PER_MINUTE, FloatArray

__all__ = ["REACHED_FRAC", "delivery", "reaction"]

#: A response counts as reached at this share of the request, as recovered within this share of it from the reference.
REACHED_FRAC: Final = 0.9
RECOVERED_FRAC: Final = 0.2
_RAMP_FROM_FRAC: Final = 0.1
#: A request below this is none. [MW]
_NOTHING_MW: Final = 1e-3
MINUTE: Final = timedelta(minutes=1)
QUARTER: Final = timedelta(minutes=15)
_JUST_BEFORE: Final = timedelta(minutes=1)


def delivery(call: Call, fine: Steps, reference: FloatArray) -> Delivery | None:
    """What the meter shows against a reference; None where both are not known together in any minute of the event.

    A call by target asks for what lies between the reference and the target, and for nothing where that is kept already.

    Args:
        call: What was asked.
        fine: Import at the connection. [MW]
        reference: For each step of `fine`; NaN where there is none. [MW]
    """
    change = Steps(fine.start, fine.step_s, call.sign * (reference - fine.values))
    asked = Steps(fine.start, fine.step_s, np.maximum(call.sign * (reference - call.target_mw), 0.0))
    minutes, wanted = _over(change, call, MINUTE), _over(asked, call, MINUTE)
    known = np.isfinite(minutes) & np.isfinite(wanted)
    if not known.any():
        return None
    minutes, wanted = minutes[known], wanted[known]
    requested_mw = float(wanted.mean())
    after_mw, recovered = _after(call, change, requested_mw)
    frac = accuracy = sustained = beyond = quarters = None
    if requested_mw > _NOTHING_MW:
        frac = float(np.clip(minutes, 0.0, wanted).sum() / wanted.sum())
        quarters = _frac(_over(change, call, QUARTER), _over(asked, call, QUARTER))
        beyond = max(0.0, float((minutes - wanted).max()) / requested_mw)
        reached = np.flatnonzero(minutes >= REACHED_FRAC * wanted)
        if reached.size:
            since = slice(int(reached[0]), None)
            accuracy = 1.0 - float(np.abs(minutes[since] - wanted[since]).mean()) / requested_mw
            sustained = float((minutes[since] >= REACHED_FRAC * wanted[since]).mean())
    return Delivery(
        reference_mw=float(np.mean(_over(Steps(fine.start, fine.step_s, reference), call, MINUTE)[known])),
        requested_mw=requested_mw,
        delivered_mw=float(minutes.mean()),
        by_minute_frac=frac,
        by_quarter_frac=quarters,
        accuracy_frac=accuracy,
        sustained_frac=sustained,
        most_beyond_frac=beyond,
        rebound_mw=after_mw,
        recovered=recovered,
    )


def reaction(call: Call, fine: Steps) -> Reaction:
    """How the meter went from where it was just before the start to the target."""
    before_mw = fine.mean(call.start - _JUST_BEFORE, call.start)
    nothing = Reaction(before_mw=before_mw, needed_mw=None, response_s=None, ramp_mw_per_min=None, resolution_s=fine.step_s)
    if before_mw is None:
        return nothing
    needed_mw = max(0.0, call.sign * (before_mw - call.target_mw))
    if needed_mw <= _NOTHING_MW:
        return Reaction(before_mw=before_mw, needed_mw=0.0, response_s=0.0, ramp_mw_per_min=None, resolution_s=fine.step_s)
    moved = call.sign * (before_mw - fine.window(call.start, call.end))
    ends_s = (np.arange(len(moved)) + 1.0) * fine.step_s
    reached = np.flatnonzero(moved >= REACHED_FRAC * needed_mw)
    if not reached.size:
        return Reaction(before_mw=before_mw, needed_mw=needed_mw, response_s=None, ramp_mw_per_min=None, resolution_s=fine.step_s)
    there = int(reached[0])
    begun = np.flatnonzero(moved[: there + 1] >= _RAMP_FROM_FRAC * needed_mw)
    began_s = ends_s[begun[0]] - fine.step_s if begun.size else 0.0
    span_s = max(float(ends_s[there] - began_s), fine.step_s)
    ramp = (REACHED_FRAC - _RAMP_FROM_FRAC) * needed_mw / span_s * SECONDS_PER_MINUTE
    return Reaction(
        before_mw=before_mw,
        needed_mw=needed_mw,
        response_s=float(ends_s[there]),
        ramp_mw_per_min=ramp,
        resolution_s=fine.step_s,
    )


def _over(steps: Steps, call: Call, length: timedelta) -> FloatArray:
    """Means over longer steps from the event's start on."""
    inside = Steps(call.start, steps.step_s, steps.window(call.start, call.end))
    return inside.coarser(length).values if length > steps.step else inside.values


def _frac(given: FloatArray, wanted: FloatArray) -> float | None:
    known = np.isfinite(given) & np.isfinite(wanted)
    total = float(wanted[known].sum())
    return float(np.clip(given[known], 0.0, wanted[known]).sum() / total) if total > 0.0 else None


def _after(call: Call, change: Steps, requested_mw: float) -> tuple[float | None, bool | None]:
    """The most beyond the reference in a quarter after the event, and whether one came back to it."""
    later = Steps(call.end, change.step_s, change.window(call.end, call.end + AFTER)).coarser(QUARTER).values
    beyond = -later[np.isfinite(later)]
    if not beyond.size:
        return None, None
    near = np.abs(beyond) <= max(RECOVERED_FRAC * requested_mw, 1.0)
    return max(0.0, float(beyond.max())), bool(near.any())
