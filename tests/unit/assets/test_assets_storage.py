from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import battery, compressed_air
from vpp.assets.battery import BATTERY, BatteryState
from vpp.assets.compressed_air import COMPRESSED_AIR
from vpp.errors import AssetError


def test_a_full_battery_refuses_to_charge() -> None:
    plate = BATTERY.plate([battery()])
    band = BATTERY.feasible(plate, BatteryState(np.array([0.95])), 0.25)
    assert band.high_mw[0] == pytest.approx(0.15)  # auxiliaries, 0.5 % of 30 MW
    with pytest.raises(AssetError, match="battery"):
        BATTERY.step(plate, BatteryState(np.array([0.95])), np.array([1.0]), 0.25)


def test_an_empty_battery_cannot_even_feed_its_auxiliaries() -> None:
    plate = BATTERY.plate([battery()])
    assert BATTERY.feasible(plate, BatteryState(np.array([0.05])), 0.25).low_mw[0] == pytest.approx(0.15)


def test_a_battery_gives_back_its_round_trip_efficiency() -> None:
    plate = BATTERY.plate([battery(auxiliary_frac=0.0)])
    empty = BatteryState(np.array([0.05]))
    full = BATTERY.step(plate, empty, np.array([20.0]), 1.0)
    back_mw = BATTERY.feasible(plate, full, 1.0).low_mw
    assert -back_mw[0] / 20.0 == pytest.approx(0.88)


def test_a_full_battery_can_still_burn_energy_by_turning_it_over() -> None:
    plate = BATTERY.plate([battery(auxiliary_frac=0.0)])
    reach = BATTERY.reach(plate, BatteryState(np.array([0.95])), np.array([1.0]))
    # Out for x hours and in for 1 - x hours at 30 MW, so that 0.88 * 30 * (1 - x) = 30 * x.
    out_h = 0.88 / 1.88
    assert reach.high_mwh[0, 0] == pytest.approx(30.0 * (1.0 - 2.0 * out_h))


def test_a_battery_measured_below_its_floor_is_not_discharged_further() -> None:
    plate = BATTERY.plate([battery()])
    band = BATTERY.feasible(plate, BatteryState(np.array([0.01])), 0.25)
    assert band.low_mw[0] == pytest.approx(0.15)
    assert band.high_mw[0] == pytest.approx(30.0)


def test_compressed_air_at_rest_does_nothing_within_its_start_time() -> None:
    plate = COMPRESSED_AIR.plate([compressed_air()])
    band = COMPRESSED_AIR.feasible(plate, COMPRESSED_AIR.initial(plate), 1 / 60)
    assert (band.low_mw[0], band.high_mw[0]) == (0.0, 0.0)


def test_compressed_air_loses_its_start_from_the_quarter_hour() -> None:
    plate = COMPRESSED_AIR.plate([compressed_air()])
    band = COMPRESSED_AIR.feasible(plate, COMPRESSED_AIR.initial(plate), 0.25)
    assert band.high_mw[0] == pytest.approx(100.0 * 10 / 15)  # 5 of 15 minutes are the start


def test_compressed_air_asked_for_less_than_its_minimum_stops_after_a_while() -> None:
    plate = COMPRESSED_AIR.plate([compressed_air()])
    running = replace(COMPRESSED_AIR.initial(plate), mode=np.array([1.0]))
    assert COMPRESSED_AIR.step(plate, running, np.array([60.0]), 0.25).mode[0] == 1.0
    assert COMPRESSED_AIR.step(plate, running, np.array([10.0]), 0.25).mode[0] == 0.0


def test_a_start_of_compressed_air_counts_down_while_nothing_is_drawn() -> None:
    plate = COMPRESSED_AIR.plate([compressed_air()])
    state = COMPRESSED_AIR.with_mode(plate, COMPRESSED_AIR.initial(plate), np.array([-1.0]))
    for _ in range(5):
        state = COMPRESSED_AIR.step(plate, state, np.array([0.0]), 1 / 60)
    assert state.start_left_h[0] == pytest.approx(0.0, abs=1e-12)
    assert COMPRESSED_AIR.feasible(plate, state, 1 / 60).low_mw[0] == pytest.approx(-100.0)
