from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from controllers.api.live import LiveView
from controllers.api.stream import JOURNAL_MAX, Follower, Hub
from tests.console_builders import NOW, Talk
from vpp.wire.messages import Target


class Tape:
    """Reads a stream as a browser does."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts

    async def next(self) -> tuple[str, object]:
        async with asyncio.timeout(5.0):
            part = await anext(self._parts)
        lines = dict(line.split(": ", 1) for line in part.decode().strip().split("\n"))
        return lines["event"], msgspec.json.decode(lines["data"])

    async def upto(self, event: str) -> object:
        while True:
            name, data = await self.next()
            if name == event:
                return data


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def hub(talk: Talk) -> Hub:
    return Hub(LiveView(talk.park, talk.bus), lambda: NOW, most=3)


def _tape(hub: Hub, kinds: set[str] | None = None, left_s: float | None = None, pace_s: float = 0.01) -> tuple[Tape, Follower]:
    follower = Follower(kinds, pace_s)
    return Tape(hub.follow(follower, lambda: left_s)), follower


async def test_a_stream_begins_with_the_whole_state(talk: Talk, hub: Hub) -> None:
    talk.devices()
    tape, _ = _tape(hub)
    name, state = await tape.next()
    assert name == "state"
    assert len(msgspec.to_builtins(state)["assets"]) == len(talk.park.assets)


async def test_of_many_changes_of_an_asset_a_slow_follower_gets_the_present_once(talk: Talk, hub: Hub) -> None:
    tape, follower = _tape(hub, {"asset"})
    await tape.next()
    for power_mw in range(2_000):
        talk.telemetry("bess.hongshan", float(power_mw % 10))
    assert sum(map(len, follower.changed.values())) == 1
    name, rows = await tape.next()
    assert (name, [row["power_mw"] for row in msgspec.to_builtins(rows)]) == ("assets", [9.0])


async def test_a_full_journal_drops_its_oldest_and_says_how_many(talk: Talk, hub: Hub) -> None:
    tape, follower = _tape(hub, {"command"})
    await tape.next()
    told = [talk.command("bess.hongshan", Target(power_mw=1.0)) for _ in range(JOURNAL_MAX + 7)]
    assert len(follower.journal) == JOURNAL_MAX
    assert await tape.next() == ("lost", {"lost": 7})
    _, first = await tape.next()
    assert msgspec.to_builtins(first)["command"]["seq"] == told[7].seq
    assert hub.lost == 7


async def test_a_follower_who_asked_for_alarms_hears_nothing_else(talk: Talk, hub: Hub) -> None:
    tape, follower = _tape(hub, {"alarm"})
    await tape.next()
    talk.everything()
    assert not follower.changed
    assert not follower.journal


async def test_commands_come_at_once_and_do_not_wait_for_the_pace_of_states(talk: Talk, hub: Hub) -> None:
    tape, _ = _tape(hub, pace_s=60.0)
    await tape.next()
    talk.devices()
    talk.command("bess.hongshan", Target(power_mw=1.0))
    assert await tape.upto("command")


async def test_a_stream_ends_with_the_token_it_was_opened_with(hub: Hub) -> None:
    tape, _ = _tape(hub, left_s=0.0)
    await tape.next()
    name, _ = await tape.next()
    assert name == "end"
    with pytest.raises(StopAsyncIteration):
        await tape.next()
    assert hub.followers == 0


async def test_who_hangs_up_is_forgotten(hub: Hub) -> None:
    parts = hub.follow(Follower(None, 1.0), lambda: None)
    await anext(parts)
    assert hub.followers == 1
    await parts.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert hub.followers == 0


async def test_there_is_room_for_so_many_and_no_more(hub: Hub) -> None:
    tapes = [_tape(hub)[0] for _ in range(3)]
    for tape in tapes:
        await tape.next()
    assert not hub.has_room()


async def test_without_a_follower_nothing_is_kept(talk: Talk, hub: Hub) -> None:
    talk.everything()
    tape, follower = _tape(hub)
    await tape.next()
    assert not follower.journal
