"""What became of each call of a campaign against the twin run, and what that comes to over all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from scipy.stats import beta

from controllers.flexibility.sure import CONFIDENCES
from sim_harness.call_score import CallTrace
from vpp.ids import ConnectionId
from vpp.units import SECONDS_PER_MINUTE, FloatArray, IntArray, s_to_h

__all__ = ["Delivery", "Judged", "Kept", "Promise", "campaign_facts", "delivery_of", "interval"]

#: A target is met with so much of the energy, and so much of the power within the promised time.
MET_ENERGY_FRAC: Final = 0.95
MET_POWER_FRAC: Final = 0.9
#: A call that asks less than this of the twin's import, mean over its span, asks nothing. [MW]
NOTHING_MW: Final = 1.0
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the park said to a call, and what it could have said had it known the future.

    Args:
        outcome: accepted, part or refused.
        held_mw: Import that was promised: the target, or what can be held of it. [MW]
        asked_mw: By the park's own expectation. [MW]
        accepted_mw: Of it. [MW]
        response_s: Promised; None where it promises none. [s]
        asked_true_mw: Against the import without the call in the true course. [MW]
        perfect_mw: How much of it could be held in the true course, by the same program. [MW]
        accepted_true_mw: How much of it was accepted, at most what could be held. [MW]
    """

    outcome: str
    held_mw: float
    asked_mw: float
    accepted_mw: float
    response_s: float | None
    asked_true_mw: float
    perfect_mw: float
    accepted_true_mw: float


@dataclass(frozen=True, slots=True)
class Kept:
    """One offer that was made, and what could really be held: by confidence, whether it would have been kept."""

    direction: str
    lead_h: float
    kept: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Against the twin run, minute by minute.

    Args:
        accepted_mwh: What lies between the twin's import and the promised one, less what the promised response time leaves
            out where the notice was shorter. [MWh]
        delivered_mwh: What of it was there; more in one minute does not make up for less in another. [MWh]
        frac: Their quotient; None where nothing was asked.
        response_s: From the first moment that asks something until 90 % of it was there, at a control step; None if never. [s]
        is_met: 95 % of the energy, and 90 % of the power in time; None where nothing was asked.
    """

    accepted_mwh: float
    delivered_mwh: float
    frac: float | None
    response_s: float | None
    is_met: bool | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What was said to a call.

    Args:
        sign: 1 where import is at most at a level, -1 where it is at least.
        held_mw: The level. [MW]
        response_s: Until 90 % of the change is there; None: it takes longer than a quarter of an hour, which is what counts then.
        notice_s: From the call to its start. [s]
    """

    sign: float
    held_mw: float
    response_s: float | None
    notice_s: float

    @property
    def within_s(self) -> float:
        """After the start. [s]."""
        return 15.0 * SECONDS_PER_MINUTE if self.response_s is None else self.response_s

    @property
    def ramp_s(self) -> float:
        """What of the response time was left when the call began: so long what is due rises evenly. [s]."""
        return max(0.0, self.within_s - self.notice_s)


