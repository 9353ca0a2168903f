"""What someone should look at: conditions that are an alarm as long as they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controllers.bus.base import Bus
from controllers.loops.recorder import Recorder
from controllers.service import Controller

__all__ = ["Watchman"]

_LOOK_EVERY: Final = timedelta(seconds=5)
#: What was told once and not again for so long is over.
_QUIET: Final = timedelta(minutes=5)
#: A service that has just begun goes by rules until its first forecast is there; for so long nobody need look.
_BEGINS: Final = timedelta(minutes=15)
#: A first connection may take so long, also where the park's clock runs fast.
_MEETS: Final = timedelta(minutes=2)
#: A forecast that is this old does not know today's weather.
_STALE: Final = timedelta(hours=2)


@dataclass(slots=True)
class Watchman:
    """Raises an alarm when a condition begins and clears it when it ends.

    Args:
        controller: Who is watched.
        bus: Its connection.
        recorder: Where alarms go.
    """

    controller: Controller
    bus: Bus
    recorder: Recorder
    _standing: frozenset[str] = frozenset()
    _told: dict[str, datetime] = field(default_factory=dict)
    _next: datetime | None = None
    _began: datetime | None = None
    _has_planned: bool = False
    _has_met: bool = False

    def __post_init__(self) -> None:
        controller, told = self.controller, self.controller.trouble

        def note(key: str, text: str) -> None:
            self._told[key] = controller.commander.now()
            told(key, text)

        controller.trouble = note

    def look(self, at: datetime) -> None:
        """Every few seconds, whoever asks."""
        if self._next is not None and at < self._next:
            return
        self._next = at + _LOOK_EVERY
        found = self._conditions(at)
        for key in found.keys() - self._standing:
            self.recorder.alarm(key, found[key])
        for key in self._standing - found.keys():
            self.recorder.alarm(key, None)
        self._standing = frozenset(found)
        for key, since in list(self._told.items()):
            if at - since > _QUIET:
                del self._told[key]
                self.recorder.alarm(key, None)

    def _conditions(self, at: datetime) -> dict[str, str]:
        controller, found = self.controller, dict[str, str]()
        self._began = self._began or at
        self._has_met |= self.bus.connected
        if not self.bus.connected and (self._has_met or at - self._began >= _MEETS):
            found["broker.away"] = "the broker is away; devices follow their leases, then their fallback"
        snapshot = controller.inbox.snapshot(at)
        for asset_id in sorted(snapshot.silent):
            found[f"silent.{asset_id}"] = f"{asset_id} is silent; it is left out, and what it draws is seen by the area's meters"
        for asset_id, said in snapshot.assets.items():
            if not said.follows:
                found[f"refuses.{asset_id}"] = f"{asset_id} does not follow its commands; its share has moved to others"
        guidance, forecast = controller.guidance.value, controller.forecasts.value
        self._has_planned |= guidance is not None and guidance.source not in ("rules", "last_plan")
        begins = not self._has_planned and at - self._began < _BEGINS
        if controller.planner is not None and guidance is not None and guidance.source in ("rules", "last_plan") and not begins:
            found["plan.missing"] = f"there is no new plan; {guidance.source} in force"
        if forecast is not None and at - forecast.issued_at > _STALE:
            found["forecast.stale"] = f"the last forecast is of {forecast.issued_at.isoformat()}"
        for watch in controller.also_watch:
            found |= watch(at)
        if "forecast.no_models" in found:
            found.pop("plan.missing", None)  # one reason is said once
        return found
