"""From evidence to a proof; the same evidence gives the same proof at any time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np

from controllers.proof.checks import checks_of
from controllers.proof.evidence import AssetEvidence, Call, Evidence, Steps
from controllers.proof.facts import AssetShare, Curve, Delivery, Proof, Reaction, RuleResult, Verdict
from controllers.proof.measure import MINUTE, delivery, reaction
from controllers.proof.rules import on_fine_steps, rule_results
from vpp.errors import AccountError
from vpp.units import FloatArray

__all__ = ["KEPT_FRAC", "prove"]

#: A promise is kept with so much of its energy, minute by minute.
KEPT_FRAC: Final = 0.95
#: Below so much of it nothing of it counts as kept.
_PART_FRAC: Final = 0.5
_QUARTER: Final = timedelta(minutes=15)
_DIGITS: Final = 4
_NOTHING_MW: Final = 1e-3
_NOT_TAKEN: Final = ("refused",)


def prove(evidence: Evidence, rule: str | None = None) -> Proof:
    """The proof of an event.

    Args:
        evidence: All that is known of it.
        rule: Baseline that it is judged by; None for the declared schedule where there is one, else the first rule with days.

    Raises:
        AccountError: No such rule says anything of this event.
    """
    call, results = evidence.call, rule_results(evidence)
    chosen = _chosen(results, rule)
    twin = None if evidence.twin is None else delivery(call, evidence.fine, evidence.twin.values)
    settled = None if chosen is None else chosen.delivery
    judged = _as_promised(evidence, "" if chosen is None else chosen.rule)
    assets = sorted((_share(call, one) for one in evidence.assets), key=lambda share: -abs(share.gave_mw or 0.0))
    both = [one for one in assets if one.confirmed_mw is not None and one.reference_mw is not None and one.gave_mw is not None]
    how = reaction(call.as_promised, evidence.fine)
    promised_mw = call.promised_mw
    # Of a cluster's meter nothing counts as promised that was not worked out when the call came.
    if promised_mw is None and call.asset is None and judged is not None and call.state not in _NOT_TAKEN:
        promised_mw = judged.requested_mw
    return Proof(
        park=evidence.park,
        park_name_zh=evidence.park_name_zh,
        time_zone=evidence.time_zone,
        made_at=evidence.made_at,
        event=call,
        verdict=_verdict(evidence, judged, how),
        rule="" if chosen is None else chosen.rule,
        promised_mw=promised_mw,
        covered_frac=_covered(evidence),
        reaction=how,
        rules=results,
        settled=settled,
        twin=twin,
        curve=_curve(evidence, "" if chosen is None else chosen.rule),
        assets=tuple(assets),
        confirmed_mw=sum(call.sign * ((o.reference_mw or 0.0) - (o.confirmed_mw or 0.0)) for o in both) if both else None,
        metered_mw=sum(o.gave_mw or 0.0 for o in both) if both else None,
        checks=checks_of(evidence, None if judged is None else judged.requested_mw),
    )


def _chosen(results: tuple[RuleResult, ...], rule: str | None) -> RuleResult | None:
    if rule is None:
        return results[0] if results else None
    for one in results:
        if one.rule == rule:
            return one
    known = ", ".join(one.rule for one in results) or "none"
    raise AccountError(f"baseline {rule}: says nothing of this event; those that do: {known}")


def _as_promised(evidence: Evidence, rule: str) -> Delivery | None:
    """Delivery against what was promised; in a simulation the world without the call says more than any rule."""
    reference = evidence.twin.values if evidence.twin is not None else on_fine_steps(evidence, rule) if rule else None
    return None if reference is None else delivery(evidence.call.as_promised, evidence.fine, reference)


def _verdict(evidence: Evidence, judged: Delivery | None, how: Reaction) -> Verdict:
    call = evidence.call
    if call.state in _NOT_TAKEN:
        return "refused"
    if evidence.made_at < call.end and call.state != "cancelled":
        return "running"
    if judged is None:
        return "unknown"
    if judged.requested_mw <= _NOTHING_MW or judged.by_minute_frac is None:
        return "nothing_asked"
    late = call.promised_response_s is not None and (how.response_s is None or how.response_s > call.promised_response_s)
    if judged.by_minute_frac >= KEPT_FRAC and not late:
        return "kept"
    return "in_part" if judged.by_minute_frac >= _PART_FRAC else "missed"


def _covered(evidence: Evidence) -> float:
    inside = Steps(evidence.call.start, evidence.fine.step_s, evidence.fine.window(evidence.call.start, evidence.call.end))
    minutes = inside.coarser(MINUTE).values if inside.step < MINUTE else inside.values
    return float(np.isfinite(minutes).mean()) if minutes.size else 0.0


def _share(call: Call, one: AssetEvidence) -> AssetShare:
    """What one asset gave: against its declared schedule, else against the quarter before the start."""
    planned, metered = one.planned.mean(call.start, call.end), one.metered.mean(call.start, call.end)
    reference = planned if planned is not None else one.metered.mean(call.start - _QUARTER, call.start)
    return AssetShare(
        asset_id=one.asset_id,
        kind=one.kind,
        name_zh=one.name_zh,
        reference=one.reference if planned is not None else "before",
        reference_mw=_rounded(reference),
        metered_mw=_rounded(metered),
        confirmed_mw=_rounded(_confirmed(call, one)),
        gave_mw=None if reference is None or metered is None else _rounded(call.sign * (reference - metered)),
    )


def _confirmed(call: Call, one: AssetEvidence) -> float | None:
    """Mean over the event of the powers that were confirmed; None if none was before its end."""
    known = [(at, mw) for at, mw in one.acked if at < call.end]
    if not known:
        return None
    total, length, until = 0.0, 0.0, call.end
    for at, mw in reversed(known):
        begin = max(at, call.start)
        if begin < until:
            total += mw * (until - begin).total_seconds()
            length += (until - begin).total_seconds()
            until = begin
        if at <= call.start:
            break
    return total / length if length else known[-1][1]


def _curve(evidence: Evidence, rule: str) -> Curve:
    fine = evidence.fine

    def by_minute(values: FloatArray | None) -> tuple[float | None, ...]:
        if values is None:
            return ()
        steps = Steps(fine.start, fine.step_s, values)
        coarse = steps.coarser(MINUTE) if steps.step < MINUTE else steps
        return tuple(_rounded(v) if v == v else None for v in coarse.values.tolist())

    reference = on_fine_steps(evidence, rule) if rule else None
    declared = None if evidence.declared is None else evidence.declared.at_steps_of(fine)
    return Curve(
        start=fine.start,
        step_s=max(fine.step_s, MINUTE.total_seconds()),
        import_mw=by_minute(fine.values),
        baseline_mw=by_minute(reference),
        declared_mw=by_minute(declared),
        twin_mw=by_minute(None if evidence.twin is None else evidence.twin.values),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(float(value), _DIGITS)
