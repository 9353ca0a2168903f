"""A bus over an MQTT 3.1.1 broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import aiomqtt
from paho.mqtt.matcher import MQTTMatcher

from controllers.bus.address import Address, knock, refusal
from controllers.bus.base import BusCounters, Handler, Will
from controllers.bus.cork import Cork
from controllers.bus.handlers import HandlerTable, Subscription
from controllers.bus.intake import Intake
from controllers.bus.outbox import Outbox, Posted
from vpp.errors import BrokerError, IdError
from vpp.wire.topics import fence_topic

__all__ = ["Address", "MqttBus", "MqttSettings", "connected_bus"]

log = logging.getLogger(__name__)

#: Without it every small packet waits for the one before: 44 ms a QoS 1 round trip.
_NO_DELAY: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
#: SUBACK codes from here on are refusals (MQTT 3.1.1, section 3.9.3).
_REFUSED: Final = 0x80
#: Messages sent in one turn of the event loop, about 3 ms.
_TURN: Final = 50


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
        insist: Whether a refused user, certificate or subscription is tried again for ever, as beside a device that nobody
            visits; without it the first connection ends with what is wrong.
    """

    keepalive_s: int = 10
    timeout_s: float = 5.0
    first_retry_s: float = 0.1
    last_retry_s: float = 5.0
    outbox_size: int = 10_000
    max_wait_s: float = 5.0
    tls: ssl.SSLContext | None = None
    insist: bool = False


class _SubscriptionRefusedError(BrokerError):
    """The broker does not let us listen."""


class MqttBus:
    """Posts and handlers over one connection that mends itself; `run` carries it and belongs to a supervisor.

    At each new connection it subscribes anew and sends again what was not acknowledged, so QoS 1 arrives at least
    once; what came while it was away is gone but for retained messages.

    Args:
        url: `mqtt://[user:password@]host[:port]` or `mqtts://...`.
        client_id: Unique among all clients of the broker; a second one with the same id throws the first out. Dots become
            `_` on the wire: NATS takes none there.
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
        self._fence = _fence_of(self._address.user, client_id)
        self._fences: dict[bytes, asyncio.Future[None]] = {}
        self._work = asyncio.Event()
        self._acked = asyncio.Event()
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._refused: str | None = None
        self._failures: Counter[str] = Counter()
        #: Why the last connection broke or did not come about.
        self.last_failure = ""

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
        # Clients of one user share its fence.
        nonce = f"{self._client_id} {self._number}".encode()
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

    @property
    def refused(self) -> str | None:
        """Why the broker will not have us, or we not it; None as long as that is not known."""
        return self._refused

    async def wait_let_in(self) -> None:
        """Returns when the connection stands.

        Raises:
            BrokerError: The broker refuses us, or we it, in one line; trying again would not help.
        """
        await self._tried.wait()
        if self._refused is not None:
            raise BrokerError(self._refused)

    async def run(self) -> None:
        """Connects, and connects again, for ever; ends only by cancellation or an error that is not the network's.

        Raises:
            BrokerError: At the first connection the broker refuses a subscription, unless the settings insist.
        """
        wait_s = self._settings.first_retry_s
        while True:
            connections = self._counters.connections
            try:
                await self._session()
            except _SubscriptionRefusedError as error:
                # A broker that was just restarted may refuse for a moment what it has granted before.
                if connections == 0 and not self._settings.insist:
                    raise
                self._note(error)
            except (aiomqtt.MqttError, OSError) as error:
                if self._counters.connections > connections:
                    wait_s = self._settings.first_retry_s
                elif self._address.tls:
                    await self.knock()
                self._note(error)
            finally:
                self._up.clear()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2.0 * wait_s, self._settings.last_retry_s)

    async def knock(self) -> None:
        """Learns whether the broker refuses our certificate, which looks like a broken line from here."""
        error = await knock(self._address, self._tls(), timeout_s=self._settings.timeout_s, listens=True)
        if error is not None:
            self._note_refusal(error)

    def _note_refusal(self, error: Exception) -> str | None:
        refused = refusal(error, self._address)
        if refused is not None:
            self._refused = refused
            self._tried.set()
        return refused

    def _note(self, error: Exception) -> None:
        """Keeps and logs why a connection broke or did not come about."""
        why = self._note_refusal(error) or self._refused or str(error) or type(error).__name__
        self.last_failure = why
        self._failures[why] += 1
        n = self._failures[why]
        # The first, second, fourth ...: an outage of days at an attempt every few seconds must not fill the disk.
        if n & (n - 1) == 0:
            log.warning("bus.disconnected client=%s count=%d error=%s", self._client_id, n, why)

    async def _session(self) -> None:
        """One connection, from CONNECT until it breaks."""
        if self._address.tls and (self._failures or not self._counters.connections):
            error = await knock(self._address, self._tls(), timeout_s=self._settings.timeout_s, listens=False)
            if error is not None:
                raise error
        intake = Intake(self._deliver)
        async with self._client(intake) as client:
            self._counters.connections += 1
            self._failures.clear()
            self._unasked = list(self._table.subscriptions)
            await self._ask(client, [(self._fence, 0)])
            self._outbox.put_back(list(self._unacked.values()))
            self._unacked.clear()
            for nonce in self._fences:
                self._enqueue(self._fence, nonce)
            self._refused = None
            self._up.set()
            self._tried.set()
            log.info("bus.connected client=%s host=%s port=%d", self._client_id, self._address.host, self._address.port)
            await self._send_and_receive(client, intake)

    async def _send_and_receive(self, client: aiomqtt.Client, intake: Intake) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client, intake))
                tasks.create_task(self._send(client, tasks))
        except BaseExceptionGroup as group:
            network, other = group.split((aiomqtt.MqttError, OSError, _SubscriptionRefusedError))
            if other is not None or network is None:
                raise
            error = _alone(network)
            if isinstance(error, _SubscriptionRefusedError):
                raise error from None
            raise aiomqtt.MqttError(str(error)) from error

    async def _receive(self, client: aiomqtt.Client, intake: Intake) -> None:
        """Waits for the end of the connection, or for what a handler failed with."""
        async for _ in client.messages:
            if intake.failure is not None:
                raise intake.failure

    def _deliver(self, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        payload = message.payload
        if topic != self._fence:
            self._table.deliver(topic, payload)
        elif (passed := self._fences.get(payload)) is not None and not passed.done():
            passed.set_result(None)

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        loop, cork = asyncio.get_running_loop(), Cork(_line_of(client))
        sent = 0
        while True:
            if self._unasked:
                cork.release()
                asked, self._unasked = self._unasked, []
                await self._ask(client, [(s.topic_filter, s.qos) for s in asked])
            _end_if_ended()
            message = self._outbox.take(loop.time())
            if message is None:
                cork.release()
                self._work.clear()
                await self._work.wait()
            elif message.qos == 0:
                if len(self._outbox):
                    cork.hold()
                await _publish_at_once(client, message)
                # A publish that finds room in the socket never waits: a long row of them must let others in between.
                sent += 1
                if sent % _TURN == 0:
                    cork.release()
                    await asyncio.sleep(0)
            else:
                cork.release()
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
            BrokerError: The broker refuses, as it does for want of rights.
        """
        codes = await client.subscribe(filters)
        for i, (topic_filter, _) in enumerate(filters):
            code = codes[i]
            value = code if isinstance(code, int) else code.value
            if value >= _REFUSED:
                raise _SubscriptionRefusedError(
                    f"{topic_filter}: the broker refuses the subscription (code {value}); check its ACL"
                )

    def _enqueue(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._number += 1
        now_s = asyncio.get_running_loop().time()
        self._outbox.put(Posted(self._number, topic, payload, qos, retain, now_s))
        self._work.set()

    def _tls(self) -> ssl.SSLContext | None:
        if not self._address.tls:
            return None
        return self._settings.tls or ssl.create_default_context()

    def _client(self, intake: Intake) -> aiomqtt.Client:
        address, settings, will = self._address, self._settings, self._will
        client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.user,
            password=address.password,
            identifier=self._client_id.replace(".", "_"),
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will is not None else None,
            clean_session=True,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            tls_context=self._tls(),
            socket_options=_NO_DELAY,
            # A function that makes the queue is all the client needs, and it leaves us the queue to drain.
            queue_type=cast(Any, lambda maxsize: intake),  # noqa: ARG005  its own bound is not ours
        )
        # Its warning from ten calls on is not for us: the outbox bounds what is under way.
        client.pending_calls_threshold = settings.outbox_size
        client._client._on_message_filtered = _NoFilters()  # type: ignore[no-untyped-call]
        return client


