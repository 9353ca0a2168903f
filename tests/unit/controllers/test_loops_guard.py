"""The guard at work: an emergency call is one broadcast, at once; what is used up is left out; a successor leaves what stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.ladder import GuardFacts, Used
from controllers.edge import Edge
from controllers.edge.device import Applied, Reading
from controllers.loops.guard import Guard
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from tests.world_builders import BATTERY, START, asset, connection, park
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park
from vpp.park.plates import FeederPlate
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Arm, GridEvent, GridMeasurement, Setpoint, Shed, Switch, Target
from vpp.wire.topics import Channel, filter_of, topic_of

BESS, FEEDER, GRID = AssetId("bess.a"), AssetId("feeder.a"), ConnectionId("grid.a")
PLATE = FeederPlate(power_mw=8.0, breaker_s=0.2, calls_per_year=3, hours_per_year=20.0, call_cny_per_mwh=4_000.0)
PARK = park([asset(BESS, "battery", BATTERY, "a"), asset(FEEDER, "feeder", PLATE, "a")], [connection(GRID, "a")])


@dataclass
class Plain:
    """A device that does at once what it is told."""

    asset_id: str
    time: SimClock
    power_mw: float
    state: dict[str, float] = field(default_factory=dict)
    told: list[Setpoint] = field(default_factory=list)

    def read(self) -> Reading:
        return Reading(self.time.now(), self.power_mw, state=self.state)

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        self.told.append(setpoint)
        match setpoint:
            case Target(power_mw=power_mw):
                self.power_mw = power_mw
            case Switch(closed=closed):
                self.power_mw = 8.0 if closed else 0.0
        return Applied("accepted", self.power_mw)

    def safe_power_mw(self) -> float:
        return 8.0 if self.asset_id == FEEDER else 0.0


class Site:
    """Two devices with their edges, and the shipped controller, which nobody runs: only what it hears moves it."""

    def __init__(self, plant: Park = PARK) -> None:
        self.clock, self.bus, self.park = SimClock(START), LocalBus(), plant
        self.battery, self.feeder = Plain(BESS, self.clock, 5.0), Plain(FEEDER, self.clock, 8.0)
        self.cable = self.bus.link()
        self.edges = [Edge(self.cable, self.battery, "test", self.clock), Edge(self.bus, self.feeder, "test", self.clock)]
        self.sheds: list[Shed] = []
        self.arms: list[tuple[str, Arm]] = []
        self.bus.subscribe(filter_of("test", Channel.SHED), lambda t, p: self.sheds.append(decode(Shed, t, p)))
        self.bus.subscribe(filter_of("test", Channel.ASSET_ARM), lambda t, p: self.arms.append((t, decode(Arm, t, p))))
        self.noted: list[GuardFacts] = []
        self.controller = self.new_controller()
        self.report()

    def new_controller(self) -> Controller:
        controller = Controller(self.park, self.bus, self.clock, ControllerSettings(live=True))
        controller.guard.noted = self.noted.append
        controller.guard.arm_all()
        return controller

    def report(self) -> None:
        for edge in self.edges:
            edge.tick()

    def meter(self, import_mw: float, at: ConnectionId = GRID) -> None:
        reading = GridMeasurement(measured_at=self.clock.now(), import_mw=import_mw)
        self.bus.post(topic_of("test", Channel.GRID_MEASUREMENT, at), encode(reading))

    def call(  # noqa: PLR0913  what a call may say, each with its usual value
        self,
        target_mw: float,
        *,
        revision: int = 1,
        cancelled: bool = False,
        kind: str = "emergency",
        after_s: float = 0.0,
        end: datetime = START + timedelta(hours=1),
    ) -> None:
        at = self.clock.now()
        call = GridEvent(
            event_id="e1",
            revision=revision,
            kind=kind,  # type: ignore[arg-type]  # a test says which
            target_mw=target_mw,
            start=at + timedelta(seconds=after_s),
            end=end,
            issued_at=at,
            cancelled=cancelled,
        )
        self.bus.post(topic_of("test", Channel.GRID_EVENT, GRID), encode(call), qos=1)

    async def later(self, seconds: float) -> None:
        await self.clock.run_until(self.clock.now() + timedelta(seconds=seconds))

    async def ease(self, import_mw: float, at: ConnectionId = GRID) -> None:
        """The meter reads so little that the lowest step is released, which is not yet said again."""
        while not self.sheds or self.sheds[-1].step:
            await self.later(5.0)
            self.report()
            self.meter(import_mw, at)

    async def repeated(self, seconds: float, guard: Guard | None = None) -> list[int]:
        """Steps that the guard says in its next ticks."""
        before = len(self.sheds)
        for _ in range(round(seconds)):
            await self.later(1.0)
            (guard or self.controller.guard).repeat(self.clock.now())
        return [shed.step for shed in self.sheds[before:]]

    def successor(self) -> Guard:
        """What follows a controller that was lost, with what that one had noted."""
        kept = msgspec.json.decode(msgspec.json.encode(self.noted[-1]), type=GuardFacts)
        guard = Controller(self.park, self.bus, self.clock, ControllerSettings(live=True)).guard
        guard.restore(kept)
        guard.arm_all()
        return guard


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_emergency_call_is_one_broadcast_that_every_device_obeys_before_the_call_is_answered(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    # 21.5 MW of the battery are too few for 24 MW.
    assert [(shed.step, shed.reason.code) for shed in site.sheds] == [(2, "emergency")]
    assert (site.battery.power_mw, site.feeder.power_mw) == (-16.5, 0.0)


def test_a_call_by_rest_is_answered_as_fast_as_one_over_the_bus(site: Site) -> None:
    site.meter(100.0)
    at = site.clock.now()
    end = START + timedelta(hours=1)
    call = GridEvent(event_id="e1", revision=1, kind="emergency", target_mw=85.0, start=at, end=end, issued_at=at)
    site.controller.inbox.called(GRID, call)
    assert [shed.step for shed in site.sheds] == [1]


def test_only_as_many_rungs_are_shed_as_the_call_takes(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    assert [shed.step for shed in site.sheds] == [1]
    assert site.feeder.power_mw == 8.0


def test_a_call_that_is_kept_already_moves_nobody(site: Site) -> None:
    site.meter(100.0)
    site.call(100.5)
    assert site.sheds == []


def test_any_other_kind_of_call_is_left_to_dispatch(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0, kind="peak")
    assert site.sheds == []


async def test_an_emergency_with_notice_begins_at_its_start(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0, after_s=30.0)
    assert site.sheds == []
    await site.later(30.0)
    site.controller.guard.repeat(site.clock.now())
    assert [shed.step for shed in site.sheds] == [1]


async def test_what_was_shed_is_first_seen_at_the_meter_before_more_is_shed(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    await site.later(1.0)
    site.report()
    site.meter(100.0)  # the meter is late
    assert [shed.step for shed in site.sheds] == [1]
    await site.later(3.0)
    site.meter(95.0)  # it was too little after all
    assert [shed.step for shed in site.sheds] == [1, 2]


async def test_a_broadcast_of_an_emergency_stands_to_its_end_though_the_controller_dies(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    assert site.sheds[0].until == START + timedelta(hours=1)
    await site.later(3_500.0)
    site.report()
    assert site.feeder.power_mw == 0.0
    await site.later(101.0)
    site.report()
    assert site.feeder.power_mw == 8.0


async def test_nothing_is_given_back_that_would_break_the_target_again(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    for _ in range(30):
        await site.later(5.0)
        site.report()
        site.meter(74.0)  # 2 MW of room, and the feeder takes 8
    assert {shed.step for shed in site.sheds} == {2}
    for _ in range(14):
        await site.later(5.0)
        site.report()
        site.meter(60.0)
    assert site.sheds[-1].step == 1
    assert site.feeder.power_mw == 8.0


async def test_a_call_that_is_taken_back_ends_the_ladder_step_by_step(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    site.call(76.0, revision=2, cancelled=True)
    for _ in range(30):
        await site.later(5.0)
        site.report()
        site.meter(100.0)
    steps = [shed.step for shed in site.sheds]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0
    assert site.feeder.power_mw == 8.0


async def test_a_broadcast_is_said_again_while_it_stands(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    await site.later(2.0)
    site.controller.guard.repeat(site.clock.now())
    assert [shed.step for shed in site.sheds] == [2, 2]


async def test_a_device_that_missed_the_release_of_an_emergency_hears_it_again(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    site.cable.cut()
    await site.ease(40.0)
    site.cable.mend()
    site.report()
    assert site.battery.power_mw == -16.5  # it missed the release, and the step that it knows stands for the whole call
    assert await site.repeated(4.0) == [0, 0]
    assert site.battery.power_mw == 0.0


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_release_is_said_again_until_no_step_before_it_can_hold_anybody(site: Site, cancelled: bool) -> None:  # noqa: FBT001
    site.meter(100.0)
    site.call(85.0)
    site.call(85.0, revision=2, cancelled=cancelled)
    await site.ease(40.0)
    await site.later(3_400.0)
    assert site.clock.now() < site.sheds[0].until
    await site.repeated(300.0)
    last = site.sheds[-1]
    assert last.step == 0
    assert timedelta(0) < START + timedelta(hours=1) - last.issued_at <= timedelta(seconds=2)


async def test_the_release_of_an_overload_is_said_again_as_long_as_its_last_step_is_held(site: Site) -> None:
    limit_mw = PARK.connection(GRID).import_limit_mw
    for _ in range(5):
        site.meter(limit_mw + 10.0)
        await site.repeated(1.0)
    held = max(shed.until for shed in site.sheds)
    assert {shed.step for shed in site.sheds} == {1}
    while site.sheds[-1].step:
        await site.repeated(1.0)
        site.meter(limit_mw - 50.0)
        held = max(held, *(shed.until for shed in site.sheds if shed.step))
    said = await site.repeated(120.0)
    assert said
    assert set(said) == {0}
    assert timedelta(0) < held - site.sheds[-1].issued_at <= timedelta(seconds=2)


async def test_the_next_controller_goes_on_with_a_release_as_long_as_the_one_before_would_have(site: Site) -> None:
    site.meter(100.0)
    site.call(85.0)
    site.cable.cut()
    await site.ease(40.0)
    await site.repeated(1.0)
    guard = site.successor()
    site.cable.mend()
    assert await site.repeated(4.0, guard) == [0, 0]
    assert site.battery.power_mw == 0.0
    await site.later(3_600.0)
    assert await site.repeated(4.0, guard) == []


async def test_an_end_that_was_put_off_while_a_step_stands_is_known_to_the_next_controller(site: Site) -> None:
    late = START + timedelta(hours=3)
    site.meter(100.0)
    site.call(85.0)
    await site.repeated(1.0)
    site.call(85.0, revision=2, end=late)
    await site.repeated(3.0)
    assert [ladder.until for ladder in site.noted[-1].ladders] == [late]


async def test_a_release_for_one_connection_is_not_said_again_while_another_holds_the_same_ladder() -> None:
    other = ConnectionId("grid.b")
    site = Site(park([asset(BESS, "battery", BATTERY, "a")], [connection(GRID, "a"), connection(other, "a")]))
    site.meter(100.0)
    site.call(85.0)
    await site.ease(40.0)
    limit_mw = site.park.connection(other).import_limit_mw
    before = len(site.sheds)
    while not any(shed.step for shed in site.sheds[before:]):
        await site.later(1.0)
        site.meter(limit_mw + 10.0, other)
    assert set(await site.repeated(10.0)) == {1}


def test_what_an_older_version_noted_can_be_read(site: Site) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(site.controller.guard.facts()))
    for ladder in kept["ladders"]:
        del ladder["until"]
    [read] = msgspec.convert(kept, GuardFacts).ladders
    assert read.until is None


async def test_a_feeder_whose_calls_are_used_loses_its_place_and_the_reason_is_told(site: Site) -> None:
    before = len(site.arms)
    site.feeder.state = {"calls_left": 0.0, "hours_left_h": 5.0}
    site.report()
    await site.later(10.0)
    site.controller.guard.repeat(site.clock.now())
    assert [(topic.split("/")[-2], arm.places) for topic, arm in site.arms[before:] if not arm.places] == [(FEEDER, ())]
    [ladder] = site.noted[-1].ladders
    assert [(rung.step, rung.asset_id, rung.reason) for rung in ladder.rungs] == [
        (1, BESS, ""),
        (0, FEEDER, "all 3 calls of the year's contract are used"),
    ]


async def test_ladders_are_not_rearranged_while_one_stands(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    before = len(site.arms)
    site.feeder.state = {"calls_left": 0.0, "hours_left_h": 5.0}
    site.report()
    await site.later(10.0)
    site.controller.guard.repeat(site.clock.now())
    assert site.arms[before:] == []


async def test_who_was_shed_is_counted_in_times_and_hours(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    for _ in range(36):
        await site.later(10.0)
        site.controller.guard.repeat(site.clock.now())
    used = site.controller.guard.facts().used[FEEDER]
    assert used.calls == 1
    assert used.open_h == pytest.approx(350.0 / 3_600.0)


def test_the_next_controller_knows_what_stands_and_leaves_it_in_order(site: Site) -> None:
    site.meter(100.0)
    site.call(76.0)
    site.controller.guard.repeat(site.clock.now())
    assert site.noted[-1].ladders[0].step == 2
    guard = site.successor()
    guard.repeat(site.clock.now())
    assert site.sheds[-1].step == 2
    assert guard.facts().used[FEEDER].calls == 1


def test_a_year_that_is_over_is_forgotten(site: Site) -> None:
    facts = replace(site.controller.guard.facts(), year=2029, used={"feeder.a": Used(3, 1.0)})
    assert site.controller.guard.facts().used == {}
    site.controller.guard.restore(facts)
    assert site.controller.guard.facts().used == {}
