"""The edge beside one device, on a bus inside the process."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.bus.local import LocalBus, LocalLink
from controllers.edge import Applied, Edge, EdgeSettings, Phase, Reading, offline_will
from vpp.errors import AssetError
from vpp.wire.codec import decode, encode
from vpp.wire.messages import (
    Ack,
    Arm,
    Command,
    FallbackPoint,
    FallbackProfile,
    HeatStart,
    LadderPlace,
    Reason,
    Reflex,
    Setpoint,
    Shed,
    Status,
    Target,
    Telemetry,
)
from vpp.wire.topics import Channel, topic_of

AT = datetime(2030, 10, 1, tzinfo=UTC)
PARK, ASSET = "chifeng", "bess.hongshan"


@dataclass
class HandClock:
    """Time that moves by hand."""

    elapsed_s: float = 0.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s


@dataclass
class Battery:
    """A device that goes at once where it is told, within 100 MW."""

    clock: HandClock
    asset_id: str = ASSET
    reading: Reading = field(default_factory=lambda: Reading(AT, 0.0))
    applied: list[Setpoint] = field(default_factory=list)

    def read(self) -> Reading:
        return replace(self.reading, measured_at=self.clock.now())

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        del ramp_mw_per_min
        self.applied.append(setpoint)
        if isinstance(setpoint, HeatStart):
            return Applied("accepted", self.reading.power_mw)
        if not isinstance(setpoint, Target):
            return Applied("rejected", self.reading.power_mw, Reason(code="not_for_me"))
        power_mw = min(100.0, max(-100.0, setpoint.power_mw))
        self.reading = replace(self.reading, power_mw=power_mw)
        if power_mw != setpoint.power_mw:
            return Applied("clamped", power_mw, Reason(code="rated_power"))
        return Applied("accepted", power_mw)

    def safe_power_mw(self) -> float:
        return 0.0


@dataclass
class Site:
    """One edge and what the controller hears of it."""

    clock: HandClock
    bus: LocalBus
    link: LocalLink
    battery: Battery
    edge: Edge
    acks: list[Ack]
    telemetry: list[Telemetry]

    def send(self, message: Command | Arm | Shed) -> None:
        channel = {Command: Channel.ASSET_COMMAND, Arm: Channel.ASSET_ARM, Shed: Channel.SHED}[type(message)]
        self.bus.post(topic_of(PARK, channel, message.ladder if isinstance(message, Shed) else ASSET), encode(message))

    def tick_at(self, elapsed_s: float) -> None:
        self.clock.elapsed_s = elapsed_s
        self.edge.tick()

    def status(self) -> Status:
        topic = topic_of(PARK, Channel.ASSET_STATUS, ASSET)
        return decode(Status, topic, self.bus.retained[topic])


def site(settings: EdgeSettings | None = None) -> Site:
    clock, bus = HandClock(), LocalBus()
    link, battery = bus.link(offline_will(PARK, ASSET)), Battery(clock)
    acks: list[Ack] = []
    telemetry: list[Telemetry] = []
    bus.subscribe(topic_of(PARK, Channel.ASSET_ACK, ASSET), lambda t, p: acks.append(decode(Ack, t, p)))
    bus.subscribe(topic_of(PARK, Channel.ASSET_TELEMETRY, ASSET), lambda t, p: telemetry.append(decode(Telemetry, t, p)))
    return Site(clock, bus, link, battery, Edge(link, battery, PARK, clock, settings), acks, telemetry)


def command(seq: int = 1, epoch: int = 1, **changes: Any) -> Command:
    fallback = FallbackProfile(points=(FallbackPoint(after_s=0.0, power_mw=30.0),), safe_after_s=60.0, safe_ramp_mw_per_min=30.0)
    facts: dict[str, Any] = {"issued_at": AT, "command": Target(power_mw=50.0), "lease_s": 15.0, "fallback": fallback}
    facts |= {"plan_id": "p1", "reason": Reason(code="plan")}
    return Command(epoch=epoch, seq=seq, **(facts | changes))


def test_a_command_acts_and_is_acknowledged() -> None:
    s = site()
    s.send(command())
    assert s.battery.applied == [Target(power_mw=50.0)]
    assert [(a.epoch, a.seq, a.outcome, a.power_mw) for a in s.acks] == [(1, 1, "accepted", 50.0)]


def test_a_command_seen_twice_acts_once_and_is_acknowledged_twice() -> None:
    s = site()
    s.send(command())
    s.send(command())
    assert len(s.battery.applied) == 1
    assert [a.outcome for a in s.acks] == ["accepted", "accepted"]


def test_what_the_device_cannot_do_comes_back_clamped_with_its_reason() -> None:
    s = site()
    s.send(command(command=Target(power_mw=500.0)))
    assert s.acks[0].outcome == "clamped"
    assert s.acks[0].power_mw == 100.0
    assert s.acks[0].reason == Reason(code="rated_power")


def test_an_old_and_a_stale_command_are_refused_with_a_reason() -> None:
    s = site()
    s.send(command(seq=5))
    s.send(command(seq=4, command=Target(power_mw=-50.0)))
    s.clock.elapsed_s = 14.0
    s.send(command(seq=6, command=Target(power_mw=-50.0)))
    assert [a.reason.code for a in s.acks if a.reason] == ["old_command", "stale_command"]
    assert s.battery.applied == [Target(power_mw=50.0)]


def test_a_device_in_somebody_s_hand_refuses_and_is_brought_back_later() -> None:
    s = site()
    s.battery.reading = replace(s.battery.reading, mode="local")
    s.edge.tick()
    s.send(command())
    assert s.acks[0].reason is not None
    assert s.acks[0].reason.code == "mode_local"
    assert s.battery.applied == []
    s.battery.reading = replace(s.battery.reading, mode="remote")
    s.tick_at(1.0)
    assert s.battery.applied == [Target(power_mw=50.0)]


def test_without_renewal_the_device_follows_the_fallback_and_ramps_to_safety() -> None:
    s = site()
    s.send(command())
    powers_mw = []
    for elapsed_s in (14.0, 15.0, 74.0, 105.0, 135.0, 1000.0):
        s.tick_at(elapsed_s)
        powers_mw.append(s.battery.reading.power_mw)
    assert powers_mw == pytest.approx([50.0, 30.0, 30.0, 15.0, 0.0, 0.0])
    assert s.edge.phase is Phase.SAFE


def test_a_renewal_of_a_heat_starts_it_once() -> None:
    s = site()
    heat = HeatStart(furnace="arc.one", start_at=AT + timedelta(minutes=5))
    s.send(command(seq=1, command=heat))
    s.send(command(seq=2, command=heat))
    assert s.battery.applied == [heat]
    assert [a.outcome for a in s.acks] == ["accepted", "accepted"]


def test_telemetry_carries_the_last_command_that_acted_as_proof() -> None:
    s = site()
    s.send(command(seq=3, epoch=7))
    s.send(command(seq=4, epoch=7, command=HeatStart(furnace="arc.one", start_at=AT)))
    s.edge.tick()
    assert (s.telemetry[0].applied_epoch, s.telemetry[0].applied_seq) == (7, 4)


def test_a_missing_quantity_is_left_out_and_a_silent_meter_sends_nothing() -> None:
    s = site()
    s.battery.reading = Reading(AT, 5.0, available_mw=math.nan, state={"soc_frac": math.nan, "cell_c": 20.0})
    s.edge.tick()
    s.battery.reading = Reading(AT, math.nan)
    s.edge.tick()
    assert [(t.available_mw, t.state) for t in s.telemetry] == [(None, {"cell_c": 20.0})]
    assert s.edge.reports.unreadable == 1


def test_after_an_outage_what_was_kept_comes_with_its_original_times() -> None:
    s = site(EdgeSettings(buffer_size=3, backfill_per_tick=2))
    s.tick_at(0.0)
    s.link.cut()
    for elapsed_s in (1.0, 2.0, 3.0, 4.0):
        s.tick_at(elapsed_s)
    s.link.mend()
    s.tick_at(5.0)
    s.tick_at(6.0)
    assert [(t.measured_at - AT).total_seconds() for t in s.telemetry] == [0.0, 5.0, 2.0, 3.0, 6.0, 4.0]
    assert (s.edge.reports.lost, s.edge.reports.backfilled) == (1, 3)


def test_what_went_out_on_a_line_that_was_dead_unnoticed_is_sent_again() -> None:
    s = site(EdgeSettings(resend_s=2.0))
    for elapsed_s in (0.0, 1.0, 2.0, 3.0):
        s.tick_at(elapsed_s)
    s.link.cut()
    s.tick_at(4.0)
    s.link.mend()
    s.tick_at(5.0)
    again = [(t.measured_at - AT).total_seconds() for t in s.telemetry][4:]
    assert again == [5.0, 1.0, 2.0, 3.0, 4.0]


def test_a_line_that_breaks_while_the_outage_is_sent_loses_none_of_it() -> None:
    s = site(EdgeSettings(backfill_per_tick=2))
    s.link.cut()
    for elapsed_s in (1.0, 2.0, 3.0):
        s.tick_at(elapsed_s)
    s.link.mend()
    s.tick_at(4.0)
    s.link.cut()
    s.link.mend()
    s.tick_at(5.0)
    s.tick_at(6.0)
    assert {(t.measured_at - AT).total_seconds() for t in s.telemetry} == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
    assert len(s.telemetry) == 8


def test_the_last_will_says_offline_and_the_next_tick_after_it_online_again() -> None:
    s = site()
    s.edge.tick()
    online_at_first = s.status().online
    s.link.cut()
    offline_when_cut = not s.status().online
    s.link.mend()
    s.edge.tick()
    assert (online_at_first, offline_when_cut, s.status().online) == (True, True, True)


def test_an_orderly_end_says_offline() -> None:
    s = site()
    s.edge.tick()
    s.edge.goodbye()
    assert not s.status().online


def test_a_malformed_command_is_counted_and_changes_nothing() -> None:
    s = site()
    topic = topic_of(PARK, Channel.ASSET_COMMAND, ASSET)
    s.bus.post(topic, b'{"epoch": "yes"}')
    assert s.link.counters.malformed[topic] == 1
    assert s.battery.applied == []


def armed(*, reflex: bool) -> Arm:
    reflexes = (Reflex(quantity="frequency_hz", below=49.8, after_s=1.0, hold_s=10.0, then=Target(power_mw=-80.0)),)
    places = (LadderPlace(ladder="east", step=2, then=Target(power_mw=-60.0)),)
    return Arm(epoch=1, seq=1, issued_at=AT, reflexes=reflexes if reflex else (), places=places)


def test_an_armed_reflex_acts_without_a_command_and_gives_the_device_back() -> None:
    s = site()
    s.send(armed(reflex=True))
    s.send(command(lease_s=1000.0))
    powers_mw = []
    for elapsed_s, frequency_hz in ((0.0, 49.7), (1.0, 49.7), (5.0, 50.0), (11.0, 50.0)):
        s.battery.reading = replace(s.battery.reading, state={"frequency_hz": frequency_hz})
        s.tick_at(elapsed_s)
        powers_mw.append(s.battery.reading.power_mw)
    assert powers_mw == [50.0, -80.0, -80.0, 50.0]


def shed(step: int, seq: int) -> Shed:
    until = AT + timedelta(seconds=30)
    return Shed(epoch=1, seq=seq, issued_at=AT, ladder="east", step=step, until=until, reason=Reason(code="overload"))


def test_the_ladder_acts_from_the_device_s_step_on_until_released() -> None:
    s = site()
    s.send(armed(reflex=False))
    s.send(command(lease_s=1000.0))
    powers_mw = []
    for seq, step in ((1, 1), (2, 2), (3, 0)):
        s.send(shed(step, seq))
        powers_mw.append(s.battery.reading.power_mw)
    assert powers_mw == [50.0, -60.0, 50.0]


def test_the_ladder_ends_by_itself_and_without_a_command_the_device_goes_to_safety() -> None:
    s = site()
    s.send(armed(reflex=False))
    s.send(shed(step=2, seq=1))
    during_mw = s.battery.reading.power_mw
    s.tick_at(30.0)
    assert (during_mw, s.battery.reading.power_mw) == (-60.0, 0.0)


def test_a_command_during_protection_is_held_back_and_says_so() -> None:
    s = site()
    s.send(armed(reflex=False))
    s.send(shed(step=2, seq=1))
    s.send(command(lease_s=1000.0))
    assert s.acks[-1].outcome == "clamped"
    assert s.acks[-1].reason is not None
    assert s.acks[-1].reason.code == "protection"
    s.edge.tick()
    s.tick_at(30.0)
    assert s.battery.reading.power_mw == 50.0
    assert [t.applied_seq for t in s.telemetry] == [0, 1]


def test_a_device_that_refuses_must_say_why() -> None:
    with pytest.raises(AssetError, match="without a reason"):
        Applied("rejected", 0.0)
