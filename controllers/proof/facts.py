"""A proof as it is written down: plain values with units, None where something cannot be known; it reads back from its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from controllers.proof.evidence import Call

__all__ = ["AssetShare", "Check", "Curve", "Delivery", "Proof", "Reaction", "RuleError", "RuleResult", "Verdict"]

Verdict: TypeAlias = Literal["kept", "in_part", "missed", "nothing_asked", "refused", "running", "unknown"]
CheckVerdict: TypeAlias = Literal["clear", "look", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleError:
    """How wrong a baseline was at the same hours of days on which nothing was called.

    Args:
        days: How many such days.
        mean_error_mw: Baseline less meter: above zero it pays the park too much, below too little. [MW]
        rmse_mw: Root of the mean square, quarter by quarter. [MW]
        rmse_frac: The same over the mean of what was metered, without sign; None where that is nothing.
    """

    days: int
    mean_error_mw: float
    rmse_mw: float
    rmse_frac: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What was delivered against one reference; every change counts in the direction of the call.

    Args:
        reference_mw: Mean import of the reference over the event. [MW]
        requested_mw: Mean change that keeps the target from there; 0 where the reference keeps it by itself. [MW]
        delivered_mw: Mean change that was metered. [MW]
        by_minute_frac: Delivered of requested energy, minute by minute, nothing above the request counted.
        by_quarter_frac: The same quarter by quarter.
        accuracy_frac: 1 less the mean deviation from the request, over it, once 90 % was reached; too much counts too (调节精度).
        sustained_frac: Share of the minutes since then that gave at least 90 %.
        most_beyond_frac: Most that any minute gave beyond the request.
        rebound_mw: Most that a quarter in the two hours after it lay on the other side of the reference. [MW]
        recovered: Whether a quarter in that time came back to the reference.
    """

    reference_mw: float
    requested_mw: float
    delivered_mw: float
    by_minute_frac: float | None
    by_quarter_frac: float | None
    accuracy_frac: float | None
    sustained_frac: float | None
    most_beyond_frac: float | None
    rebound_mw: float | None
    recovered: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """How the call's meter went to its target; no baseline is needed for it.

    Args:
        before_mw: Mean import of the minute before the start. [MW]
        needed_mw: From there to the target, in the direction of the call; 0 where it was kept already. [MW]
        response_s: From the start to the end of the first step with 90 % of it (响应时间). [s]
        ramp_mw_per_min: Between 10 % and 90 % of it (调节速率). [MW/min]
        resolution_s: Steps of the meter behind it; nothing faster can be seen. [s]
    """

    before_mw: float | None
    needed_mw: float | None
    response_s: float | None
    ramp_mw_per_min: float | None
    resolution_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One settlement baseline (基线负荷).

    Args:
        rule: Its name.
        source: Where it is written.
        days: That it averaged.
        adjusted_by_frac: What its same-day adjustment multiplied by.
        import_mw: By quarter of the event. [MW]
        delivery: Against it.
        error: On days without a call; None where there were none.
    """

    rule: str
    source: str
    days: tuple[str, ...]
    adjusted_by_frac: float
    import_mw: tuple[float | None, ...]
    delivery: Delivery
    error: RuleError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetShare:
    """What one asset gave.

    Args:
        asset_id: Which.
        kind: As in the park file.
        name_zh: Its Chinese name.
        reference: `declared` for the plan before the call, `twin` for the same world without it, `before` for the quarter before
            its start.
        reference_mw: Mean over the event, positive when consuming. [MW]
        metered_mw: Mean over it. [MW]
        confirmed_mw: Mean of what it confirmed; None where it confirmed nothing. [MW]
        gave_mw: Reference less meter, in the direction of the call. [MW]
    """

    asset_id: str
    kind: str
    name_zh: str
    reference: str
    reference_mw: float | None
    metered_mw: float | None
    confirmed_mw: float | None
    gave_mw: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether somebody could have dressed the figures up.

    Args:
        name: What is looked for.
        name_zh: The same in Chinese.
        verdict: `clear`, `look` for what a person should look at, `unknown` where it cannot be said.
        text: The figures behind it.
    """

    name: str
    name_zh: str
    verdict: CheckVerdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Means by minute around the event, for plots. [MW]."""

    start: datetime
    step_s: float
    import_mw: tuple[float | None, ...]
    baseline_mw: tuple[float | None, ...]
    declared_mw: tuple[float | None, ...]
    twin_mw: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One event, proven.

    Args:
        park: Whose.
        park_name_zh: Its Chinese name.
        time_zone: In which people there read the clock.
        made_at: When (UTC).
        event: As it was asked.
        verdict: Whether what was promised was kept: 95 % of the energy by minute, 90 % of the power within the promised time.
        rule: Baseline that it is judged by.
        promised_mw: Change promised; what was requested where nobody promised less, but at a cluster's own meter only what was
            worked out. [MW]
        covered_frac: Share of the event's minutes in which the call's meter told.
        reaction: How fast.
        rules: Every baseline.
        settled: Delivery against the one that judges; None without any baseline.
        twin: Delivery against the same world without the call; None outside a simulation.
        curve: For plots.
        assets: Who gave what, the most first.
        confirmed_mw: Change that devices confirmed, where they and their reference are known. [MW]
        metered_mw: Change of the same devices at their meters. [MW]
        checks: Against dressing up.
    """

    park: str
    park_name_zh: str
    time_zone: str
    made_at: datetime
    event: Call
    verdict: Verdict
    rule: str
    promised_mw: float | None
    covered_frac: float
    reaction: Reaction
    rules: tuple[RuleResult, ...]
    settled: Delivery | None
    twin: Delivery | None
    curve: Curve
    assets: tuple[AssetShare, ...]
    confirmed_mw: float | None
    metered_mw: float | None
    checks: tuple[Check, ...]

    def to_json(self) -> bytes:
        """As JSON, with an indent for people."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def from_json(cls, text: bytes) -> Proof:
        """What `to_json` wrote.

        Raises:
            msgspec.DecodeError: It is nothing of the kind.
        """
        return msgspec.json.decode(text, type=cls)
