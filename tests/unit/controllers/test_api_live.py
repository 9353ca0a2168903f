from __future__ import annotations

from datetime import timedelta

import pytest

from controllers.api.live import LiveView
from controllers.api.live_state import AssetLive, AssetMode
from controllers.api.offer import areas_behind, offer_of
from tests.console_builders import NOW, Talk
from vpp.wire import messages as m
from vpp.wire.topics import Channel


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def live(talk: Talk) -> LiveView:
    return LiveView(talk.park, talk.bus)


def _of(live: LiveView, asset_id: str, after_s: float = 0.0) -> AssetLive:
    return live.asset(asset_id, NOW + timedelta(seconds=after_s))


def test_before_anybody_spoke_nothing_is_known_and_nothing_is_zero(live: LiveView) -> None:
    state = live.state(NOW)
    assert {asset.mode for asset in state.assets} == {AssetMode.AWAITED}
    assert {asset.power_mw for asset in state.assets} == {None}
    assert state.connections[0].import_mw is None
    assert len(state.areas[0].unheard) == len([a for a in state.assets if a.area == state.areas[0].id])


def test_all_assets_are_there_with_power_plan_and_the_last_command_with_its_reason(talk: Talk, live: LiveView) -> None:
    talk.everything()
    battery = _of(live, "bess.hongshan")
    (command,) = battery.commands
    assert (battery.power_mw, battery.planned_mw, battery.state) == (-12.0, -12.0, {"soc_frac": 0.41})
    assert (command.reason.code, command.outcome, command.delay_s) == ("mpc", "accepted", 0.008)
    assert live.state(NOW).plan_id == "plan.20301007T020000"


def test_a_device_that_falls_silent_shows_no_old_power(talk: Talk, live: LiveView) -> None:
    talk.devices()
    assert _of(live, "bess.hongshan", 44).power_mw == -12.0
    late = _of(live, "bess.hongshan", 46)
    assert (late.mode, late.power_mw) == (AssetMode.SILENT, None)
    assert _of(live, "bess.hongshan", 44).mode is AssetMode.REMOTE


def test_the_last_will_shows_at_once(talk: Talk, live: LiveView) -> None:
    talk.devices()
    talk.status("bess.hongshan", online=False, at=None)
    assert _of(live, "bess.hongshan").mode is AssetMode.OFFLINE


def test_a_reading_that_was_buffered_does_not_replace_the_present(talk: Talk, live: LiveView) -> None:
    talk.telemetry("bess.hongshan", 5.0)
    talk.telemetry("bess.hongshan", 9.0, NOW - timedelta(minutes=3))
    assert _of(live, "bess.hongshan").power_mw == 5.0


def test_a_command_sent_twice_and_an_older_one_change_nothing(talk: Talk, live: LiveView) -> None:
    first = talk.command("bess.hongshan", m.Target(power_mw=1.0))
    talk.command("bess.hongshan", m.Target(power_mw=2.0))
    talk.post(Channel.ASSET_COMMAND, first, "bess.hongshan")
    (command,) = _of(live, "bess.hongshan").commands
    assert command.setpoint == m.Target(power_mw=2.0)


def test_an_ack_is_booked_on_its_own_command_and_a_doubled_one_once(talk: Talk, live: LiveView) -> None:
    old = talk.command("bess.hongshan", m.Target(power_mw=1.0))
    new = talk.command("bess.hongshan", m.Target(power_mw=2.0))
    talk.ack("bess.hongshan", old)
    assert _of(live, "bess.hongshan").commands[0].outcome is None
    talk.ack("bess.hongshan", new, "rejected", m.Reason(code="local"))
    talk.ack("bess.hongshan", new, "accepted")
    assert _of(live, "bess.hongshan").commands[0].outcome == "rejected"


def test_each_furnace_keeps_its_own_last_command(talk: Talk, live: LiveView) -> None:
    talk.orders()
    assert [c.part for c in _of(live, "eaf.yuanlian").commands] == ["furnace.0", "furnace.1"]


