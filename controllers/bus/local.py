"""A bus inside one process: for simulation faster than real time, with the manners of a broker."""

from __future__ import annotations

from collections import deque

from controllers.bus.base import BusCounters, Handler, Will
from controllers.bus.handlers import HandlerTable, Subscription
from vpp.wire.topics import matches

__all__ = ["LocalBus", "LocalLink"]


class LocalBus:
    """Delivers at once, in the order of subscription, before the outermost `post` returns.

    What a handler posts is delivered after the message it was called for has reached everybody, so that all see the
    same order; retained messages are kept and given to whoever subscribes later.
    """

    def __init__(self) -> None:
        self._counters = BusCounters(connections=1)
        self._table = HandlerTable(self._counters)
        self._retained: dict[str, bytes] = {}
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._delivering = False

    @property
    def connected(self) -> bool:
        """Always: there is nothing in between."""
        return True

    @property
    def counters(self) -> BusCounters:
        """What went over it."""
        return self._counters

    @property
    def retained(self) -> dict[str, bytes]:
        """The retained messages by topic, a copy."""
        return dict(self._retained)

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:  # noqa: ARG002  Protocol
        """Delivers a message; an empty retained one forgets the topic, as with a broker."""
        self._counters.posted += 1
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        self._waiting.append((topic, payload))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._waiting:
                self._table.deliver(*self._waiting.popleft())
        finally:
            self._delivering = False

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """Calls the handler for what the filter takes, beginning with what is retained."""
        subscription = Subscription(topic_filter, handler, qos)
        self._table.add(subscription)
        for topic, payload in self.retained.items():
            if matches(topic_filter, topic):
                self._table.hand(subscription, topic, payload)

    async def flush(self) -> None:
        """Returns at once: nothing is ever left waiting."""

    def link(self, will: Will | None = None) -> LocalLink:
        """A connection of its own to this bus, which can be cut like a cable."""
        return LocalLink(self, will)


class LocalLink:
    """One participant's connection to a `LocalBus`: a bus itself, which can be cut and mended.

    Args:
        bus: What it leads to.
        will: Posted when it is cut.
    """

    def __init__(self, bus: LocalBus, will: Will | None = None) -> None:
        self._bus, self._will = bus, will
        self._counters = BusCounters(connections=1)
        self._table = HandlerTable(self._counters)
        self._kept: list[tuple[str, bytes, bool]] = []
        self._connected = True

    @property
    def connected(self) -> bool:
        """Whether it is whole."""
        return self._connected

    @property
    def counters(self) -> BusCounters:
        """What went over this link."""
        return self._counters

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Hands a message to the bus; while the link is cut, QoS 1 is kept for later, QoS 0 dropped and counted."""
        self._counters.posted += 1
        if self._connected:
            self._bus.post(topic, payload, qos=qos, retain=retain)
        elif qos > 0:
            self._kept.append((topic, payload, retain))
        else:
            self._counters.dropped += 1

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """Calls the handler for what arrives while the link is whole."""
        subscription = Subscription(topic_filter, handler, qos)
        self._table.add(subscription)

        def arrives(topic: str, payload: bytes) -> None:
            if self._connected:
                self._table.hand(subscription, topic, payload)

        self._bus.subscribe(topic_filter, arrives, qos)

    async def flush(self) -> None:
        """Returns at once: nothing is ever left waiting."""

    def cut(self) -> None:
        """The cable is pulled: nothing passes, and the bus says the last will."""
        if self._connected:
            self._connected = False
            if self._will is not None:
                self._bus.post(self._will.topic, self._will.payload, qos=self._will.qos, retain=self._will.retain)

    def mend(self) -> None:
        """The cable is back: what was kept goes out, and retained messages come again, as after any new connection."""
        if not self._connected:
            self._connected = True
            self._counters.connections += 1
            kept, self._kept = self._kept, []
            for topic, payload, retain in kept:
                self._bus.post(topic, payload, qos=1, retain=retain)
            for subscription in self._table.subscriptions:
                for topic, payload in self._bus.retained.items():
                    if matches(subscription.topic_filter, topic):
                        self._table.hand(subscription, topic, payload)
