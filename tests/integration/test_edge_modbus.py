"""The edge's Modbus side against peers of other hands.

Three that share no line of code: the edge uses pymodbus; the device is written here from the standard, on sockets alone
(`sim_harness.modbus_battery`); `mbpoll`, a program of Debian, stands on libmodbus. mbpoll holds the device to the wire, the
device and golden frames out of the standard hold the edge.
"""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from controllers.clock import WallClock
from controllers.edge.modbus import ModbusDevice
from controllers.edge.modbus_link import LinkError, ModbusLink, RefusedError
from controllers.edge.register_map import DeviceMap, load_map
from sim_harness.modbus_battery import HEARTBEAT, MODE, POWER, RAMP, TARGET, BatteryServer, Registers, answer_to
from vpp.wire.messages import HeatStart, Limit, Switch, Target

MAP = load_map(Path(__file__).resolve().parents[2] / "docs" / "edge" / "battery.yaml")
QUICK = msgspec.structs.replace(MAP, poll_s=0.02, timeout_s=0.2, confirm_s=0.1)
needs_mbpoll = pytest.mark.skipif(shutil.which("mbpoll") is None, reason="no mbpoll here: apt-get install mbpoll")


@pytest.fixture
def server() -> Iterator[BatteryServer]:
    with BatteryServer(Registers.of_battery()) as running:
        yield running


@contextmanager
def device_at(port: int, device_map: DeviceMap = QUICK) -> Iterator[ModbusDevice]:
    device = ModbusDevice("bess.hongshan", device_map, ModbusLink("127.0.0.1", port, device_map), WallClock())
    device.start()
    try:
        yield device
    finally:
        device.close()


async def until(holds: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110  what is awaited lies beyond a socket and has no event of ours
            await asyncio.sleep(0.005)


async def mbpoll(port: int, *words: str) -> str:
    """What mbpoll prints; register numbers as they travel (`-0`)."""
    here = ("mbpoll", "-0", "-1", "-p", str(port), "-o", "1")
    process = await asyncio.create_subprocess_exec(
        *here, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(10.0):
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


def shown(said: str) -> dict[int, str]:
    """The lines `[100]:   -25500` of mbpoll."""
    lines = (line.partition("]:") for line in said.splitlines() if line.startswith("["))
    return {int(left.strip("[ ")): right.split()[0] for left, _, right in lines}


# --- The device against the standard and against libmodbus


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("03 00 6B 00 03", "03 06 02 2B 00 00 00 64"),  # section 6.3, read holding registers
        ("04 00 08 00 01", "04 02 00 0A"),  # section 6.4, read input registers
        ("06 00 01 00 03", "06 00 01 00 03"),  # section 6.6, write single register
        ("10 00 01 00 02 04 00 0A 01 02", "10 00 01 00 02"),  # section 6.12, write multiple registers
        ("01 04 A1 00 01", "81 01"),  # section 7: a function it does not know
        ("03 04 A1 00 01", "83 02"),  # section 7: a register it does not have
        ("03 00 6B 00 7E", "83 03"),  # section 6.3: more than 125 registers
    ],
)
def test_the_device_answers_as_the_standard_s_examples_do(request_hex: str, answer_hex: str) -> None:
    device = Registers(input={8: 0x000A}, holding={1: 0, 2: 0, 0x6B: 0x022B, 0x6C: 0, 0x6D: 0x64, TARGET: 0, TARGET + 1: 0})
    assert answer_to(device, bytes.fromhex(request_hex)).hex(" ").upper() == answer_hex


@needs_mbpoll
async def test_mbpoll_reads_what_the_device_shows(server: BatteryServer) -> None:
    server.registers.input |= {POWER: 0xFFFF, POWER + 1: 0x9C64}  # -25,500 in two words
    power = await mbpoll(server.port, "-t", "3:int", "-B", "-r", str(POWER), "-c", "1", "127.0.0.1")
    rest = await mbpoll(server.port, "-t", "3", "-r", "2", "-c", "3", "127.0.0.1")
    assert (shown(power), shown(rest)) == ({0: "-25500"}, {2: "5000", 3: "251", 4: "50010"})


# --- The edge against golden frames


