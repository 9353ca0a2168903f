"""What a scheduler imports: it follows one channel, and never jumps uncapped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers.bus.local import LocalBus
from controllers.client import SchedulerClient
from vpp.errors import WireError
from vpp.wire.codec import decode, encode
from vpp.wire.messages import (
    AcceptedInterval,
    Backlog,
    BacklogItem,
    ComputeShift,
    ComputeTelemetry,
    ShiftInterval,
    ShiftResponse,
)
from vpp.wire.topics import Channel, topic_of

AT = datetime(2030, 10, 1, tzinfo=UTC)
PARK, CLUSTER = "chifeng", "compute.zhisuan1"
QUARTER = timedelta(minutes=15)


@dataclass
class HandClock:
    """Time that moves by hand."""

    elapsed: timedelta = timedelta(0)

    def now(self) -> datetime:
        return AT + self.elapsed

    def monotonic_s(self) -> float:
        return self.elapsed.total_seconds()


def shift(seq: int = 1, epoch: int = 1, **changes: Any) -> ComputeShift:
    intervals = tuple(
        ShiftInterval(
            start=AT + i * QUARTER,
            end=AT + (i + 1) * QUARTER,
            cap_mw=cap_mw,
            target_mw=20.0,
            floor_mw=10.0,
            green_share_frac=0.9,
            carbon_kg_per_mwh=60.0,
            price_cny_per_mwh=200.0,
            confidence_frac=0.8,
        )
        for i, cap_mw in enumerate((60.0, 40.0))
    )
    facts: dict[str, Any] = {"issued_at": AT, "cluster": CLUSTER, "revision": seq, "cap_now_mw": 55.0}
    facts |= {"valid_until": AT + timedelta(minutes=2), "intervals": intervals}
    return ComputeShift(epoch=epoch, seq=seq, **(facts | changes))


class Side:
    """A client, the park's bus, and the signals that were called back."""

    def __init__(self) -> None:
        self.clock, self.bus = HandClock(), LocalBus()
        self.called: list[ComputeShift] = []
        self.client = SchedulerClient(self.bus, PARK, CLUSTER, self.clock, fallback_cap_mw=25.0, on_shift=self.called.append)

    def send(self, message: ComputeShift) -> None:
        self.bus.post(topic_of(PARK, Channel.COMPUTE_SHIFT, CLUSTER), encode(message), qos=1, retain=True)

    def heard(self, channel: Channel) -> list[bytes]:
        heard: list[bytes] = []
        self.bus.subscribe(topic_of(PARK, channel, CLUSTER), lambda _topic, payload: heard.append(payload))
        return heard


def test_without_a_signal_the_contracted_cap_holds() -> None:
    assert Side().client.cap_now_mw() == 25.0


def test_the_cap_is_the_signal_s_then_the_schedule_s_then_the_contract_s() -> None:
    side = Side()
    side.send(shift())
    caps_mw = []
    for minutes in (0.0, 1.9, 2.0, 15.0, 30.0):
        side.clock.elapsed = timedelta(minutes=minutes)
        caps_mw.append(side.client.cap_now_mw())
    assert caps_mw == [55.0, 55.0, 60.0, 40.0, 25.0]


def test_only_a_newer_signal_is_called_back() -> None:
    side = Side()
    for seq in (2, 2, 1, 3):
        side.send(shift(seq))
    assert [s.seq for s in side.called] == [2, 3]


def test_a_lower_epoch_is_heard_only_when_the_signal_held_has_run_out() -> None:
    side = Side()
    side.send(shift(seq=9, epoch=5))
    later = {"issued_at": AT + timedelta(minutes=3), "valid_until": AT + timedelta(minutes=5)}
    side.send(shift(seq=1, epoch=2, **later))
    side.clock.elapsed = timedelta(minutes=3)
    side.send(shift(seq=1, epoch=2, **later))
    side.send(shift(seq=8, epoch=1))
    assert [(s.epoch, s.seq) for s in side.called] == [(5, 9), (2, 1)]


def test_a_signal_for_another_cluster_is_malformed() -> None:
    side = Side()
    side.send(shift(cluster="compute.zhisuan2"))
    assert side.called == []
    assert sum(side.bus.counters.malformed.values()) == 1


def test_a_client_listens_to_its_signal_and_to_nothing_else() -> None:
    side = Side()
    for channel in Channel:
        if channel is not Channel.COMPUTE_SHIFT:
            side.bus.post(topic_of(PARK, channel, CLUSTER if channel.has_subject else ""), b"{}")
    assert side.bus.counters.delivered == 0


def test_the_backlog_is_retained_for_a_controller_that_joins_late() -> None:
    side = Side()
    item = BacklogItem(
        job_class="train",
        energy_mwh=12.0,
        release=AT,
        deadline=AT + timedelta(hours=6),
        max_mw=8.0,
        tier=3,
        preemptible=True,
        checkpoint_s=900.0,
    )
    side.client.report_backlog((item,), fast_band_mw=3.0)
    heard = side.heard(Channel.COMPUTE_BACKLOG)
    assert decode(Backlog, "t", heard[0]) == Backlog(cluster=CLUSTER, reported_at=AT, fast_band_mw=3.0, items=(item,))


def test_a_response_names_the_revision_and_what_is_done_instead() -> None:
    side = Side()
    heard = side.heard(Channel.COMPUTE_RESPONSE)
    instead = (AcceptedInterval(start=AT, end=AT + QUARTER, power_mw=12.0),)
    side.client.respond(7, "part", instead=instead, note="no more jobs")
    answer = decode(ShiftResponse, "t", heard[0])
    assert (answer.revision, answer.accepted, answer.intervals) == (7, "part", instead)


def test_a_partial_response_without_parts_is_refused() -> None:
    with pytest.raises(WireError, match="accepted = part"):
        Side().client.respond(7, "part")


def test_telemetry_says_power_cap_and_the_revision_followed() -> None:
    side = Side()
    heard = side.heard(Channel.COMPUTE_TELEMETRY)
    side.send(shift(seq=4))
    side.client.report_power(33.0, throughput_frac=0.9, state={"jobs_running": 12.0})
    said = decode(ComputeTelemetry, "t", heard[0])
    assert (said.power_mw, said.cap_mw, said.applied_revision, said.state) == (33.0, 55.0, 4, {"jobs_running": 12.0})
