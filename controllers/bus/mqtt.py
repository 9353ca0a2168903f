"""A bus over an MQTT 3.1.1 broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import aiomqtt

from controllers.bus.base import BusCounters, Handler, Will
from controllers.bus.handlers import HandlerTable, Subscription
from controllers.bus.outbox import Outbox, Posted
from vpp.errors import BrokerError
from vpp.wire.topics import fence_topic

__all__ = ["Address", "MqttBus", "MqttSettings", "connected_bus"]

log = logging.getLogger(__name__)

#: Without it every small packet waits for the one before: 44 ms a QoS 1 round trip.
_NO_DELAY: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
#: SUBACK codes from here on are refusals (MQTT 3.1.1, section 3.9.3).
_REFUSED: Final = 0x80
#: Messages sent in one turn of the event loop, about 3 ms.
_TURN: Final = 50
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is, from `mqtt://user:password@host:port` or `mqtts://...`."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in a URL.

        Raises:
            BrokerError: It is not one of an MQTT broker; the message never shows the password.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise BrokerError(f"broker URL: {error}") from error
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise BrokerError(
                f"broker URL with scheme {parts.scheme!r} and host {parts.hostname!r}: "
                "use mqtt://[user:password@]host[:port] or mqtts://..."
            )
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=parts.scheme == "mqtts",
        )


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How a connection behaves.

    Args:
        keepalive_s: A silent broker is given up after one and a half of it.
        timeout_s: For connecting, subscribing and the last flush.
        first_retry_s: Wait before the first new attempt; doubles each time.
        last_retry_s: Longest wait between attempts. Each wait is drawn between half and all of it, so that a thousand
            edges do not come back in the same instant.
        outbox_size: Messages that may wait, see `Outbox`.
        max_wait_s: Longest wait of a QoS 0 message.
        tls: For mqtts; None: the system's authorities.
    """

    keepalive_s: int = 10
    timeout_s: float = 5.0
    first_retry_s: float = 0.1
    last_retry_s: float = 5.0
    outbox_size: int = 10_000
    max_wait_s: float = 5.0
    tls: ssl.SSLContext | None = None


