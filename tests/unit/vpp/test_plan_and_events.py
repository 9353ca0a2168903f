from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from vpp.errors import PlanError, TimeGridError
from vpp.events import Event, Override, PinLimit, PinLocal, PinPower
from vpp.ids import AssetId, ConnectionId, PlanId
from vpp.plan import AssetPlan, Plan, Unmet, ValueCurve
from vpp.timegrid import TimeGrid

START = datetime(2030, 10, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
WIND = AssetId("wind.songshan")


def _plan() -> Plan:
    return Plan(
        plan_id=PlanId("p1"),
        made_at=START,
        grid=TimeGrid.regular(START, QUARTER, 4),
        assets={WIND: AssetPlan(WIND, np.array([-10.0, -20.0, -30.0, -40.0]), available_mw=np.full(4, 40.0))},
        status="optimal",
        gap_frac=0.001,
        cost_items_cny={"energy": 1200.0, "wear": 30.0},
        unmet=(Unmet("ammonia_t", 2.0, "hydrogen buffer empty"),),
    )


def _event() -> Event:
    return Event("e1", "peak", ConnectionId("grid.d500"), 500.0, START + QUARTER, START + 3 * QUARTER, START, START)


def test_a_value_on_a_break_is_the_one_above_it() -> None:
    curve = ValueCurve(np.array([10.0]), np.array([600.0, 400.0]))
    assert curve.at(np.array([9.999, 10.0])).tolist() == [600.0, 400.0]


def test_a_value_that_rises_with_the_level_is_refused() -> None:
    with pytest.raises(PlanError, match="must not rise"):
        ValueCurve(np.array([10.0]), np.array([400.0, 600.0]))


def test_breaks_and_values_must_fit() -> None:
    with pytest.raises(PlanError, match="1 breaks need 2 values"):
        ValueCurve(np.array([10.0]), np.array([400.0]))


def test_what_is_available_and_not_generated_is_curtailed() -> None:
    assert _plan().assets[WIND].curtailed_mw.tolist() == [30.0, 20.0, 10.0, 0.0]


def test_cost_is_the_sum_of_its_items() -> None:
    assert _plan().cost_cny == 1230.0


def test_the_fallback_is_the_plans_tail_from_the_instant_asked() -> None:
    at = START + timedelta(minutes=20)
    assert _plan().fallback(WIND, at, timedelta(minutes=30)) == (
        (at, -20.0),
        (START + 2 * QUARTER, -30.0),
        (START + 3 * QUARTER, -40.0),
    )


def test_the_fallback_ends_with_the_plan() -> None:
    assert _plan().fallback(WIND, START + 4 * QUARTER, timedelta(hours=1)) == ()


def test_a_schedule_that_does_not_fit_the_grid_is_refused() -> None:
    with pytest.raises(PlanError, match="wind.songshan: power_mw"):
        replace(_plan(), assets={WIND: AssetPlan(WIND, np.zeros(3))})


def test_an_asset_outside_the_plan_is_named() -> None:
    with pytest.raises(PlanError, match="bess.hongshan"):
        _plan().power_at(AssetId("bess.hongshan"), START)


def test_a_plan_made_at_a_naive_time_is_refused() -> None:
    with pytest.raises(TimeGridError, match="made_at"):
        replace(_plan(), made_at=datetime(2030, 10, 1))  # noqa: DTZ001  # the naive time is what is tested


def test_an_event_is_in_force_up_to_its_end_and_not_at_it() -> None:
    event = _event()
    assert event.in_force(event.start)
    assert not event.in_force(event.end)
    assert not replace(event, status="cancelled").in_force(event.start)


def test_notice_is_what_we_had_and_not_what_was_meant() -> None:
    assert replace(_event(), received_at=START + 2 * QUARTER).notice == -QUARTER


def test_an_event_without_a_target_is_refused() -> None:
    with pytest.raises(PlanError, match="target_mw is missing"):
        replace(_event(), target_mw=float("nan"))


def test_an_override_needs_someone_who_answers_for_it() -> None:
    with pytest.raises(PlanError, match="who and why"):
        Override(WIND, PinLocal(), START, None, " ", "maintenance", START, START)


def test_an_override_with_crossed_limits_is_refused() -> None:
    with pytest.raises(PlanError, match="low_mw"):
        Override(WIND, PinLimit(5.0, 1.0), START, None, "li", "test", START, START)


def test_an_override_without_an_end_holds_until_it_is_lifted() -> None:
    override = Override(WIND, PinPower(-5.0), START, None, "li", "icing seen", START, START)
    assert override.in_force(START + timedelta(days=30))
    assert not override.in_force(START - QUARTER)
