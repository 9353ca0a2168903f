"""The bus inside one process keeps the manners of a broker."""

from __future__ import annotations

import logging

import pytest

from controllers.bus.base import Handler, Will
from controllers.bus.local import LocalBus
from vpp.errors import WireError


def noting(seen: list[str], name: str) -> Handler:
    return lambda topic, payload: seen.append(f"{name} {topic} {payload.decode()}")


def test_a_message_reaches_all_who_listen_in_their_order_before_post_returns() -> None:
    bus, seen = LocalBus(), list[str]()
    bus.subscribe("a/+", noting(seen, "one"))
    bus.subscribe("b/#", noting(seen, "other"))
    bus.subscribe("a/#", noting(seen, "two"))
    bus.post("a/x", b"1")
    assert seen == ["one a/x 1", "two a/x 1"]


def test_an_answer_is_delivered_after_its_question_has_reached_everybody() -> None:
    bus, seen = LocalBus(), list[str]()
    bus.subscribe("question", lambda _topic, _payload: bus.post("answer", b"!"))
    bus.subscribe("#", noting(seen, "all"))
    bus.post("question", b"?")
    assert seen == ["all question ?", "all answer !"]


def test_who_joins_late_gets_what_is_retained_and_nothing_else() -> None:
    bus, seen = LocalBus(), list[str]()
    bus.post("a/kept", b"old", retain=True)
    bus.post("a/kept", b"new", qos=1, retain=True)
    bus.post("a/passing", b"gone")
    bus.post("b/kept", b"elsewhere", retain=True)
    bus.subscribe("a/+", noting(seen, "late"))
    assert seen == ["late a/kept new"]


def test_an_empty_retained_message_forgets_the_topic() -> None:
    bus = LocalBus()
    bus.post("a", b"1", retain=True)
    bus.post("a", b"", retain=True)
    assert bus.retained == {}


def test_a_malformed_message_is_counted_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus, seen = LocalBus(), list[str]()

    def refuse(topic: str, payload: bytes) -> None:
        raise WireError(f"{topic}: {payload.decode()} is no message")

    bus.subscribe("a", refuse)
    bus.subscribe("a", noting(seen, "next"))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            bus.post("a", b"x")
    assert bus.counters.malformed == {"a": 5}
    assert len(seen) == 5
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == [1, 2, 4]


def test_an_error_that_is_not_the_sender_s_is_not_swallowed_and_the_bus_goes_on() -> None:
    bus, seen = LocalBus(), list[str]()
    bus.subscribe("a", lambda _topic, _payload: [][0])
    bus.subscribe("b", noting(seen, "b"))
    with pytest.raises(IndexError):
        bus.post("a", b"1")
    bus.post("b", b"2")
    assert seen == ["b b 2"]


def test_a_cut_link_says_the_last_will_loses_qos_0_and_keeps_qos_1() -> None:
    bus, seen = LocalBus(), list[str]()
    link = bus.link(Will("status", b"offline"))
    bus.subscribe("#", noting(seen, "bus"))
    link.cut()
    link.post("fast", b"1")
    link.post("sure", b"2", qos=1)
    link.mend()
    assert seen == ["bus status offline", "bus sure 2"]
    assert (link.counters.dropped, link.counters.connections) == (1, 2)


def test_a_mended_link_gets_the_retained_messages_it_missed() -> None:
    bus, seen = LocalBus(), list[str]()
    link = bus.link()
    link.subscribe("arm", noting(seen, "edge"), qos=1)
    link.cut()
    bus.post("arm", b"new", qos=1, retain=True)
    missed = list(seen)
    link.mend()
    assert (missed, seen) == ([], ["edge arm new"])


async def test_a_flush_of_a_bus_without_distance_returns_at_once() -> None:
    bus = LocalBus()
    await bus.flush()
    assert bus.connected