class MqttBus:
    """Posts and handlers over one connection that mends itself; `run` carries it and belongs to a supervisor.

    At each new connection it subscribes anew and sends again what was not acknowledged, so QoS 1 arrives at least
    once; what came while it was away is gone but for retained messages.

    Args:
        url: `mqtt://[user:password@]host[:port]` or `mqtts://...`.
        client_id: Unique among all clients of the broker; a second one with the same id throws the first out.
        will: What the broker says if this side vanishes.
        settings: How the connection behaves.
    """

    def __init__(self, url: str, client_id: str, *, will: Will | None = None, settings: MqttSettings | None = None) -> None:
        self._address, self._client_id, self._will = Address.of(url), client_id, will
        self._settings = settings if settings is not None else MqttSettings()
        self._counters = BusCounters()
        self._table = HandlerTable(self._counters)
        self._outbox = Outbox(self._settings.outbox_size, self._settings.max_wait_s, self._counters)
        self._number = 0
        self._unasked: list[Subscription] = []
        self._unacked: dict[int, Posted] = {}
        self._fence = fence_topic(client_id)
        self._fences: dict[bytes, asyncio.Future[None]] = {}
        self._work = asyncio.Event()
        self._acked = asyncio.Event()
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as this side knows: a dead line shows after the keep-alive."""
        return self._up.is_set()

    @property
    def counters(self) -> BusCounters:
        """What went over it."""
        return self._counters

    def post(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Hands a message to the outbox; never waits.

        Raises:
            BrokerError: The outbox is full of QoS 1 messages, which are never dropped.
        """
        self._counters.posted += 1
        self._enqueue(topic, payload, qos=qos, retain=retain)

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        """Calls a handler for what the filter takes; asked of the broker before anything posted later is sent."""
        subscription = Subscription(topic_filter, handler, qos)
        self._table.add(subscription)
        self._unasked.append(subscription)
        self._work.set()

    async def flush(self) -> None:
        """Returns when the broker has taken everything posted so far: a message of our own has gone there and back.

        It waits as long as there is no connection; give it a time limit where that matters.
        """
        self._number += 1
        nonce = str(self._number).encode()
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fences[nonce] = passed
        last = self._number
        try:
            self._enqueue(self._fence, nonce)
            await passed
            while any(number < last for number in self._unacked):
                self._acked.clear()
                await self._acked.wait()
        finally:
            self._fences.pop(nonce, None)

    async def wait_connected(self) -> None:
        """Returns when the connection stands."""
        await self._up.wait()

    async def run(self) -> None:
        """Connects, and connects again, for ever; ends only by cancellation or an error that is not the network's."""
        wait_s = self._settings.first_retry_s
        while True:
            connections = self._counters.connections
            try:
                await self._session()
            except (aiomqtt.MqttError, OSError) as error:
                if self._counters.connections > connections:
                    wait_s = self._settings.first_retry_s
                log.warning("bus.disconnected client=%s retry_s=%.2f error=%s", self._client_id, wait_s, error)
            finally:
                self._up.clear()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2.0 * wait_s, self._settings.last_retry_s)

    async def _session(self) -> None:
        """One connection, from CONNECT until it breaks."""
        inboxes: list[asyncio.Queue[aiomqtt.Message]] = []
        async with self._client(inboxes) as client:
            self._counters.connections += 1
            self._unasked = list(self._table.subscriptions)
            await self._ask(client, [(self._fence, 0)])
            self._outbox.put_back(list(self._unacked.values()))
            self._unacked.clear()
            for nonce in self._fences:
                self._enqueue(self._fence, nonce)
            self._up.set()
            log.info("bus.connected client=%s host=%s port=%d", self._client_id, self._address.host, self._address.port)
            await self._send_and_receive(client, inboxes[0])

    async def _send_and_receive(self, client: aiomqtt.Client, inbox: asyncio.Queue[aiomqtt.Message]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client, inbox))
                tasks.create_task(self._send(client, tasks))
        except BaseExceptionGroup as group:
            network, other = group.split((aiomqtt.MqttError, OSError))
            if other is not None or network is None:
                raise
            raise aiomqtt.MqttError(str(_alone(network))) from network

    async def _receive(self, client: aiomqtt.Client, inbox: asyncio.Queue[aiomqtt.Message]) -> None:
        async for message in client.messages:
            self._deliver(message)
            # The iterator costs a task a message; what else has come meanwhile is taken straight from the queue.
            while not inbox.empty():
                self._deliver(inbox.get_nowait())

    def _deliver(self, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        payload = message.payload
        if topic != self._fence:
            self._table.deliver(topic, payload)
        elif (passed := self._fences.get(payload)) is not None and not passed.done():
            passed.set_result(None)

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        sent = 0
        while True:
            if self._unasked:
                asked, self._unasked = self._unasked, []
                await self._ask(client, [(s.topic_filter, s.qos) for s in asked])
            message = self._outbox.take(loop.time())
            if message is None:
                self._work.clear()
                await self._work.wait()
            elif message.qos == 0:
                await client.publish(message.topic, message.payload, qos=0, retain=message.retain)
                # A publish that finds room in the socket never waits: a long row of them must let others in between.
                sent += 1
                if sent % _TURN == 0:
                    await asyncio.sleep(0)
            else:
                self._unacked[message.number] = message
                tasks.create_task(self._publish_until_acked(client, message))
                # Gives the task its first step, so that messages leave in the order they were posted in.
                await asyncio.sleep(0)

    async def _publish_until_acked(self, client: aiomqtt.Client, message: Posted) -> None:
        # No time limit of its own: in a long row the last waits for all before it, and a dead broker shows by keep-alive.
        await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain, timeout=math.inf)
        self._unacked.pop(message.number, None)
        self._acked.set()

    async def _ask(self, client: aiomqtt.Client, filters: list[tuple[str, int]]) -> None:
        """Subscribes.

        Raises:
            BrokerError: The broker refuses, as it may for want of rights; trying again would not help.
        """
        codes = await client.subscribe(filters)
        for i, (topic_filter, _) in enumerate(filters):
            code = codes[i]
            value = code if isinstance(code, int) else code.value
            if value >= _REFUSED:
                raise BrokerError(f"{topic_filter}: the broker refuses the subscription (code {value}); check its ACL")

    def _enqueue(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._number += 1
        now_s = asyncio.get_running_loop().time()
        self._outbox.put(Posted(self._number, topic, payload, qos, retain, now_s))
        self._work.set()

    def _client(self, inboxes: list[asyncio.Queue[aiomqtt.Message]]) -> aiomqtt.Client:
        def inbox(maxsize: int) -> asyncio.Queue[aiomqtt.Message]:
            inboxes.append(asyncio.Queue(maxsize))
            return inboxes[-1]

        address, settings, will = self._address, self._settings, self._will
        tls = settings.tls
        if address.tls and tls is None:
            tls = ssl.create_default_context()
        client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.user,
            password=address.password,
            identifier=self._client_id,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will is not None else None,
            clean_session=True,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            tls_context=tls if address.tls else None,
            socket_options=_NO_DELAY,
            # A function that makes the queue is all the client needs, and it leaves us the queue to drain.
            queue_type=cast(Any, inbox),
        )
        # Its warning from ten calls on is not for us: the outbox bounds what is under way.
        client.pending_calls_threshold = settings.outbox_size
        return client


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a group of one was made of, or the group where several came together."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextlib.asynccontextmanager
async def connected_bus(
    url: str, client_id: str, *, will: Will | None = None, settings: MqttSettings | None = None
) -> AsyncIterator[MqttBus]:
    """A bus that stands when the block begins and has sent what it was given when the block ends.

    An error in a handler, unless it is a WireError, ends the block: it is ours, not the sender's.

    Raises:
        BrokerError: No broker answers within the time limit of the settings.
    """
    bus = MqttBus(url, client_id, will=will, settings=settings)
    limit_s = (settings if settings is not None else MqttSettings()).timeout_s
    try:
        async with asyncio.TaskGroup() as tasks:
            runner = tasks.create_task(bus.run())
            await _until_connected(bus, url, limit_s)
            yield bus
            if bus.connected:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bus.flush(), limit_s)
            runner.cancel()
    except BaseExceptionGroup as group:
        raise _alone(group) from None


async def _until_connected(bus: MqttBus, url: str, limit_s: float) -> None:
    try:
        await asyncio.wait_for(bus.wait_connected(), limit_s)
    except TimeoutError as error:
        address = Address.of(url)
        raise BrokerError(
            f"no MQTT broker answers at {address.host}:{address.port} within {limit_s} s; is it running?"
        ) from error