@contextmanager
def scripted(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A socket that notes the request behind its transaction number, and answers with fixed bytes."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(300)
                heard.append(request[2:])
                connection.sendall(request[:2] + answer)
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(2.0)


def test_the_edge_reads_with_the_bytes_of_the_standard() -> None:
    with scripted(bytes.fromhex("00 00 00 09 11 03 06 02 2B 00 00 00 64")) as (port, heard):
        link = ModbusLink("127.0.0.1", port, msgspec.structs.replace(QUICK, unit=0x11))
        words = link.read("holding", 0x6B, 3)
        link.close()
    assert heard == [bytes.fromhex("00 00 00 06 11 03 00 6B 00 03")]
    assert words == (0x022B, 0, 0x64)


def test_the_edge_writes_two_registers_in_one_frame_of_the_standard() -> None:
    with scripted(bytes.fromhex("00 00 00 06 11 10 00 01 00 02")) as (port, heard):
        link = ModbusLink("127.0.0.1", port, msgspec.structs.replace(QUICK, unit=0x11))
        link.write(1, (0x000A, 0x0102))
        link.close()
    assert heard == [bytes.fromhex("00 00 00 0B 11 10 00 01 00 02 04 00 0A 01 02")]


def test_an_exception_of_the_device_is_one_line_with_register_and_meaning() -> None:
    with scripted(bytes.fromhex("00 00 00 03 01 83 02")) as (port, _):
        link = ModbusLink("127.0.0.1", port, QUICK)
        with pytest.raises(RefusedError, match="holding register 7: exception 2, it has no such register; check the map"):
            link.read("holding", 7, 1)
        link.close()


def test_where_nobody_listens_the_line_names_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkError, match=f"127.0.0.1:{port}: no Modbus device answers"):
        ModbusLink("127.0.0.1", port, QUICK).read("holding", 7, 1)


# --- The device as the edge sees it


async def test_scale_and_sign_are_turned_once_on_the_way_in(server: BatteryServer) -> None:
    server.registers.input |= {POWER: 0, POWER + 1: 25_500}  # the device feeds 25.5 MW
    with device_at(server.port) as device:
        await until(lambda: device.read().power_mw == -25.5)
        reading = device.read()
    assert reading.state == pytest.approx({"soc_frac": 0.5, "cell_c": 25.1, "frequency_hz": 50.01})
    assert (reading.limits, reading.mode, reading.quality) == ({"max_power_mw": 100.0}, "remote", "good")


@needs_mbpoll
async def test_what_the_edge_writes_is_what_mbpoll_reads(server: BatteryServer) -> None:
    with device_at(server.port) as device:
        await until(lambda: device.read().mode == "remote")
        applied = await asyncio.to_thread(device.apply, Target(power_mw=40.0), 12.5)
    target = await mbpoll(server.port, "-t", "4:int", "-B", "-r", str(TARGET), "-c", "1", "127.0.0.1")
    ramp = await mbpoll(server.port, "-t", "4", "-r", str(RAMP), "-c", "1", "127.0.0.1")
    assert (applied.outcome, applied.power_mw) == ("accepted", 40.0)
    assert (shown(target), shown(ramp)) == ({TARGET: "-40000"}, {RAMP: "125"})


@needs_mbpoll
async def test_what_mbpoll_writes_is_what_the_edge_reads(server: BatteryServer) -> None:
    with device_at(server.port) as device:
        await mbpoll(server.port, "-t", "4:int", "-B", "-r", str(TARGET), "127.0.0.1", "--", "-33250")
        await until(lambda: device.read().power_mw == 33.25)


async def test_a_device_that_stops_answering_is_in_fault_and_comes_back_by_itself(
    server: BatteryServer, caplog: pytest.LogCaptureFixture
) -> None:
    with device_at(server.port) as device, caplog.at_level(logging.WARNING, "controllers.edge"):
        await until(lambda: device.read().mode == "remote")
        server.registers.answers = False
        await until(lambda: device.read().mode == "fault")
        silent = device.read()
        refused = await asyncio.to_thread(device.apply, Target(power_mw=1.0), None)
        server.registers.answers = True
        await until(lambda: device.read().mode == "remote")
    assert math.isnan(silent.power_mw)
    assert refused.reason is not None
    assert (refused.outcome, refused.reason.code) == ("rejected", "device_silent")
    assert "no answer within 0.2 s" in caplog.messages[0]


