"""Who decides in a living service: rules until there is a forecast, then a plan every period, and at once when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers.dispatch.guidance import Guidance
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander
from controllers.loops.plan import Guide, RuleGuide
from vpp.events import Event, Override
from vpp.timegrid import floor_to

__all__ = ["LiveGuide"]


@dataclass(slots=True)
class LiveGuide:
    """Asked every minute and whenever something has changed; plans where a plan is due.

    Args:
        plans: Who plans; None without forecasts.
        rules: Who decides until then, and where there is no plan.
        period: Between two plans.
    """

    plans: Guide | None
    rules: RuleGuide
    period: timedelta
    _planned_at: datetime | None = None
    _asked: tuple[tuple[Event, ...], tuple[Override, ...]] = ((), ())
    _last: Guidance | None = None

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """A new plan where one is due; None where the one in force goes on; the rules where there is none."""
        if self.plans is not None and self._is_due(snapshot):
            planned = await self.plans.guide(snapshot)
            if planned is not None:
                self._planned_at = floor_to(snapshot.at, self.period)
                self._asked = (snapshot.events, snapshot.overrides)
                self._last = planned
                return planned
        if self._last is not None and self._last.source != "rules":
            return None
        self._last = await self.rules.guide(snapshot)
        return self._last

    def announce(self, commander: Commander) -> None:
        """The plan behind the last guidance, if there is one."""
        if self.plans is not None and self._last is not None and self._last.source != "rules":
            self.plans.announce(commander)

    def _is_due(self, snapshot: Snapshot) -> bool:
        """Once a period, and when the grid or a person asks for something new."""
        if self._planned_at is None or snapshot.at >= self._planned_at + self.period:
            return True
        return self._asked != (snapshot.events, snapshot.overrides)
