"""Checks against dressing up (反作弊核查): import raised before, days that were picked, one action sold twice, a meter that lies.

None of them proves anything against anybody; each says what a settlement clerk should look at, with the figures behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from controllers.baselines import BASELINE_RULES, Registers, baseline, days_that_count
from controllers.proof.evidence import BEFORE, Call, Evidence
from controllers.proof.facts import Check, CheckVerdict
from vpp.timegrid import floor_to

__all__ = ["checks_of"]

_QUARTER: Final = timedelta(minutes=15)
#: So much of the request may be explained by weather and users; beyond it somebody should look.
_RAISED_FRAC: Final = 0.1
#: A rule's days may lie so far above all days that it may look at.
_PICKED_FRAC: Final = 0.1
#: Meters and the assets behind them may differ by so much of what flows: classes of meters, losses, auxiliaries.
_METERS_FRAC: Final = 0.03
_LEAST_MW: Final = 1.0
_MOST_UNKNOWN_FRAC: Final = 0.02


def checks_of(evidence: Evidence, requested_mw: float | None) -> tuple[Check, ...]:
    """Every check, in one order.

    Args:
        evidence: Of the event.
        requested_mw: Mean change that was requested; None where that is not known. [MW]
    """
    return (
        _raised_before(evidence, requested_mw or 0.0),
        _days_picked(evidence),
        _sold_twice(evidence.call, evidence.others),
        _meter_against_assets(evidence),
        *(() if evidence.call.asset is None else _of_a_cluster(evidence, requested_mw or 0.0)),
        _gaps(evidence),
    )


def _raised_before(evidence: Evidence, requested_mw: float) -> Check:
    """Import between the call and its start, against what was declared, or against the same hours of the days before."""
    names = ("import moved before the event", "事前功率异动")
    raised_mw, said = _beside_before(evidence)
    if raised_mw is None:
        return _check(names, "unknown", said)
    most_mw = max(_RAISED_FRAC * requested_mw, _LEAST_MW)
    return _check(names, "look" if raised_mw > most_mw else "clear", f"{said}; up to {most_mw:.1f} MW is usual")


def _declared_above(evidence: Evidence, requested_mw: float) -> Check:
    """A schedule that asked for more than the cluster drew before the call pays for a fall that nobody had to make."""
    names = ("schedule above the meter before the event", "申报高于事前实测")
    raised_mw, said = _beside_before(evidence)
    if raised_mw is None or evidence.declared is None:
        return _check(names, "unknown", said if raised_mw is None else "no schedule was known before the call")
    most_mw = max(_RAISED_FRAC * requested_mw, _LEAST_MW)
    return _check(names, "look" if -raised_mw > most_mw else "clear", f"{said}; up to {most_mw:.1f} MW below it is usual")


def _beside_before(evidence: Evidence) -> tuple[float | None, str]:
    """How far the meter lay beyond what was expected between the call and its start, with the words for it; None: not known."""
    call = evidence.call
    start, end = max(call.start - BEFORE, min(call.asked_at, call.start - _QUARTER)), call.start
    metered = evidence.fine.mean(start, end)
    expected, against = None, "the declared schedule"
    if evidence.declared is not None:
        reference = evidence.declared.at_steps_of(evidence.fine)
        seen = np.array([start <= at < end for at in evidence.fine.starts])
        both = seen & np.isfinite(reference) & np.isfinite(evidence.fine.values)
        if both.any():
            expected, metered = float(reference[both].mean()), float(evidence.fine.values[both].mean())
    if expected is None:
        against = "the same hours of the days before"
        known = baseline("jiangsu", evidence.registers, floor_to(start, _QUARTER), floor_to(end, _QUARTER))
        expected = None if known is None or not known.import_mw.size else float(known.import_mw.mean())
    if metered is None or expected is None:
        return None, "neither a schedule nor days before it are known"
    raised_mw, minutes = call.sign * (metered - expected), round((end - start) / timedelta(minutes=1))
    return raised_mw, f"{raised_mw:+.1f} MW against {against} in the {minutes} min before the start"


def _days_picked(evidence: Evidence) -> Check:
    """Whether the days of the rules lie above all days that they could have taken, and whether days are missing."""
    names = ("baseline days picked", "基线日选取")
    start, end = floor_to(evidence.call.start, _QUARTER), evidence.call.end
    found: list[str] = []
    verdict: CheckVerdict = "unknown"
    for rule, chosen in BASELINE_RULES.items():
        known = baseline(rule, evidence.registers, start, end)
        could = days_that_count(rule, evidence.registers, start)[: chosen.days]
        levels = [_level(evidence.registers, start, end, back) for back in _backs(evidence.registers, start, could)]
        metered = [level for level in levels if level == level]
        if known is None or not metered:
            continue
        above = float(known.import_mw.mean()) - float(np.mean(metered))
        missing = len(levels) - len(metered)
        # A rule that takes the best days by its own words picks nothing.
        picked = chosen.best >= chosen.days and evidence.call.sign * above > _PICKED_FRAC * abs(float(np.mean(metered)))
        verdict = "look" if picked or missing or verdict == "look" else "clear"
        found.append(
            f"{rule}: {len(known.days)} of {len(metered)} metered days, {missing} not metered, {above:+.1f} MW above their mean"
        )
    return _check(names, verdict, "; ".join(found) or "no day before it is metered")


def _backs(registers: Registers, start: datetime, days: tuple[object, ...]) -> list[timedelta]:
    today = start.astimezone(registers.zone).date()
    return [today - day for day in days]  # type: ignore[operator]  # days of the calendar


def _level(registers: Registers, start: datetime, end: datetime, back: timedelta) -> float:
    return registers.mean_mw(start - back, end - back)


def _sold_twice(call: Call, others: tuple[Call, ...]) -> Check:
    """Two calls in one direction at one time, on one meter or one above the other: no megawatt is to be paid twice."""
    names = ("same action in two events", "重复计量")
    overlapping = [
        other
        for other in others
        if other.event_id != call.event_id
        and other.overlaps(call)
        and other.sign == call.sign
        and other.start < call.end
        and call.start < other.end
    ]
    if not overlapping:
        return _check(
            names,
            "clear",
            f"no other call on this {'connection' if call.asset is None else 'meter or its connection'} at the same time",
        )
    said = ", ".join(f"{o.event_id} ({_minutes(call, o):.0f} min together)" for o in overlapping)
    return _check(names, "look", f"also called: {said}; what is paid there is not to be paid here")


def _minutes(one: Call, other: Call) -> float:
    return (min(one.end, other.end) - max(one.start, other.start)) / timedelta(minutes=1)


def _meter_against_assets(evidence: Evidence) -> Check:
    """The connection's meter against the sum of the meters behind it."""
    names = ("meter against sum of assets", "总表与分表校核")
    if evidence.call.asset is not None:
        return _check(names, "unknown", "a cluster's own meter stands alone; none below it is known here")
    if not evidence.sums_up:
        return _check(names, "unknown", "its areas hang on further connections, so that the sum says nothing of this one")
    call = evidence.call
    means = [asset.metered.mean(call.start, call.end) for asset in evidence.assets]
    metered = evidence.fine.mean(call.start, call.end)
    missing = [a.asset_id for a, mean in zip(evidence.assets, means, strict=True) if mean is None]
    if metered is None or not means or missing:
        said = f"not metered: {', '.join(missing[:5])}" if missing else "nothing is metered"
        return _check(names, "unknown", said)
    total = sum(mean for mean in means if mean is not None)
    through = max(sum(abs(mean) for mean in means if mean is not None), _LEAST_MW)
    wrong = metered - total
    text = f"meter {metered:.2f} MW, assets {total:.2f} MW, {wrong:+.2f} MW or {100.0 * wrong / through:+.2f} % of what flows"
    return _check(names, "look" if abs(wrong) > max(_METERS_FRAC * through, _LEAST_MW) else "clear", text)


