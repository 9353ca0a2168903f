"""The controller put together: inbox, loops and commander under one supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from controllers.bus.base import Bus
from controllers.clock import Clock
from controllers.dispatch.caps import Lowering, lowering
from controllers.dispatch.events import event_of, judge
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.orders import LeaseTimes
from controllers.flexibility.assess import Verdict
from controllers.flexibility.correction import Correction
from controllers.loops.arrivals import ArrivalsWatch
from controllers.loops.bell import Bell
from controllers.loops.commander import Commander
from controllers.loops.day_ahead import DayAheadGuide
from controllers.loops.dispatch import DispatchDesk, run_dispatch
from controllers.loops.forecast import ForecastDesk, Foreteller, Told, farm_facts, run_forecast
from controllers.loops.foresight import Foresight, run_foresight
from controllers.loops.guard import Guard, run_guard
from controllers.loops.inbox import Inbox, InboxSettings
from controllers.loops.live_guide import LiveGuide
from controllers.loops.mailbox import Mailbox
from controllers.loops.offers import OfferDesk, run_offers
from controllers.loops.plan import Guide, Known, PlanGuide, RuleGuide, run_plan
from controllers.loops.registers import PeakMeter
from controllers.loops.resident import ResidentForecaster
from controllers.loops.ticks import Wakes, at_once, woken
from controllers.loops.worker import InlineWorker, Worker
from controllers.planner import SolveSettings
from controllers.planner.assemble import ReserveRule
from controllers.planner.rules import RuleThresholds
from controllers.supervisor import BackOff, Loop, Supervisor, Trouble, no_trouble
from forecasting.forecast import Forecast
from vpp.errors import VppError
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.park.rating import rating
from vpp.timegrid import TimeGrid, floor_to
from vpp.wire.messages import GridEvent, Reason

__all__ = ["Controller", "ControllerSettings", "Remembered"]

#: Reports that may be lost in a row before a device counts as silent.
_SILENT_PERIODS: Final = 3
#: Periods within which a device answers, before others take over what it was asked for.
_ANSWER_PERIODS: Final = 2.0
#: A change of this share of an asset's size brings the next dispatch on.
_MATTERS_FRAC: Final = 0.02
#: A plan's loop may take as long as its worker; forecasts and rules likewise. [s of park time]
_BUDGETS_S: Final[Mapping[str, float]] = {"forecast": 120.0, "plan": 300.0, "guard": 1.0, "offers": 900.0}
_GUARD_EVERY: Final = timedelta(seconds=1)
_LOOK_AGAIN_S: Final = 0.5
#: Calls whose answers are said again.
_ANSWERS_KEPT: Final = 1_024


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a controller knows of the one before it.

    Args:
        last_epoch: Under which it spoke; 0 for none.
        guidance: What it followed, as long as nothing newer is there.
    """

    last_epoch: int = 0
    guidance: Guidance | None = None


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """How a controller runs.

    Args:
        control: Period of dispatch.
        plan: Period of forecast and plan, and step of the plan's grid.
        horizon_steps: Intervals of the forecast: two days, and what is missing to a whole hour.
        rules: Period at which the rules look again; at least the control period.
        silent_after: A device that has said nothing for this long, and for three control periods, is left out.
        leases: How long commands hold; stretched to some control periods where these are long, see `LeaseTimes`.
        solve: Budget of a plan.
        reserves: What islands keep in hand against a wrong forecast.
        thresholds: Of the rules.
        day_ahead: Plan once a day and hold what was planned, instead of planning anew every period.
        live: A service beside a real bus, not a simulation in lock-step: it begins at once, follows rules until there is a plan,
            answers between two periods, arms devices, and begins a loop that failed again.
    """

    control: timedelta = timedelta(seconds=1)
    plan: timedelta = timedelta(minutes=15)
    horizon_steps: int = 196
    rules: timedelta = timedelta(minutes=1)
    silent_after: timedelta = timedelta(seconds=45)
    leases: LeaseTimes = field(default_factory=LeaseTimes)
    solve: SolveSettings = field(default_factory=SolveSettings)
    reserves: ReserveRule = field(default_factory=ReserveRule)
    thresholds: RuleThresholds = field(default_factory=RuleThresholds)
    day_ahead: bool = False
    live: bool = False

    def fitted(self) -> ControllerSettings:
        """The same, with times that fit its control period: between two periods nobody is silent and no lease over."""
        return replace(
            self,
            # A whole number of control periods: both loops then meet at the same instants, whatever the period.
            rules=-(-self.rules // self.control) * self.control,
            silent_after=max(self.silent_after, _SILENT_PERIODS * self.control),
            leases=self.leases.at_period(self.control),
        )

    def horizon(self, at: datetime) -> TimeGrid:
        """The forecast's grid from an instant on; the plan makes a coarser one of it."""
        return TimeGrid.regular(at, self.plan, self.horizon_steps)


class Controller:
    """One park's controller on one bus.

    With a forecaster, or a foresight in its place, it plans; without either it follows the rules. Loops are subscribed when it
    is made, so that nothing said between then and `run` is lost.

    Args:
        park: What is in service.
        bus: Where devices speak.
        clock: Whose time.
        settings: How it runs.
        foreteller: Who forecasts; None for the rules.
        worker: Where the solver runs.
        foresight: Who knows the future, instead of a foreteller; for runs that ask what perfect forecasts would be worth.
        before: What is known of the controller before this one.
    """

    def __init__(  # noqa: PLR0913  everything it is put together from, each by its name
        self,
        park: Park,
        bus: Bus,
        clock: Clock,
        settings: ControllerSettings,
        foreteller: Foreteller | None = None,
        worker: Worker | None = None,
        foresight: Foresight | None = None,
        before: Remembered | None = None,
    ) -> None:
        self.park, self.clock, self._foreteller, self._foresight = park, clock, foreteller, foresight
        settings = self._settings = settings.fitted()
        before = before or Remembered()
        self._began_s = clock.monotonic_s()
        #: Told of what someone should look at; whoever records replaces it.
        self.trouble: Trouble = no_trouble
        self.supervisor = Supervisor(clock, BackOff() if settings.live else None, lambda key, text: self.trouble(key, text))
        self.commander = Commander(bus, park.id, clock, before.last_epoch)
        listening = InboxSettings(settings.silent_after)
        self.inbox = Inbox(bus, park.id, clock.now, listening, on_ack=self.commander.acknowledged, on_event=self._hear_event)
        self.inbox.doubtful = lambda: self.commander.overdue(_ANSWER_PERIODS * settings.control.total_seconds())
        self.forecasts: Mailbox[Forecast] = Mailbox()
        self.told: Mailbox[Told] = Mailbox()
        self.guidance: Mailbox[Guidance] = Mailbox(before.guidance)
        self.peaks = PeakMeter(park.zone)
        #: Brings on the next dispatch, and the next look of the plan.
        self.dispatch_wakes, self.plan_wakes = Wakes(Bell()), Wakes(Bell(), gather_s=0.5, apart_s=5.0)
        #: Brings on the next forecast, as when there are better models.
        self.forecast_wakes = Wakes(Bell(), gather_s=0.5, apart_s=5.0)
        #: Further conditions that are an alarm as long as they hold, and where forecasts stand, of whoever sees to them.
        self.also_watch: list[Callable[[datetime], Mapping[str, str]]] = []
        self.forecast_facts: Callable[[], Mapping[str, object]] = self._given_forecasts
        #: Whether a call of the grid is taken; set by whoever keeps a book of its own.
        self.on_called: Callable[[ConnectionId, GridEvent, bool], None] = _nobody
        rules = RuleGuide(park, settings.thresholds)
        self.guide: Guide = rules
        #: Who plans, if anybody does.
        self.planner: PlanGuide | None = None
        if self._plans:
            known = Known(self.forecasts, self.peaks, foresight)
            plans = self.planner = PlanGuide(park, known, worker or InlineWorker(), settings.solve, settings.reserves, rules)
            self.guide = DayAheadGuide(plans, rules) if settings.day_ahead else plans
            self.also_watch.append(plans.conditions)
        self.guard = Guard(park, self.commander, lambda: self.inbox.snapshot(clock.now()), self.dispatch_wakes.bell.ring)
        #: Who says what can be promised, once somebody asks for it, and what calls were answered.
        self.offers: OfferDesk | None = None
        self._answers: dict[tuple[str, int], Verdict] = {}
        #: What was said of each call last, and whether a plan in lock-step is due for it.
        self._heard: dict[str, tuple[int, bool]] = {}
        self._asked_anew = False
        self.commander.may_lower = self._may_lower
        self.inbox.on_backlog = self.commander.answer_backlog
        if settings.reserves.arrivals_level is not None:
            watch = ArrivalsWatch(park)
            self.inbox.on_cluster, self.inbox.arriving = watch.heard, watch.outlook
        if settings.live:
            self._come_alive(rules)

    @property
    def _plans(self) -> bool:
        return self._foreteller is not None or self._foresight is not None

    def _given_forecasts(self) -> Mapping[str, object]:
        """Of a forecaster that was handed in and sees to its models and its weather itself."""
        told = self.told.value
        return (
            {} if told is None else {"given": True, "issued_at": told.forecast.issued_at.isoformat(), "farms": farm_facts(told)}
        )

    def _may_lower(self, cluster: AssetId) -> Lowering | None:
        now = self.clock.now()
        known = self.inbox.snapshot(now)
        return lowering(known.events, known.overrides, cluster, now)

    def _come_alive(self, rules: RuleGuide) -> None:
        self.guide = LiveGuide(self.guide if self._plans else None, rules, self._settings.plan)
        self.inbox.on_change = self.dispatch_wakes.bell.ring
        self.inbox.on_measured, self.inbox.on_booked = self.guard.measured, self.guard.called
        self.guard.events = self.inbox.events_at
        self.inbox.matters_mw = {AssetId(a.id): _MATTERS_FRAC * rating(a).power_mw for a in self.park.assets}
        self.guard.trouble = lambda key, text: self.trouble(key, text)

    def replan(self) -> None:
        """Something was asked for that the plan does not know yet."""
        self.dispatch_wakes.bell.ring()
        self.plan_wakes.bell.ring()

    async def run(self, *beside: Loop) -> None:
        """All loops until cancelled.

        At one instant the forecast comes before the plan and the plan before the dispatch, because that is the order in which
        they began to wait.

        Args:
            beside: Loops of others under the same supervisor, as a recorder's.
        """
        loops = [Loop("forecast", self._forecast)] if self._plans else []
        loops += [Loop("plan", self._plan), Loop("dispatch", self._dispatch)]
        if self._settings.live:
            loops.append(Loop("guard", self._guard))
            loops += [] if self.offers is None else [Loop("offers", self._offers)]
        await self.supervisor.run([*loops, *beside])

    async def _forecast(self) -> None:
        if isinstance(self._foreteller, ResidentForecaster):
            await self._foreteller.prepare()
        ticks = self._watched("forecast", self._forecast_ticks())
        if self._foresight is not None:
            await run_foresight(ticks, self._foresight, self.forecasts, self.commander)
        elif self._foreteller is not None:
            desk = ForecastDesk(self.forecasts, self.commander, self.told, self.park)
            await run_forecast(ticks, self._foreteller, self._settings.horizon, desk)

    async def _plan(self) -> None:
        ticks = self._watched("plan", self._plan_ticks())
        await run_plan(ticks, self.guide, self.inbox, self.guidance, self.commander)

    async def _dispatch(self) -> None:
        desk = DispatchDesk(self.park, self.inbox, self.guidance, self.commander, self.peaks, self._settings.leases)
        control, wakes = self._settings.control, self.dispatch_wakes
        ticks = woken(self.clock, control, wakes) if self._settings.live else self.clock.every(control)
        await run_dispatch(self._watched("dispatch", ticks), desk)

    async def _guard(self) -> None:
        await run_guard(self._watched("guard", self.clock.every(_GUARD_EVERY)), self.guard)

    def _watched(self, name: str, ticks: AsyncIterator[datetime]) -> AsyncIterator[datetime]:
        return self.supervisor.watched(ticks, name, _BUDGETS_S.get(name, self._settings.control.total_seconds()))

    def _hear_event(self, connection: ConnectionId, said: GridEvent) -> bool:
        """Answers a call of the grid; false if it is refused."""
        refused = judge(self.park, said, connection, self.clock.now())
        known = self._answers.get((said.event_id, said.revision))
        if refused is None and known is None and self.offers is not None and not self._settings.live:
            known = self._judged_at_once(self.offers, connection, said)
        if refused is None and known is not None and known.outcome == "refused":
            refused = known.reason
        self.commander.answer(connection, said, refused, known)
        self.on_called(connection, said, refused is None)
        if refused is None:
            self.plan_wakes.bell.ring()
            self._asked_anew = self._asked_anew or self._heard.get(said.event_id) != (said.revision, said.cancelled)
            self._heard[said.event_id] = (said.revision, said.cancelled)
        return refused is None

    def offer(self, worker: Worker, taught: Correction) -> OfferDesk | None:
        """Begins to say what can be promised, and to judge calls by it; None for a controller that does not plan.

        Args:
            worker: Where programs are solved.
            taught: What replayed offers have taught.
        """
        if self.planner is not None:
            self.offers = OfferDesk(self.planner, self.inbox, worker, taught)
        return self.offers

    def answered(self, connection: ConnectionId, said: GridEvent, refused: Reason | None, verdict: Verdict | None) -> None:
        """Tells the grid what became of a call, and again whenever it is said again."""
        if verdict is not None:
            self._answers[(said.event_id, said.revision)] = verdict
            while len(self._answers) > _ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
        self.commander.answer(connection, said, refused, verdict)

    def _judged_at_once(self, offers: OfferDesk, connection: ConnectionId, said: GridEvent) -> Verdict | None:
        """In lock-step nobody waits for a verdict; what cannot be judged is taken as far as it goes."""
        at = self.clock.now()
        # A call at a cluster's own meter is answered by the cluster itself, revision by revision.
        if said.cancelled or said.asset is not None or at >= said.end:
            return None
        try:
            verdict = offers.judge_now(event_of(said, connection, at), said.confidence, at)
        except VppError:
            return None
        self._answers[(said.event_id, said.revision)] = verdict
        if verdict.outcome != "refused":
            self.inbox.judged(connection, msgspec.structs.replace(said, target_mw=verdict.target_mw))
        return verdict

    async def _offers(self) -> None:
        if self.offers is not None:
            ticks = at_once(self.clock, self._settings.plan, self._may_offer)
            await run_offers(self._watched("offers", ticks), self.offers)

    def _may_offer(self) -> bool:
        return self.forecasts.value is not None and self._has_heard_enough()

    async def _plan_ticks(self) -> AsyncIterator[datetime]:
        settings = self._settings
        if settings.live:
            while not self._has_heard_enough():
                await self.clock.sleep(_LOOK_AGAIN_S)
            yield self.clock.now()
            ticks = woken(self.clock, settings.rules, self.plan_wakes)
        elif not self._plans:
            ticks = self.clock.every(settings.rules)
        elif self.offers is None:
            ticks = self.clock.every(settings.plan)
        else:
            ticks = self._when_asked()
        async for at in ticks:
            yield at

    async def _when_asked(self) -> AsyncIterator[datetime]:
        """In lock-step: every period, and at the control step after a call that was taken, as a service does by its bell."""
        async for at in self.clock.every(self._settings.control):
            if self._asked_anew or floor_to(at, self._settings.plan) == at:
                self._asked_anew = False
                yield at

    def _has_heard_enough(self) -> bool:
        """Everybody has spoken, or has had time to: a plan that takes an unheard fleet for cold would stop it."""
        waited_s = self.clock.monotonic_s() - self._began_s
        return self.inbox.has_heard(a.id for a in self.park.assets) or waited_s > self._settings.silent_after.total_seconds()

    def _forecast_ticks(self) -> AsyncIterator[datetime]:
        step = self._settings.plan
        if not self._settings.live:
            return self.clock.every(step)
        return at_once(self.clock, step, self._has_heard_enough, self.forecast_wakes)


def _nobody(connection: ConnectionId, said: GridEvent, taken: bool) -> None:
    """Nobody keeps a book of calls."""