def delivery_of(
    connection: ConnectionId,
    span: tuple[datetime, datetime],
    promise: Promise,
    traces: tuple[CallTrace, CallTrace],
) -> Delivery:
    """What was delivered of a promise.

    Args:
        connection: Where.
        span: Of the call.
        promise: What was said.
        traces: Of the run and of its twin.
    """
    sign, held_mw = promise.sign, promise.held_mw
    ends_s, dt_s, actual_mw = traces[0].steps(connection, *span)
    _, _, twin_mw = traces[1].steps(connection, *span)
    # Where a control step is longer than a minute, it is the minute.
    span_s = max(SECONDS_PER_MINUTE, float(dt_s.max()))
    minute = ((ends_s - dt_s) // span_s).astype(np.int64)
    due = np.clip((ends_s - 0.5 * dt_s) / promise.ramp_s, 0.0, 1.0) if promise.ramp_s > 0.0 else np.ones_like(ends_s)
    asked, change = (_by_minute(minute, dt_s, mw) for mw in (due * sign * (twin_mw - held_mw), sign * (twin_mw - actual_mw)))
    asked = np.maximum(asked, 0.0)
    minute_h = s_to_h(span_s)
    accepted_mwh = float(asked.sum()) * minute_h
    delivered_mwh = float(np.clip(change, 0.0, asked).sum()) * minute_h
    if asked.mean() < NOTHING_MW:
        return Delivery(accepted_mwh=accepted_mwh, delivered_mwh=delivered_mwh, frac=None, response_s=None, is_met=None)
    response_s = _response_s(ends_s, dt_s, sign * (twin_mw - held_mw), sign * (twin_mw - actual_mw))
    frac = delivered_mwh / accepted_mwh
    # What a control step is long cannot be seen any finer.
    allowed_s = float(dt_s[0]) + promise.within_s
    is_met = frac >= MET_ENERGY_FRAC and response_s is not None and response_s <= allowed_s
    return Delivery(
        accepted_mwh=accepted_mwh, delivered_mwh=delivered_mwh, frac=frac, response_s=response_s, is_met=is_met
    )  # fmt: skip


def _response_s(ends_s: FloatArray, dt_s: FloatArray, asked_mw: FloatArray, change_mw: FloatArray) -> float | None:
    """From the first moment at which something is asked until 90 % of it is there; None if never. [s].

    A level that the twin keeps by itself at first asks nothing until it no longer does.
    """
    asks = np.flatnonzero(asked_mw >= NOTHING_MW)
    if not asks.size:
        return None
    there = np.flatnonzero((change_mw >= MET_POWER_FRAC * asked_mw) & (asked_mw >= NOTHING_MW))
    return float(ends_s[there[0]] - (ends_s[asks[0]] - dt_s[asks[0]])) if there.size else None


def _by_minute(minute: IntArray, dt_s: FloatArray, mw: FloatArray) -> FloatArray:
    means: FloatArray = np.bincount(minute, weights=mw * dt_s) / np.maximum(np.bincount(minute, weights=dt_s), 1e-9)
    return means


def interval(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share; nothing is known of none."""
    tail = 0.5 * (1.0 - level)
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(1.0 - tail, hits + 1, of - hits))
    return round(low, _DIGITS), round(high, _DIGITS)


def campaign_facts(
    judged: Mapping[str, Judged], deliveries: Mapping[str, Delivery], calls: Sequence[Mapping[str, Any]], offers: Sequence[Kept]
) -> dict[str, Any]:
    """The figures of a campaign.

    Args:
        judged: By call.
        deliveries: By call, of those that were taken whole or in part.
        calls: What was called, as facts, in order; each with `id` and `duration_h`.
        offers: Every offer that was checked against the true course.
    """
    taken = [name for name, one in judged.items() if one.outcome != "refused" and name in deliveries]
    asked = [deliveries[name] for name in taken if deliveries[name].is_met is not None]
    met = sum(bool(one.is_met) for one in asked)
    hours = {call["id"]: call["duration_h"] for call in calls}
    perfect_mwh = sum(one.perfect_mw * hours[name] for name, one in judged.items())
    accepted_mwh = sum(one.accepted_true_mw * hours[name] for name, one in judged.items())
    within = [one.response_s for one in asked if one.response_s is not None]
    promised = sum(one.accepted_mwh for one in asked)
    return {
        "events": len(calls),
        "accepted": sum(one.outcome == "accepted" for one in judged.values()),
        "accepted_in_part": sum(one.outcome == "part" for one in judged.values()),
        "refused": sum(one.outcome == "refused" for one in judged.values()),
        "unjudged": len(calls) - len(judged),
        "accepted_energy_frac": _share(accepted_mwh, perfect_mwh),
        "met_frac": _share(met, len(asked)),
        "met_of": len(asked),
        "met_interval": interval(met, len(asked)) if asked else None,
        "asked_nothing": len(taken) - len(asked),
        "offer_calibration": {
            f"p{100 * c:g}": _share(sum(o.kept[k] for o in offers), len(offers)) for k, c in enumerate(CONFIDENCES)
        },
        "offers_checked": len(offers),
        "offer_interval": {
            f"p{100 * c:g}": interval(sum(o.kept[k] for o in offers), len(offers)) if offers else None
            for k, c in enumerate(CONFIDENCES)
        },
        "energy_delivered_frac": _share(sum(one.delivered_mwh for one in asked), promised),
        "response_s_p95": round(float(np.percentile(within, 95)), 1) if within else None,
        "per_event": [
            {
                **call,
                **({} if call["id"] not in judged else _rounded(asdict(judged[call["id"]]))),
                **({} if call["id"] not in deliveries else {"delivery": _rounded(asdict(deliveries[call["id"]]))}),
            }
            for call in calls
        ],
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, _DIGITS) if whole > 0.0 else None


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in facts.items()}
