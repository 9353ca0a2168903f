"""The controller put together: inbox, loops and commander under one supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from controllers.bus.base import Bus
from controllers.clock import Clock
from controllers.dispatch.events import judge
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.orders import LeaseTimes
from controllers.loops.commander import Commander
from controllers.loops.day_ahead import DayAheadGuide
from controllers.loops.dispatch import DispatchDesk, run_dispatch
from controllers.loops.forecast import Forecaster, run_forecast
from controllers.loops.foresight import Foresight, run_foresight
from controllers.loops.inbox import Inbox, InboxSettings
from controllers.loops.mailbox import Mailbox
from controllers.loops.plan import Guide, Known, PlanGuide, RuleGuide, run_plan
from controllers.loops.registers import PeakMeter
from controllers.loops.ticks import at_once
from controllers.loops.worker import InlineWorker, Worker
from controllers.planner import SolveSettings
from controllers.planner.assemble import ReserveRule
from controllers.planner.rules import RuleThresholds
from forecasting.forecast import Forecast
from vpp.ids import ConnectionId
from vpp.park import Park
from vpp.timegrid import TimeGrid
from vpp.wire.messages import GridEvent

__all__ = ["Controller", "ControllerSettings"]

#: Reports that may be lost in a row before a device counts as silent.
_SILENT_PERIODS: Final = 3


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
        begin_at_once: Forecast and plan as soon as devices have spoken, and not only at the next full period.
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
    begin_at_once: bool = False

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
        forecaster: Models and the door to what is known; None for the rules.
        worker: Where the solver runs.
        foresight: Who knows the future, instead of a forecaster; for runs that ask what perfect forecasts would be worth.
    """

    def __init__(  # noqa: PLR0913  everything it is put together from, each by its name
        self,
        park: Park,
        bus: Bus,
        clock: Clock,
        settings: ControllerSettings,
        forecaster: Forecaster | None = None,
        worker: Worker | None = None,
        foresight: Foresight | None = None,
    ) -> None:
        self.park, self._clock, self._forecaster, self._foresight = park, clock, forecaster, foresight
        settings = self._settings = settings.fitted()
        self._began_s = clock.monotonic_s()
        self.commander = Commander(bus, park.id, clock)
        listening = InboxSettings(settings.silent_after)
        self.inbox = Inbox(bus, park.id, clock.now, listening, on_ack=self.commander.acknowledged, on_event=self._hear_event)
        self.forecasts: Mailbox[Forecast] = Mailbox()
        self.guidance: Mailbox[Guidance] = Mailbox()
        self.peaks = PeakMeter(park.zone)
        rules = RuleGuide(park, settings.thresholds)
        self.guide: Guide = rules
        if self._plans:
            known = Known(self.forecasts, self.peaks, foresight)
            plans = PlanGuide(park, known, worker or InlineWorker(), settings.solve, settings.reserves, rules)
            self.guide = DayAheadGuide(plans, rules) if settings.day_ahead else plans

    @property
    def _plans(self) -> bool:
        return self._forecaster is not None or self._foresight is not None

    async def run(self) -> None:
        """All loops until cancelled; one that fails takes the others with it, and the edges go to their fallback.

        At one instant the forecast comes before the plan and the plan before the dispatch, because that is the order in which
        they began to wait.
        """
        settings = self._settings
        desk = DispatchDesk(self.park, self.inbox, self.guidance, self.commander, self.peaks, settings.leases)
        async with asyncio.TaskGroup() as tasks:
            if self._foresight is not None:
                ticks = self._ticks(settings.plan, self._has_heard_enough)
                tasks.create_task(run_foresight(ticks, self._foresight, self.forecasts, self.commander), name="forecast")
            elif self._forecaster is not None:
                ticks = self._ticks(settings.plan, self._has_heard_enough)
                tasks.create_task(
                    run_forecast(ticks, self._forecaster, settings.horizon, self.forecasts, self.commander), name="forecast"
                )
            plans = self._plan_ticks()
            tasks.create_task(run_plan(plans, self.guide, self.inbox, self.guidance, self.commander), name="plan")
            tasks.create_task(run_dispatch(self._clock.every(settings.control), desk), name="dispatch")

    def _hear_event(self, connection: ConnectionId, said: GridEvent) -> bool:
        """Answers a call of the grid; false if it is refused."""
        refused = judge(self.park, said, connection, self._clock.now())
        self.commander.answer(connection, said, refused)
        return refused is None

    def _plan_ticks(self) -> AsyncIterator[datetime]:
        if not self._plans:
            return self._ticks(self._settings.rules, self._has_heard_enough)
        return self._ticks(self._settings.plan, lambda: self.forecasts.value is not None)

    def _has_heard_enough(self) -> bool:
        """Everybody has spoken, or has had time to: a plan that takes an unheard fleet for cold would stop it."""
        waited_s = self._clock.monotonic_s() - self._began_s
        return self.inbox.has_heard(a.id for a in self.park.assets) or waited_s > self._settings.silent_after.total_seconds()

    def _ticks(self, step: timedelta, ready: Callable[[], bool]) -> AsyncIterator[datetime]:
        return at_once(self._clock, step, ready) if self._settings.begin_at_once else self._clock.every(step)
