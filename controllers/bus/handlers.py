"""Who is called for which topic, and what happens when a message is malformed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from controllers.bus.base import BusCounters, Handler
from vpp.errors import WireError
from vpp.wire.topics import matches

log = logging.getLogger(__name__)

#: A sender that makes up topics must not fill the memory.
_MAX_TOPICS: Final = 10_000
_MAX_MALFORMED_TOPICS: Final = 1_000
_OTHER_TOPICS: Final = "..."


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler and what it listens to."""

    topic_filter: str
    handler: Handler
    qos: int


class HandlerTable:
    """Subscriptions in their order; delivers a message to each that takes its topic.

    Args:
        counters: Where deliveries and malformed messages are counted.
    """

    def __init__(self, counters: BusCounters) -> None:
        self._counters = counters
        self._subscriptions: list[Subscription] = []
        self._by_topic: dict[str, tuple[Subscription, ...]] = {}

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All of them, oldest first."""
        return tuple(self._subscriptions)

    def add(self, subscription: Subscription) -> None:
        """Takes one more."""
        self._subscriptions.append(subscription)
        self._by_topic.clear()

    def deliver(self, topic: str, payload: bytes) -> None:
        """Calls all whose filter takes the topic; a malformed message is counted, logged and never stops others."""
        takers = self._by_topic.get(topic)
        if takers is None:
            takers = tuple(s for s in self._subscriptions if matches(s.topic_filter, topic))
            if len(self._by_topic) >= _MAX_TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = takers
        for taker in takers:
            self.hand(taker, topic, payload)

    def hand(self, taker: Subscription, topic: str, payload: bytes) -> None:
        """Calls one."""
        self._counters.delivered += 1
        try:
            taker.handler(topic, payload)
        except WireError as error:
            self._count_malformed(topic, error)

    def _count_malformed(self, topic: str, error: WireError) -> None:
        malformed = self._counters.malformed
        name = topic if topic in malformed or len(malformed) < _MAX_MALFORMED_TOPICS else _OTHER_TOPICS
        malformed[name] += 1
        n = malformed[name]
        # The first, second, fourth, eighth ...: a sick device that sends every second must not fill the disk.
        if n & (n - 1) == 0:
            log.warning("bus.malformed topic=%s count=%d rule=%s", topic, n, error)
