import numpy as np
import pytest
from scipy import signal

from sim_harness.grid.frequency import NOMINAL_HZ, GridFrequency, SystemArea
from sim_harness.grid.meters import Meters
from vpp.ids import ConnectionId

PARK_MW = 400.0


def after_a_trip(lost_mw: float, dt_s: float, span_s: float, area: SystemArea | None = None) -> tuple[GridFrequency, np.ndarray]:
    grid = GridFrequency(area, import_mw=PARK_MW)
    grid.lose(lost_mw)
    return grid, np.array([grid.step(dt_s, PARK_MW) for _ in range(round(span_s / dt_s))])


def test_without_dead_band_delay_and_agc_it_is_the_linear_model_of_anderson_and_mirheydar() -> None:
    # Transfer function of the paper with a first-order valve, simulated by scipy: an independent solution of the same model. Ours
    # sees the frequency 0.2 s late and holds what it asked for 0.2 s, which together is a delay of 0.3 s (Padé, first order).
    area = SystemArea(dead_band_hz=0.0, dead_time_s=0.2, governor_limit_frac=1.0, agc_mw_per_s=0.0)
    _, ours = after_a_trip(1_000.0, 0.2, 40.0, area)
    droop, mass, damping = area.governor_mw_per_hz, area.mass_mws_per_hz, area.damping_mw_per_hz
    valve, reheat, first = area.valve_s, area.reheat_s, area.high_pressure_frac
    turbine_num = np.polymul([first * reheat, 1.0], [-0.15, 1.0])
    turbine_den = np.polymul(np.polymul([valve, 1.0], [reheat, 1.0]), [0.15, 1.0])
    den = np.polyadd(np.polymul([mass, damping], turbine_den), droop * turbine_num)
    time_s = np.arange(0.0, 40.2, 0.2)
    _, step = signal.step((-1_000.0 * turbine_den, den), T=time_s)
    assert ours == pytest.approx(NOMINAL_HZ + step[1:], abs=0.004)
    assert ours[-1] == pytest.approx(NOMINAL_HZ - 1_000.0 / (droop + damping), abs=0.002)


def test_two_large_units_lost_at_once_bring_the_reference_dip_to_49_5_hz() -> None:
    grid, course = after_a_trip(2_000.0, 1.0, 900.0)
    assert grid.lowest_hz == pytest.approx(49.5, abs=0.02)
    assert 3 <= int(np.argmin(course)) + 1 <= 10  # seconds to the lowest point
    assert course[59] == pytest.approx(49.9, abs=0.03)
    assert course[-1] == pytest.approx(50.0, abs=0.005)


@pytest.mark.parametrize("lost_mw", [50.0, 800.0, 2_000.0])
def test_steps_of_one_and_of_ten_seconds_tell_the_same_story(lost_mw: float) -> None:
    fine, course_1 = after_a_trip(lost_mw, 1.0, 600.0)
    coarse, course_10 = after_a_trip(lost_mw, 10.0, 600.0)
    assert course_10 == pytest.approx(course_1[9::10], abs=1e-3)
    assert coarse.lowest_hz == pytest.approx(fine.lowest_hz, abs=2e-3)


def test_the_first_slope_is_the_imbalance_over_the_rotating_mass() -> None:
    grid, _ = after_a_trip(1_000.0, 0.2, 0.2)
    assert (grid.frequency_hz - NOMINAL_HZ) / 0.2 == pytest.approx(-1_000.0 / grid.area.mass_mws_per_hz, rel=0.03)


def test_the_parks_own_relief_lifts_the_lowest_point() -> None:
    alone, _ = after_a_trip(2_000.0, 1.0, 60.0)
    helped = GridFrequency(import_mw=PARK_MW)
    helped.lose(2_000.0)
    for second in range(60):
        helped.step(1.0, PARK_MW if second < 1 else PARK_MW - 300.0)
    assert helped.lowest_hz > alone.lowest_hz + 0.05


def test_small_changes_of_the_park_leave_governors_asleep() -> None:
    grid = GridFrequency(import_mw=PARK_MW)
    for _ in range(200):
        grid.step(10.0, PARK_MW + 40.0)
        assert abs(grid.frequency_hz - NOMINAL_HZ) < grid.area.dead_band_hz
    assert grid.frequency_hz == pytest.approx(NOMINAL_HZ, abs=0.005)  # AGC has taken over


@pytest.mark.parametrize("dt_s", [1.0, 10.0])
def test_the_background_is_as_wide_as_a_real_grids_and_the_same_in_every_run_of_a_seed(dt_s: float) -> None:
    runs = []
    for seed in (7, 7, 8):
        grid = GridFrequency(seed=seed)
        runs.append(np.array([grid.step(dt_s, PARK_MW) for _ in range(round(6e4 / dt_s))]))
    assert runs[0].std() == pytest.approx(0.016, rel=0.15)
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_meter_stays_inside_its_class_and_is_wrong_by_nearly_the_same_share() -> None:
    at = [ConnectionId(f"tie.{i}") for i in range(40)]
    meters = Meters(at, seed=3)
    shown = np.array([[meters.shown_mw(c, 100.0) for c in at] for _ in range(200)])
    assert np.abs(shown - 100.0).max() <= 0.2 + 1e-9
    assert shown.std(axis=0).max() < 0.05
    assert 0.05 < shown.mean(axis=0).std() < 0.15
    exact = Meters(at, seed=None)
    assert exact.shown_mw(at[0], 123.0) == 123.0
