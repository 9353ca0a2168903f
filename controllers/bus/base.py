"""What loops, edges and clients may ask of a bus, whichever stands behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

__all__ = ["Bus", "BusCounters", "Handler", "Will"]

#: Takes topic and payload; short and synchronous: it stores or queues, it never waits.
Handler: TypeAlias = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for a client that vanished without a word."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(slots=True)
class BusCounters:
    """What went over the bus since it was made.

    Args:
        posted: Messages given to `post`.
        delivered: Calls of handlers.
        dropped: QoS 0 messages lost because the outbox was full or they had waited too long.
        malformed: Messages that a handler refused, by topic; further topics beyond a bound count under `...`.
        connections: How often the connection was made; the first is 1.
    """

    posted: int = 0
    delivered: int = 0
    dropped: int = 0
    malformed: Counter[str] = field(default_factory=Counter)
    connections: int = 0


class Bus(Protocol):
    """Topics in, topics out."""

    @property
    def connected(self) -> bool:
        """Whether what is posted now goes out now, as far as this side knows."""
        ...

    @property
    def counters(self) -> BusCounters:
        """What went over it."""
        ...

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Hands a message over; never waits.

        Raises:
            BrokerError: The outbox is full of QoS 1 messages, which are never dropped.
        """
        ...

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """Calls a handler for each message whose topic the filter takes, retained ones first.

        Filters of one bus should not overlap: a broker may send a message once for each.
        """
        ...

    async def flush(self) -> None:
        """Returns when everything posted so far has been handed on."""
        ...
