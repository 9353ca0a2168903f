"""Every quarter of an hour: a new plan, or, where there is none, the rules; and what dispatch and clusters make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import structlog

from controllers.dispatch.guidance import Guidance, ShiftGuidance
from controllers.dispatch.overrides import with_pinned_clusters
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander, ShiftOrder, Stamp
from controllers.loops.foresight import Foresight
from controllers.loops.inbox import Inbox
from controllers.loops.late_work import late_work
from controllers.loops.mailbox import Mailbox
from controllers.loops.offtake import OfftakeMeter
from controllers.loops.registers import PeakMeter
from controllers.loops.worker import Worker
from controllers.planner import KeptSolve, Problem, Result, SolveSettings
from controllers.planner.asks import Asks, ChangeRule, published_on
from controllers.planner.assemble import ReserveRule, assemble
from controllers.planner.guide import guidance_of
from controllers.planner.horizon import FINE, HOUR, SPAN, forecast_on, planning_grid
from controllers.planner.lines import LineWatch
from controllers.planner.problem import Published
from controllers.planner.rule_facts import RuleFacts
from controllers.planner.rules import RuleThresholds, rule_guidance
from forecasting.forecast import Forecast
from vpp.errors import PlanError, VppError
from vpp.ids import AssetId, ConnectionId, PlanId
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray
from vpp.wire.messages import PlanCurrent, PlannedPower, Reason, ShiftInterval
from vpp.wire.topics import Channel

__all__ = ["Guide", "Known", "Made", "PlanGuide", "RuleGuide", "plan_message", "run_plan"]

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


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan is made from beside the snapshot.

    Args:
        forecasts: Where the forecast loop leaves its last word.
        peaks: The month's highest imports.
        foresight: Who knows the future, if anybody does.
    """

    forecasts: Mailbox[Forecast]
    peaks: PeakMeter
    foresight: Foresight | None = None

    def forecast(self, at: datetime) -> Forecast | None:
        """The last forecast from an instant on, on the grid of a plan; None before the first."""
        told = self.forecasts.value
        if told is None:
            return None
        ahead = told.after(told.grid.index(at))
        return ahead if self.foresight is not None else _on_planning_grid(ahead)


@dataclass(frozen=True, slots=True)
class Made:
    """A plan and what it was made from."""

    plan_id: PlanId
    problem: Problem
    result: Result
    forecast: Forecast

    def guidance(self, at: datetime) -> Guidance:
        """What dispatch follows at an instant inside it."""
        return guidance_of(self.plan_id, self.problem, self.result, self.forecast, at)


