"""The bus over a real broker: order, outages, kills."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controllers.bus.base import Handler, Will
from controllers.bus.broker import EmbeddedBroker, embedded_broker
from controllers.bus.mqtt import MqttSettings, connected_bus
from vpp.errors import BrokerError, WireError

QUICK = MqttSettings(first_retry_s=0.02, last_retry_s=0.1)


async def until(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Returns when something holds; a test that waits for ever fails."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110  what is awaited lies beyond the broker and has no event of ours
            await asyncio.sleep(0.005)


def noting(seen: list[str]) -> Handler:
    return lambda topic, payload: seen.append(f"{topic} {payload.decode()}")


async def test_a_flush_returns_after_everything_before_it_has_gone_round(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    async with connected_bus(broker.url, "one") as bus:
        bus.subscribe("vpp/v1/p/#", noting(seen))
        for number in range(500):
            bus.post("vpp/v1/p/n", str(number).encode())
        await bus.flush()
        assert seen == [f"vpp/v1/p/n {number}" for number in range(500)]


async def test_a_flush_waits_for_the_acknowledgement_of_qos_1(broker: EmbeddedBroker) -> None:
    late: list[str] = []
    async with connected_bus(broker.url, "one") as one, connected_bus(broker.url, "two") as two:
        for number in range(50):
            one.post(f"vpp/v1/p/kept/{number}", b"x", qos=1, retain=True)
        await one.flush()
        two.subscribe("vpp/v1/p/kept/+", noting(late), qos=1)
        await until(lambda: len(late) == 50, limit_s=20.0)


async def test_a_bus_ends_although_the_library_swallows_that_it_is_ended(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = aiomqtt.Client.subscribe

    async def swallowing(self: aiomqtt.Client, *words: Any, **more: Any) -> Any:
        codes = await asks(self, *words, **more)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return codes

    async with asyncio.timeout(10.0):
        async with connected_bus(broker.url, "one", settings=replace(QUICK, timeout_s=1.0)) as bus:
            monkeypatch.setattr(aiomqtt.Client, "subscribe", swallowing)
            bus.subscribe("vpp/v1/p/#", noting([]))
            await asyncio.sleep(0.1)
            bus.post("vpp/v1/p/n", b"x", qos=1)


async def test_messages_leave_no_garbage_that_only_a_collection_can_free(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    async with connected_bus(broker.url, "one") as bus:
        bus.subscribe("vpp/v1/p/#", noting(seen))
        bus.post("vpp/v1/p/n", b"first")
        await bus.flush()
        gc.collect()
        gc.disable()
        try:
            for number in range(500):
                bus.post("vpp/v1/p/n", str(number).encode())
            await bus.flush()
            assert len(seen) == 501
            assert gc.collect() < 100
        finally:
            gc.enable()


async def test_what_was_posted_before_the_end_of_the_block_has_gone_out(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    async with connected_bus(broker.url, "listener") as listener:
        listener.subscribe("vpp/v1/p/last", noting(seen))
        await listener.flush()
        async with connected_bus(broker.url, "speaker") as speaker:
            speaker.post("vpp/v1/p/last", b"word")
        await until(lambda: seen == ["vpp/v1/p/last word"])


async def test_a_malformed_message_is_counted_and_the_next_one_arrives(broker: EmbeddedBroker) -> None:
    seen: list[str] = []

    def strict(topic: str, payload: bytes) -> None:
        if payload == b"bad":
            raise WireError(f"{topic}: bad")
        seen.append(payload.decode())

    async with connected_bus(broker.url, "one") as bus:
        bus.subscribe("vpp/v1/p/x", strict)
        bus.post("vpp/v1/p/x", b"bad")
        bus.post("vpp/v1/p/x", b"good")
        await bus.flush()
        assert bus.counters.malformed == {"vpp/v1/p/x": 1}
        assert seen == ["good"]


async def test_an_error_in_a_handler_of_ours_ends_the_bus_and_is_not_hidden(broker: EmbeddedBroker) -> None:
    async def live() -> None:
        async with connected_bus(broker.url, "one") as bus:
            bus.subscribe("vpp/v1/p/x", lambda _topic, _payload: [][0])
            bus.post("vpp/v1/p/x", b"1")
            await asyncio.Event().wait()

    with pytest.raises(IndexError):
        async with asyncio.timeout(5.0):
            await live()


async def test_an_error_inside_the_block_comes_out_as_it_is(broker: EmbeddedBroker) -> None:
    with pytest.raises(WireError, match="mine"):
        async with connected_bus(broker.url, "one"):
            raise WireError("mine")


async def test_a_killed_broker_comes_back_with_subscriptions_and_retained_messages(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    late: list[str] = []
    async with connected_bus(broker.url, "one", settings=QUICK) as one, connected_bus(broker.url, "two") as two:
        two.subscribe("vpp/v1/p/live", noting(seen))
        one.post("vpp/v1/p/kept", b"before", qos=1, retain=True)
        await asyncio.gather(one.flush(), two.flush())
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await broker.wait()
        await until(lambda: not one.connected and not two.connected)
        one.post("vpp/v1/p/live", b"meanwhile", qos=1)
        await broker.start()
        await until(lambda: one.connected and two.connected)
        await two.flush()  # what it subscribed to has been asked for again before the flush's own message
        one.post("vpp/v1/p/live", b"after")
        await until(lambda: "vpp/v1/p/live after" in seen)
        two.subscribe("vpp/v1/p/kept", noting(late), qos=1)
        await until(lambda: late == ["vpp/v1/p/kept before"])
        assert (one.counters.connections, two.counters.connections) == (2, 2)


async def test_qos_1_that_nobody_acknowledged_is_sent_again_after_the_outage(broker: EmbeddedBroker) -> None:
    late: list[str] = []
    async with connected_bus(broker.url, "one", settings=QUICK) as one:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await broker.wait()
        for number in range(20):
            one.post(f"vpp/v1/p/kept/{number}", b"x", qos=1, retain=True)
        await broker.start()
        await one.flush()
        async with connected_bus(broker.url, "two") as two:
            two.subscribe("vpp/v1/p/kept/+", noting(late), qos=1)
            await until(lambda: len(late) == 20)


VICTIM = """
import asyncio, sys
from controllers.bus.base import Will
from controllers.bus.mqtt import connected_bus

