"""Where messages arrive: nothing waits here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiomqtt

__all__ = ["Intake"]


class Intake(asyncio.Queue[aiomqtt.Message]):
    """In the place of the library's queue: hands each message on as it is read from the socket.

    So the inbound queue is bounded by nothing's being in it. Overflow: a side that reads too slowly leaves the rest with the
    broker, which gives it up (the embedded one at 32 MB or after 10 s); the next connection brings again what is retained.
    A task between socket and handler would cost more than both.

    Args:
        deliver: Takes a message; short and synchronous.
    """

    def __init__(self, deliver: Callable[[aiomqtt.Message], None]) -> None:
        super().__init__()
        self._deliver = deliver
        #: What a handler failed with; it ends the connection and comes out there, since nobody up here could be told.
        self.failure: Exception | None = None

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Delivers a message; after a failure no more."""
        if self.failure is not None:
            return
        try:
            self._deliver(item)
        except Exception as error:  # the caller is the library, which would swallow it
            self.failure = error
            super().put_nowait(item)
