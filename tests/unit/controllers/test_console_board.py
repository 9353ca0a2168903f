"""The board keeps the last word of everybody and invents nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.bus.base import Handler
from controllers.bus.local import LocalBus
from controllers.console import Board
from controllers.console.flows import area_flows, green_shares
from controllers.console.frame import AssetFrame
from controllers.console.history import KEPT, STEP
from controllers.console.palette import CATEGORIES, KINDS, Mode
from tests.console_builders import NOW, Talk, two_areas
from vpp.ids import ConnectionId
from vpp.park.plates import PLATES
from vpp.wire import messages as m
from vpp.wire.topics import Channel, matches


def asset(talk: Talk, asset_id: str, later_s: float = 0.0) -> AssetFrame:
    return next(a for a in talk.frame(NOW + timedelta(seconds=later_s)).assets if a.asset.id == asset_id)


def alarms(talk: Talk, later_s: float = 0.0) -> str:
    return "\n".join(f"{a.level.value}: {a.text}" for a in talk.frame(NOW + timedelta(seconds=later_s)).alarms)


class NotedBus(LocalBus):
    """A bus that remembers what was subscribed to."""

    def __init__(self) -> None:
        super().__init__()
        self.filters: list[str] = []

    def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0) -> None:
        self.filters.append(topic_filter)
        super().subscribe(topic_filter, handler, qos)


def test_no_topic_is_taken_by_two_of_its_filters() -> None:
    bus = NotedBus()
    Board(two_areas(), bus)
    topics = [f.replace("+", "wind.envision") for f in bus.filters]
    assert [sum(matches(f, topic) for f in bus.filters) for topic in topics] == [1] * len(bus.filters)


def test_every_kind_of_asset_has_a_word_and_a_category() -> None:
    assert set(KINDS) == set(PLATES)
    assert {category for _, category in KINDS.values()} <= set(CATEGORIES)


def test_supply_and_demand_of_an_area_balance_when_the_measurements_do() -> None:
    talk = Talk()
    talk.devices()
    island = talk.frame().areas[0].flows
    assert sum(island.supply_mw.values()) == pytest.approx(412 + 120)
    assert sum(island.demand_mw.values()) == pytest.approx(35 + 430 + 28 + 5 + 34)
    assert not island.unknown


def test_a_store_is_supply_when_it_discharges_and_demand_when_it_charges() -> None:
    talk = Talk()
    talk.devices()
    island, hongshan = (area.flows for area in talk.frame().areas)
    assert (island.supply_mw["storage"], island.demand_mw["storage"]) == (0.0, 35.0)
    assert (hongshan.supply_mw["storage"], hongshan.demand_mw["storage"]) == (12.0, 0.0)


def test_a_silent_device_is_unknown_and_not_zero() -> None:
    talk = Talk()
    talk.devices(but=frozenset({"wind.envision"}))
    talk.telemetry("wind.envision", -300.0, NOW - timedelta(minutes=2))
    flows = talk.frame().areas[0].flows
    assert asset(talk, "wind.envision").mode is Mode.SILENT
    assert "wind" in flows.unknown
    assert "wind" not in flows.supply_mw


def test_a_silent_device_is_named_with_the_time_it_was_last_heard() -> None:
    talk = Talk()
    talk.devices()
    talk.devices(NOW + timedelta(seconds=60), but=frozenset({"wind.hongshan"}))
    assert "alarm: wind.hongshan 国家电投红山风储绿色供电项目 is silent, last heard 10:15:00" in alarms(talk, 60.0)


@pytest.mark.parametrize(
    ("online", "mode", "shown"),
    [(True, "remote", Mode.ONLINE), (True, "local", Mode.LOCAL), (True, "fault", Mode.FAULT), (False, "fault", Mode.OFFLINE)],
)
def test_the_mode_is_what_the_status_says(online: bool, mode: m.Mode, shown: Mode) -> None:
    talk = Talk()
    talk.telemetry("bess.envision", 1.0)
    talk.status("bess.envision", online=online, mode=mode)
    assert asset(talk, "bess.envision").mode is shown


def test_a_last_will_without_a_time_makes_a_device_offline() -> None:
    talk = Talk()
    talk.devices()
    talk.status("bess.envision", online=False, mode="fault", at=None)
    assert asset(talk, "bess.envision").known_mw is None
    assert "bess.envision 远景储能 is offline" in alarms(talk)


def test_readings_that_come_late_fill_the_past_and_not_the_present() -> None:
    talk = Talk()
    talk.telemetry("wind.envision", -400.0)
    talk.telemetry("wind.envision", -100.0, NOW - timedelta(hours=1))
    frame = talk.frame()
    assert asset(talk, "wind.envision").known_mw == -400.0
    assert [moment.flows[0].supply_mw["wind"] for moment in frame.past] == [100.0, 400.0]


def test_the_past_holds_means_and_a_day_of_them_at_most() -> None:
    talk = Talk()
    for i in range(2 * (KEPT // STEP)):
        talk.telemetry("wind.envision", -10.0, NOW + i * STEP)
        talk.telemetry("wind.envision", -30.0, NOW + i * STEP + timedelta(seconds=1))
    past = talk.frame().past
    assert len(past) == KEPT // STEP
    assert {moment.flows[0].supply_mw["wind"] for moment in past} == {20.0}
    assert past[-1].start == NOW + (2 * (KEPT // STEP) - 1) * STEP


def test_a_device_whose_clock_runs_ahead_does_not_wipe_out_the_day() -> None:
    talk = Talk()
    for i in range(100):
        talk.telemetry("wind.envision", -10.0, NOW + i * STEP)
    talk.telemetry("bess.envision", 1.0, NOW + timedelta(days=400))
    assert sum("wind" in moment.flows[0].supply_mw for moment in talk.frame().past) == 100


def test_the_price_of_an_area_is_that_of_the_newest_command_in_force() -> None:
    talk = Talk()
    talk.command("bess.envision", m.Target(power_mw=1.0), reason=m.Reason(code="mpc", price_cny_per_mwh=200.0))
    later = NOW + timedelta(seconds=5)
    talk.command("wind.envision", m.Limit(max_power_mw=9.0), later, reason=m.Reason(code="mpc", price_cny_per_mwh=90.0))
    assert talk.frame(later).areas[0].price_cny_per_mwh == 90.0
    assert talk.frame(later + timedelta(minutes=5)).areas[0].price_cny_per_mwh is None


def test_an_island_of_wind_and_sun_is_all_green_and_imports_are_as_green_as_their_contract() -> None:
    talk = Talk()
    talk.devices()
    island, hongshan = talk.frame().areas
    assert island.green_share_frac == 1.0
    assert hongshan.green_share_frac == pytest.approx((33 + 6) / (33 + 6 + 164))


def test_power_from_another_area_is_as_green_as_that_area() -> None:
    park = two_areas()
    grid = park.connections[0]
    island, hongshan = park.area_ids
    tie = replace(grid, id=ConnectionId("tie"), area=island, to=hongshan, green_origin_frac=None, tariff=None)
    tied = replace(park, connections=(grid, tie))
    import_mw = {"grid.hongshan": 75.0, "tie": 50.0}
    flows = area_flows(tied, {"wind.hongshan": -25.0, "wind.envision": -50.0}, import_mw)
    shares = green_shares(tied, flows, import_mw)
    assert shares[hongshan] == pytest.approx(0.25)
    assert shares[island] == pytest.approx((50 + 0.25 * 50) / 100)


def test_acks_are_counted_once_the_lease_has_ended() -> None:
    talk = Talk()
    for i in range(4):
        told = talk.command("bess.envision", m.Target(power_mw=float(i)))
        if i:
            talk.ack("bess.envision", told)
    assert talk.frame().controller.ack_frac == 1.0
    later = talk.frame(NOW + timedelta(seconds=16)).controller
    assert later.ack_frac == 0.75
    assert later.ack_delay_s == pytest.approx(0.008)


def test_telemetry_proves_a_command_whose_ack_was_lost() -> None:
    talk = Talk()
    told = talk.command("bess.envision", m.Target(power_mw=3.0))
    talk.telemetry("bess.envision", 3.0, applied_epoch=told.epoch, applied_seq=told.seq)
    (order,) = asset(talk, "bess.envision").orders
    assert order.ack is None
    assert order.proven


def test_an_older_command_does_not_replace_a_newer_one() -> None:
    talk = Talk()
    first = talk.command("bess.envision", m.Target(power_mw=1.0))
    talk.command("bess.envision", m.Target(power_mw=2.0))
    talk.post(Channel.ASSET_COMMAND, first, "bess.envision")
    (order,) = asset(talk, "bess.envision").orders
    assert order.command.command == m.Target(power_mw=2.0)


def test_rules_that_took_over_from_a_plan_are_named() -> None:
    talk = Talk()
    talk.plan()
    assert (talk.frame().controller.source, talk.frame().controller.gap_frac) == ("mpc", 0.004)
    talk.command("bess.envision", m.Target(power_mw=1.0), NOW + timedelta(seconds=30), plan_id="rules.20301007T021530")
    controller = talk.frame(NOW + timedelta(seconds=31)).controller
    assert (controller.source, controller.gap_frac) == ("rules", None)


def test_a_rejected_command_is_noted_with_its_reason() -> None:
    talk = Talk()
    told = talk.command("bess.envision", m.Target(power_mw=900.0))
    talk.ack("bess.envision", told, "rejected", m.Reason(code="stale", text="issued 40 s ago"))
    assert "alarm: bess.envision 远景储能 rejected a command: issued 40 s ago" in alarms(talk)


def test_what_happens_again_and_again_is_one_line_with_a_count() -> None:
    talk = Talk()
    for power_mw in (900.0, 901.0, 902.0):
        told = talk.command("bess.envision", m.Target(power_mw=power_mw))
        talk.ack("bess.envision", told, "clamped", m.Reason(code="rating", text="has 170 MW"))
        talk.ack("bess.envision", talk.command("bess.envision", m.Target(power_mw=0.0)))
    assert alarms(talk).count("has 170 MW") == 1
    assert "has 170 MW (3 times)" in alarms(talk)


def test_what_the_plan_does_not_meet_is_said() -> None:
    talk = Talk()
    talk.plan(unmet=(m.Reason(code="unmet", text="eaf.yuanlian: heats_late 0.500"),))
    assert "warning: the plan cannot meet eaf.yuanlian: heats_late 0.500" in alarms(talk)


def test_a_controller_that_fell_silent_is_an_alarm() -> None:
    talk = Talk()
    talk.orders()
    assert "controller" not in alarms(talk, 30.0)
    assert "alarm: the controller is silent since 10:15:00" in alarms(talk, 130.0)


def test_an_import_above_its_limit_is_an_alarm() -> None:
    talk = Talk()
    talk.devices()
    talk.post(Channel.GRID_MEASUREMENT, m.GridMeasurement(measured_at=NOW, import_mw=304.0), "grid.hongshan")
    assert "alarm: grid.hongshan 城东 220 千伏 imports 304 of at most 300 MW" in alarms(talk)


def test_a_malformed_message_is_counted_and_changes_nothing() -> None:
    talk = Talk()
    talk.telemetry("wind.envision", -400.0)
    talk.bus.post("vpp/v1/two_areas/asset/wind.envision/telemetry", b"{}")
    assert asset(talk, "wind.envision").known_mw == -400.0
    assert talk.frame().broker.malformed == 1


def test_looking_changes_nothing() -> None:
    talk = Talk()
    talk.everything()
    assert talk.frame() == talk.frame()