async def main():
    will = Will("vpp/v1/p/status", b"offline")
    async with connected_bus(sys.argv[1], "victim", will=will) as bus:
        bus.post("vpp/v1/p/status", b"online", qos=1, retain=True)
        await bus.flush()
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_when_a_client_is_killed_its_last_will_is_said_and_kept(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    late: list[str] = []
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", VICTIM, broker.url, stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"ready\n"
    async with connected_bus(broker.url, "watcher") as watcher:
        watcher.subscribe("vpp/v1/p/status", noting(seen), qos=1)
        await until(lambda: seen == ["vpp/v1/p/status online"])
        victim.kill()
        await victim.communicate()
        await until(lambda: seen[-1] == "vpp/v1/p/status offline")
    async with connected_bus(broker.url, "joins_late") as joins_late:
        joins_late.subscribe("vpp/v1/p/status", noting(late), qos=1)
        await until(lambda: late == ["vpp/v1/p/status offline"])


async def test_an_orderly_end_says_no_last_will(broker: EmbeddedBroker) -> None:
    seen: list[str] = []
    async with connected_bus(broker.url, "watcher") as watcher:
        watcher.subscribe("vpp/v1/p/#", noting(seen), qos=1)
        await watcher.flush()
        async with connected_bus(broker.url, "leaves", will=Will("vpp/v1/p/status", b"offline", qos=0, retain=False)):
            pass
        watcher.post("vpp/v1/p/end", b"")
        await watcher.flush()
        assert seen == ["vpp/v1/p/end "]


async def test_where_no_broker_answers_the_error_says_so(broker: EmbeddedBroker) -> None:
    await broker.stop()
    with pytest.raises(BrokerError, match="no MQTT broker answers"):
        async with connected_bus(broker.url, "one", settings=MqttSettings(timeout_s=0.2)):
            pytest.fail("there is nothing to connect to")


async def test_a_port_that_is_taken_is_named(broker: EmbeddedBroker, tmp_path: Path) -> None:
    port = int(broker.url.rpartition(":")[2])
    with pytest.raises(BrokerError, match=f"port {port} is taken"):
        await EmbeddedBroker(tmp_path / "second", port).start()


async def test_the_broker_ends_with_its_block(tmp_path: Path) -> None:
    async with embedded_broker(tmp_path / "own") as url:
        port = int(url.rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


PARENT = """
import asyncio, sys
from pathlib import Path
from controllers.bus.broker import EmbeddedBroker

async def main():
    broker = EmbeddedBroker(Path(sys.argv[1]))
    await broker.start()
    print(broker.url.rpartition(":")[2], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends a child with its parent")
async def test_the_broker_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, str(tmp_path / "orphan"), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    parent.kill()
    await parent.communicate()

    def is_closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    await until(is_closed)
