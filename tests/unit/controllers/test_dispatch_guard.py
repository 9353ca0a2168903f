"""The guard: a ladder by cost, armed places, and when it is climbed and left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from controllers.bus.local import LocalBus
from controllers.dispatch.guard import GuardRule, Overload, Watch, arming_of, emergency_on, ladder_of, watched
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.commander import Commander
from controllers.loops.guard import Guard
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, STACKS, START, asset, connection, park
from vpp.events import Event
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.plates import FeederPlate
from vpp.wire.codec import decode
from vpp.wire.messages import Arm, GridMeasurement, Shed
from vpp.wire.topics import Channel, filter_of

BESS, H2, FEEDER, LOAD = AssetId("bess.a"), AssetId("h2.a"), AssetId("feeder.a"), AssetId("base.a")
GRID, AREA = ConnectionId("grid.a"), AreaId("a")
FEEDER_PLATE = FeederPlate(power_mw=8.0, breaker_s=0.2, calls_per_year=10, hours_per_year=20.0, call_cny_per_mwh=4_000.0)
PARK = park(
    [
        asset(FEEDER, "feeder", FEEDER_PLATE, "a"),
        asset(H2, "electrolyser", STACKS, "a"),
        asset(BESS, "battery", BATTERY, "a"),
        asset(LOAD, "base_load", BASE, "a"),
    ],
    [connection(GRID, "a")],
)
LIMIT_MW = PARK.connection(GRID).import_limit_mw
RULE = GuardRule()
SEEN = Snapshot(
    START,
    {
        BESS: Reported(START, 10.0, None, {}, online=True),
        H2: Reported(START, 40.0, None, {}, online=True),
        FEEDER: Reported(START, 8.0, None, {}, online=True),
    },
    {},
    {},
)


def test_a_ladder_begins_with_what_costs_least() -> None:
    assert [rung.asset_id for rung in ladder_of(PARK, AREA).rungs] == [BESS, H2, FEEDER]


def test_the_lowest_step_that_gives_enough_is_taken() -> None:
    ladder = ladder_of(PARK, AREA)
    assert [ladder.step_for(mw, (26.5, 40.0, 8.0)) for mw in (5.0, 26.5, 27.0, 70.0, 500.0)] == [1, 1, 2, 3, 3]


def test_devices_are_armed_with_reflexes_on_frequency_and_their_place() -> None:
    reflexes, places = arming_of(PARK, PARK.asset(BESS), RULE)
    assert {(r.below, r.above) for r in reflexes} == {(49.8, None), (None, 50.2)}
    assert [(p.ladder, p.step) for p in places] == [(AREA, 1)]
    assert arming_of(PARK, PARK.asset(LOAD), RULE) == ((), ())


def test_an_overload_is_given_to_dispatch_first_and_to_the_ladder_then() -> None:
    over, watch = Overload(30.0), Watch(GRID)
    steps = []
    for second in range(5):
        watch = watched(watch, over, 2, START + timedelta(seconds=second), RULE)
        steps.append(watch.step)
    assert steps == [0, 0, 0, 2, 2]


def test_what_was_shed_comes_back_one_rung_at_a_time() -> None:
    watch = Watch(GRID, None, 2, START)
    seen = [watch := watched(watch, Overload(0.0), 0, START + timedelta(seconds=s), RULE) for s in (30, 60, 90, 120, 180)]
    assert [w.step for w in seen] == [2, 1, 1, 0, 0]


def test_noise_at_the_limit_is_no_overload() -> None:
    limits = PARK.connection(GRID)
    assert Overload.of(limits, LIMIT_MW * 1.009, RULE.tolerance_frac).mw == 0.0
    assert Overload.of(limits, LIMIT_MW + 20.0, RULE.tolerance_frac).mw == 20.0
    assert Overload.of(limits, -limits.export_limit_mw - 20.0, RULE.tolerance_frac).mw == -20.0


async def test_a_reading_beyond_the_limit_brings_dispatch_on_and_in_the_end_one_broadcast_sheds() -> None:
    clock, bus, heard, rung = SimClock(START), LocalBus(), list[Shed](), list[int]()
    bus.subscribe(filter_of("test", Channel.SHED), lambda t, p: heard.append(decode(Shed, t, p)))
    guard = Guard(PARK, Commander(bus, "test", clock), lambda: SEEN, lambda: rung.append(1))

    async def second_by_second() -> None:
        for k in range(5):
            reading = GridMeasurement(measured_at=clock.now(), import_mw=LIMIT_MW + 30.0 if k < 4 else LIMIT_MW - 50.0)
            guard.measured(GRID, reading)
            await clock.sleep(1.0)

    clock.spawn(second_by_second())
    await clock.run_until(START + timedelta(seconds=10))
    assert len(rung) == 4
    # 26.5 MW from the battery are too few for 30 MW.
    assert [(shed.ladder, shed.step, shed.reason.code) for shed in heard] == [(AREA, 2, "overload")]
    guard.repeat(START + timedelta(seconds=8))
    assert [shed.step for shed in heard] == [2, 2]


async def test_every_device_on_a_ladder_hears_its_place_and_who_joins_late_too() -> None:
    bus = LocalBus()
    Guard(PARK, Commander(bus, "test", SimClock(START)), lambda: SEEN, lambda: None).arm_all()
    heard: dict[str, Arm] = {}
    bus.subscribe(filter_of("test", Channel.ASSET_ARM), lambda t, p: heard.update({t: decode(Arm, t, p)}))
    assert len(heard) == 3


def test_an_emergency_at_a_clusters_own_meter_is_none_of_the_connections() -> None:
    times = (START, START + timedelta(hours=1), START, START)
    here = Event("e1", "emergency", GRID, 50.0, *times)
    found = emergency_on([here, replace(here, event_id="e2", target_mw=5.0, asset_id=H2)], GRID, START)
    assert found is not None
    assert (found.event_id, found.at_most_mw) == ("e1", 50.0)
    assert emergency_on([here], GRID, START + timedelta(hours=1)) is None
