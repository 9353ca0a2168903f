"""Just enough of MQTT 3.1.1 at QoS 0 on a bare socket: the bound that our own client is measured against on one broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controllers.bus.address import Address

__all__ = ["Bare", "bare_client"]


class Bare(asyncio.Protocol):
    """Sends and hears.

    Args:
        name: The client's.
        topics: What it subscribes to.
        heard: Told of each message: the client, topic, payload.
    """

    def __init__(self, name: str, topics: tuple[str, ...], heard: Callable[[Bare, bytes, bytes], None]) -> None:
        self._name, self._topics, self._heard = name, topics, heard
        self._buffer = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = len(topics)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says who it is."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a stream socket
        self._transport.write(_packet(0x10, _text("MQTT") + b"\x04\x02\x02\x58" + _text(self._name)))

    def data_received(self, data: bytes) -> None:
        """Packets as they come."""
        self._buffer += data
        while (found := _first(self._buffer)) is not None:
            kind, body, self._buffer = found
            if kind == 0x20:
                for k, topic in enumerate(self._topics, start=1):
                    self._transport.write(_packet(0x82, k.to_bytes(2, "big") + _text(topic) + b"\x00"))
            elif kind == 0x90:
                self._left -= 1
            elif kind & 0xF0 == 0x30:
                size = int.from_bytes(body[:2], "big")
                self._heard(self, body[2 : 2 + size], body[2 + size :])
            if kind in (0x20, 0x90) and self._left == 0 and not self.ready.done():
                self.ready.set_result(None)

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 0."""
        self._transport.write(_packet(0x30, _text(topic) + payload))

    def close(self) -> None:
        """Hangs up."""
        self._transport.close()


def _text(words: str) -> bytes:
    return len(words).to_bytes(2, "big") + words.encode()


def _packet(kind: int, body: bytes) -> bytes:
    left, size = len(body), bytearray()
    while True:
        left, digit = divmod(left, 128)
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(size) + body


def _first(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first whole packet and what comes after it."""
    size, shift = 0, 0
    for k in range(1, min(len(data), 5)):
        size |= (data[k] & 0x7F) << shift
        shift += 7
        if not data[k] & 0x80:
            end = k + 1 + size
            return (data[0], data[k + 1 : end], data[end:]) if len(data) >= end else None
    return None


async def bare_client(url: str, name: str, topics: tuple[str, ...], heard: Callable[[Bare, bytes, bytes], None]) -> Bare:
    """A socket that is subscribed to some topics.

    Args:
        url: Of the broker.
        name: The client's.
        topics: What it hears.
        heard: Told of each message: the client, topic, payload.
    """
    where = Address.of(url)
    _, protocol = await asyncio.get_running_loop().create_connection(lambda: Bare(name, topics, heard), where.host, where.port)
    await protocol.ready
    return protocol
