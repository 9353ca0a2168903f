from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import compute, copper_refining, ev_charging, feeder, submerged_arc, zinc
from vpp.assets.compute import COMPUTE
from vpp.assets.copper_refining import COPPER_REFINING
from vpp.assets.ev_charging import EV_CHARGING, EvChargingState
from vpp.assets.feeder import FEEDER
from vpp.assets.submerged_arc import SUBMERGED_ARC
from vpp.assets.zinc_electrowinning import ZINC_ELECTROWINNING


def test_a_zinc_reduction_stops_at_the_protective_current_and_ends_in_time() -> None:
    plate = ZINC_ELECTROWINNING.plate([zinc()])
    state, below_h, least_mw = ZINC_ELECTROWINNING.initial(plate), 0.0, np.inf
    for _ in range(60):
        low_mw = ZINC_ELECTROWINNING.feasible(plate, state, 1 / 60).low_mw
        state = ZINC_ELECTROWINNING.step(plate, state, low_mw, 1 / 60)
        below_h += (1 / 60) * float(low_mw[0] < 72.0 - 1e-6)
        least_mw = min(least_mw, float(low_mw[0]))
    assert least_mw == pytest.approx(12.0)  # 10 % of 120 MW
    # 30 minutes, of which the last one is back at the band's edge so that any next step can keep it.
    assert 0.48 < below_h <= 0.5 + 1e-9


def test_a_submerged_arc_furnace_recovers_for_hours_after_a_hold() -> None:
    plate = SUBMERGED_ARC.plate([submerged_arc()])
    state = SUBMERGED_ARC.initial(plate)
    low = []
    for _ in range(24):
        power_mw = SUBMERGED_ARC.feasible(plate, state, 0.25).low_mw
        state = SUBMERGED_ARC.step(plate, state, power_mw, 0.25)
        low.append(power_mw[0] < 80.0 - 1e-6)
    held = np.flatnonzero(low)
    assert held.size >= 2
    assert held[0] == 0
    # The next hold begins 4 h after the furnace came back.
    back = next(i for i in range(24) if not low[i])
    again = next(i for i in range(back, 24) if low[i])
    assert again - back == 16


def test_copper_never_leaves_its_band() -> None:
    plate = COPPER_REFINING.plate([copper_refining()])
    band = COPPER_REFINING.feasible(plate, COPPER_REFINING.initial(plate), 1.0)
    assert band.low_mw[0] == pytest.approx(51.0)
    assert band.high_mw[0] == pytest.approx(63.0)


def test_a_quota_is_used_up_by_what_is_drawn() -> None:
    plate = COPPER_REFINING.plate([copper_refining()])
    after = COPPER_REFINING.step(plate, COPPER_REFINING.initial(plate), np.array([57.0]), 1.0)
    assert after.quota_left_mwh[0] == pytest.approx(57.0 * 23)


def test_a_called_feeder_spends_a_call_and_its_hours_and_then_closes() -> None:
    plate = FEEDER.plate([feeder(hours_per_year=1.0, calls_per_year=1)])
    state = FEEDER.step(plate, FEEDER.initial(plate), np.array([0.0]), 0.75)
    assert (state.closed[0], state.calls_left[0], state.hours_left_h[0]) == (0.0, 0.0, 0.25)
    band = FEEDER.feasible(plate, state, 0.5)
    assert band.low_mw[0] == pytest.approx(5.0)  # a quarter of an hour is left of the half
    after = FEEDER.step(plate, state, band.low_mw, 0.5)
    assert after.closed[0] == 1.0
    assert FEEDER.feasible(plate, after, 0.25).low_mw[0] == 10.0


def test_staying_open_needs_no_second_call() -> None:
    plate = FEEDER.plate([feeder()])
    state = FEEDER.step(plate, FEEDER.initial(plate), np.array([0.0]), 0.25)
    assert FEEDER.step(plate, state, np.array([0.0]), 0.25).calls_left[0] == 19.0


def test_caps_take_from_each_tier_what_its_loss_allows_and_nothing_from_tier_zero() -> None:
    plate = COMPUTE.plate([compute(tier_frac=(0.4, 0.2, 0.2, 0.2), tier_loss_frac=(0.0, 0.03, 0.07, 0.5))])
    # 97 % of throughput needs 87.5 % of power, 93 % needs 75 %; 50 % is below the curve, whose lowest cap is 50 %.
    assert COMPUTE.cappable_mw(plate, np.array([10.0]))[0] == pytest.approx(10 * 0.2 * (0.125 + 0.25 + 0.5))


def test_a_cluster_is_capped_no_deeper_than_its_scheduler_offers() -> None:
    plate = COMPUTE.plate([compute()])
    state = replace(COMPUTE.initial(plate), fast_band_mw=np.array([2.0]))
    low_mw = COMPUTE.feasible(plate, state, 0.25).low_mw
    assert low_mw[0] == pytest.approx(plate.idle_mw[0] + state.firm_mw[0] - 2.0)


def test_the_class_with_the_shortest_slack_is_served_first() -> None:
    plate = COMPUTE.plate([compute()])
    assert plate.class_slack_h[0].tolist() == [6.0, 24.0, 72.0]
    state = replace(COMPUTE.initial(plate), arriving_mw=np.zeros((1, 3)), waiting_mwh=np.array([[1.0, 5.0, 5.0]]))
    power_mw = plate.idle_mw + state.firm_mw + 8.0  # 2 MWh in a quarter hour
    after = COMPUTE.step(plate, state, power_mw, 0.25)
    np.testing.assert_allclose(after.waiting_mwh, [[0.0, 4.0, 5.0]])


def test_what_is_due_is_served_before_what_is_urgent() -> None:
    plate = COMPUTE.plate([compute()])
    state = replace(
        COMPUTE.initial(plate),
        arriving_mw=np.zeros((1, 3)),
        waiting_mwh=np.array([[5.0, 5.0, 5.0]]),
        due_mw=np.array([[0.0, 0.0, 8.0]]),
    )
    after = COMPUTE.step(plate, state, plate.idle_mw + state.firm_mw + 8.0, 0.25)
    np.testing.assert_allclose(after.waiting_mwh, [[5.0, 5.0, 3.0]])


def test_a_quarter_hour_of_uncapped_computing_is_fifteen_minutes() -> None:
    plate = COMPUTE.plate([compute()])
    state = COMPUTE.initial(plate)
    power_mw, minutes = plate.idle_mw + state.firm_mw + 20.0, state
    for _ in range(15):
        minutes = COMPUTE.step(plate, minutes, power_mw, 1 / 60)
    quarter = COMPUTE.step(plate, state, power_mw, 0.25)
    np.testing.assert_allclose(minutes.waiting_mwh, quarter.waiting_mwh, atol=1e-9)


def test_clusters_with_different_numbers_of_classes_stand_side_by_side() -> None:
    plate = COMPUTE.plate([compute(), compute(job_classes=compute().job_classes[:1])])
    assert plate.class_share_frac.shape == (2, 3)
    assert plate.class_share_frac[1].tolist() == [0.45, 0.0, 0.0]


def test_vehicles_are_charged_no_more_than_they_want() -> None:
    plate = EV_CHARGING.plate([ev_charging()])
    state = EvChargingState(np.array([1.0]), np.array([0.0]), np.array([0.0]))
    assert EV_CHARGING.feasible(plate, state, 0.25).high_mw[0] == pytest.approx(4.0)
