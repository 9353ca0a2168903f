"""A cluster job by job under a call of the grid: as much work as possible within the cap, prepared for where it is deep."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.cluster_runs import aidc_plate, desk_of
from tests.plant_runs import CLUSTER_ID, PARK, Desk
from vpp.wire.codec import encode
from vpp.wire.messages import ComputeShift, Reason, ShiftEvent, ShiftInterval
from vpp.wire.topics import Channel, topic_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PLATE = aidc_plate()


def announce(desk: Desk, cap_mw: float, code: str, *, in_min: int) -> None:
    """A cap of two hours that begins in some minutes, and the reason why it may fall."""
    at, rated = desk.run.time.at, PLATE.rated_mw
    start, end = at + in_min * MINUTE, at + in_min * MINUTE + 2 * HOUR
    facts = {"floor_mw": 0.0, "green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 0.0, "confidence_frac": 0.9}
    spans = [(at, start, rated), (start, end, cap_mw), (end, end + HOUR, rated)]
    shift = ComputeShift(
        epoch=2,
        seq=1,
        issued_at=at,
        cluster=CLUSTER_ID,
        revision=1_000,
        valid_until=end + HOUR,
        cap_now_mw=rated,
        intervals=tuple(ShiftInterval(start=a, end=b, cap_mw=mw, target_mw=mw, **facts) for a, b, mw in spans),
        event=ShiftEvent(event_id="dr-1", start=start, end=end, reason=Reason(code=code, text="")),
    )
    desk.bus.post(topic_of(PARK, Channel.COMPUTE_SHIFT, CLUSTER_ID), encode(shift), qos=1, retain=True)


def running() -> Desk:
    desk = desk_of(PLATE, "discrete", dt_s=30.0)
    desk.hours_at(6, PLATE.rated_mw)
    return desk


def under(desk: Desk, cap_mw: float, code: str, *, in_min: int = 60) -> dict[str, float]:
    """What the two hours of a cap add to each counter."""
    announce(desk, cap_mw, code, in_min=in_min)
    desk.run.hours(in_min / 60.0)
    before = dict(desk.cluster.totals())
    desk.run.power_mw.clear()
    desk.run.hours(2.0)
    return {name: value - before[name] for name, value in desk.cluster.totals().items()}


@pytest.fixture(scope="module")
def usual_mw() -> float:
    desk = running()
    desk.run.power_mw.clear()
    desk.run.hours(1.0)
    return float(np.mean(desk.run.power_mw))


def test_under_a_call_more_work_is_done_than_where_jobs_only_wait_and_no_tier_loses_more_than_it_may(usual_mw: float) -> None:
    done, drawn = {}, {}
    for code in ("override", "grid_event"):
        desk = running()
        gained = under(desk, 0.75 * usual_mw, code)
        done[code] = gained["firm_done_mwh"] + gained["work_done_mwh"]
        drawn[code] = np.array(desk.run.power_mw)
        asked = gained["firm_done_mwh"] + gained["lost_throughput_mwh"]
        for tier, allowed in enumerate(PLATE.tier_loss_frac):
            lost = gained[f"lost_throughput_mwh.tier{tier}"]
            assert lost <= allowed * PLATE.tier_frac[tier] * asked + 1e-9
        assert gained["jobs_killed"] == gained["jobs_missed"] == 0.0
    assert done["grid_event"] > 1.05 * done["override"]
    # Both keep the cap, and nobody lies far below it.
    for power in drawn.values():
        assert power.max() <= 0.75 * usual_mw * 1.005
        assert power.min() >= 0.75 * usual_mw * 0.95


def test_a_cap_deeper_than_caps_alone_can_reach_finds_jobs_paused_when_it_begins(usual_mw: float) -> None:
    cap_mw = 0.68 * usual_mw
    told, late = running(), running()
    under(told, cap_mw, "grid_event", in_min=60)
    under(late, cap_mw, "grid_event", in_min=1)
    assert told.run.power_mw[0] <= cap_mw * 1.01
    assert late.run.power_mw[0] > cap_mw * 1.02


def test_a_cap_that_caps_alone_can_reach_costs_nothing_before_it_begins(usual_mw: float) -> None:
    plain, told = running(), running()
    announce(told, 0.85 * usual_mw, "grid_event", in_min=60)
    for desk in (plain, told):
        desk.run.power_mw.clear()
        desk.run.hours(1.0)
    assert told.run.power_mw == pytest.approx(plain.run.power_mw, rel=1e-3)
