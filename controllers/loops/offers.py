"""What can be promised, kept up to date beside the plan; and the judgement on a call the moment it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from controllers.flexibility.assess import Ask, Verdict, assessed
from controllers.flexibility.correction import Correction
from controllers.flexibility.hold import Course, held
from controllers.flexibility.offer import COURSES, Plan, gathered, offer_of_meter, windows_of
from controllers.flexibility.table import OfferTable
from controllers.flexibility.window import Window, direction_of, meters_of
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.plan import PlanGuide
from controllers.loops.worker import Worker
from controllers.planner.stochastic.weather import available_scenarios
from vpp.errors import VppError
from vpp.events import Event
from vpp.ids import ConnectionId

__all__ = ["OFFER_KEY", "OfferDesk", "run_offers"]

log = structlog.get_logger(__name__)

#: Under this name the last offer stands in the ledger, as JSON.
OFFER_KEY: Final = "flexibility.current"
#: Fewer courses say nothing about how surely.
_LEAST_COURSES: Final = 6


@dataclass(slots=True)
class OfferDesk:
    """Offers and judgements out of what the planner knows.

    Args:
        planner: Who plans.
        inbox: What is known now, calls in it.
        worker: Where programs are solved: not the plan's own, which must not wait.
        taught: What replays have taught.
        courses: Courses of wind and sun.
        budget_s: An offer takes no more courses than fit into this, but six. [s of machine time]
        on_table: Told of every offer.
        on_verdict: Told of every judgement, with what it was made from.
        table: The last offer.
    """

    planner: PlanGuide
    inbox: Inbox
    worker: Worker
    taught: Correction = field(default_factory=Correction)
    courses: int = COURSES
    budget_s: float = 60.0
    on_table: Callable[[OfferTable], None] | None = None
    on_verdict: Callable[[Event, Plan, Verdict], None] | None = None
    table: Mailbox[OfferTable] = field(default_factory=Mailbox)

    def plan_at(self, at: datetime, without: frozenset[str] = frozenset()) -> Plan:
        """What is known at an instant, calls that stand in it.

        Args:
            at: Now.
            without: Names of calls that do not count: the one that is judged.

        Raises:
            VppError: There is no forecast yet, or none over enough hours.
        """
        known = self.inbox.snapshot(at)
        events = tuple(event for event in known.events if event.event_id not in without)
        problem, forecast = self.planner.outlook(replace(known, events=events))
        # Courses on another grid than the plan's are drawn anew from its quantiles.
        drawn = forecast.scenario_frac
        if drawn is not None and drawn.shape[-1] != problem.grid.n:
            forecast = replace(forecast, scenario_frac=None)
        available = available_scenarios(self.planner.park, forecast, self.courses) if forecast.asset_ids else {}
        return Plan.of(problem, available, tuple(event.event_id for event in events))

    async def judge(self, event: Event, confidence: float, at: datetime) -> Verdict:
        """What a call gets, all others that were accepted deducted.

        Raises:
            VppError: It cannot be judged; why stands in it.
        """
        plan = self.plan_at(at, frozenset({event.event_id}))
        verdict = await self.worker.run(assessed, plan, _ask(event, confidence, at), self.taught)
        self._judged(event, plan, verdict)
        return verdict

    async def again(self, event: Event, confidence: float, at: datetime) -> Verdict:
        """As `judge`, for a call that was accepted before: nobody asked, so nobody is told of it here.

        What it adds to the month's demand charge it adds in any case: over the short rest of a call that runs, that charge would
        make every MWh too dear to be held.

        Args:
            event: With the import that was promised as its target.
            confidence: Of the promise.
            at: Now.

        Raises:
            VppError: It cannot be judged; why stands in it.
        """
        plan = _with_peak(self.plan_at(at, frozenset({event.event_id})), event)
        return await self.worker.run(assessed, plan, _ask(event, confidence, at), self.taught)

    def judge_now(self, event: Event, confidence: float, at: datetime) -> Verdict:
        """As `judge`, in the caller's own turn: for runs in which nobody may wait.

        Raises:
            VppError: It cannot be judged; why stands in it.
        """
        plan = self.plan_at(at, frozenset({event.event_id}))
        verdict = assessed(plan, _ask(event, confidence, at), self.taught)
        self._judged(event, plan, verdict)
        return verdict

    async def look(self, at: datetime) -> OfferTable:
        """The whole offer, course by course, so that a call that comes meanwhile waits for one course at most.

        Raises:
            VppError: There is nothing to offer on yet.
        """
        plan = self.plan_at(at)
        windows, meters = windows_of(plan.problem.grid), []
        asked = meters_of(plan.problem.park)
        loop = asyncio.get_running_loop()
        for name, meter in asked.items():
            found: list[Course] = []
            began_s = loop.time()
            for course in plan.courses:
                found.append(await self.worker.run(held, plan.problem, meter, course, windows))
                one_more_s = (loop.time() - began_s) * (1.0 + 1.0 / len(found))
                if len(found) >= _LEAST_COURSES and one_more_s > self.budget_s / len(asked):
                    break
            solved = replace(plan, courses=plan.courses[: len(found)])
            meters.append(await self.worker.run(offer_of_meter, solved, name, meter, found, windows, self.taught))
            plan = solved
        table = self.table.value = gathered(plan, at, self.taught, meters)
        if self.on_table is not None:
            self.on_table(table)
        return table

    def _judged(self, event: Event, plan: Plan, verdict: Verdict) -> None:
        log.info(
            "event.judged",
            event_id=event.event_id,
            revision=event.revision,
            outcome=verdict.outcome,
            asked_mw=verdict.asked_mw,
            accepted_mw=verdict.accepted_mw,
            held_mw=verdict.target_mw,
            confidence=verdict.confidence,
        )
        if self.on_verdict is not None:
            self.on_verdict(event, plan, verdict)


def _ask(event: Event, confidence: float, at: datetime) -> Ask:
    # What has passed of a call that runs is no matter of promising any more.
    window = Window(direction_of(event.kind), max(event.start, at), event.end)
    return Ask(event.kind, ConnectionId(event.connection), window, event.target_mw, confidence)


def _with_peak(plan: Plan, event: Event) -> Plan:
    """As if the month's highest import were there already that a call for more import brings."""
    terms = plan.problem.connections.get(event.connection)
    if terms is None or direction_of(event.kind) == "give" or event.target_mw <= terms.peak_so_far_mw:
        return plan
    connections = {**plan.problem.connections, event.connection: replace(terms, peak_so_far_mw=event.target_mw)}
    return replace(plan, problem=replace(plan.problem, connections=connections))


async def run_offers(ticks: AsyncIterator[datetime], desk: OfferDesk) -> None:
    """The loop: an offer a period; one that cannot be made leaves the one before, which ages."""
    async for at in ticks:
        try:
            await desk.look(at)
        except VppError as error:
            log.warning("offer.lost", reason=str(error), at=at.isoformat())
