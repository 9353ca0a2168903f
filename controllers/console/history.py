"""The last day in steps of five minutes: a bounded ring of means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from controllers.console.flows import area_flows
from controllers.console.frame import Moment
from vpp.park import Park

__all__ = ["KEPT", "STEP", "History"]

STEP: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    n: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.n += 1

    @property
    def value(self) -> float:
        return self.total / self.n


@dataclass(slots=True)
class _Slot:
    assets: dict[str, _Mean] = field(default_factory=dict)
    connections: dict[str, _Mean] = field(default_factory=dict)
    moment: Moment | None = None


class History:
    """Means of every asset and connection by step, kept for a day.

    Readings count where they were measured, so that what an edge sends after an outage fills the gap it left.
    """

    def __init__(self, park: Park) -> None:
        self._park = park
        self._slots: dict[datetime, _Slot] = {}

    def asset(self, at: datetime, asset_id: str, power_mw: float) -> None:
        """Takes a reading of an asset or a cluster."""
        slot = self._slot(at)
        slot.assets.setdefault(asset_id, _Mean()).add(power_mw)

    def connection(self, at: datetime, connection_id: str, import_mw: float) -> None:
        """Takes a reading of a connection."""
        slot = self._slot(at)
        slot.connections.setdefault(connection_id, _Mean()).add(import_mw)

    def moments(self) -> tuple[Moment, ...]:
        """The steps of the last day in which anything was heard, oldest first."""
        return tuple(self._moment(start, self._slots[start]) for start in sorted(self._slots))

    def _slot(self, at: datetime) -> _Slot:
        start = at - (at - _EPOCH) % STEP
        slot = self._slots.get(start)
        if slot is None:
            slot = self._slots[start] = _Slot()
            # By count and not by age: one device with a clock that runs ahead must not wipe out the day.
            while len(self._slots) > KEPT // STEP:
                del self._slots[min(self._slots)]
        slot.moment = None
        return slot

    def _moment(self, start: datetime, slot: _Slot) -> Moment:
        if slot.moment is None:
            slot.moment = Moment(start, area_flows(self._park, _values(slot.assets), _values(slot.connections)))
        return slot.moment


def _values(means: Mapping[str, _Mean]) -> Mapping[str, float]:
    return {name: mean.value for name, mean in means.items()}
