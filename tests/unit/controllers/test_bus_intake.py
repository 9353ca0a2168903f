"""What arrives faster than handlers take it: which message goes is a rule, and it is counted."""

from __future__ import annotations

import aiomqtt

from controllers.bus.base import BusCounters
from controllers.bus.intake import Intake

FENCE = "vpp/v1-fence/one"


def message(number: int, qos: int = 0, topic: str = "t") -> aiomqtt.Message:
    return aiomqtt.Message(topic, str(number).encode(), qos, False, number, None)


def filled(*messages: aiomqtt.Message, size: int = 3) -> tuple[Intake, BusCounters, list[str]]:
    counters = BusCounters()
    intake = Intake(size, FENCE, counters)
    for one in messages:
        intake.put_nowait(one)
    return intake, counters, [intake.get_nowait().payload.decode() for _ in range(intake.qsize())]


def test_the_oldest_qos_0_goes_first() -> None:
    _, counters, left = filled(message(1, qos=1), message(2), message(3), message(4))
    assert (left, counters.overrun) == (["1", "3", "4"], 1)


def test_a_client_s_own_fence_is_never_dropped() -> None:
    _, _, left = filled(message(1, topic=FENCE), message(2), message(3), message(4))
    assert left == ["1", "3", "4"]


def test_full_of_qos_1_it_asks_for_a_new_connection_which_brings_again_what_is_retained() -> None:
    intake, counters, left = filled(*(message(n, qos=1) for n in range(1, 5)))
    assert (left, counters.overrun, intake.is_broken) == (["1", "2", "3"], 1, True)


def test_full_of_qos_1_a_new_reading_is_what_goes() -> None:
    intake, _, left = filled(*(message(n, qos=1) for n in range(1, 4)), message(4))
    assert (left, intake.is_broken) == (["1", "2", "3"], False)
