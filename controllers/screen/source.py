"""What the screen needs to know, and the little it may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from controllers.api.bodies import OverrideBody
from controllers.api.forecast_facts import ForecastStanding
from controllers.api.ledger_facts import AlarmFacts, EventFacts, Measurement, OverrideFacts, PlanFacts
from controllers.api.live_state import LiveState
from controllers.api.roles import Caller
from vpp.park import Park
from vpp.wire.messages import ComputeShift, ForecastCurrent, PlanCurrent

__all__ = ["ScreenSource"]


class ScreenSource(Protocol):
    """The present comes from the bus and is at hand; the past and what people asked come from the ledger."""

    @property
    def park(self) -> Park:
        """What is in service."""
        ...

    def now(self) -> datetime:
        """Park time (UTC)."""
        ...

    def state(self) -> LiveState:
        """All assets and connections at this moment."""
        ...

    def plan(self) -> PlanCurrent | None:
        """The plan that is followed."""
        ...

    def forecast(self) -> ForecastCurrent | None:
        """What is expected."""
        ...

    def shifts(self) -> Mapping[str, ComputeShift]:
        """The last signal to each cluster."""
        ...

    async def series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Measurement]:
        """Means of what was measured; a step without a value is None."""
        ...

    async def plans(self, start: datetime, end: datetime) -> Sequence[PlanFacts]:
        """Plans made in a span, oldest first."""
        ...

    async def alarms(self) -> Sequence[AlarmFacts]:
        """Those that stand or that nobody has seen."""
        ...

    async def events(self) -> Sequence[EventFacts]:
        """Calls of the grid, oldest first."""
        ...

    async def overrides(self) -> Sequence[OverrideFacts]:
        """Decisions of people that stand or are to come."""
        ...

    async def override(self, body: OverrideBody, caller: Caller) -> tuple[str, ...]:
        """A person's decision about one asset; on disk, and the controller told, when this returns without faults.

        Returns:
            What is wrong with it, a line each; then nothing was done.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
        """
        ...

    async def close_override(self, number: int, caller: Caller) -> None:
        """Ends one override, now or before it begins; one that is over already stays so.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
        """
        ...

    async def standing(self) -> ForecastStanding:
        """Where forecasts stand, as the controller last noted it."""
        ...

    async def acknowledge(self, number: int, caller: Caller) -> None:
        """Somebody has seen an alarm; on disk when this returns.

        Raises:
            AccessError: The caller's role may not, or their credential has ended.
        """
        ...

    def owner(self, credential: str, address: str) -> Caller:
        """Whose key or token this is.

        Raises:
            AccessError: It opens nothing, or too many wrong ones came from this address.
        """
        ...

    def still(self, caller: Caller) -> bool:
        """Whether a credential that was let in has not ended since."""
        ...
