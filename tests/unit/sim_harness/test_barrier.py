"""The count that keeps two processes in step over a broker."""

import asyncio

import pytest

from controllers.bus.local import LocalBus
from sim_harness.barrier import TalliedBus, Tally

WORLD, OURS = "vpp/v1/park/asset/a/telemetry", "vpp/v1/park/compute/c/shift"


async def test_what_one_says_itself_is_no_word_of_the_other_side() -> None:
    link = LocalBus()
    side = TalliedBus(link)
    heard: list[str] = []
    for topic in (WORLD, OURS):
        side.subscribe(topic, lambda name, _: heard.append(name))
    said_once = Tally(sent=1, connections=side.counters.connections, connected=True)
    side.post(OURS, b"1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await side.catch_up(said_once)
    link.post(WORLD, b"2")
    async with asyncio.timeout(5.0):
        await side.catch_up(said_once)
    assert heard == [OURS, WORLD]