def test_sums_of_an_area_leave_out_who_was_not_heard_and_name_them(talk: Talk, live: LiveView) -> None:
    talk.devices(but=frozenset({"wind.hongshan"}))
    hongshan = live.state(NOW).areas[1]
    assert (hongshan.generation_mw, hongshan.consumption_mw) == (18.0, 215.0)
    assert hongshan.unheard == ("wind.hongshan",)


def test_malformed_messages_and_unknown_senders_leave_no_trace(talk: Talk, live: LiveView) -> None:
    talk.bus.post("vpp/v1/two_areas/asset/bess.hongshan/telemetry", b"{not json")
    talk.telemetry("bess.stranger", 5.0)
    assert {asset.mode for asset in live.state(NOW).assets} == {AssetMode.AWAITED}


def test_a_plan_that_is_over_plans_nothing(talk: Talk, live: LiveView) -> None:
    talk.plan()
    assert _of(live, "bess.hongshan", 24 * 3600 - 1).planned_mw == -12.0
    assert _of(live, "bess.hongshan", 24 * 3600).planned_mw is None


def test_an_island_is_behind_no_connection_and_an_area_behind_its_own(talk: Talk) -> None:
    assert areas_behind(talk.park) == {"grid.hongshan": frozenset({"hongshan"})}


def test_a_battery_can_give_what_it_is_rated_for_at_once_and_less_for_longer(talk: Talk, live: LiveView) -> None:
    talk.devices()
    state = live.state(NOW)
    (offer,) = offer_of(talk.park, NOW, state.assets, state.connections, {}).connections
    give = [row.give_mw for row in offer.horizons]
    take = [row.take_mw for row in offer.horizons]
    plate = talk.park.asset("bess.hongshan").plate
    assert give[0] == pytest.approx(plate.power_mw - 12.0, abs=1e-6)
    assert give == sorted(give, reverse=True)
    assert take == sorted(take, reverse=True)
    assert (offer.import_mw, offer.areas) == (164.0, ("hongshan",))


def test_what_is_held_silent_or_refuses_is_not_offered_and_says_why(talk: Talk, live: LiveView) -> None:
    talk.devices(but=frozenset({"wind.hongshan"}))
    told = talk.command("pv.roofs_hongshan", m.Limit(max_power_mw=3.0))
    talk.ack("pv.roofs_hongshan", told, "rejected", m.Reason(code="local"))
    state = live.state(NOW)
    held = {"bess.hongshan": "override 12: local"}
    (offer,) = offer_of(talk.park, NOW, state.assets, state.connections, held).connections
    reasons = {row.id: row.reason for row in offer.left_out}
    assert reasons["bess.hongshan"] == "override 12: local"
    assert reasons["wind.hongshan"] == "is awaited"
    assert reasons["pv.roofs_hongshan"] == "rejected its last command"
    assert [row.give_mw for row in offer.horizons] == [0.0, 0.0, 0.0, 0.0]


def test_the_limit_of_the_connection_cuts_an_offer_off(talk: Talk, live: LiveView) -> None:
    talk.devices()
    talk.post(Channel.GRID_MEASUREMENT, m.GridMeasurement(measured_at=NOW, import_mw=299.0), "grid.hongshan")
    state = live.state(NOW)
    (offer,) = offer_of(talk.park, NOW, state.assets, state.connections, {}).connections
    assert (offer.horizons[0].take_mw, offer.horizons[0].take_limited_by) == (1.0, "connection")


def test_without_a_meter_nothing_is_offered(talk: Talk, live: LiveView) -> None:
    talk.devices()
    state = live.state(NOW + timedelta(seconds=50))
    (offer,) = offer_of(talk.park, NOW, state.assets, state.connections, {}).connections
    assert (offer.import_mw, offer.horizons) == (None, ())
