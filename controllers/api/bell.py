"""Rings the controller when something new stands in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from controllers.bus.base import Bus
from vpp.errors import BrokerError
from vpp.wire.codec import encode
from vpp.wire.messages import Ask, AskKind
from vpp.wire.topics import Channel, topic_of

__all__ = ["Bell"]


class Bell:
    """The doorbell: best effort, because the controller looks into the ledger every few seconds anyway.

    Args:
        bus: Towards the controller.
        park: The park's id.
        now: Park time.
    """

    def __init__(self, bus: Bus, park: str, now: Callable[[], datetime]) -> None:
        self._bus, self._park, self._now = bus, park, now
        self.rung = 0
        self.unheard = 0

    def ring(self, kind: AskKind, number: int) -> None:
        """Says that a row was written; a bell that cannot ring costs seconds, never the order."""
        message = Ask(kind=kind, number=number, asked_at=self._now())
        try:
            self._bus.post(topic_of(self._park, Channel.ASK, kind), encode(message))
        except BrokerError:
            self.unheard += 1
        else:
            self.rung += 1
