"""What devices say is kept as their last word, and nothing that is stale or broken passes for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.loops.inbox import Inbox, InboxSettings
from sim_harness.clock import SimClock
from tests.world_builders import START
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import encode
from vpp.wire.messages import (
    Ack,
    Backlog,
    BacklogItem,
    ComputeTelemetry,
    GridMeasurement,
    Message,
    Mode,
    Outcome,
    Reason,
    Status,
    Telemetry,
)
from vpp.wire.topics import Channel, topic_of

BESS, WIND, DC, GRID = AssetId("bess.a"), AssetId("wind.a"), AssetId("compute.a"), ConnectionId("grid.a")
SILENT_AFTER_S = InboxSettings().silent_after.total_seconds()


class Listening:
    """An inbox on a bus, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock, self.bus = SimClock(START), LocalBus()
        self.acks: list[tuple[AssetId, Ack]] = []
        self.inbox = Inbox(self.bus, "test", self.clock.now, on_ack=lambda who, ack: self.acks.append((who, ack)))

    def say(self, channel: Channel, who: str, message: Message) -> None:
        self.bus.post(topic_of("test", channel, who), encode(message))

    def telemetry(self, power_mw: float, after_s: float = 0.0, who: AssetId = BESS) -> None:
        at = START + timedelta(seconds=after_s)
        self.say(Channel.ASSET_TELEMETRY, who, Telemetry(measured_at=at, power_mw=power_mw, state={"soc_frac": 0.5}))

    def ack(self, outcome: Outcome, seq: int = 1, epoch: int = 1, power_mw: float = 7.0) -> None:
        why = None if outcome == "accepted" else Reason(code="soc_floor")
        ack = Ack(epoch=epoch, seq=seq, acked_at=START, outcome=outcome, power_mw=power_mw, reason=why)
        self.say(Channel.ASSET_ACK, BESS, ack)

    def confirmed_mw(self) -> float | None:
        return self.inbox.snapshot(self.clock.now()).assets[BESS].confirmed_mw

    async def wait(self, seconds: float) -> None:
        await self.clock.run_until(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def site() -> Listening:
    return Listening()


@pytest.mark.parametrize("payload", [b"{", b"{}", b'{"t": "2030-01-01T00:00:00Z", "power_mw": "much"}', b"\xff\xfe"])
def test_a_malformed_message_is_counted_by_the_bus_and_dropped(site: Listening, payload: bytes) -> None:
    topic = topic_of("test", Channel.ASSET_TELEMETRY, BESS)
    site.bus.post(topic, payload)
    assert site.bus.counters.malformed == {topic: 1}
    assert not site.inbox.has_heard([BESS])
    assert site.inbox.snapshot(START).assets == {}


def test_a_malformed_message_leaves_the_last_good_word_in_place(site: Listening) -> None:
    site.telemetry(3.0)
    site.bus.post(topic_of("test", Channel.ASSET_TELEMETRY, BESS), b"{")
    assert site.inbox.snapshot(START).assets[BESS].power_mw == 3.0


def test_a_reading_that_arrives_late_does_not_replace_a_newer_one(site: Listening) -> None:
    site.telemetry(9.0, after_s=0.0)
    site.telemetry(1.0, after_s=-600.0)
    reported = site.inbox.snapshot(START).assets[BESS]
    assert (reported.power_mw, reported.measured_at) == (9.0, START)


def test_a_newer_reading_replaces_the_one_before(site: Listening) -> None:
    site.telemetry(9.0)
    site.telemetry(4.0, after_s=1.0)
    assert site.inbox.snapshot(START).assets[BESS].power_mw == 4.0


async def test_a_silent_device_is_named_and_left_out(site: Listening) -> None:
    site.telemetry(9.0)
    await site.wait(SILENT_AFTER_S + 1.0)
    site.telemetry(-30.0, after_s=SILENT_AFTER_S + 1.0, who=WIND)
    seen = site.inbox.snapshot(site.clock.now())
    assert seen.silent == {BESS}
    assert set(seen.assets) == {WIND}


async def test_a_device_that_speaks_again_is_back(site: Listening) -> None:
    site.telemetry(9.0)
    await site.wait(SILENT_AFTER_S + 1.0)
    site.telemetry(8.0, after_s=SILENT_AFTER_S + 1.0)
    seen = site.inbox.snapshot(site.clock.now())
    assert seen.silent == frozenset()
    assert seen.assets[BESS].power_mw == 8.0


async def test_a_silent_cluster_is_named_and_left_out(site: Listening) -> None:
    site.say(Channel.COMPUTE_TELEMETRY, DC, ComputeTelemetry(cluster=DC, measured_at=START, power_mw=30.0))
    await site.wait(SILENT_AFTER_S + 1.0)
    seen = site.inbox.snapshot(site.clock.now())
    assert seen.silent == {DC}
    assert seen.clusters == {}


def test_a_snapshot_does_not_change_when_more_is_said(site: Listening) -> None:
    site.telemetry(9.0)
    seen = site.inbox.snapshot(START)
    site.telemetry(1.0, after_s=1.0)
    assert seen.assets[BESS].power_mw == 9.0


def test_an_accepted_power_is_confirmed(site: Listening) -> None:
    site.telemetry(0.0)
    site.ack("accepted")
    assert site.confirmed_mw() == 7.0


def test_a_rejected_command_is_no_confirmed_power(site: Listening) -> None:
    site.telemetry(0.0)
    site.ack("accepted", seq=1)
    site.ack("rejected", seq=2)
    assert site.confirmed_mw() is None


def test_an_ack_that_arrives_after_a_newer_one_does_not_replace_it(site: Listening) -> None:
    site.telemetry(0.0)
    site.ack("accepted", epoch=2, seq=1, power_mw=5.0)
    site.ack("accepted", epoch=1, seq=99, power_mw=8.0)
    assert site.confirmed_mw() == 5.0


def test_every_ack_is_passed_on_to_whoever_waits_for_it(site: Listening) -> None:
    site.ack("rejected", seq=4)
    assert [(who, ack.seq, ack.outcome) for who, ack in site.acks] == [(BESS, 4, "rejected")]


@pytest.mark.parametrize(
    ("online", "mode", "listens"),
    [(True, "remote", True), (True, "local", False), (True, "fault", False), (False, "remote", False)],
)
def test_only_a_device_that_is_online_and_remote_listens(site: Listening, online: bool, mode: Mode, listens: bool) -> None:
    site.telemetry(0.0)
    site.say(Channel.ASSET_STATUS, BESS, Status(online=online, mode=mode))
    assert site.inbox.snapshot(START).assets[BESS].online is listens


def test_a_device_without_a_status_is_not_taken_to_listen(site: Listening) -> None:
    site.telemetry(0.0)
    assert not site.inbox.snapshot(START).assets[BESS].online


def test_a_connection_is_seen_as_its_gateway_measured_it(site: Listening) -> None:
    site.say(Channel.GRID_MEASUREMENT, GRID, GridMeasurement(measured_at=START, import_mw=-12.5))
    assert site.inbox.snapshot(START).import_mw == {GRID: -12.5}


async def test_a_connection_whose_gateway_is_silent_is_left_out(site: Listening) -> None:
    site.say(Channel.GRID_MEASUREMENT, GRID, GridMeasurement(measured_at=START, import_mw=80.0))
    await site.wait(SILENT_AFTER_S + 1.0)
    assert site.inbox.snapshot(site.clock.now()).import_mw == {}


def test_a_measurement_that_arrives_late_does_not_replace_a_newer_one(site: Listening) -> None:
    site.say(Channel.GRID_MEASUREMENT, GRID, GridMeasurement(measured_at=START, import_mw=80.0))
    earlier = GridMeasurement(measured_at=START - timedelta(minutes=10), import_mw=5.0)
    site.say(Channel.GRID_MEASUREMENT, GRID, earlier)
    assert site.inbox.snapshot(START).import_mw == {GRID: 80.0}


def test_a_clusters_reading_that_arrives_late_does_not_replace_a_newer_one(site: Listening) -> None:
    site.say(Channel.COMPUTE_TELEMETRY, DC, ComputeTelemetry(cluster=DC, measured_at=START, power_mw=30.0))
    earlier = ComputeTelemetry(cluster=DC, measured_at=START - timedelta(minutes=10), power_mw=11.0)
    site.say(Channel.COMPUTE_TELEMETRY, DC, earlier)
    assert site.inbox.snapshot(START).clusters[DC].power_mw == 30.0


def test_a_cluster_is_seen_with_the_work_its_scheduler_reported(site: Listening) -> None:
    deadline = START + timedelta(hours=6)
    item = BacklogItem(
        job_class="hours", energy_mwh=40.0, release=START, deadline=deadline, max_mw=20.0, tier=2, preemptible=True
    )
    site.say(Channel.COMPUTE_TELEMETRY, DC, ComputeTelemetry(cluster=DC, measured_at=START, power_mw=30.0))
    site.say(Channel.COMPUTE_BACKLOG, DC, Backlog(cluster=DC, reported_at=START, fast_band_mw=4.0, items=(item,)))
    report = site.inbox.snapshot(START).clusters[DC]
    assert (report.power_mw, report.fast_band_mw) == (30.0, 4.0)
    assert [(w.job_class, w.energy_mwh, w.deadline) for w in report.work] == [("hours", 40.0, deadline)]


def test_another_parks_devices_are_not_heard(site: Listening) -> None:
    other = topic_of("other", Channel.ASSET_TELEMETRY, BESS)
    site.bus.post(other, encode(Telemetry(measured_at=START, power_mw=1.0)))
    assert not site.inbox.has_heard([BESS])
