"""The screen on the API's own parts: the same live view, the same ledger, the same door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from fastapi import FastAPI

from controllers.api.bodies import OverrideBody, ReleaseBody
from controllers.api.context import Parts
from controllers.api.forecast_facts import ForecastStanding, standing_of
from controllers.api.ledger_facts import AlarmFacts, EventFacts, Measurement, OverrideFacts, PlanFacts
from controllers.api.limits import override_faults
from controllers.api.live_state import LiveState
from controllers.api.roles import Caller, Right
from controllers.api.unwritten import UNWRITTEN
from controllers.screen.dress import dress_with
from vpp.errors import AccessError, StoreError
from vpp.park import Park
from vpp.wire.messages import ComputeShift, ForecastCurrent, PlanCurrent

__all__ = ["PartsSource", "dress"]


def dress(app: FastAPI) -> None:
    """Puts the screen on an application of `controllers.api`; what `run_api(dress=...)` takes."""
    parts: Parts = app.state.parts
    dress_with(app, PartsSource(parts), parts.settings.language)


class PartsSource:
    """As `ScreenSource`.

    Args:
        parts: Of the application.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def park(self) -> Park:
        """What is in service."""
        return self._parts.park

    def now(self) -> datetime:
        """Park time (UTC)."""
        return self._parts.clock.now()

    def state(self) -> LiveState:
        """All assets and connections at this moment."""
        return self._parts.live.state(self.now())

    def plan(self) -> PlanCurrent | None:
        """The plan that is followed."""
        return self._parts.live.plan

    def forecast(self) -> ForecastCurrent | None:
        """What is expected."""
        return self._parts.live.forecast

    def shifts(self) -> Mapping[str, ComputeShift]:
        """The last signal to each cluster."""
        return self._parts.live.shifts

    async def series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Measurement]:
        """Means of what was measured."""
        return await self._parts.in_thread(self._parts.ledger.series, subjects, quantity, start, end, step)

    async def plans(self, start: datetime, end: datetime) -> Sequence[PlanFacts]:
        """Plans made in a span, oldest first."""
        return await self._parts.in_thread(self._plans, start, end)

    async def alarms(self) -> Sequence[AlarmFacts]:
        """Those that stand or that nobody has seen."""
        return await self._parts.alarms()

    async def events(self) -> Sequence[EventFacts]:
        """Calls of the grid, oldest first."""
        return await self._parts.in_thread(self._parts.ledger.events)

    async def overrides(self) -> Sequence[OverrideFacts]:
        """Decisions of people that stand or are to come."""
        return await self._parts.in_thread(self._parts.ledger.overrides_open, self.now())

    async def override(self, body: OverrideBody, caller: Caller) -> tuple[str, ...]:
        """A person's decision, judged and written as by `POST /v1/overrides`.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
            StoreError: It could not be written.
        """
        if not caller.may(Right.OVERRIDE) or not self.still(caller):
            raise AccessError(f"{caller.role} {caller.name} may not override assets")
        at, ledger = self.now(), self._parts.ledger
        faults = tuple(fault.line() for fault in override_faults(self.park, body, at))
        if faults:
            return faults
        if isinstance(body, ReleaseBody):
            number = (await self._parts.in_thread(ledger.release, body.asset_id, caller.name, body.why, at)).number
        else:
            number = (await self._parts.in_thread(ledger.ask_override, body, caller.name, at)).number
        self._parts.told("override", number)
        return ()

    async def close_override(self, number: int, caller: Caller) -> None:
        """Ends one override, as by `DELETE /v1/overrides/{number}`.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
            StoreError: It could not be written.
        """
        if not caller.may(Right.OVERRIDE) or not self.still(caller):
            raise AccessError(f"{caller.role} {caller.name} may not override assets")
        at = self.now()
        row = next((one for one in await self.overrides() if one.number == number), None)
        if row is not None:
            await self._parts.in_thread(self._parts.ledger.close_override, row, caller.name, at)
            self._parts.told("override", number)

    async def standing(self) -> ForecastStanding:
        """Where forecasts stand."""
        return standing_of(await self._parts.in_thread(self._parts.ledger.controller_health))

    async def acknowledge(self, number: int, caller: Caller) -> None:
        """Somebody has seen an alarm.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
            StoreError: It could not be written.
        """
        if not caller.may(Right.ACKNOWLEDGE) or not self.still(caller):
            raise AccessError(f"{caller.role} {caller.name} may not acknowledge alarms")
        row = next((one for one in await self.alarms() if one.number == number), None)
        if row is not None and row.key == UNWRITTEN:
            raise StoreError("the ledger is not written, and so cannot note it; this alarm ends by itself")
        if row is not None:
            await self._parts.in_thread(self._parts.ledger.acknowledge, row, caller.name, "", self.now())
            self._parts.nudge.set()

    def owner(self, credential: str, address: str) -> Caller:
        """Whose key or token this is; wrong ones are counted at the same door as everywhere.

        Raises:
            AccessError: It opens nothing, or too many wrong ones came from this address.
        """
        if not credential:
            raise AccessError("show a key or a token")
        return self._parts.door.owner(credential, address, self._parts.door.now())

    def still(self, caller: Caller) -> bool:
        """Whether a credential has not ended."""
        return caller.until_s is None or caller.until_s > self._parts.door.now().timestamp()

    def _plans(self, start: datetime, end: datetime) -> list[PlanFacts]:
        heads = reversed(self._parts.ledger.plans(start, end))
        found = (self._parts.ledger.plan(head.plan_id) for head in heads)
        return [plan for plan in found if plan is not None]
