"""What the meter of a connection shows beside what dispatch has cleared there: losses, lags, machines that do not do as told.

A clearing adds up what machines will draw. The grid's meter sees what they do draw, and all that nobody counts. The difference is
followed as a mean over half a minute, and an event's target is moved by it, so that the meter and not the sum keeps the target.
It is an observer, no integrator: what was moved before does not add up. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from vpp.events import Event
from vpp.ids import ConnectionId
from vpp.park import Park

__all__ = ["Trim"]

#: The mean goes back about so far. [s]
_MEMORY_S: Final = 30.0
#: Of the last difference at most this counts at once, however long ago the one before was.
_MOST_AT_ONCE: Final = 0.5
#: A meter that lies must not drive the park: the share of the import limit that a target may be moved by.
_MOST_FRAC: Final = 0.1


@dataclass(frozen=True, slots=True)
class Trim:
    """What is known of the difference, by connection.

    Args:
        at: When this was learnt; None before the first clearing.
        flow_mw: Import that was cleared then. [MW]
        beyond_mw: How much more the meter shows than was cleared, in the mean. [MW]
    """

    at: datetime | None = None
    flow_mw: Mapping[ConnectionId, float] = field(default_factory=dict)
    beyond_mw: Mapping[ConnectionId, float] = field(default_factory=dict)

    def seen(self, park: Park, at: datetime, import_mw: Mapping[ConnectionId, float]) -> Trim:
        """With what the meters show of the last clearing; a meter that says nothing leaves things as they are.

        Args:
            park: For the limits.
            at: Now.
            import_mw: Metered, by connection. [MW]
        """
        if self.at is None or at <= self.at:
            return self
        share = min(-math.expm1(-(at - self.at).total_seconds() / _MEMORY_S), _MOST_AT_ONCE)
        beyond = dict(self.beyond_mw)
        for connection in park.connections:
            if connection.id in import_mw and connection.id in self.flow_mw:
                most = _MOST_FRAC * connection.import_limit_mw
                before, now = beyond.get(connection.id, 0.0), import_mw[connection.id] - self.flow_mw[connection.id]
                beyond[connection.id] = min(max(before + share * (now - before), -most), most)
        return replace(self, at=at, beyond_mw=beyond)

    def applied(self, events: Iterable[Event], at: datetime) -> tuple[Event, ...]:
        """Events with the targets that dispatch has to clear for, so that the meter shows those that were called."""
        return tuple(self._moved(event) if event.in_force(at) else event for event in events)

    def cleared(self, at: datetime, flow_mw: Mapping[ConnectionId, float]) -> Trim:
        """With the import that was cleared just now, by connection. [MW]."""
        return replace(self, at=at, flow_mw=flow_mw)

    def _moved(self, event: Event) -> Event:
        beyond_mw = self.beyond_mw.get(event.connection, 0.0)
        return replace(event, target_mw=event.target_mw - beyond_mw) if beyond_mw else event
