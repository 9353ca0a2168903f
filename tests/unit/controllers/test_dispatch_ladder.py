"""The ladder: its order, who is left out and why, and what is counted against a contract's year."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.dispatch.ladder import Used, in_hand, ladder_facts, ladder_of, ladders_of, used_of
from controllers.dispatch.snapshot import Reported, Snapshot
from tests.world_builders import BATTERY, START, asset, connection, park
from vpp.events import Override, PinLocal, PinOut, PinPower
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.plates import FeederPlate

BESS, NEAR, FAR = AssetId("bess.a"), AssetId("feeder.a"), AssetId("feeder.b")
AREA = AreaId("a")
PLATE = FeederPlate(power_mw=8.0, breaker_s=0.5, calls_per_year=10, hours_per_year=20.0, call_cny_per_mwh=4_000.0)
PARK = park(
    [asset(NEAR, "feeder", PLATE, "a"), asset(FAR, "feeder", PLATE, "b"), asset(BESS, "battery", BATTERY, "a")],
    [connection("grid.a", "a"), connection("tie.b", "b", to="a")],
)


def seen(calls_left: float, hours_left_h: float) -> Snapshot:
    state = {"closed": 1.0, "calls_left": calls_left, "hours_left_h": hours_left_h}
    return Snapshot(START, {NEAR: Reported(START, 8.0, None, state, online=True)}, {}, {})


def test_an_area_behind_another_stands_on_the_ladder_of_the_one_with_the_grid() -> None:
    assert {area: [r.asset_id for r in ladder.rungs] for area, ladder in ladders_of(PARK).items()} == {"a": [BESS, NEAR, FAR]}


def test_among_equals_the_one_that_was_shed_least_goes_first() -> None:
    ladder = ladder_of(PARK, AREA, {NEAR: Used(calls=1)})
    assert [rung.asset_id for rung in ladder.rungs] == [BESS, FAR, NEAR]


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        (Used(10, 3.0), "all 10 calls of the year's contract are used"),
        (Used(3, 20.0), "all 20 h of the year's contract are used"),
    ],
)
def test_a_feeder_whose_contract_is_used_up_is_left_out_with_the_reason(used: Used, reason: str) -> None:
    ladder = ladder_of(PARK, AREA, {NEAR: used})
    assert [rung.asset_id for rung in ladder.rungs] == [BESS, FAR]
    assert [(one.rung.asset_id, one.reason) for one in ladder.out] == [(NEAR, reason)]
    told = ladder_facts(ladder)[-1]
    assert (told.step, told.asset_id, told.reason, told.calls_per_year) == (0, NEAR, reason, 10)


def test_what_the_feeders_own_relay_has_counted_counts_too() -> None:
    found = used_of(PARK, seen(calls_left=4.0, hours_left_h=19.0), {NEAR: Used(2, 5.0), BESS: Used(7, 1.0)})
    assert found[NEAR] == Used(6, 5.0)
    assert found[BESS] == Used(7, 1.0)


def test_what_is_in_somebodys_hand_is_not_moved_by_a_broadcast() -> None:
    def held(asset_id: AssetId, pin: PinOut | PinLocal | PinPower) -> Override:
        return Override(asset_id, pin, START, START + timedelta(hours=1), "li", "work", START, START)

    hands = in_hand((held(NEAR, PinOut()), held(FAR, PinLocal()), held(BESS, PinPower(1.0))), START)
    assert hands == {NEAR: "maintenance", FAR: "in its own control room"}
    assert [rung.asset_id for rung in ladder_of(PARK, AREA, None, hands).rungs] == [BESS]
    over = START + timedelta(hours=1)
    assert in_hand((held(NEAR, PinOut()),), over) == {}


def test_a_ladder_tells_how_much_how_fast_and_at_what_cost() -> None:
    told = {one.asset_id: one for one in ladder_facts(ladder_of(PARK, AREA))}
    assert (told[NEAR].relief_mw, told[NEAR].full_after_s, told[NEAR].cost_cny_per_mwh) == (8.0, 0.5, 4_000.0)
    assert (told[BESS].relief_mw, told[BESS].then_mw, told[BESS].calls_per_year) == (33.0, -16.5, None)


def test_a_park_without_a_connection_to_the_grid_has_no_ladder() -> None:
    alone = replace(PARK, connections=(PARK.connection(ConnectionId("tie.b")),))
    assert ladders_of(alone) == {}
