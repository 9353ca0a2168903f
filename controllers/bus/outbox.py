"""What waits to be sent, bounded, with a named rule for what happens when it is full."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from controllers.bus.base import BusCounters
from vpp.errors import BrokerError

__all__ = ["Outbox", "Posted"]


@dataclass(frozen=True, slots=True)
class Posted:
    """One message on its way.

    Args:
        number: Counts up over all messages of a bus.
        topic: Where to.
        payload: What.
        qos: 0 or 1.
        retain: Whether the broker keeps it.
        posted_s: When, on the event loop's clock.
    """

    number: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    posted_s: float


class Outbox:
    """First in, first out.

    Overflow: the oldest QoS 0 message goes and is counted; a box full of QoS 1 alone refuses the new one.
    Age: a QoS 0 message that waited longer than `max_wait_s` is dropped and counted, so that the end of an outage does
    not bring a flood of what nobody can use any more.

    Args:
        size: Messages it holds.
        max_wait_s: Longest wait of a QoS 0 message.
        counters: Where drops are counted.
    """

    def __init__(self, size: int, max_wait_s: float, counters: BusCounters) -> None:
        self._size, self._max_wait_s, self._counters = size, max_wait_s, counters
        self._waiting: deque[Posted] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Posted) -> None:
        """Takes a message.

        Raises:
            BrokerError: It is full of QoS 1 messages.
        """
        if len(self._waiting) >= self._size:
            self._make_room(message)
        self._waiting.append(message)

    def put_back(self, messages: list[Posted]) -> None:
        """Takes back, before all others, what was sent but not acknowledged before the connection broke."""
        self._waiting.extendleft(reversed(messages))

    def take(self, now_s: float) -> Posted | None:
        """The next message that is still worth sending."""
        while self._waiting:
            message = self._waiting.popleft()
            if message.qos > 0 or now_s - message.posted_s <= self._max_wait_s:
                return message
            self._counters.dropped += 1
        return None

    def _make_room(self, message: Posted) -> None:
        for i, waiting in enumerate(self._waiting):
            if waiting.qos == 0:
                del self._waiting[i]
                self._counters.dropped += 1
                return
        raise BrokerError(
            f"{message.topic}: the outbox holds {self._size} QoS 1 messages and no broker takes them; "
            "check the connection to the broker"
        )
