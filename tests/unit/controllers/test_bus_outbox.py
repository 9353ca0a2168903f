"""What waits to be sent is bounded, and each loss is counted."""

from __future__ import annotations

import pytest

from controllers.bus.base import BusCounters
from controllers.bus.mqtt import Address
from controllers.bus.outbox import Outbox, Posted
from vpp.errors import BrokerError


def posted(number: int, qos: int = 0, posted_s: float = 0.0) -> Posted:
    return Posted(number, f"topic/{number}", b"", qos, retain=False, posted_s=posted_s)


def numbers(outbox: Outbox, now_s: float = 0.0) -> list[int]:
    taken = []
    while (message := outbox.take(now_s)) is not None:
        taken.append(message.number)
    return taken


def test_a_full_outbox_drops_the_oldest_qos_0_message_and_counts_it() -> None:
    counters = BusCounters()
    outbox = Outbox(3, 5.0, counters)
    for message in (posted(1, qos=1), posted(2), posted(3), posted(4, qos=1)):
        outbox.put(message)
    assert counters.dropped == 1
    assert numbers(outbox) == [1, 3, 4]


def test_an_outbox_full_of_qos_1_refuses_instead_of_dropping() -> None:
    outbox = Outbox(2, 5.0, BusCounters())
    outbox.put(posted(1, qos=1))
    outbox.put(posted(2, qos=1))
    with pytest.raises(BrokerError, match="holds 2 QoS 1 messages"):
        outbox.put(posted(3))
    assert numbers(outbox) == [1, 2]


def test_a_qos_0_message_that_waited_too_long_is_not_sent_any_more() -> None:
    counters = BusCounters()
    outbox = Outbox(10, 5.0, counters)
    for message in (posted(1), posted(2, qos=1), posted(3, posted_s=2.0)):
        outbox.put(message)
    assert numbers(outbox, now_s=6.0) == [2, 3]
    assert counters.dropped == 1


def test_what_was_not_acknowledged_goes_out_before_what_is_new() -> None:
    outbox = Outbox(10, 5.0, BusCounters())
    outbox.put(posted(3))
    outbox.put_back([posted(1, qos=1), posted(2, qos=1)])
    assert numbers(outbox) == [1, 2, 3]


def test_a_broker_url_carries_host_port_user_and_tls() -> None:
    assert Address.of("mqtt://broker") == Address("broker", 1883, None, None, tls=False)
    assert Address.of("mqtts://me:p%40ss@broker:9000") == Address("broker", 9000, "me", "p@ss", tls=True)


@pytest.mark.parametrize("url", ["http://broker", "mqtt://", "mqtt://me:secret@broker:port", "broker:1883"])
def test_a_wrong_broker_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(BrokerError) as caught:
        Address.of(url)
    assert "secret" not in str(caught.value)
