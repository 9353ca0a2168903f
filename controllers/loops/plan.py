"""Every quarter of an hour: a new plan, or, where there is none, the rules; and what dispatch and clusters make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import structlog

from controllers.dispatch.guidance import Guidance, ShiftGuidance
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander, ShiftOrder, Stamp
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.registers import PeakMeter
from controllers.loops.worker import Worker
from controllers.planner import KeptSolve, Problem, Result, SolveSettings
from controllers.planner.assemble import ReserveRule, assemble
from controllers.planner.guide import guidance_of
from controllers.planner.rule_facts import RuleFacts
from controllers.planner.rules import RuleThresholds, rule_guidance
from forecasting.forecast import Forecast
from vpp.errors import VppError
from vpp.ids import AssetId, ConnectionId, PlanId
from vpp.park import Park
from vpp.units import FloatArray
from vpp.wire.messages import PlanCurrent, PlannedPower, Reason, ShiftInterval
from vpp.wire.topics import Channel

__all__ = ["Guide", "PlanGuide", "RuleGuide", "plan_message", "run_plan"]

log = structlog.get_logger(__name__)
#: A compute-shift signal stands this long without a new one: three plans may be lost.
_SHIFT_VALID: Final = timedelta(minutes=45)
#: A plan that could not be renewed goes on for so long; after that the world is another one, and the rules know it better.
_LAST_PLAN_FOR: Final = timedelta(hours=4)
_DIGITS: Final = 3


class Guide(Protocol):
    """Who decides what dispatch follows."""

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """Guidance from now on; None when there is nothing to decide on yet."""
        ...

    def announce(self, commander: Commander) -> None:
        """Publishes the plan behind the last guidance, if there is one."""
        ...


@dataclass(slots=True)
class RuleGuide:
    """Thresholds on what is measured."""

    park: Park
    thresholds: RuleThresholds = field(default_factory=RuleThresholds)
    _facts: RuleFacts = field(init=False)

    def __post_init__(self) -> None:
        self._facts = RuleFacts(self.park)

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """What the rules say."""
        plan_id = PlanId(f"rules.{snapshot.at:%Y%m%dT%H%M%S}")
        return rule_guidance(plan_id, self.park, snapshot, self.thresholds, self._facts.at_prices(snapshot.spot))

    def announce(self, commander: Commander) -> None:
        """Rules have no plan to show."""


@dataclass(slots=True)
class PlanGuide:
    """A plan over the horizon; where none can be had the last one, moved on, while it is young; then the rules.

    Args:
        park: What is in service.
        forecasts: Where the forecast loop leaves its last word.
        peaks: The month's highest imports.
        worker: Where the solver runs.
        settings: Its budget.
        reserves: What islands keep in hand.
        rules: What steps in.
        lost: How often it had to.
    """

    park: Park
    forecasts: Mailbox[Forecast]
    peaks: PeakMeter
    worker: Worker
    settings: SolveSettings = field(default_factory=SolveSettings)
    reserves: ReserveRule = field(default_factory=ReserveRule)
    rules: RuleGuide | None = None
    lost: int = 0
    _last: tuple[PlanId, Problem, Result] | None = None
    _fallen_back_on: tuple[PlanId, Problem, Result, Forecast] | None = None
    _solve: KeptSolve = field(default_factory=KeptSolve.fresh)

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """Assemble, solve, translate; on any failure the last plan goes on, then the rules take over, each named as such."""
        forecast = self.forecasts.value
        if forecast is None:
            return None
        plan_id = PlanId(f"plan.{snapshot.at:%Y%m%dT%H%M%S}")
        try:
            forecast = _ahead(forecast, snapshot.at)
            problem = assemble(self.park, snapshot, forecast, self.peaks.peaks_mw(), self.reserves)
            result = await self.worker.run(self._solve, problem, self.settings)
        except VppError as error:
            return await self._without_a_plan(snapshot, str(error))
        if result.status == "none":
            return await self._without_a_plan(snapshot, "no schedule found within the budget")
        self._last = (plan_id, problem, result)
        self._fallen_back_on = (*self._last, forecast)
        for unmet in result.unmet:
            log.warning("plan.unmet", plan_id=plan_id, where=unmet.where, what=unmet.what, amount=round(unmet.amount, 3))
        return guidance_of(plan_id, problem, result, forecast, forecast.grid.start)

    def announce(self, commander: Commander) -> None:
        """Publishes the plan, for anyone to follow."""
        if self._last is not None:
            plan_id, _, result = self._last
            commander.publish(Channel.PLAN_CURRENT, plan_message(plan_id, result, commander.stamp()))

    async def _without_a_plan(self, snapshot: Snapshot, why: str) -> Guidance | None:
        self.lost += 1
        self._last = None  # an older plan must not go out again as the current one
        kept = self._fallen_back_on
        if kept is not None and snapshot.at < min(kept[2].grid.start + _LAST_PLAN_FOR, kept[2].grid.end):
            plan_id, problem, result, forecast = kept
            log.error("plan.lost", reason=why, at=snapshot.at.isoformat(), instead="last_plan")
            return replace(guidance_of(plan_id, problem, result, forecast, snapshot.at), source="last_plan")
        log.error("plan.lost", reason=why, at=snapshot.at.isoformat(), instead="rules")
        return await (self.rules or RuleGuide(self.park)).guide(snapshot)


def _ahead(forecast: Forecast, at: datetime) -> Forecast:
    """What of a forecast is still to come: one that was not renewed in time must not plan hours that have passed."""
    return forecast.after(forecast.grid.index(at))


async def run_plan(
    ticks: AsyncIterator[datetime], guide: Guide, inbox: Inbox, box: Mailbox[Guidance], commander: Commander
) -> None:
    """The loop: snapshot, decide, publish."""
    async for at in ticks:
        guidance = await guide.guide(inbox.snapshot(at))
        if guidance is None:
            continue
        box.value = guidance
        guide.announce(commander)
        for cluster, shift in guidance.shifts.items():
            commander.shift(_shift_order(cluster, shift, at))


def plan_message(plan_id: PlanId, result: Result, stamp: Stamp) -> PlanCurrent:
    """The plan as it travels."""
    flows = {c: result.import_mw[c] - result.export_mw[c] for c in result.import_mw}
    gross = max(abs(result.objective_cny), 1.0)
    return PlanCurrent(
        epoch=stamp.epoch,
        seq=stamp.seq,
        issued_at=stamp.issued_at,
        plan_id=plan_id,
        edges=result.grid.edges,
        assets=_powers({i: s.power_mw for i, s in result.assets.items()}),
        connections=_powers(flows),
        gap_frac=max(result.gap_cny, 0.0) / gross,
        source="mpc",
        unmet=tuple(Reason(code="unmet", text=f"{u.where}: {u.what} {u.amount:.3f}") for u in result.unmet),
    )


def _powers(
    series: Mapping[str, FloatArray] | Mapping[AssetId, FloatArray] | Mapping[ConnectionId, FloatArray],
) -> tuple[PlannedPower, ...]:
    return tuple(PlannedPower(id=i, power_mw=tuple(np.round(np.asarray(p), _DIGITS).tolist())) for i, p in series.items())


def _shift_order(cluster: AssetId, shift: ShiftGuidance, at: datetime) -> ShiftOrder:
    intervals = tuple(
        ShiftInterval(
            start=start,
            end=end,
            cap_mw=shift.cap_mw[i],
            target_mw=shift.target_mw[i],
            floor_mw=min(shift.floor_mw[i], shift.target_mw[i]),
            green_share_frac=shift.green_share_frac[i],
            carbon_kg_per_mwh=shift.carbon_kg_per_mwh[i],
            price_cny_per_mwh=shift.price_cny_per_mwh[i],
            confidence_frac=shift.confidence_frac[i],
        )
        for i, (start, end) in enumerate(zip(shift.edges, shift.edges[1:], strict=False))
    )
    return ShiftOrder(cluster, at + _SHIFT_VALID, shift.cap_mw[0], intervals)
