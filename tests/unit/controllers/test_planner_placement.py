from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planner.placement import MOVE_CNY_PER_MWH, Move, Site, placed
from controllers.planner.problem import WorkItem
from tests.builders import compute
from tests.builders_control import MORNING
from tests.world_builders import asset
from vpp.ids import AssetId
from vpp.park.plates import JobClass
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

A, B, C = AssetId("compute.a"), AssetId("compute.b"), AssetId("compute.c")
N = 24
GRID = TimeGrid.regular(MORNING, timedelta(hours=1), N)
RATED_MW = 40.0


def job_class(*, mobile: bool = True) -> JobClass:
    return JobClass(name="flex", share_frac=1.0, slack_h=24.0, delay_cny_per_mwh=0.0, miss_cny_per_mwh=20_000.0, mobile=mobile)


def case(
    waits: dict[AssetId, tuple[WorkItem, ...]],
    north: FloatArray | float = 400.0,
    south: FloatArray | float = 100.0,
    *,
    drawn_mw: dict[AssetId, float] | None = None,
    mobile: bool = True,
) -> tuple[Move, ...]:
    """Clusters a and c in the north, b in the south; the plan serves what waits evenly."""
    plate = replace(compute(rated_mw=RATED_MW), job_classes=(job_class(mobile=mobile),))
    sites = []
    for cluster, area, price in ((A, "north", north), (B, "south", south), (C, "north", north)):
        items = waits.get(cluster, ())
        room = np.full(N, RATED_MW - (drawn_mw or {}).get(cluster, 20.0))
        served = {"flex": np.full(N, sum(item.energy_mwh for item in items) / N)}
        sites.append(Site(asset(cluster, "compute", plate, area), items, room, served, np.full(N, 1.0) * price))
    return placed(sites, GRID)


def work(energy_mwh: float = 100.0, release_h: float = -1.0, deadline_h: float = 20.0) -> tuple[WorkItem, ...]:
    return (WorkItem("flex", energy_mwh, release_h, deadline_h),)


def test_work_goes_where_energy_is_cheaper_a_quarter_of_the_next_hours_room_at_a_time() -> None:
    assert case({A: work()}) == (Move("flex", A, B, 5.0, pytest.approx(300.0 - MOVE_CNY_PER_MWH)),)


def test_never_more_than_waits_and_never_what_has_not_come_or_is_due_soon() -> None:
    (move,) = case({A: work(2.0)})
    assert move.energy_mwh == 2.0
    assert case({A: work(release_h=0.5)}) == ()
    assert case({A: work(deadline_h=1.5)}) == ()


def test_a_difference_below_the_price_of_the_move_moves_nothing() -> None:
    assert case({A: work()}, north=115.0) == ()


def test_a_class_that_is_not_mobile_stays() -> None:
    assert case({A: work()}, mobile=False) == ()


def test_cheap_hours_after_the_deadline_do_not_count() -> None:
    late = np.where(np.arange(N) < 20, 400.0, 0.0)
    assert case({A: work()}, south=late) == ()
    assert case({A: work(deadline_h=24.0)}, south=late) != ()


def test_a_full_cluster_takes_nothing() -> None:
    assert case({A: work()}, drawn_mw={B: RATED_MW}) == ()


def test_two_senders_share_the_room_and_the_taker_sends_nothing() -> None:
    moves = case({A: work(), B: work(), C: work(3.0)})
    assert {m.source for m in moves} <= {A, C}
    assert sum(m.energy_mwh for m in moves) == pytest.approx(5.0)
