"""What the controller of a run declared plan by plan, what it was called for, and what devices confirmed to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.loops.ear import Deaf
from controllers.proof import Steps
from controllers.service import Controller
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import floor_to
from vpp.units import FloatArray
from vpp.wire.messages import Ack, Command, GridEvent, Message, PlanCurrent
from vpp.wire.topics import Channel

__all__ = ["Declarations"]

_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Declared:
    made_at: datetime
    edges_s: FloatArray
    import_mw: dict[ConnectionId, FloatArray]


class Declarations(Deaf):
    """Hears plans, calls and acknowledgements; give `attach` to a run as its `prepare`."""

    def __init__(self) -> None:
        self._plans: list[_Declared] = []
        #: By event, the target of its newest revision. [MW]
        self.target_mw: dict[str, float] = {}
        #: By asset, powers that it confirmed, with when. [MW]
        self.confirmed_mw: dict[AssetId, list[tuple[datetime, float]]] = {}

    def attach(self, controller: Controller) -> None:
        """From now on."""
        controller.commander.mouth = self
        controller.inbox.ear = self

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        """A call by change comes as a target: what the connection drew when it was called, less the change."""
        self.target_mw[said.event_id] = said.target_mw

    def acknowledged(self, asset_id: AssetId, said: Ack) -> None:
        """What a device said it goes to; a refusal confirms nothing, and the same again is no news."""
        known = self.confirmed_mw.setdefault(asset_id, [])
        if said.outcome != "rejected" and said.power_mw is not None and (not known or known[-1][1] != said.power_mw):
            known.append((said.acked_at, said.power_mw))

    def sent(self, asset_id: AssetId, command: Command) -> None:
        """Commands are no declarations."""

    def published(self, channel: Channel, message: Message) -> None:
        """Keeps the flows of a plan."""
        if isinstance(message, PlanCurrent):
            edges_s = np.array([edge.timestamp() for edge in message.edges])
            flows = {ConnectionId(one.id): np.array(one.power_mw) for one in message.connections}
            self._plans.append(_Declared(message.issued_at, edges_s, flows))

    def import_mw(self, connection: ConnectionId, known_at: datetime, start: datetime, end: datetime) -> Steps | None:
        """Declared import by quarters of `[start, end)` as it was known at a moment; None before the first plan. [MW]."""
        known = [plan for plan in self._plans if plan.made_at <= known_at and connection in plan.import_mw]
        if not known:
            return None
        plan, first = known[-1], floor_to(start, _QUARTER)
        n = max(1, -((first - end) // _QUARTER))
        at = first.timestamp() + np.arange(n) * _QUARTER.total_seconds()
        place = np.searchsorted(plan.edges_s, at, side="right") - 1
        inside = (place >= 0) & (place < len(plan.import_mw[connection]))
        found: FloatArray = np.full(n, np.nan)
        found[inside] = plan.import_mw[connection][place[inside]]
        return Steps(first, _QUARTER.total_seconds(), found) if inside.any() else None
