"""The time barrier between two processes: whose turn it is, said over a socket of its own.

The broker may be killed while virtual time stands at an instant; whoever waited for it would wait for ever. So turns go over a
Unix socket, and what goes over the broker is waited for only while both sides are connected to it, and never for long.

With each turn goes the number of messages that the other side must have heard before it looks: exact, whatever the QoS and
however slow the broker, and without a round trip. Once a connection has broken nobody knows what was lost; from then on both
sides send a message of their own to the broker and back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from controllers.bus.base import Bus, BusCounters, Handler
from vpp.wire.topics import matches

__all__ = [
    "Bye",
    "Done",
    "Failed",
    "Fence",
    "Go",
    "Line",
    "Listening",
    "Ready",
    "Summary",
    "TalliedBus",
    "Tally",
    "Word",
    "call",
    "listening",
]

#: Longest wait of the wall clock for what a broker that answers should have handed on; then time goes on without it.
_PATIENCE_S: Final = 5.0
_LOOK_S: Final = 0.01


class Tally(msgspec.Struct, frozen=True):
    """What a side says of the broker.

    Args:
        sent: Messages that it has posted and the other side listens to, since the beginning.
        connections: How often its connection was made; 1 as long as none broke.
        connected: Whether it stands.
    """

    sent: int
    connections: int
    connected: bool


class Go(msgspec.Struct, frozen=True, tag="go", tag_field="word"):
    """To the controller: your turn at this instant, in microseconds since 1970."""

    tally: Tally
    until_us: int


class Fence(msgspec.Struct, frozen=True, tag="fence", tag_field="word"):
    """Either way: I have said something; let it reach you, answer it, and tell me when the answer is under way."""

    tally: Tally


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="word"):
    """From the controller: nothing more to do at this instant; commands sent so far."""

    tally: Tally
    commands: int


class Ready(msgspec.Struct, frozen=True, tag="ready", tag_field="word"):
    """From the controller: its loops wait for time to pass, and these are the topics it listens to."""

    filters: tuple[str, ...]


class Listening(msgspec.Struct, frozen=True, tag="listening", tag_field="word"):
    """To the controller: these are the topics that the world listens to."""

    filters: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="word"):
    """From the controller: what is wrong, one line a fault."""

    faults: tuple[str, ...]


class Bye(msgspec.Struct, frozen=True, tag="bye", tag_field="word"):
    """To the controller: the run is over."""


class Summary(msgspec.Struct, frozen=True, tag="summary", tag_field="word"):
    """From the controller at the end."""

    commands: int
    ack_p99_ms: float | None


Word: TypeAlias = Go | Fence | Done | Ready | Listening | Failed | Bye | Summary
_DECODER: Final = msgspec.json.Decoder(Word)


class Line:
    """One end of the socket; words are lines of JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, word: Word) -> bool:
        """Sends a word; False when nobody is there any more."""
        try:
            self._writer.write(msgspec.json.encode(word) + b"\n")
            await self._writer.drain()
        except (ConnectionError, OSError):
            return False
        return True

    async def hear(self) -> Word | None:
        """The next word; None when the other side has gone, however it went."""
        try:
            line = await self._reader.readline()
        except (ConnectionError, OSError):
            return None
        return _DECODER.decode(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()


@contextlib.asynccontextmanager
async def listening(path: Path) -> AsyncIterator[asyncio.Future[Line]]:
    """Waits at a Unix socket for the one who calls."""
    called: asyncio.Future[Line] = asyncio.get_running_loop().create_future()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not called.done():
            called.set_result(Line(reader, writer))

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield called
    finally:
        if called.done():
            called.result().close()
        server.close()


async def call(path: Path) -> Line:
    """Calls whoever listens there."""
    return Line(*await asyncio.open_unix_connection(path))


class TalliedBus:
    """A bus that counts what it sends to the other side and hears from it.

    A side that listens where it speaks hears its own words again, which are no word of the other side; a topic has one speaker.

    Args:
        bus: Over the broker.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._filters: list[str] = []
        self._wanted: tuple[str, ...] = ()
        #: By topic that this side speaks on.
        self._is_wanted: dict[str, bool] = {}
        self._sent = self._heard = 0
        self._news = asyncio.Event()

    @property
    def connected(self) -> bool:
        """As the bus behind it."""
        return self._bus.connected

    @property
    def counters(self) -> BusCounters:
        """Of the bus behind it."""
        return self._bus.counters

    @property
    def filters(self) -> tuple[str, ...]:
        """What this side listens to."""
        return tuple(self._filters)

    @property
    def tally(self) -> Tally:
        """What the other side must know."""
        return Tally(self._sent, self.counters.connections, self.connected)

    def count_what(self, filters: tuple[str, ...]) -> None:
        """Counts from now on what the other side listens to; nothing must have been sent before."""
        self._wanted = filters
        self._is_wanted.clear()

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """As the bus behind it."""
        wanted = self._is_wanted.get(topic)
        if wanted is None:
            wanted = self._is_wanted[topic] = any(matches(f, topic) for f in self._wanted)
        self._sent += wanted
        self._bus.post(topic, payload, qos=qos, retain=retain)

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """As the bus behind it."""
        self._filters.append(topic_filter)

        def arrives(topic: str, payload: bytes) -> None:
            if topic not in self._is_wanted:
                self._heard += 1
                self._news.set()
            handler(topic, payload)

        self._bus.subscribe(topic_filter, arrives, qos)

    async def flush(self) -> None:
        """Returns when all is handed on, when the connection breaks, or when patience ends."""
        flushed = asyncio.ensure_future(self._bus.flush())
        end_s = _now_s() + _PATIENCE_S
        try:
            while self.connected and _now_s() < end_s:
                done, _ = await asyncio.wait([flushed], timeout=_LOOK_S)
                if done:
                    return
        finally:
            flushed.cancel()

    async def catch_up(self, other: Tally) -> None:
        """Returns when what the other side has sent is here, as far as anybody can know."""
        if not other.connected:
            return
        if other.connections != 1 or self.counters.connections != 1:
            await self.until_connected()
            await self.flush()
            return
        end_s = _now_s() + _PATIENCE_S
        while self._heard < other.sent and self.connected and _now_s() < end_s:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S / 10.0):
                    await self._news.wait()

    async def hand_on(self) -> None:
        """Before this side says how much it has sent: after a connection broke, all of it must be with the broker."""
        if self.counters.connections != 1:
            await self.flush()

    async def until_connected(self) -> None:
        """Returns when the connection stands, or when patience ends."""
        end_s = _now_s() + _PATIENCE_S
        # A bus says nothing when its connection comes back.
        while not self.connected and _now_s() < end_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
