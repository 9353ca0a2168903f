"""The plan loop: a plan where one can be had, the rules where not, and what is published of either."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from controllers.bus.local import LocalBus
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.commander import Commander
from controllers.loops.inbox import Inbox
from controllers.loops.mailbox import Mailbox
from controllers.loops.plan import Known, Made, PlanGuide, RuleGuide, run_plan
from controllers.loops.registers import PeakMeter
from controllers.loops.worker import InlineWorker
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from sim_harness.clock import SimClock
from tests.world_builders import BASE, BATTERY, CLUSTER, START, WIND, asset, connection, park
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.wire.codec import decode, encode
from vpp.wire.messages import ComputeShift, ComputeTelemetry, PlanCurrent
from vpp.wire.topics import Channel, topic_of

WIND_ID, BESS, LOAD, DC = (AssetId(i) for i in ("wind.a", "bess.a", "base.a", "compute.a"))
PARK = park(
    [asset(WIND_ID, "wind", WIND, "a"), asset(BESS, "battery", BATTERY, "a"), asset(LOAD, "base_load", BASE, "a")],
    [connection("grid.a", "a")],
)
GRID = TimeGrid.regular(START, timedelta(minutes=15), 8)
SEEN = Snapshot(
    START,
    {
        WIND_ID: Reported(START, -40.0, 40.0, {}, online=True),
        BESS: Reported(START, 0.0, None, {"soc_frac": 0.5}, online=True),
        LOAD: Reported(START, 100.0, None, {}, online=True),
    },
    {},
    {},
)


def forecast(*asset_ids: AssetId) -> Forecast:
    """Steady wind at 0.4 of capacity, known exactly."""
    fresh: Quality = "fresh"
    shape = (len(asset_ids), GRID.n)
    quantiles = np.full((*shape, len(QUANTILE_LEVELS)), 0.4)
    return Forecast(GRID, QUANTILE_LEVELS, asset_ids, quantiles, np.full(shape, 0.4), START, tuple(fresh for _ in asset_ids))


def guide(known: Forecast | None) -> PlanGuide:
    return PlanGuide(PARK, Known(Mailbox(known), PeakMeter(PARK.zone)), InlineWorker())


def published(bus: LocalBus) -> PlanCurrent | None:
    topic = topic_of("test", Channel.PLAN_CURRENT)
    return decode(PlanCurrent, topic, bus.retained[topic]) if topic in bus.retained else None


async def one_tick() -> AsyncIterator[datetime]:
    yield START


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def commander(bus: LocalBus) -> Commander:
    return Commander(bus, "test", SimClock(START))


async def test_without_a_forecast_there_is_nothing_to_decide_on_yet() -> None:
    assert await guide(None).guide(SEEN) is None


async def test_a_plan_is_published_under_the_id_that_its_guidance_carries(bus: LocalBus, commander: Commander) -> None:
    planning = guide(forecast(WIND_ID))
    guidance = await planning.guide(SEEN)
    planning.announce(commander)
    plan = published(bus)
    assert guidance is not None
    assert plan is not None
    assert (guidance.source, guidance.plan_id) == ("mpc", plan.plan_id)
    assert {BESS, WIND_ID} <= {powers.id for powers in plan.assets}
    assert plan.edges == GRID.edges


async def test_where_no_plan_can_be_had_the_rules_take_over_and_it_is_counted() -> None:
    planning = guide(forecast())
    guidance = await planning.guide(SEEN)
    assert guidance is not None
    assert (guidance.source, planning.lost) == ("rules", 1)


async def test_where_no_plan_can_be_had_the_last_one_goes_on_and_says_so() -> None:
    planning = guide(forecast(WIND_ID))
    first = await planning.guide(SEEN)
    planning.known.forecasts.value = forecast()
    later = await planning.guide(replace(SEEN, at=START + timedelta(minutes=15)))
    assert first is not None
    assert later is not None
    assert (later.source, later.plan_id, planning.lost) == ("last_plan", first.plan_id, 1)


async def test_the_next_plan_knows_what_the_last_one_told_the_clusters() -> None:
    with_cluster = park([*PARK.assets, asset(DC, "compute", CLUSTER, "a")], PARK.connections)
    planning = PlanGuide(with_cluster, Known(Mailbox(forecast(WIND_ID)), PeakMeter(PARK.zone)), InlineWorker())
    made: list[Made] = []
    planning.on_made = made.append
    for at in (START, START + timedelta(minutes=15)):
        await planning.guide(replace(SEEN, at=at))
    first, second = (one.problem.published for one in made)
    assert first is None
    assert second is not None
    assert set(second.power_mw) == {DC}
    assert second.power_mw[DC][:-1] == pytest.approx(made[0].result.assets[DC].power_mw[1:][: GRID.n - 2])


async def test_an_old_plan_is_not_published_again_while_it_only_goes_on(bus: LocalBus, commander: Commander) -> None:
    planning = guide(forecast(WIND_ID))
    await planning.guide(SEEN)
    planning.announce(commander)
    before = published(bus)
    planning.known.forecasts.value = forecast()
    await planning.guide(SEEN)
    planning.announce(commander)
    assert planning.lost == 1
    assert published(bus) == before


async def test_a_forecast_that_was_not_renewed_plans_only_what_is_still_to_come(bus: LocalBus, commander: Commander) -> None:
    # Forecast at 05:00 in the park, planned on at 06:20, when the valley tariff has ended.
    grid = TimeGrid.regular(START + timedelta(hours=5), timedelta(minutes=15), 8)
    planning = guide(replace(forecast(WIND_ID), grid=grid))
    guidance = await planning.guide(replace(SEEN, at=START + timedelta(hours=6, minutes=20)))
    planning.announce(commander)
    plan = published(bus)
    assert guidance is not None
    assert plan is not None
    assert guidance.connections[PARK.connections[0].id].import_cny_per_mwh == 480.0
    assert plan.edges == grid.edges[5:]


async def test_a_forecast_that_has_ended_leaves_the_rules_to_decide() -> None:
    planning = guide(forecast(WIND_ID))
    guidance = await planning.guide(replace(SEEN, at=GRID.end))
    assert guidance is not None
    assert (guidance.source, planning.lost) == ("rules", 1)


async def test_the_loop_leaves_guidance_for_dispatch_and_a_signal_for_each_cluster(bus: LocalBus, commander: Commander) -> None:
    with_cluster = park([*PARK.assets, asset(DC, "compute", CLUSTER, "a")], PARK.connections)
    inbox, box = Inbox(bus, "test", lambda: START), Mailbox[Guidance]()
    said = ComputeTelemetry(cluster=DC, measured_at=START, power_mw=25.0)
    bus.post(topic_of("test", Channel.COMPUTE_TELEMETRY, DC), encode(said))
    await run_plan(one_tick(), RuleGuide(with_cluster), inbox, box, commander)
    topic = topic_of("test", Channel.COMPUTE_SHIFT, DC)
    signal = decode(ComputeShift, topic, bus.retained[topic])
    assert box.value is not None
    assert (box.value.source, signal.cluster) == ("rules", DC)
    assert signal.valid_until > START
    assert published(bus) is None
