"""`vpp-edge` as a program: a real broker, a device on Modbus, kills in between."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttBus, MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.edge.cli import main
from controllers.edge.keep import DiskKeep
from sim_harness.modbus_battery import TARGET, BatteryServer, Registers
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Command, FallbackPoint, FallbackProfile, Reason, Status, Target, Telemetry
from vpp.wire.topics import Channel, topic_of

PARK, ASSET = "chifeng", "bess.hongshan"
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "edge"
QUICK = MqttSettings(first_retry_s=0.02, last_retry_s=0.1)


async def until(holds: Callable[[], bool], limit_s: float = 15.0) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110  what is awaited happens in another process
            await asyncio.sleep(0.01)


@dataclass
class Heard:
    """What the controller's side hears of the edge."""

    acks: list[Ack] = field(default_factory=list)
    telemetry: list[Telemetry] = field(default_factory=list)
    status: list[Status] = field(default_factory=list)

    def listen(self, bus: MqttBus) -> None:
        def topic(channel: Channel) -> str:
            return topic_of(PARK, channel, ASSET)

        bus.subscribe(topic(Channel.ASSET_ACK), lambda t, p: self.acks.append(decode(Ack, t, p)))
        bus.subscribe(topic(Channel.ASSET_TELEMETRY), lambda t, p: self.telemetry.append(decode(Telemetry, t, p)))
        bus.subscribe(topic(Channel.ASSET_STATUS), lambda t, p: self.status.append(decode(Status, t, p)), qos=1)


def config_in(folder: Path, broker_url: str, modbus_port: int) -> Path:
    """The example, with this test's own addresses, ten times faster."""
    text = (EXAMPLES / "vpp-edge.toml").read_text()
    text = text.replace("mqtt://127.0.0.1:1883", broker_url).replace("port = 1502", f"port = {modbus_port}")
    text = text.replace("../../out/edge/bess.hongshan", "state").replace("period_s = 1.0", "period_s = 0.1")
    (folder / "edge.toml").write_text(text)
    registers = (EXAMPLES / "battery.yaml").read_text()
    (folder / "battery.yaml").write_text(
        registers.replace("poll_s: 1.0", "poll_s: 0.05").replace("timeout_s: 1.0", "timeout_s: 0.3")
    )
    return folder / "edge.toml"


