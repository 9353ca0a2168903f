"""One order an asset: what it says, how long it holds, what follows it and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from controllers.dispatch.guidance import Guidance, HeatOrder, StackOrder, StoreGuidance, TailPoint
from controllers.dispatch.orders import LeaseTimes, Order, orders
from controllers.dispatch.snapshot import Reported, Snapshot
from tests.world_builders import BASE, BATTERY, FURNACES, LOOP, STACKS, START, WIND, asset, park
from vpp.ids import AssetId
from vpp.wire.messages import HeatStart, Limit, StackCounts, Target

WIND_ID, BESS, H2, NH3, EAF, LOAD = (AssetId(i) for i in ("wind.a", "bess.a", "h2.a", "nh3.a", "eaf.a", "base.a"))
PARK = park(
    [
        asset(WIND_ID, "wind", WIND, "a"),
        asset(BESS, "battery", BATTERY, "a"),
        asset(H2, "electrolyser", STACKS, "a"),
        asset(NH3, "ammonia_loop", LOOP, "a"),
        asset(EAF, "arc_furnace", FURNACES, "a"),
        asset(LOAD, "base_load", BASE, "a"),
    ]
)
LEASES = LeaseTimes()
TAIL = tuple(TailPoint(at=START + k * timedelta(minutes=15), power_mw=float(k)) for k in range(1, 9))
LATER = START + timedelta(minutes=30)


def furnaces(*free_in_s: float) -> Reported:
    return Reported(START, 70.0, None, {f"furnace.{i}.free_in_s": s for i, s in enumerate(free_in_s)}, online=True)


def said(power_mw: float = 0.0, available_mw: float | None = None, *, online: bool = True, **state: float) -> Reported:
    return Reported(START, power_mw, available_mw, state, online)


ALL = {WIND_ID: said(-60.0, 60.0), BESS: said(), H2: said(5.0), NH3: said(20.0), EAF: said(4.0), LOAD: said(100.0)}


def guidance(heats: tuple[tuple[datetime, int], ...] = ((LATER, 1),), source: str = "mpc", **changes: Any) -> Guidance:
    told: dict[str, Any] = {
        "stores": {BESS: StoreGuidance(300.0, 600.0)},
        "stacks": {H2: StackOrder(4, 2, 12.0)},
        "heats": {EAF: HeatOrder(heats)},
        "held_mw": {NH3: 22.0},
        "tails": {i: TAIL for i in (BESS, H2, NH3, EAF)},
    }
    return Guidance("plan.7", source, {}, **(told | changes))


def made(
    told: Guidance,
    reports: Mapping[AssetId, Reported] = ALL,
    cleared_mw: Mapping[AssetId, float] | None = None,
    price: float = 400.0,
    at: datetime = START,
) -> tuple[Order, ...]:
    cleared = {WIND_ID: -60.0, BESS: 3.0, H2: 18.0} if cleared_mw is None else cleared_mw
    return orders(PARK, Snapshot(at, reports, {}, {}), told, cleared, {"a": price}, LEASES)


def of(asset_id: AssetId, made_orders: tuple[Order, ...]) -> list[Order]:
    return [order for order in made_orders if order.asset_id == asset_id]


def test_every_commandable_asset_gets_its_orders_and_a_load_gets_none() -> None:
    assert {order.asset_id for order in made(guidance())} == {WIND_ID, BESS, H2, NH3, EAF}


def test_every_order_has_a_lease_a_plan_and_a_reason_code() -> None:
    for order in made(guidance()):
        assert order.lease_s in (LEASES.fast_s, LEASES.slow_s)
        assert order.plan_id == "plan.7"
        assert order.reason.code == "mpc"


def test_fast_assets_hold_a_short_lease_and_slow_ones_a_long_one() -> None:
    leases = {order.asset_id: order.lease_s for order in made(guidance())}
    assert leases == {WIND_ID: 15.0, BESS: 15.0, H2: 15.0, NH3: 120.0, EAF: 120.0}


def test_fallback_points_rise_and_end_before_the_ramp_to_safety() -> None:
    for order in made(guidance()):
        after_s = [point.after_s for point in order.fallback.points]
        assert all(a < b for a, b in zip(after_s, after_s[1:], strict=False))
        assert all(0.0 < s <= order.fallback.safe_after_s for s in after_s)
        assert order.fallback.safe_ramp_mw_per_min > 0.0


def test_the_tail_counts_from_the_end_of_the_lease() -> None:
    (order,) = of(BESS, made(guidance()))
    assert [(p.after_s, p.power_mw) for p in order.fallback.points] == [(885.0, 1.0), (1785.0, 2.0)]


def test_later_in_the_interval_the_tail_is_nearer() -> None:
    (order,) = of(BESS, made(guidance(), at=START + timedelta(minutes=10)))
    assert [(p.after_s, p.power_mw) for p in order.fallback.points] == [(285.0, 1.0), (1185.0, 2.0)]


def test_a_tail_point_inside_the_lease_is_left_out() -> None:
    near = tuple(TailPoint(START + timedelta(seconds=s), mw) for s, mw in ((10.0, 9.0), (15.0, 8.0), (60.0, 7.0)))
    (order,) = of(BESS, made(guidance(tails={BESS: near})))
    assert [(p.after_s, p.power_mw) for p in order.fallback.points] == [(45.0, 7.0)]


def test_a_store_is_told_the_power_that_was_cleared() -> None:
    (order,) = of(BESS, made(guidance()))
    assert order.setpoint == Target(power_mw=3.0)
    assert order.reason.price_cny_per_mwh == 400.0


def test_stacks_are_told_the_planned_counts_and_the_cleared_power() -> None:
    (order,) = of(H2, made(guidance()))
    assert order.setpoint == StackCounts(on=4, standby=2, power_mw=18.0)


def test_a_held_asset_is_told_what_the_plan_holds_it_at() -> None:
    (order,) = of(NH3, made(guidance()))
    assert order.setpoint == Target(power_mw=22.0)


def test_a_curtailed_farm_is_limited_below_what_is_available_and_told_why() -> None:
    (order,) = of(WIND_ID, made(guidance(), cleared_mw={WIND_ID: -45.0}))
    assert order.setpoint == Limit(max_power_mw=45.0)
    assert order.reason.code == "curtailed"


def test_a_free_farm_is_limited_at_its_capacity_only() -> None:
    (order,) = of(WIND_ID, made(guidance()))
    assert order.setpoint == Limit(max_power_mw=WIND.capacity_mw)


def test_a_farm_that_does_not_say_what_is_available_gets_no_order() -> None:
    assert of(WIND_ID, made(guidance(), {WIND_ID: said(-60.0)})) == []


def test_an_area_in_which_nothing_moved_says_so_instead_of_a_price() -> None:
    (order,) = of(BESS, made(guidance(), price=float("nan")))
    assert (order.reason.code, order.reason.price_cny_per_mwh) == ("held", None)


@pytest.mark.parametrize("asset_id", [WIND_ID, BESS, H2, NH3, EAF])
def test_a_device_that_is_offline_or_local_gets_no_order(asset_id: AssetId) -> None:
    gone = Reported(START, ALL[asset_id].power_mw, ALL[asset_id].available_mw, {}, online=False)
    assert of(asset_id, made(guidance(), {**ALL, asset_id: gone})) == []


def test_a_silent_device_gets_no_order() -> None:
    assert of(BESS, made(guidance(), {i: r for i, r in ALL.items() if i != BESS})) == []


def test_each_furnace_holds_one_booking() -> None:
    booked = of(EAF, made(guidance(((LATER, 1), (LATER + timedelta(minutes=15), 2)))))
    assert sorted(order.part for order in booked) == ["furnace.0", "furnace.1"]
    assert [order.setpoint.furnace for order in booked if isinstance(order.setpoint, HeatStart)] == [o.part for o in booked]


def test_the_next_start_goes_to_the_furnace_that_comes_free_first() -> None:
    later = LATER + timedelta(minutes=15)
    busy = furnaces(2400.0, 300.0)
    booked = of(EAF, made(guidance(((LATER, 1), (later, 1))), {EAF: busy}))
    starts = {o.part: o.setpoint.start_at for o in booked if isinstance(o.setpoint, HeatStart)}
    assert starts == {"furnace.1": LATER, "furnace.0": later}


def test_a_start_that_no_furnace_can_make_is_nobodys() -> None:
    busy = furnaces(20_000.0, 20_000.0)
    booked = of(EAF, made(guidance(((LATER, 2),)), {EAF: busy}))
    assert [o.setpoint.start_at > LATER for o in booked if isinstance(o.setpoint, HeatStart)] == [True, True]


def test_a_furnace_without_a_start_in_sight_is_booked_far_away() -> None:
    booked = of(EAF, made(guidance(())))
    assert [o.setpoint.start_at - START for o in booked if isinstance(o.setpoint, HeatStart)] == [timedelta(hours=24)] * 2


def test_a_far_booking_does_not_move_from_one_second_to_the_next() -> None:
    now, next_s = (
        orders(PARK, Snapshot(at, ALL, {}, {}), guidance(()), {}, {"a": 400.0}, LEASES)
        for at in (START + timedelta(minutes=7), START + timedelta(minutes=7, seconds=1))
    )
    assert [o.setpoint for o in of(EAF, now)] == [o.setpoint for o in of(EAF, next_s)]


def test_rules_that_see_nothing_against_starting_leave_the_furnaces_to_their_own_schedule() -> None:
    (order,) = of(EAF, made(guidance(((START, FURNACES.furnaces),), source="rules")))
    full_mw = FURNACES.furnaces * FURNACES.melting_mw + FURNACES.auxiliary_mw
    assert (order.setpoint, order.part) == (Target(power_mw=full_mw), "")


def test_a_furnace_booking_carries_no_tail() -> None:
    assert [order.fallback.points for order in of(EAF, made(guidance()))] == [(), ()]