@dataclass(slots=True)
class PlanGuide:
    """A plan over the horizon; where none can be had the last one, moved on, while it is young; then the rules.

    Args:
        park: What is in service.
        known: What is known beside the snapshot.
        worker: Where the solver runs.
        settings: Its budget.
        reserves: What islands keep in hand.
        rules: What steps in.
        lost: How often it had to.
        first: The first plan of all, for whoever asks later what was thought at the start.
        on_made: Told of every plan.
        change: What it costs to ask others for something else than the plan before.
    """

    park: Park
    known: Known
    worker: Worker
    settings: SolveSettings = field(default_factory=SolveSettings)
    reserves: ReserveRule = field(default_factory=ReserveRule)
    rules: RuleGuide | None = None
    lost: int = 0
    first: Made | None = None
    on_made: Callable[[Made], None] | None = None
    change: ChangeRule = field(default_factory=ChangeRule)
    _last: Made | None = None
    _fallen_back_on: Made | None = None
    _solve: KeptSolve = field(default_factory=KeptSolve.fresh)
    _lines: LineWatch = field(init=False)
    _offtake: OfftakeMeter = field(init=False)

    def __post_init__(self) -> None:
        self._lines = LineWatch.of(self.park)
        self._offtake = OfftakeMeter(self.park)

    def observe(self, snapshot: Snapshot) -> None:
        """Keeps the books that a plan needs; every `make` does so too."""
        self._offtake.observe(snapshot)

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """Assemble, solve, translate; on any failure the last plan goes on, then the rules take over, each named as such."""
        if self.known.forecasts.value is None:
            return None
        try:
            made = await self.make(snapshot)
        except VppError as error:
            return await self._without_a_plan(snapshot, str(error))
        self._last = self._fallen_back_on = made
        self.first = self.first or made
        if self.on_made is not None:
            self.on_made(made)
        return made.guidance(made.forecast.grid.start)

    async def make(self, snapshot: Snapshot) -> Made:
        """A plan from now on.

        Raises:
            VppError: There is none; why stands in it.
        """
        self.observe(snapshot)
        forecast = self.known.forecast(snapshot.at)
        if forecast is None:
            raise PlanError("no forecast yet")
        plan_id = PlanId(f"plan.{snapshot.at:%Y%m%dT%H%M%S}")
        problem = self._problem(snapshot, forecast)
        result = await self.worker.run(self._solve, problem, self.settings)
        if result.status != "none" and self._lines.learn(result.assets):
            log.info("plan.lines", plan_id=plan_id, kept=sorted(self._lines.kept))
            problem = self._problem(snapshot, forecast)
            result = await self.worker.run(self._solve, problem, self.settings)
        if result.status == "none":
            raise PlanError("no schedule found within the budget")
        for unmet in result.unmet:
            log.warning("plan.unmet", plan_id=plan_id, where=unmet.where, what=unmet.what, amount=round(unmet.amount, 3))
        return Made(plan_id, problem, result, forecast)

    def outlook(self, snapshot: Snapshot) -> tuple[Problem, Forecast]:
        """What a plan would be made from at this moment, for whoever asks what could be promised.

        Raises:
            PlanError: There is no forecast yet.
        """
        forecast = self.known.forecast(snapshot.at)
        if forecast is None:
            raise PlanError("no forecast yet")
        return self._problem(snapshot, forecast), forecast

    def _problem(self, snapshot: Snapshot, forecast: Forecast) -> Problem:
        asks = Asks(
            events=snapshot.events,
            overrides=snapshot.overrides,
            published=self._published(forecast.grid),
            lines=self._lines.kept,
            ammonia_arrears_t=self._offtake.arrears_t(),
        )
        problem = assemble(self.park, snapshot, forecast, self.known.peaks.peaks_mw(), self.reserves, asks)
        return problem if self.known.foresight is None else self.known.foresight.corrected(problem)

    def _published(self, grid: TimeGrid) -> Published | None:
        """The near hours of the plan that is known outside; None where none is, or an older one went on after a failure."""
        if self._last is None:
            return None
        told = self._last.result
        followers = [asset.id for kind in self.change.kinds for asset in self.park.assets_of(kind)]
        return published_on({i: told.assets[i].power_mw for i in followers if i in told.assets}, told.grid, grid, self.change)

    def conditions(self, at: datetime) -> Mapping[str, str]:
        """What somebody should look at, by the key of its alarm: deadlines of computing that the plan cannot keep."""
        return {} if self._last is None else late_work(self._last.result.unmet, at)

    def announce(self, commander: Commander) -> None:
        """Publishes the plan, for anyone to follow."""
        if self._last is not None:
            made = self._last
            commander.publish(Channel.PLAN_CURRENT, plan_message(made.plan_id, made.result, commander.stamp()))

    async def _without_a_plan(self, snapshot: Snapshot, why: str) -> Guidance | None:
        self.lost += 1
        self._last = None  # an older plan must not go out again as the current one
        kept = self._fallen_back_on
        if kept is not None and snapshot.at < min(kept.result.grid.start + _LAST_PLAN_FOR, kept.result.grid.end):
            log.error("plan.lost", reason=why, at=snapshot.at.isoformat(), instead="last_plan")
            return replace(kept.guidance(snapshot.at), source="last_plan")
        log.error("plan.lost", reason=why, at=snapshot.at.isoformat(), instead="rules")
        return await (self.rules or RuleGuide(self.park)).guide(snapshot)


def _on_planning_grid(forecast: Forecast) -> Forecast:
    """Quarters near and hours far, as far as it goes; one that is too short, or begins off the quarters, stays as it is."""
    at = forecast.grid.start
    span = min(SPAN, forecast.grid.end - at - HOUR)
    if span < FINE or at.minute % 15 or at.second or at.microsecond:
        return forecast
    return forecast_on(forecast, planning_grid(at, span))


async def run_plan(
    ticks: AsyncIterator[datetime], guide: Guide, inbox: Inbox, box: Mailbox[Guidance], commander: Commander
) -> None:
    """The loop: snapshot, decide, publish."""
    async for at in ticks:
        snapshot = inbox.snapshot(at)
        guidance = await guide.guide(snapshot)
        if guidance is None:
            continue
        box.value = guidance
        guide.announce(commander)
        for cluster, shift in with_pinned_clusters(guidance.shifts, snapshot.overrides).items():
            commander.shift(_shift_order(cluster, shift, at))


def plan_message(plan_id: PlanId, result: Result, stamp: Stamp) -> PlanCurrent:
    """The plan as it travels."""
    flows = {c: result.import_mw[c] - result.export_mw[c] for c in result.import_mw}
    return PlanCurrent(
        epoch=stamp.epoch,
        seq=stamp.seq,
        issued_at=stamp.issued_at,
        plan_id=plan_id,
        edges=result.grid.edges,
        assets=_powers({i: s.power_mw for i, s in result.assets.items()}),
        connections=_powers(flows),
        gap_frac=result.gap_frac,
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
    return ShiftOrder(cluster, at + _SHIFT_VALID, shift.cap_mw[0], intervals, shift.placements)
