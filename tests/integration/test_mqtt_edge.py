"""A command's whole way: controller, broker, edge, device, and back."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import MqttSettings, connected_bus
from controllers.clock import WallClock
from controllers.edge import Applied, Edge, Reading, Timepiece, offline_will
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Arm, Command, FallbackProfile, Reason, Reflex, Setpoint, Status, Target, Telemetry
from vpp.wire.topics import Channel, filter_of, topic_of

PARK, ASSET = "chifeng", "bess.hongshan"
QUICK = MqttSettings(first_retry_s=0.02, last_retry_s=0.1)


@dataclass
class Battery:
    """A device that goes at once where it is told."""

    clock: Timepiece
    asset_id: str = ASSET
    power_mw: float = 0.0
    applied: list[Setpoint] = field(default_factory=list)

    def read(self) -> Reading:
        return Reading(self.clock.now(), self.power_mw, state={"soc_frac": 0.5})

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        del ramp_mw_per_min
        self.applied.append(setpoint)
        assert isinstance(setpoint, Target)
        self.power_mw = setpoint.power_mw
        return Applied("accepted", self.power_mw)

    def safe_power_mw(self) -> float:
        return 0.0


def command(seq: int, now: datetime, power_mw: float) -> Command:
    return Command(
        epoch=1,
        seq=seq,
        issued_at=now,
        command=Target(power_mw=power_mw),
        lease_s=15.0,
        fallback=FallbackProfile(safe_after_s=60.0, safe_ramp_mw_per_min=10.0),
        plan_id="p1",
        reason=Reason(code="plan"),
    )


async def test_a_command_acts_is_acknowledged_and_proved_by_telemetry(broker: EmbeddedBroker) -> None:
    clock, acks, telemetry = WallClock(), asyncio.Queue[Ack](), asyncio.Queue[Telemetry]()
    battery = Battery(clock)
    async with connected_bus(broker.url, "edge") as edge_bus, connected_bus(broker.url, "controller") as control:
        edge = Edge(edge_bus, battery, PARK, clock)
        control.subscribe(filter_of(PARK, Channel.ASSET_ACK), lambda t, p: acks.put_nowait(decode(Ack, t, p)))
        control.subscribe(filter_of(PARK, Channel.ASSET_TELEMETRY), lambda t, p: telemetry.put_nowait(decode(Telemetry, t, p)))
        await asyncio.gather(edge_bus.flush(), control.flush())
        payload = encode(command(1, clock.now(), 42.0))
        for _ in range(3):
            control.post(topic_of(PARK, Channel.ASSET_COMMAND, ASSET), payload)
        async with asyncio.timeout(5.0):
            answers = [await acks.get() for _ in range(3)]
            edge.tick()
            proof = await telemetry.get()
    assert [(a.seq, a.outcome, a.power_mw) for a in answers] == [(1, "accepted", 42.0)] * 3
    assert battery.applied == [Target(power_mw=42.0)]
    assert (proof.applied_epoch, proof.applied_seq, proof.power_mw) == (1, 1, 42.0)


async def test_readings_of_an_outage_arrive_after_it_with_their_own_times(broker: EmbeddedBroker) -> None:
    clock = WallClock(start=datetime(2030, 10, 1, tzinfo=UTC))
    telemetry: list[Telemetry] = []
    will = offline_will(PARK, ASSET)
    async with (
        connected_bus(broker.url, "edge", will=will, settings=QUICK) as edge_bus,
        connected_bus(broker.url, "controller", settings=QUICK) as control,
    ):
        edge = Edge(edge_bus, Battery(clock), PARK, clock)
        control.subscribe(filter_of(PARK, Channel.ASSET_TELEMETRY), lambda t, p: telemetry.append(decode(Telemetry, t, p)))
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await broker.wait()
        async with asyncio.timeout(10.0):
            while edge_bus.connected:  # noqa: ASYNC110  the loss shows when the socket says so
                await asyncio.sleep(0.005)
            edge.tick()
            during = clock.now()
            await broker.start()
            await asyncio.gather(edge_bus.wait_connected(), control.wait_connected())
            await asyncio.gather(edge_bus.flush(), control.flush())
            edge.tick()
            await edge_bus.flush()
            await control.flush()
    assert edge.reports.backfilled == 1
    assert [t.measured_at <= during for t in telemetry] == [False, True]
    assert telemetry[0].measured_at - telemetry[1].measured_at < timedelta(seconds=30)


@dataclass
class ParkClock:
    """Park time that moves by hand, a day in no time."""

    elapsed_s: float = 0.0

    def now(self) -> datetime:
        return datetime(2030, 10, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s


async def test_five_minutes_without_a_broker_are_told_afterwards_second_by_second(broker: EmbeddedBroker) -> None:
    clock, heard_s = ParkClock(), list[float]()

    def hear(topic: str, payload: bytes) -> None:
        heard_s.append((decode(Telemetry, topic, payload).measured_at - ParkClock().now()).total_seconds())

    async with (
        connected_bus(broker.url, "edge", will=offline_will(PARK, ASSET), settings=QUICK) as edge_bus,
        connected_bus(broker.url, "controller", settings=QUICK) as control,
    ):
        edge = Edge(edge_bus, Battery(clock), PARK, clock)
        control.subscribe(filter_of(PARK, Channel.ASSET_TELEMETRY), hear)
        await control.flush()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await broker.wait()
        async with asyncio.timeout(10.0):
            while edge_bus.connected:  # noqa: ASYNC110  the loss shows when the socket says so
                await asyncio.sleep(0.005)
            for second in range(300):
                clock.elapsed_s = float(second)
                edge.tick()
            await broker.start()
            await asyncio.gather(edge_bus.flush(), control.flush())
            for second in range(300, 310):
                clock.elapsed_s = float(second)
                edge.tick()
                await asyncio.gather(edge_bus.flush(), control.flush())
            await control.flush()
    assert sorted(heard_s) == [float(second) for second in range(310)]
    assert (edge.reports.backfilled, edge.reports.lost) == (300, 0)


async def test_the_status_of_an_edge_is_kept_for_who_joins_late(broker: EmbeddedBroker) -> None:
    clock = WallClock()
    found = asyncio.Queue[Status]()
    async with connected_bus(broker.url, "edge") as edge_bus:
        Edge(edge_bus, Battery(clock), PARK, clock).tick()
        await edge_bus.flush()
        async with connected_bus(broker.url, "late") as late:
            topic = topic_of(PARK, Channel.ASSET_STATUS, ASSET)
            late.subscribe(topic, lambda t, p: found.put_nowait(decode(Status, t, p)), qos=1)
            async with asyncio.timeout(5.0):
                assert (await found.get()).online


async def test_an_edge_that_joins_late_is_armed(broker: EmbeddedBroker) -> None:
    clock = WallClock()
    reflex = Reflex(quantity="soc_frac", above=0.4, hold_s=60.0, then=Target(power_mw=-7.0))
    arm = Arm(epoch=1, seq=1, issued_at=clock.now(), reflexes=(reflex,))
    async with connected_bus(broker.url, "controller") as control:
        control.post(topic_of(PARK, Channel.ASSET_ARM, ASSET), encode(arm), qos=1, retain=True)
        await control.flush()
    battery = Battery(clock)
    async with connected_bus(broker.url, "edge") as edge_bus:
        edge = Edge(edge_bus, battery, PARK, clock)
        async with asyncio.timeout(5.0):
            while not battery.applied:
                await edge_bus.flush()
                edge.tick()
    assert battery.power_mw == -7.0