@asynccontextmanager
async def edge_process(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controllers.edge.cli", "--config", config, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def command(seq: int, power_mw: float, lease_s: float = 15.0, tail_mw: float = 10.0) -> bytes:
    fallback = FallbackProfile(
        points=(FallbackPoint(after_s=0.0, power_mw=tail_mw),), safe_after_s=600.0, safe_ramp_mw_per_min=600.0
    )
    return encode(
        Command(
            epoch=1,
            seq=seq,
            issued_at=WallClock().now(),
            command=Target(power_mw=power_mw),
            lease_s=lease_s,
            fallback=fallback,
            plan_id="p1",
            reason=Reason(code="plan"),
        )
    )


def target_of(server: BatteryServer) -> tuple[int, int]:
    return server.registers.holding[TARGET], server.registers.holding[TARGET + 1]


async def test_a_command_reaches_the_device_and_its_silence_and_return_reach_the_park(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    heard, commands = Heard(), topic_of(PARK, Channel.ASSET_COMMAND, ASSET)
    with BatteryServer(Registers.of_battery()) as server:
        config = config_in(tmp_path, broker.url, server.port)
        async with connected_bus(broker.url, "control", settings=QUICK) as control, edge_process(config) as process:
            heard.listen(control)
            await until(lambda: any(status.mode == "remote" for status in heard.status))
            control.post(commands, command(1, -25.0))
            await until(lambda: any(t.applied_seq == 1 and t.power_mw == -25.0 for t in heard.telemetry))
            server.registers.takes = False
            control.post(commands, command(2, -30.0))
            await until(lambda: len(heard.acks) == 2)
            server.registers.answers = False
            await until(lambda: heard.status[-1].mode == "fault")
            server.registers.answers = True
            await until(lambda: heard.status[-1].mode == "remote")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10.0):
                assert await process.wait() == 0
            await until(lambda: not heard.status[-1].online)
    assert [(ack.outcome, ack.reason.code if ack.reason else None) for ack in heard.acks] == [
        ("accepted", None),
        ("rejected", "not_read_back"),
    ]


async def test_an_edge_killed_while_the_broker_is_away_comes_back_follows_its_lease_and_sends_the_outage_with_its_times(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    heard = Heard()
    buffer_file = tmp_path / "state" / "edge.sqlite3"
    with BatteryServer(Registers.of_battery()) as server:
        config = config_in(tmp_path, broker.url, server.port)
        async with connected_bus(broker.url, "control", settings=QUICK) as control:
            heard.listen(control)
            async with edge_process(config) as process:
                await until(lambda: any(status.mode == "remote" for status in heard.status))
                control.post(topic_of(PARK, Channel.ASSET_COMMAND, ASSET), command(1, -25.0, lease_s=3.0, tail_mw=-5.0))
                await until(lambda: target_of(server) == (0, 25_000))
                assert broker.pid is not None
                os.kill(broker.pid, signal.SIGKILL)
                await broker.wait()
                died_at = WallClock().now()
                await until(lambda: waiting(buffer_file) >= 5)
                process.kill()
                await process.wait()
            async with edge_process(config):
                # Nobody commands it any more; what it does now it knows from before its death.
                await until(lambda: target_of(server) == (0, 5_000))
                followed = waiting(buffer_file)
                await until(lambda: waiting(buffer_file) >= followed + 5)
                back_at = WallClock().now()
                await broker.start()
                await until(lambda: waiting(buffer_file) == 0)
                await until(lambda: any(t.measured_at > back_at for t in heard.telemetry))
    during = {t.measured_at: t.power_mw for t in heard.telemetry if died_at < t.measured_at < back_at}
    assert len(during) >= 10
    assert max(during) - min(during) > timedelta(seconds=1)
    assert set(during.values()) == {-25.0, -5.0}


def waiting(buffer_file: Path) -> int:
    reader = DiskKeep(buffer_file, 1_000, "reader")
    try:
        return len(reader.buffer)
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('park = "chifeng"', 'park = "Chi Feng"', "id 'Chi Feng': use lower-case letters"),
        ("period_s = 0.1", "period_s = 0", r"Expected `float` >= 0.05 - at `$.period_s`"),
        ("[modbus]", "[modbus]\nprot = 502", "unknown field `prot` - at `$.modbus`"),
        ('map = "battery.yaml"', 'map = "nowhere.yaml"', "nowhere.yaml: No such file"),
        ("mqtt://", "http://", "broker URL with scheme 'http'"),
        ("# password_file", 'user = "u"\npassword_file', "password: No such file or directory; put the password there"),
        ("# ca_file", "ca_file", "broker: certificates cannot be read"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, fault: str
) -> None:
    config = config_in(tmp_path, "mqtt://127.0.0.1:1", 1)
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    assert main(["--config", str(config), "--check"]) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert said.count("\n") == 1


def test_a_password_that_others_may_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(tmp_path, "mqtt://127.0.0.1:1", 1)
    config.write_text(config.read_text().replace("# user", "user").replace("# password_file", "password_file"))
    (tmp_path / "password").write_text("word\n")
    (tmp_path / "password").chmod(0o640)
    assert main(["--config", str(config), "--check"]) == 2
    assert "others may read it (mode 640); chmod 600 it" in capsys.readouterr().err


def test_the_example_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del tmp_path
    assert main(["--config", str(EXAMPLES / "vpp-edge.toml"), "--check"]) == 0
    assert "ok: bess.hongshan of chifeng at 127.0.0.1:1502" in capsys.readouterr().out