class _NoFilters(MQTTMatcher):
    """In place of the client's own table of handlers, which stays empty here: one queue takes everything.

    A look into that table leaves a circle of six objects behind for each message. At a thousand messages a second the collection
    of that garbage held the loop for 10 ms and more every second (`benchmarks/bench_dispatch_live.py`).
    """

    def iter_match(self, topic: str) -> Iterator[Any]:
        del topic
        return iter(())


def _fence_of(user: str | None, client_id: str) -> str:
    """A user may be let speak on the fence of its own name alone; without one, the client's id names it."""
    if user is not None:
        with contextlib.suppress(IdError):
            return fence_topic(user)
    return fence_topic(client_id)


async def _publish_at_once(client: aiomqtt.Client, message: Posted) -> None:
    """Writes a QoS 0 message to the socket, and waits only behind others when that is full.

    The library's own way costs as much again, since it waits for every message as if it were to be acknowledged.

    Raises:
        MqttError: The line is broken.
    """
    inner = client._client
    if inner.want_write():
        await client.publish(message.topic, message.payload, qos=0, retain=message.retain)
        return
    sent = inner.publish(message.topic, message.payload, 0, message.retain)
    if sent.rc != 0:
        raise aiomqtt.MqttError(f"cannot publish (code {int(sent.rc)})")


def _line_of(client: aiomqtt.Client) -> socket.socket | None:
    """The socket of a connection, where it is one of the system's own."""
    line = client._client.socket()  # the library gives no other way to it
    return line if isinstance(line, socket.socket) else None


def _end_if_ended() -> None:
    """The library waits by a wait_for of its own, which may swallow that a task is being ended."""
    me = asyncio.current_task()
    if me is not None and me.cancelling():
        raise asyncio.CancelledError


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
        BrokerError: No broker answers within the time limit of the settings, or it refuses us.
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
                    async with asyncio.timeout(limit_s):
                        await bus.flush()
            runner.cancel()
    except BaseExceptionGroup as group:
        raise _alone(group) from None


async def _until_connected(bus: MqttBus, url: str, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await bus.wait_let_in()
    except TimeoutError as error:
        address = Address.of(url)
        if address.tls:
            await bus.knock()
            if bus.refused is not None:
                raise BrokerError(bus.refused) from error
        why = f" ({bus.last_failure})" if bus.last_failure else ""
        raise BrokerError(
            f"no MQTT broker answers at {address.host}:{address.port} within {limit_s} s{why}; is it running, is this its port?"
        ) from error
