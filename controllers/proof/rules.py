"""Every settlement baseline of an event with what was delivered against it, and with its error on days without a call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.baselines import (
    BASELINE_RULES,
    DECLARED_SOURCE,
    BaselineError,
    BaselineRule,
    baseline,
    baseline_error,
    error_of,
)
from controllers.proof.evidence import Evidence, Steps
from controllers.proof.facts import RuleError, RuleResult
from controllers.proof.measure import delivery
from vpp.timegrid import floor_to
from vpp.units import FloatArray

__all__ = ["DECLARED", "on_fine_steps", "rule_results"]

DECLARED: Final = "declared"
_QUARTER: Final = timedelta(minutes=15)
#: The pre-adjusted baselines reach this far beyond the event, so that a rebound has something to be measured against.
_BEYOND: Final = timedelta(hours=2)


def rule_results(evidence: Evidence) -> tuple[RuleResult, ...]:
    """The declared schedule first, where there is one, then the rules of the days before."""
    return tuple(_results(evidence))


def on_fine_steps(evidence: Evidence, rule: str) -> FloatArray:
    """A baseline for each step of the meter; NaN where the rule says nothing. [MW]."""
    found = evidence.declared if rule == DECLARED else _estimated(evidence, rule)
    if found is None:
        return np.full(len(evidence.fine.values), np.nan)
    return found.at_steps_of(evidence.fine)


def _results(evidence: Evidence) -> Iterator[RuleResult]:
    start, end = _quarters(evidence)
    reference = on_fine_steps(evidence, DECLARED)
    found = delivery(evidence.call, evidence.fine, reference)
    if found is not None:
        error = _told(_declared_error(evidence))
        yield RuleResult(
            rule=DECLARED,
            source=DECLARED_SOURCE,
            days=(),
            adjusted_by_frac=1.0,
            import_mw=_by_quarter(evidence, reference),
            delivery=found,
            error=error,
        )
    for rule, chosen in BASELINE_RULES.items():
        known, reference = baseline(rule, evidence.registers, start, end), on_fine_steps(evidence, rule)
        found = delivery(evidence.call, evidence.fine, reference)
        if known is not None and found is not None:
            yield RuleResult(
                rule=rule,
                source=chosen.source,
                days=tuple(day.isoformat() for day in known.days),
                adjusted_by_frac=known.adjusted_by_frac,
                import_mw=_by_quarter(evidence, reference),
                delivery=found,
                error=_told(baseline_error(rule, evidence.registers, start, end)),
            )


def _by_quarter(evidence: Evidence, reference: FloatArray) -> tuple[float | None, ...]:
    fine, call = Steps(evidence.fine.start, evidence.fine.step_s, reference), evidence.call
    inside = Steps(call.start, fine.step_s, fine.window(call.start, call.end))
    return tuple(None if v != v else round(v, 4) for v in inside.coarser(_QUARTER).values.tolist())


def _quarters(evidence: Evidence) -> tuple[datetime, datetime]:
    """The whole quarters that the event touches."""
    start, end = floor_to(evidence.call.start, _QUARTER), floor_to(evidence.call.end, _QUARTER)
    return start, end if end == evidence.call.end else end + _QUARTER


def _estimated(evidence: Evidence, rule: str) -> Steps | None:
    """By a rule over the event, and over what comes after it so that a rebound can be seen."""
    start, end = _quarters(evidence)
    known = baseline(_named(rule), evidence.registers, start, end)
    if known is None:
        return None
    later = baseline(_named(rule), evidence.registers, end, end + _BEYOND)
    values = known.import_mw if later is None else np.concatenate((known.import_mw, later.import_mw))
    return Steps(start, _QUARTER.total_seconds(), values)


def _named(rule: str) -> BaselineRule:
    return next(name for name in BASELINE_RULES if name == rule)


def _declared_error(evidence: Evidence) -> BaselineError | None:
    pairs = evidence.past_declared
    if pairs is None or not len(pairs):
        return None
    # Quarters of all days in one row each.
    found = error_of(pairs[:, :1], pairs[:, 1:])
    start, end = _quarters(evidence)
    return BaselineError(
        max(1, round(len(pairs) / ((end - start) / _QUARTER))), found.mean_error_mw, found.rmse_mw, found.mean_abs_import_mw
    )


def _told(error: BaselineError | None) -> RuleError | None:
    if error is None:
        return None
    frac = error.rmse_mw / error.mean_abs_import_mw if error.mean_abs_import_mw > 0.0 else None
    return RuleError(days=error.days, mean_error_mw=error.mean_error_mw, rmse_mw=error.rmse_mw, rmse_frac=frac)