def _of_a_cluster(evidence: Evidence, requested_mw: float) -> tuple[Check, ...]:
    return _moved_next_door(evidence, requested_mw), _declared_above(evidence, requested_mw)


def _moved_next_door(evidence: Evidence, requested_mw: float) -> Check:
    """What the park's other clusters drew beyond their schedules while this one gave: work that was moved is no response."""
    names = ("work moved to another cluster", "转移至其他集群")
    call, found, unknown = evidence.call, {}, []
    for one in evidence.neighbours:
        planned, metered = one.planned.mean(call.start, call.end), one.metered.mean(call.start, call.end)
        reference = planned if planned is not None else one.metered.mean(call.start - _QUARTER, call.start)
        if reference is None or metered is None:
            unknown.append(one.asset_id)
        else:
            found[one.asset_id] = metered - reference
    if unknown or not evidence.neighbours:
        return _check(names, "unknown", f"not known of {', '.join(unknown[:5])}" if unknown else "the park has no other cluster")
    taken_mw, most_mw = sum(found.values()), max(_RAISED_FRAC * requested_mw, _LEAST_MW)
    said = ", ".join(f"{name} {mw:+.1f}" for name, mw in found.items())
    text = f"others {taken_mw:+.1f} MW against their schedules ({said}); up to {most_mw:.1f} MW is usual"
    return _check(names, "look" if taken_mw > most_mw else "clear", text)


def _gaps(evidence: Evidence) -> Check:
    """Minutes in which the call's meter was silent."""
    names = ("gaps of the meter", "计量缺口")
    window = evidence.fine.window(evidence.call.start, evidence.call.end)
    if not window.size:
        return _check(names, "unknown", "the event has no length yet")
    size = max(1, round(60.0 / evidence.fine.step_s))
    n = -(-len(window) // size)
    padded = np.full(n * size, np.nan)
    padded[: len(window)] = window
    silent = ~np.isfinite(padded.reshape(n, size)).any(axis=1)
    frac, longest = float(silent.mean()), max(_runs(silent), default=0)
    text = f"{100.0 * frac:.1f} % of the minutes without a reading, the longest gap {longest} min"
    return _check(names, "look" if frac > _MOST_UNKNOWN_FRAC else "clear", text)


def _runs(silent: np.ndarray) -> Iterator[int]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int64), [0]))))
    for first, last in list(pairwise(edges.tolist()))[::2]:
        yield last - first


def _check(names: tuple[str, str], verdict: CheckVerdict, text: str) -> Check:
    return Check(name=names[0], name_zh=names[1], verdict=verdict, text=text)
