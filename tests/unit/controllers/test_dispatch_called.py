"""Under a call machines that the plan holds may leave it, as far as their ramp goes, when nothing else keeps the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.dispatch.called import CALLED_CNY_PER_MWH, with_called_bands
from controllers.dispatch.guidance import ConnectionGuidance, Guidance
from controllers.dispatch.orders import LeaseTimes
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.dispatch import decide
from tests import builders
from tests.world_builders import BASE, START, asset, connection, park
from vpp.events import Event, EventKind, Override, PinPower
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.plates import FlexibleLoadPlate

#: 20 MW from a fifth up, two of them a minute.
SLOW = FlexibleLoadPlate(
    rated_mw=20.0, min_frac=0.2, max_frac=1.0, quota_frac=0.5, ramp_frac_per_min=0.1, shortfall_cny_per_mwh=900.0
)
LOAD, CCUS, FAR, UNIT = (AssetId(name) for name in ("base.a", "ccus.a", "ccus.b", "thermal.a"))
GRID, OTHER = ConnectionId("grid.a"), ConnectionId("grid.b")
PLANT = builders.thermal_unit(units=1, unit_mw=100.0, min_load_frac=0.5, ramp_frac_per_min=0.015, heat_led=False)
PARK = park(
    [
        asset(LOAD, "base_load", BASE, "a"),
        asset(CCUS, "flexible_load", SLOW, "a"),
        asset(UNIT, "thermal_unit", PLANT, "a"),
        asset(FAR, "flexible_load", SLOW, "b"),
    ],
    [connection(GRID, "a"), connection(OTHER, "b")],
)
TERMS = ConnectionGuidance(import_cny_per_mwh=500.0, export_cny_per_mwh=100.0, free_import_mw=100.0, above_cny_per_mwh=900.0)
PLAN = Guidance("plan.1", "mpc", {GRID: TERMS, OTHER: TERMS}, held_mw={CCUS: 15.0, FAR: 15.0, UNIT: -60.0})
#: Half of two minutes on the ramp: 2 MW, and 1.5 MW of the unit.
REACH_MW, UNIT_REACH_MW = 2.0, 1.5


def said(power_mw: float, **state: float) -> Reported:
    return Reported(START, power_mw, None, state, online=True)


def seen(target_mw: float | None, kind: EventKind = "peak", **assets: Reported) -> Snapshot:
    reports: Mapping[AssetId, Reported] = {LOAD: said(90.0), CCUS: said(15.0), FAR: said(15.0), UNIT: said(-60.0, units_on=1.0)}
    events = () if target_mw is None else (Event("c1", kind, GRID, target_mw, START, START + timedelta(hours=1), START, START),)
    return Snapshot(START, {**reports, **{AssetId(k): v for k, v in assets.items()}}, {}, {}, events=events)


def test_without_a_call_the_plan_holds() -> None:
    assert with_called_bands(PARK, seen(None), PLAN, 120.0) == PLAN


def test_behind_the_called_connection_machines_get_what_their_ramp_gives_and_no_others() -> None:
    bands = with_called_bands(PARK, seen(40.0), PLAN, 120.0).bands
    assert bands.keys() == {CCUS, UNIT}
    assert (bands[CCUS].low_mw, bands[CCUS].high_mw) == pytest.approx((15.0 - REACH_MW, 15.0 + REACH_MW))
    assert [worth for _, worth in bands[CCUS].segments] == [CALLED_CNY_PER_MWH, -CALLED_CNY_PER_MWH]
    assert (bands[UNIT].low_mw, bands[UNIT].high_mw) == pytest.approx((-60.0 - UNIT_REACH_MW, -60.0 + UNIT_REACH_MW))


def test_a_person_who_has_decided_is_not_overruled() -> None:
    pinned = Override(CCUS, PinPower(15.0), START, None, "op", "trial", START, START)
    assert CCUS not in with_called_bands(PARK, replace(seen(40.0), overrides=(pinned,)), PLAN, 120.0).bands


@pytest.mark.parametrize(
    ("target_mw", "kind", "ccus_mw", "unit_mw"),
    [
        # 90 of load, 15 of carbon capture, 60 from the unit: 45 MW are imported by plan, and that is enough.
        (50.0, "peak", 15.0, -60.0),
        # Far too much: both give what they reach.
        (20.0, "peak", 15.0 - REACH_MW, -60.0 - UNIT_REACH_MW),
        # More is asked for than the plan takes.
        (80.0, "valley", 15.0 + REACH_MW, -60.0 + UNIT_REACH_MW),
    ],
)
def test_they_move_where_the_target_would_else_be_missed(
    target_mw: float, kind: EventKind, ccus_mw: float, unit_mw: float
) -> None:
    told = {order.asset_id: order.power_mw for order in decide(PARK, seen(target_mw, kind), PLAN, LeaseTimes()).orders}
    assert (told[CCUS], told[UNIT]) == pytest.approx((ccus_mw, unit_mw))
    assert told[FAR] == pytest.approx(15.0)


def test_one_outside_its_band_comes_back_at_its_own_pace() -> None:
    bands = with_called_bands(PARK, seen(40.0, **{CCUS: said(0.0)}), PLAN, 120.0).bands
    assert bands[CCUS].low_mw == bands[CCUS].high_mw == pytest.approx(4.0)


def test_areas_hang_together_over_ties() -> None:
    tied = park(
        [asset(CCUS, "flexible_load", SLOW, "a"), asset(FAR, "flexible_load", SLOW, "b")],
        [connection(GRID, "a"), replace(connection(ConnectionId("tie.b"), "b"), to=AreaId("a"))],
    )
    assert with_called_bands(tied, seen(40.0), PLAN, 120.0).bands.keys() == {CCUS, FAR}
