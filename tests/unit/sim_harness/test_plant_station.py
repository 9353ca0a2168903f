from collections.abc import Callable
from datetime import timedelta

import pytest

from controllers.bus.local import LocalBus
from controllers.edge import Edge
from sim_harness.plants.base import Ambient
from sim_harness.plants.station import Station
from tests.plant_runs import PARK, Time
from tests.station_runs import STATIONS, battery, charging, compressed_air, feeder, flexible, pass_time, worst_residual, zinc
from tests.world_builders import START
from vpp.wire.codec import encode
from vpp.wire.messages import Arm, Command, FallbackProfile, Limit, Reason, Reflex, Setpoint, Switch, Target
from vpp.wire.topics import Channel, topic_of

DIP_HZ = 49.6


class Bench:
    """One plant, its edge and their clock; nobody else is there unless a test speaks."""

    def __init__(self, plant: Station) -> None:
        self.plant, self.time, self.bus = plant, Time(), LocalBus()
        self.edge = Edge(self.bus, plant, PARK, self.time)

    def arm(self, then: Setpoint, hold_s: float = 60.0, after_s: float = 0.0) -> None:
        reflex = Reflex(quantity="frequency_hz", below=49.8, after_s=after_s, hold_s=hold_s, then=then)
        arm = Arm(epoch=1, seq=1, issued_at=self.time.at, reflexes=(reflex,))
        self.bus.post(topic_of(PARK, Channel.ASSET_ARM, self.plant.asset_id), encode(arm), qos=1, retain=True)

    def command(self, setpoint: Setpoint, seq: int = 1) -> None:
        command = Command(
            epoch=1,
            seq=seq,
            issued_at=self.time.at,
            command=setpoint,
            lease_s=15.0,
            fallback=FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=10.0),
            plan_id="p",
            reason=Reason(code="test", text=""),
        )
        self.bus.post(topic_of(PARK, Channel.ASSET_COMMAND, self.plant.asset_id), encode(command))

    def second(self, frequency_hz: float = 50.0) -> float:
        """One second of the world, then the edge's turn; the power of that second."""
        ambient = Ambient(self.time.at, 1.0, 10.0, frequency_hz=frequency_hz)
        self.plant.settle(self.plant.intend(ambient).power_mw, ambient)
        self.time.at += timedelta(seconds=1)
        self.edge.tick()
        return self.plant.power_mw


@pytest.mark.parametrize(
    ("make", "then", "power_mw"),
    [
        (battery, Target(power_mw=-16.5), -16.5),
        (lambda: feeder(breaker_s=0.0), Switch(closed=False), 0.0),
        (charging, Limit(max_power_mw=0.0), 0.0),
        (STATIONS["electrolyser"], Limit(max_power_mw=320.0), 320.0),
    ],
    ids=["battery", "feeder", "charging", "electrolyser"],
)
def test_an_armed_reflex_acts_within_a_second_with_nobody_in_command(
    make: Callable[..., Station], then: Setpoint, power_mw: float
) -> None:
    bench = Bench(make(1) if make is STATIONS["electrolyser"] else make())
    bench.second()
    bench.arm(then)
    for _ in range(5):
        before_mw = bench.second()
    assert abs(before_mw - power_mw) > 0.01
    bench.second(DIP_HZ)  # the frequency falls while this second passes, and the relay sees it at its end
    assert bench.second(DIP_HZ) <= power_mw + 0.7


def test_a_reflex_holds_its_time_and_gives_the_battery_back_to_its_safe_power() -> None:
    bench = Bench(battery())
    bench.arm(Target(power_mw=-16.5), hold_s=10.0)
    for _ in range(3):
        bench.second(DIP_HZ)
    powers = [bench.second() for _ in range(15)]
    assert powers[5] == -16.5
    assert powers[-1] == pytest.approx(bench.plant.safe_power_mw())


def test_a_dip_shorter_than_the_reflex_waits_moves_nothing() -> None:
    bench = Bench(battery())
    bench.arm(Target(power_mw=-16.5), after_s=3.0)
    for frequency_hz in (50.0, DIP_HZ, DIP_HZ, 50.0, 50.0):
        bench.second(frequency_hz)
    assert bench.plant.power_mw == pytest.approx(bench.plant.safe_power_mw())


@pytest.mark.parametrize("kind", STATIONS)
def test_every_station_tells_the_frequency_it_sees(kind: str) -> None:
    plant = STATIONS[kind](1)
    ambient = Ambient(START, 1.0, 10.0, frequency_hz=49.7)
    plant.settle(plant.intend(ambient).power_mw, ambient)
    assert plant.read().state["frequency_hz"] == 49.7


@pytest.mark.parametrize("kind", STATIONS)
def test_a_station_in_somebodys_hand_refuses_commands_and_says_why(kind: str) -> None:
    plant = STATIONS[kind](1)
    plant.turn_key("local")
    answer = plant.apply(Limit(max_power_mw=1.0), None)
    assert (answer.outcome, plant.read().mode) == ("rejected", "local")
    assert answer.reason is not None
    assert answer.reason.code == "mode_local"


def test_the_edge_of_a_station_in_local_mode_rejects_and_follows_again_in_remote() -> None:
    bench = Bench(battery())
    bench.plant.turn_key("local")
    bench.second()
    bench.command(Target(power_mw=-10.0))
    assert bench.second() == pytest.approx(bench.plant.safe_power_mw())
    bench.plant.turn_key("remote")
    bench.second()
    bench.command(Target(power_mw=-10.0), seq=2)
    assert bench.second() == -10.0


def test_whoever_turned_the_key_works_the_plant_from_its_panel() -> None:
    plant = battery()
    plant.turn_key("local")
    assert plant.by_hand(Target(power_mw=-5.0)).outcome == "accepted"
    pass_time(plant, 0.1)
    assert plant.power_mw == -5.0


@pytest.mark.parametrize("make", [zinc, flexible, compressed_air, feeder], ids=lambda make: make.__name__)
def test_a_setpoint_that_means_nothing_is_rejected(make: Callable[..., Station]) -> None:
    from vpp.wire.messages import HeatStart

    answer = make().apply(HeatStart(furnace="furnace.0", start_at=START), None)
    assert answer.outcome == "rejected"


@pytest.mark.parametrize("kind", STATIONS)
@pytest.mark.parametrize("dt_s", [10.0, 900.0])
def test_a_day_left_alone_closes_every_law(kind: str, dt_s: float) -> None:
    plant = STATIONS[kind](3)
    pass_time(plant, 24.0 if dt_s > 10.0 else 2.0, dt_s=dt_s)
    assert worst_residual(plant) < 1e-9


@pytest.mark.parametrize("kind", STATIONS)
def test_the_same_seed_gives_the_same_day(kind: str) -> None:
    first, second = STATIONS[kind](7), STATIONS[kind](7)
    assert pass_time(first, 6.0) == pass_time(second, 6.0)
    assert first.totals() == second.totals()
