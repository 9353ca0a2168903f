"""Rights on a real broker: what `vpp acl` writes is what the broker keeps to."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from controllers.bus.acl import kept_passwords, nats_authorization, passwords_text, write_private
from controllers.bus.base import Will
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttBus, MqttSettings, connected_bus
from controllers.bus.nats_config import PROBE
from controllers.bus.rights import Right, rights_of
from controllers.cli_acl import acl, add_acl_command
from vpp.errors import BrokerError
from vpp.wire.topics import Channel, topic_of

PARK = Path(__file__).resolve().parents[2] / "seeds" / "parks" / "two_areas.yaml"
PARK_ID = "two_areas"
ONE, OTHER = "bess.hongshan", "bess.envision"
QUICK = MqttSettings(first_retry_s=0.02, last_retry_s=0.1)
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Guarded:
    """A broker that asks everybody who they are."""

    url: str
    passwords: dict[str, str]

    def url_of(self, user: str, password: str | None = None) -> str:
        return self.url.replace("://", f"://{user}:{password or self.passwords[user]}@")


def write_rights(*words: str) -> None:
    parser = argparse.ArgumentParser()
    add_acl_command(parser.add_subparsers())
    assert acl(parser.parse_args(["acl", "--park", str(PARK), *words])) == 0


@asynccontextmanager
async def nats(folder: Path) -> AsyncIterator[Guarded]:
    file = folder / "rights.conf"
    write_rights("--out", str(file))
    broker = EmbeddedBroker(folder / "broker", rights_file=file)
    await broker.start()
    try:
        yield Guarded(broker.url, _passwords(file))
    finally:
        await broker.stop()


@asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[Guarded]:
    if MOSQUITTO is None:
        pytest.skip("no mosquitto here: apt-get install mosquitto")
    file = folder / "acl"
    write_rights("--broker", "mosquitto", "--out", str(file))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    # As its own user: as root it would give up its rights, and with them those to read the files.
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous false",
        f"acl_file {file}",
        f"password_file {file}.passwd",
        "user root",
    )
    config.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", config, stderr=asyncio.subprocess.DEVNULL)
    try:
        await until(lambda: _answers(port))
        yield Guarded(f"mqtt://127.0.0.1:{port}", _passwords(file))
    finally:
        process.terminate()
        await process.wait()


def _passwords(file: Path) -> dict[str, str]:
    return dict(tomllib.loads(file.with_name(f"{file.name}.passwords.toml").read_text()))


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=[nats, mosquitto], ids=["nats", "mosquitto"])
async def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with request.param(tmp_path) as broker:
        yield broker


async def until(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110  what is awaited lies beyond the broker and has no event of ours
            await asyncio.sleep(0.005)


def joined(guarded: Guarded, user: str, will: Will | None = None) -> AbstractAsyncContextManager[MqttBus]:
    return connected_bus(guarded.url_of(user), user, will=will, settings=QUICK)


def topic(channel: Channel, subject: str) -> str:
    return topic_of(PARK_ID, channel, subject)


async def test_a_device_speaks_for_itself_and_for_nobody_else(guarded: Guarded) -> None:
    heard: list[str] = []
    async with joined(guarded, "controller") as control, joined(guarded, f"asset.{ONE}") as device:
        control.subscribe(f"vpp/v1/{PARK_ID}/#", lambda name, _payload: heard.append(name), qos=1)
        await control.flush()
        for subject in (OTHER, ONE):
            for channel in (Channel.ASSET_TELEMETRY, Channel.ASSET_STATUS, Channel.ASSET_ACK):
                device.post(topic(channel, subject), b"x", qos=1 if channel is Channel.ASSET_STATUS else 0, retain=True)
        await device.flush()
        await control.flush()
    assert sorted(heard) == sorted(topic(c, ONE) for c in (Channel.ASSET_TELEMETRY, Channel.ASSET_STATUS, Channel.ASSET_ACK))


async def test_what_a_device_may_not_say_is_not_retained_either_nor_said_by_its_will(guarded: Guarded) -> None:
    heard: list[str] = []
    evil = Will(topic(Channel.ASSET_STATUS, OTHER), b"offline")
    device = MqttBus(guarded.url_of(f"asset.{ONE}"), f"asset.{ONE}", will=evil, settings=QUICK)
    running = asyncio.create_task(device.run())
    async with asyncio.timeout(5.0):
        await device.wait_connected()
    device.post(topic(Channel.ASSET_STATUS, OTHER), b"x", qos=1, retain=True)
    device.post(topic(Channel.ASSET_ARM, OTHER), b"x", qos=1, retain=True)
    async with asyncio.timeout(5.0):
        await device.flush()
    await _vanish(guarded, f"asset.{ONE}")
    async with joined(guarded, "controller") as control:
        control.subscribe(f"vpp/v1/{PARK_ID}/#", lambda name, _payload: heard.append(name), qos=1)
        await control.flush()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert heard == []


async def _vanish(guarded: Guarded, client_id: str) -> None:
    """Throws a client out without a word of its own: one with the same id takes its place, and then its will is said."""
    async with connected_bus(guarded.url_of("viewer"), client_id, settings=QUICK) as usurper:
        await usurper.flush()


async def test_a_device_hears_its_own_commands_and_nobody_else_s(guarded: Guarded) -> None:
    heard: list[str] = []
    own = [topic(Channel.ASSET_COMMAND, ONE), topic(Channel.ASSET_ARM, ONE), topic(Channel.SHED, "east")]
    async with joined(guarded, "controller") as control, joined(guarded, f"asset.{ONE}") as device:
        for name in (own[0], own[1], f"vpp/v1/{PARK_ID}/shed/+"):
            device.subscribe(name, lambda name, _payload: heard.append(name))
        await device.flush()
        for name in (topic(Channel.ASSET_COMMAND, OTHER), topic(Channel.ASSET_ARM, OTHER), *own):
            control.post(name, b"x")
        await control.flush()
        await until(lambda: len(heard) >= len(own))
        await device.flush()
    assert sorted(heard) == sorted(own)


@pytest.mark.parametrize("stranger", [f"asset.{ONE}", "viewer", "scheduler.compute.aidc", "gateway.grid.hongshan", "api"])
async def test_nobody_but_the_controller_commands(guarded: Guarded, stranger: str) -> None:
    heard: list[str] = []
    async with (
        joined(guarded, f"asset.{OTHER}") as device,
        joined(guarded, stranger) as speaker,
        joined(guarded, "controller") as ours,
    ):
        device.subscribe(topic(Channel.ASSET_COMMAND, OTHER), lambda _name, payload: heard.append(payload.decode()))
        await device.flush()
        speaker.post(topic(Channel.ASSET_COMMAND, OTHER), b"stranger")
        speaker.post(f"vpp/v1/{PARK_ID}/shed/east", b"stranger")
        await speaker.flush()
        ours.post(topic(Channel.ASSET_COMMAND, OTHER), b"ours")
        await until(lambda: "ours" in heard)
    assert heard == ["ours"]


async def test_a_scheduler_and_a_gateway_speak_for_their_own(guarded: Guarded) -> None:
    heard: list[str] = []
    allowed = [topic(Channel.COMPUTE_BACKLOG, "compute.aidc"), topic(Channel.GRID_MEASUREMENT, "grid.hongshan")]
    forbidden = [topic(Channel.COMPUTE_BACKLOG, "compute.other"), topic(Channel.GRID_MEASUREMENT, "grid.other")]
    async with joined(guarded, "viewer") as viewer:
        viewer.subscribe(f"vpp/v1/{PARK_ID}/#", lambda name, _payload: heard.append(name))
        await viewer.flush()
        for user in ("scheduler.compute.aidc", "gateway.grid.hongshan"):
            async with joined(guarded, user) as speaker:
                for name in (*forbidden, *allowed):
                    speaker.post(name, b"x")
        await until(lambda: len(heard) >= len(allowed))
        await viewer.flush()
    assert heard == allowed


async def test_a_wrong_password_and_no_password_are_refused_at_once_in_one_line(guarded: Guarded) -> None:
    user = f"asset.{ONE}"
    with pytest.raises(BrokerError, match=rf"does not let user '{user}' in"):
        async with connected_bus(guarded.url_of(user, "wrong"), user, settings=QUICK):
            pytest.fail("it was let in")
    with pytest.raises(BrokerError, match="does not let anybody without a user in"):
        async with connected_bus(guarded.url, user, settings=QUICK):
            pytest.fail("it was let in")


async def test_a_subscription_without_the_right_ends_with_the_filter_and_what_to_check(tmp_path: Path) -> None:
    async def overhear(guarded: Guarded) -> None:
        async with joined(guarded, f"asset.{ONE}") as device:
            device.subscribe(topic(Channel.ASSET_COMMAND, OTHER), lambda _name, _payload: None)
            await device.flush()

    async with nats(tmp_path) as guarded:
        with pytest.raises(BrokerError, match=r"asset/bess.envision/command: the broker refuses .* check its ACL"):
            async with asyncio.timeout(5.0):
                await overhear(guarded)


@asynccontextmanager
async def running(bus: MqttBus) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bus.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def lay_down(file: Path, rights: tuple[Right, ...]) -> dict[str, str]:
    passwords = kept_passwords(file.with_name("passwords.toml"), ["controller", "api", "viewer", f"asset.{ONE}", PROBE])
    write_private(file.with_name("passwords.toml"), passwords_text(passwords))
    write_private(file, nats_authorization(rights, passwords))
    return passwords


async def test_who_insists_is_let_in_once_the_broker_knows_it(tmp_path: Path) -> None:
    file, user = tmp_path / "rights.conf", f"asset.{ONE}"
    without, with_it = (rights_of("p", assets=assets, clusters=(), gateways={}) for assets in ((), (ONE,)))
    password = lay_down(file, without)[user]
    broker = EmbeddedBroker(tmp_path / "broker", rights_file=file)
    await broker.start()
    url = broker.url.replace("://", f"://{user}:{password}@")
    device = MqttBus(url, user, settings=replace(QUICK, insist=True))
    async with running(device):
        await until(lambda: device.refused is not None)
        await broker.stop()
        lay_down(file, with_it)
        await broker.start()
        async with asyncio.timeout(5.0):
            await device.wait_connected()
        assert device.refused is None
    await broker.stop()


async def test_a_subscription_that_is_refused_after_a_restart_of_the_broker_is_tried_again(tmp_path: Path) -> None:
    file, user, heard = tmp_path / "rights.conf", f"asset.{ONE}", list[str]()
    rights = rights_of(PARK_ID, assets=[ONE], clusters=(), gateways={})
    deaf = tuple(replace(right, hears=right.hears[-1:]) if right.user == user else right for right in rights)
    password = lay_down(file, rights)[user]
    broker = EmbeddedBroker(tmp_path / "broker", rights_file=file)
    await broker.start()
    device = MqttBus(broker.url.replace("://", f"://{user}:{password}@"), user, settings=QUICK)
    device.subscribe(topic(Channel.ASSET_COMMAND, ONE), lambda _name, payload: heard.append(payload.decode()))
    async with running(device) as task:
        async with asyncio.timeout(5.0):
            await device.flush()
        for known in (deaf, rights):
            await broker.stop()
            lay_down(file, known)
            await broker.start()
            if known is deaf:
                await until(lambda: "the broker refuses the subscription" in device.last_failure)
        async with asyncio.timeout(5.0):
            await device.flush()
        async with connected_bus(broker.url_for("controller"), "controller") as control:
            control.post(topic(Channel.ASSET_COMMAND, ONE), b"again")
            await until(lambda: heard == ["again"])
        assert not task.done()
    await broker.stop()
