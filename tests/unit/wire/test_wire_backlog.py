from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.bus.local import LocalBus
from controllers.client import SchedulerClient
from controllers.loops.commander import Commander
from controllers.loops.inbox import Inbox
from sim_harness.clock import SimClock
from vpp.errors import WireError
from vpp.ids import AssetId
from vpp.wire.backlog import MOST_ITEMS, read_backlog
from vpp.wire.messages import BacklogAnswer
from vpp.wire.topics import Channel, topic_of

AT = datetime(2030, 10, 1, tzinfo=UTC)
PARK, CLUSTER = "test", "compute.a"
TOPIC = topic_of(PARK, Channel.COMPUTE_BACKLOG, CLUSTER)


def row(name: str = "flex", **changes: Any) -> dict[str, Any]:
    facts = {
        "job_class": name,
        "energy_mwh": 2.0,
        "release": AT.isoformat(),
        "deadline": (AT + timedelta(hours=4)).isoformat(),
        "max_mw": 1.0,
        "tier": 3,
        "preemptible": True,
    }
    return {key: value for key, value in (facts | changes).items() if value is not None}


def backlog(*rows: Any) -> bytes:
    said = {"cluster": CLUSTER, "reported_at": AT.isoformat(), "fast_band_mw": 0.0, "items": list(rows)}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (row(deadline=(AT - timedelta(hours=1)).isoformat()), "deadline"),
        (row(energy_mwh=5.0), "energy_mwh"),
        (row(energy_mwh=None), "energy_mwh"),
        (row(gpu_h=3.0), "energy_mwh"),
        (row(tier=7), "tier"),
        (row(max_mw=-1.0), "max_mw"),
        (row(release="yesterday"), "release"),
        (row(energy_mwh="much"), "energy_mwh"),
        (row(preemptible=None), ""),
        ("no item at all", ""),
    ],
)
def test_an_item_that_is_malformed_or_contradicts_itself_is_refused_and_the_others_count(wrong: Any, where: str) -> None:
    said, refused = read_backlog(TOPIC, backlog(row("first"), wrong, row("last")))
    assert [item.job_class for item in said.items] == ["first", "last"]
    assert [(fault.item, fault.where) for fault in refused] == [(1, where)]
    assert refused[0].rule


def test_what_fits_but_for_the_grid_on_which_schedulers_tell_times_counts() -> None:
    _, refused = read_backlog(TOPIC, backlog(row(energy_mwh=4.4), row(energy_mwh=4.6)))
    assert [fault.item for fault in refused] == [1]


def test_of_a_flood_the_first_classes_count_and_each_one_beyond_is_named() -> None:
    said, refused = read_backlog(TOPIC, backlog(*(row(f"c{i}") for i in range(10_000))))
    assert (len(said.items), said.items[-1].job_class) == (MOST_ITEMS, f"c{MOST_ITEMS - 1}")
    assert [fault.item for fault in refused] == list(range(MOST_ITEMS, 10_000))
    assert "merge some" in refused[0].rule


def test_what_no_broker_would_pass_on_is_not_read() -> None:
    with pytest.raises(WireError, match="bytes"):
        read_backlog(TOPIC, backlog(*(row("x" * 80) for _ in range(20_000))))


@given(st.lists(st.sampled_from(["good", "late", "broken"]), max_size=30))
def test_every_item_is_either_taken_or_refused_in_its_place(kinds: list[str]) -> None:
    rows = {"good": row(), "late": row(deadline=AT.isoformat()), "broken": {"job_class": 3}}
    said, refused = read_backlog(TOPIC, backlog(*(rows[kind] for kind in kinds)))
    assert len(said.items) == kinds.count("good")
    assert [fault.item for fault in refused] == [i for i, kind in enumerate(kinds) if kind != "good"]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"items": 3}', backlog().replace(b"[]", b"null")])
def test_what_is_no_backlog_at_all_counts_for_nothing(payload: bytes) -> None:
    with pytest.raises(WireError, match="backlog"):
        read_backlog(TOPIC, payload)


class Side:
    """A controller's ear and mouth, and a scheduler, on one bus."""

    def __init__(self) -> None:
        self.bus, clock = LocalBus(), SimClock(AT)
        commander = Commander(self.bus, PARK, clock)
        self.inbox = Inbox(self.bus, PARK, clock.now)
        self.inbox.on_backlog = commander.answer_backlog
        self.answers: list[BacklogAnswer] = []
        hear: Callable[[BacklogAnswer], None] = self.answers.append
        SchedulerClient(self.bus, PARK, CLUSTER, clock, fallback_cap_mw=1.0, on_refused=hear)

    def say(self, *rows: Any) -> None:
        self.bus.post(TOPIC, backlog(*rows), qos=1, retain=True)


def test_the_scheduler_is_told_what_does_not_count_and_once_more_when_all_does() -> None:
    side = Side()
    side.say(row())
    assert side.answers == []
    for _ in range(3):
        side.say(row(), row(tier=7), row(deadline=AT.isoformat()))
    (answer,) = side.answers
    assert (answer.accepted_items, answer.refused_items, [why.where for why in answer.reasons]) == (1, 2, ["tier", "deadline"])
    side.say(row())
    assert (len(side.answers), side.answers[-1].refused_items) == (2, 0)


def test_the_plan_sees_what_counts() -> None:
    side = Side()
    side.say(row("good"), row("late", deadline=AT.isoformat()))
    assert [work.job_class for work in side.inbox._work[AssetId(CLUSTER)]] == ["good"]
