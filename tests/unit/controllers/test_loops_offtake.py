"""The ammonia contract's month so far, from what loops tell."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.offtake import OfftakeMeter
from tests.world_builders import LOOP, START, asset, connection, park
from vpp.ids import AssetId
from vpp.park.offtake import ammonia_arrears_t, ammonia_owed_t, hydrogen_worth_cny_per_kg

NH3 = AssetId("nh3.a")
PARK = park([asset(NH3, "ammonia_loop", LOOP, "a")], [connection("grid.a", "a")])
QUARTER = timedelta(minutes=15)


def seen(at: datetime, rate_t_per_h: float, buffer_kg: float = 60_000.0) -> Snapshot:
    state = {"rate_t_per_h": rate_t_per_h, "buffer_kg": buffer_kg}
    return Snapshot(at, {NH3: Reported(at, 20.0, None, state, online=True)}, {}, {})


def after(*looks: Snapshot) -> float:
    meter = OfftakeMeter(PARK)
    for look in looks:
        meter.observe(look)
    return meter.arrears_t()[NH3]


def test_an_hour_owes_its_share_less_what_was_made_in_it() -> None:
    looks = [seen(START + k * QUARTER, 20.0) for k in range(5)]
    assert after(*looks) == pytest.approx(0.85 * 320_000.0 / 8_760.0 - 20.0)


def test_hydrogen_taken_out_of_the_tank_is_owed_and_what_came_in_is_not() -> None:
    looks = [seen(START, 20.0), seen(START + QUARTER, 20.0, 60_000.0 - 1_780.0)]
    assert after(*looks) == pytest.approx(after(looks[0], seen(START + QUARTER, 20.0)) + 10.0)


def test_hours_that_nobody_saw_are_taken_to_be_on_their_pace() -> None:
    assert after(seen(START, 20.0), seen(START + timedelta(hours=6), 20.0)) == pytest.approx(0.0)


def test_a_new_month_begins_on_its_pace() -> None:
    looks = [seen(START, 0.0), seen(START + QUARTER, 0.0), seen(START + timedelta(days=32), 0.0)]
    assert after(*looks[:2]) > 5.0
    assert after(*looks) == 0.0


def test_a_silent_loop_says_nothing() -> None:
    meter = OfftakeMeter(PARK)
    meter.observe(Snapshot(START, {}, {}, {}))
    assert meter.arrears_t() == {}


def test_a_kilogram_in_the_tank_is_worth_what_it_saves_while_the_contract_is_short() -> None:
    # A tonne needs 178 kg and saves 1,200 CNY.
    assert hydrogen_worth_cny_per_kg(LOOP, 12.0, short=True) == pytest.approx(12.0 + 1_200.0 / 178.0)
    assert hydrogen_worth_cny_per_kg(LOOP, 12.0, short=False) == 12.0
    before = ammonia_arrears_t(LOOP, 24.0, 500.0, 0.0)
    assert before - ammonia_arrears_t(LOOP, 24.0, 500.0, 178.0) == pytest.approx(1.0)
    assert before == pytest.approx(ammonia_owed_t(LOOP, 24.0) - 500.0)
