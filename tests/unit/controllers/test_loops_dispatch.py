"""The dispatch loop: one snapshot, one clearing, one order an asset, over a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.guidance import ConnectionGuidance, Guidance, StoreGuidance
from controllers.dispatch.orders import LeaseTimes
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.commander import Commander
from controllers.loops.dispatch import DispatchDesk, decide, run_dispatch
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.registers import PeakMeter
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, START, asset, connection, park
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Command, GridMeasurement, Status, Target, Telemetry
from vpp.wire.topics import Channel, filter_of, topic_of

BESS, LOAD, GRID = AssetId("bess.a"), AssetId("base.a"), ConnectionId("grid.a")
PARK = park([asset(BESS, "battery", BATTERY, "a"), asset(LOAD, "base_load", BASE, "a")], [connection(GRID, "a")])
GUIDANCE = Guidance(
    "plan.1", "mpc", {GRID: ConnectionGuidance(700.0, 150.0, 200.0, 30_000.0)}, stores={BESS: StoreGuidance(300.0, 600.0)}
)
DISCHARGE_MW = BATTERY.auxiliary_frac * BATTERY.power_mw - BATTERY.power_mw


class Loop:
    """The loop's desk, with a site that has spoken once."""

    def __init__(self) -> None:
        self.bus, clock = LocalBus(), SimClock(START)
        self.sent: list[Command] = []
        self.bus.subscribe(filter_of("test", Channel.ASSET_COMMAND), lambda t, p: self.sent.append(decode(Command, t, p)))
        inbox, box = Inbox(self.bus, "test", clock.now), Mailbox[Guidance](GUIDANCE)
        self.desk = DispatchDesk(PARK, inbox, box, Commander(self.bus, "test", clock), PeakMeter(PARK.zone))
        status, told = Status(online=True, mode="remote"), Telemetry(measured_at=START, power_mw=0.0, state={"soc_frac": 0.5})
        self.bus.post(topic_of("test", Channel.ASSET_STATUS, BESS), encode(status))
        self.bus.post(topic_of("test", Channel.ASSET_TELEMETRY, BESS), encode(told))
        load = Telemetry(measured_at=START, power_mw=60.0)
        self.bus.post(topic_of("test", Channel.ASSET_TELEMETRY, LOAD), encode(load))

    def import_mw(self, power_mw: float) -> None:
        measured = GridMeasurement(measured_at=START, import_mw=power_mw)
        self.bus.post(topic_of("test", Channel.GRID_MEASUREMENT, GRID), encode(measured))


async def ticks(n: int) -> AsyncIterator[datetime]:
    for k in range(n):
        yield START + k * timedelta(seconds=1)


@pytest.fixture
def loop() -> Loop:
    return Loop()


async def test_a_tick_sends_what_was_cleared(loop: Loop) -> None:
    await run_dispatch(ticks(1), loop.desk)
    (command,) = loop.sent
    assert isinstance(command.command, Target)
    assert command.command.power_mw == pytest.approx(DISCHARGE_MW)


async def test_an_order_is_repeated_each_tick_until_it_is_confirmed(loop: Loop) -> None:
    await run_dispatch(ticks(3), loop.desk)
    assert [command.seq for command in loop.sent] == [1, 2, 3]


async def test_nothing_is_sent_before_there_is_guidance(loop: Loop) -> None:
    loop.desk.guidance.value = None
    await run_dispatch(ticks(2), loop.desk)
    assert loop.sent == []


async def test_imports_are_metered_even_before_there_is_guidance(loop: Loop) -> None:
    loop.desk.guidance.value = None
    loop.import_mw(44.0)
    await run_dispatch(ticks(1), loop.desk)
    loop.desk.peaks.record(START + timedelta(minutes=15), GRID, 0.0)  # the next quarter closes the first
    assert loop.desk.peaks.peaks_mw() == {GRID: 44.0}


def test_one_decision_is_the_same_for_the_same_snapshot() -> None:
    seen = Snapshot(START, {BESS: Reported(START, 0.0, None, {"soc_frac": 0.5}, online=True)}, {}, {})
    first, second = (decide(PARK, seen, GUIDANCE, LeaseTimes()).orders for _ in range(2))
    assert first == second
    assert [order.asset_id for order in first] == [BESS]
    assert first[0].reason.price_cny_per_mwh is not None
