"""A device that answers nothing or refuses loses its share to the others within two periods, and gets it back when it answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.guidance import ConnectionGuidance, Guidance, StoreGuidance
from controllers.service import Controller, ControllerSettings, Remembered
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, START, asset, connection, park
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Command, GridEvent, Reason, Status, Target, Telemetry
from vpp.wire.topics import Channel, filter_of, parse, topic_of

LOAD, GRID = AssetId("base.a"), ConnectionId("grid.a")
STORES = tuple(AssetId(f"bess.{letter}") for letter in "abc")
PARK = park([*(asset(i, "battery", BATTERY, "a") for i in STORES), asset(LOAD, "base_load", BASE, "a")], [connection(GRID, "a")])
#: The grid allows 25 MW less than the load draws: two batteries of 16.5 MW are enough, one is not.
LOAD_MW, WANTED_MW = 60.0, 25.0
GUIDANCE = Guidance(
    "plan.1",
    "mpc",
    {GRID: ConnectionGuidance(400.0, 150.0, 200.0, 30_000.0)},
    stores={i: StoreGuidance(300.0, 600.0) for i in STORES},
)


class Yard:
    """Three batteries that do at once what they are told; some of them not, and some say nothing."""

    def __init__(self) -> None:
        self.bus, self.clock = LocalBus(), SimClock(START)
        self.power_mw = dict.fromkeys(STORES, 0.0)
        self.silent, self.refusing = set[AssetId](), set[AssetId]()
        self.bus.subscribe(filter_of("test", Channel.ASSET_COMMAND), self.take)
        settings = ControllerSettings(rules=timedelta(hours=10))
        self.controller = Controller(PARK, self.bus, self.clock, settings, before=Remembered(guidance=GUIDANCE))
        call = GridEvent(
            event_id="e",
            revision=1,
            kind="import_limit",
            target_mw=LOAD_MW - WANTED_MW,
            start=START,
            end=START + timedelta(hours=1),
            issued_at=START,
        )
        self.bus.post(topic_of("test", Channel.GRID_EVENT, GRID), encode(call))
        for store in STORES:
            self.bus.post(topic_of("test", Channel.ASSET_STATUS, store), encode(Status(online=True, mode="remote")))

    def take(self, topic: str, payload: bytes) -> None:
        store, command = AssetId(parse(topic).subject), decode(Command, topic, payload)
        if store in self.silent:
            return
        refused = store in self.refusing
        if not refused and isinstance(command.command, Target):
            self.power_mw[store] = command.command.power_mw
        ack = Ack(
            epoch=command.epoch,
            seq=command.seq,
            acked_at=self.clock.now(),
            outcome="rejected" if refused else "accepted",
            power_mw=self.power_mw[store],
            reason=Reason(code="mode_local", text="somebody is at it") if refused else None,
        )
        self.bus.post(topic_of("test", Channel.ASSET_ACK, store), encode(ack))

    async def report(self) -> None:
        async for at in self.clock.every(timedelta(seconds=1), priority=-1):
            for store, power_mw in self.power_mw.items():
                told = Telemetry(measured_at=at, power_mw=power_mw, state={"soc_frac": 0.5})
                self.bus.post(topic_of("test", Channel.ASSET_TELEMETRY, store), encode(told))
            load = Telemetry(measured_at=at, power_mw=LOAD_MW)
            self.bus.post(topic_of("test", Channel.ASSET_TELEMETRY, LOAD), encode(load))

    async def run(self, seconds: int) -> list[float]:
        """What the batteries give together at the end of each second."""
        given = []
        if self.clock.participants == 0:
            self.clock.spawn(self.report())
            self.clock.spawn(self.controller._dispatch())  # noqa: SLF001  the one loop that is meant
        for _ in range(seconds):
            await self.clock.run_until(self.clock.now() + timedelta(seconds=1))
            given.append(-sum(self.power_mw.values()))
        return given


@pytest.mark.parametrize("how", ["silent", "refusing"])
async def test_its_share_goes_to_the_others_within_two_periods(how: str) -> None:
    yard = Yard()
    lazy = STORES[0]
    getattr(yard, how).add(lazy)
    given = await yard.run(4)
    assert given[-1] == pytest.approx(WANTED_MW, abs=0.1)
    assert given[2] == pytest.approx(WANTED_MW, abs=0.1), "told at 0 s, not answered by 2 s"
    assert yard.power_mw[lazy] == 0.0


async def test_who_answers_again_is_counted_on_again() -> None:
    yard = Yard()
    yard.silent |= set(STORES[:2])
    given = await yard.run(5)
    assert given[-1] < WANTED_MW
    yard.silent.clear()
    assert (await yard.run(3))[-1] == pytest.approx(WANTED_MW, abs=0.1)


async def test_acks_that_come_twice_count_once() -> None:
    yard = Yard()
    heard: list[bytes] = []
    yard.bus.subscribe(filter_of("test", Channel.ASSET_ACK), lambda t, p: heard.append(p))
    await yard.run(2)
    counters = yard.controller.commander.counters
    before = sum(counters.outcomes.values())
    for payload in tuple(heard):
        yard.bus.post(topic_of("test", Channel.ASSET_ACK, STORES[0]), payload)
    assert sum(counters.outcomes.values()) == before <= counters.sent