async def test_a_write_that_is_not_read_back_is_rejected_and_says_what_is_read(server: BatteryServer) -> None:
    server.registers.takes = False
    with device_at(server.port) as device:
        await until(lambda: device.read().mode == "remote")
        applied = await asyncio.to_thread(device.apply, Target(power_mw=-5.0), None)
    assert applied.reason is not None
    assert (applied.outcome, applied.reason.code) == ("rejected", "not_read_back")
    assert applied.reason.text == "wrote 0 5000 to register 100, it reads 0 0"


async def test_a_value_that_the_device_refuses_is_rejected_with_its_exception(server: BatteryServer) -> None:
    wide = msgspec.structs.replace(QUICK.write.target_mw, max=500.0)
    device_map = msgspec.structs.replace(QUICK, write=msgspec.structs.replace(QUICK.write, target_mw=wide))
    with device_at(server.port, device_map) as device:
        await until(lambda: device.read().mode == "remote")
        applied = await asyncio.to_thread(device.apply, Target(power_mw=200.0), None)
    assert applied.reason is not None
    assert (applied.outcome, applied.reason.code) == ("rejected", "device_refuses")
    assert "exception 3, it does not take this value" in applied.reason.text


async def test_beyond_the_map_s_limits_a_setpoint_is_clamped(server: BatteryServer) -> None:
    with device_at(server.port) as device:
        await until(lambda: device.read().mode == "remote")
        applied = await asyncio.to_thread(device.apply, Target(power_mw=-250.0), None)
    assert (applied.outcome, applied.power_mw) == ("clamped", -100.0)


async def test_kinds_of_setpoint_without_a_register_are_rejected(server: BatteryServer) -> None:
    with device_at(server.port) as device:
        await until(lambda: device.read().mode == "remote")
        start = HeatStart(furnace="arc.one", start_at=WallClock().now())
        answers = [device.apply(setpoint, None) for setpoint in (Limit(max_power_mw=1.0), Switch(closed=True), start)]
    assert [answer.reason.code for answer in answers if answer.reason] == ["not_for_me"] * 3


async def test_a_power_that_cannot_be_is_not_believed_and_said_in_one_line(
    server: BatteryServer, caplog: pytest.LogCaptureFixture
) -> None:
    high, low = struct.unpack(">HH", struct.pack(">i", 900_000))
    with device_at(server.port) as device, caplog.at_level(logging.WARNING, "controllers.edge"):
        await until(lambda: device.read().quality == "good")
        server.registers.input |= {POWER: high, POWER + 1: low}
        await until(lambda: device.read().quality == "invalid")
        power_mw = device.read().power_mw
    assert math.isnan(power_mw)
    assert "read.power_mw: register 0 says -900, the map allows -150 to 150" in caplog.text


async def test_a_register_that_the_device_does_not_have_is_one_line_and_a_fault(
    server: BatteryServer, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = msgspec.structs.replace(QUICK.read, power_mw=msgspec.structs.replace(QUICK.read.power_mw, register=5_000))
    with (
        caplog.at_level(logging.WARNING, "controllers.edge"),
        device_at(server.port, msgspec.structs.replace(QUICK, read=nowhere)) as device,
    ):
        await until(lambda: any("input register 5000: exception 2" in message for message in caplog.messages))
        assert device.read().mode == "fault"


async def test_a_hand_on_the_device_and_a_word_nobody_knows_change_its_mode(server: BatteryServer) -> None:
    with device_at(server.port) as device:
        await until(lambda: device.read().mode == "remote")
        server.registers.holding[MODE] = 0
        await until(lambda: device.read().mode == "local")
        server.registers.holding[MODE] = 77
        await until(lambda: device.read().mode == "fault")


async def test_the_heartbeat_goes_on_for_the_device_s_own_watchdog(server: BatteryServer) -> None:
    with device_at(server.port):
        await until(lambda: server.registers.holding[HEARTBEAT] >= 3)
