"""What has arrived and waits for its handler, bounded, with a named rule for what happens when it is full."""

from __future__ import annotations

import asyncio
from collections import deque

import aiomqtt

from controllers.bus.base import BusCounters

__all__ = ["Intake"]


class Intake(asyncio.Queue[aiomqtt.Message]):
    """First in, first out; nobody ever waits to put something in.

    Overflow: the oldest QoS 0 message goes and is counted as `overrun`; newer telemetry is worth more than older. Where all
    that waits is QoS 1, the new message goes and `is_broken` is set: the connection is then given up, and the next one brings
    again what is retained, which everything at QoS 1 is or is repeated.

    Args:
        size: Messages it holds.
        kept_topic: A topic never dropped, over which a client counts its own messages.
        counters: Where drops are counted.
    """

    def __init__(self, size: int, kept_topic: str, counters: BusCounters) -> None:
        super().__init__()
        self._size, self._kept_topic, self._counters = size, kept_topic, counters
        self.is_broken = False

    def _init(self, maxsize: int) -> None:
        del maxsize
        self._queue: deque[aiomqtt.Message] = deque()

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Takes a message, and drops one by the rule when it is full."""
        if self.qsize() >= self._size and not self._made_room(item):
            return
        super().put_nowait(item)

    def _made_room(self, new: aiomqtt.Message) -> bool:
        self._counters.overrun += 1
        for i, waiting in enumerate(self._queue):
            if self._may_go(waiting):
                del self._queue[i]
                return True
        self.is_broken = self.is_broken or not self._may_go(new)
        return False

    def _may_go(self, message: aiomqtt.Message) -> bool:
        return message.qos == 0 and message.topic.value != self._kept_topic
