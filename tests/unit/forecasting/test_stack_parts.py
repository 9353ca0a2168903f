"""The parts of the stacked wind model, each for itself."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.scores import pinball
from forecasting.stack.features import calendar, kernel_inputs, mean_inputs, net_inputs
from forecasting.stack.first_stage import FirstStage, combine_parts
from forecasting.stack.folds import deal_blocks
from forecasting.stack.kernel import kernel_of_parts
from forecasting.stack.levels import at_levels
from forecasting.stack.net import fit_net
from forecasting.stack.panel import WindPanel, grid_points
from forecasting.stack.quality import find_stopped, find_stuck
from forecasting.stack.second_stage import PooledRows, quantiles_of_levels
from forecasting.stack.settings import BoostSettings, KernelSettings, NetSettings
from tests.builders_wind import FIRST_HOUR, windy_panel
from vpp.errors import ForecastError


def calm_panel(power: np.ndarray, speed_m_s: float) -> WindPanel:
    start = FIRST_HOUR + np.arange(power.size) * np.timedelta64(1, "h")
    wind = np.zeros((power.size, 1, 4))
    wind[:, :, 2] = speed_m_s
    return WindPanel(start, (1,), power[:, None], wind)


def test_zero_power_in_good_wind_is_a_stop() -> None:
    power = np.r_[np.full(10, 0.5), np.zeros(8), np.full(10, 0.4)]
    assert np.flatnonzero(find_stopped(calm_panel(power, 9.0))[:, 0]).tolist() == list(range(10, 18))


def test_zero_power_in_a_calm_is_weather() -> None:
    assert not find_stopped(calm_panel(np.zeros(48), 2.0)).any()


def test_a_reading_that_repeats_for_six_hours_is_stuck() -> None:
    power = np.r_[0.1, 0.2, np.full(6, 0.968), 0.3, np.full(5, 0.5)]
    assert np.flatnonzero(find_stuck(calm_panel(power, 9.0))[:, 0]).tolist() == list(range(2, 8))


def test_unknown_power_is_neither_stopped_nor_stuck() -> None:
    panel = calm_panel(np.full(48, np.nan), 9.0)
    assert not find_stopped(panel).any()
    assert not find_stuck(panel).any()


def test_farms_in_one_weather_cell_count_as_one_grid_point() -> None:
    panel = windy_panel(zones=3, hours=200)
    wind = panel.wind_m_s.copy()
    wind[:, 2] = wind[:, 0]
    assert grid_points(WindPanel(panel.start, panel.zones, panel.power_frac, wind)).tolist() == [0, 1]


def test_a_panel_with_a_hole_is_refused() -> None:
    panel = windy_panel(hours=100)
    keep = np.arange(100) != 50
    with pytest.raises(ForecastError, match="without gap"):
        WindPanel(panel.start[keep], panel.zones, panel.power_frac[keep], panel.wind_m_s[keep])


def test_every_hour_is_judged_by_a_model_that_has_not_seen_its_block() -> None:
    start = FIRST_HOUR + np.arange(60 * 24) * np.timedelta64(1, "h")
    part = deal_blocks(start, block_days=6, folds=5)
    train = np.arange(part.size) < 50 * 24
    forecast = combine_parts([np.full(part.size, float(k)) for k in range(5)], part, train)
    assert np.array_equal(forecast[train], part[train])
    assert np.all(forecast[~train] == 2.0)  # mean of all five


@pytest.mark.parametrize("deal", [1, 2])
def test_a_later_deal_keeps_blocks_whole_and_every_part_in_every_season(deal: int) -> None:
    start = FIRST_HOUR + np.arange(360 * 24) * np.timedelta64(1, "h")
    part = deal_blocks(start, block_days=6, folds=5, deal=deal)
    cuts = np.flatnonzero(np.diff(part)) + 1
    assert np.diff(cuts).min() >= 6 * 24
    assert all(set(part[month : month + 60 * 24]) == set(range(5)) for month in range(0, part.size, 60 * 24))
    assert not np.array_equal(part, deal_blocks(start, block_days=6, folds=5))


def test_columns_hold_no_power_and_no_gap() -> None:
    panel = windy_panel(hours=300)
    hidden = panel.without_power(np.ones(300, dtype=np.bool_))
    for zone in range(3):
        assert np.array_equal(mean_inputs(panel, zone), mean_inputs(hidden, zone))
    assert np.isfinite(net_inputs(panel)).all()
    assert np.isfinite(kernel_inputs(panel)).all()
    assert np.array_equal(kernel_inputs(panel), kernel_inputs(hidden))


def test_columns_do_not_see_weather_past_the_last_hour() -> None:
    panel = windy_panel(hours=300)
    shorter = panel.until(panel.start[200])
    inside = slice(0, 190)  # the widest column looks eight hours ahead
    assert np.allclose(mean_inputs(panel, 0)[inside], mean_inputs(shorter, 0)[inside])


def test_the_hour_runs_from_midnight() -> None:
    assert calendar(windy_panel(hours=30).start)[:26, 0].tolist() == [*range(24), 0, 1]


def test_interpolated_levels_of_a_normal_distribution_are_exact() -> None:
    # Quantiles of the standard normal: NIST handbook table 1.3.6.7.1.
    quantile = at_levels(np.array([-1.6449, 0.0, 1.6449]), (0.05, 0.5, 0.95), (0.01, 0.1, 0.5, 0.975))
    assert quantile == pytest.approx([-2.326, -1.282, 0.0, 1.960], abs=1e-3)


def test_the_net_learns_a_curve_and_its_spread() -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal((4000, 1)).astype(np.float32)
    y = np.tanh(x.astype(np.float64)) + 0.1 * random.standard_normal((4000, 1))
    levels = (0.1, 0.5, 0.9)
    net = fit_net(x[:3000], y[:3000], levels, NetSettings(hidden=16, epochs=40, batch=64, dropout=0.0, weight_decay=0.01), seed=0)
    quantile = net.predict(x[3000:])
    truth = np.tanh(x[3000:, :, None]) + 0.1 * np.array([-1.2816, 0.0, 1.2816])
    assert np.all(np.diff(quantile, axis=2) >= 0.0)
    assert pinball(y[3000:], quantile, levels) < 1.1 * pinball(y[3000:], truth, levels)


def test_the_net_passes_over_unknown_power() -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((500, 2)).astype(np.float32)
    y = np.column_stack([x[:, 0], np.where(np.arange(500) % 2, np.nan, 0.5)])
    quantile = fit_net(x, y, (0.25, 0.75), NetSettings(hidden=8, epochs=20, dropout=0.0), seed=0).predict(x)
    assert np.isfinite(quantile).all()
    assert quantile[:, 1].mean() == pytest.approx(0.5, abs=0.1)


def test_a_kernel_regression_on_all_hours_is_the_textbook_one() -> None:
    # Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 2.25: k (K + penalty I)^-1 y.
    random = np.random.default_rng(3)
    x, y = random.standard_normal((60, 2)), random.standard_normal((60, 1))
    part, train = np.arange(60) // 40, np.ones(60, dtype=np.bool_)
    settings = KernelSettings(centres=60, penalty=0.2, shapes=((2.0, 1.5),))
    forecast = kernel_of_parts(x, y, part, train, settings, seed=0)[40:]
    like = np.exp(-((x[:, None] - x[None, :]) ** 2).sum(axis=2) / 1.5**2)
    mean = y[:40].mean()
    truth = like[40:, :40] @ np.linalg.solve(like[:40, :40] + 0.2 * np.eye(40), y[:40] - mean) + mean
    assert forecast == pytest.approx(truth, abs=1e-5)


def test_no_kernel_fit_sees_the_part_it_judges() -> None:
    random = np.random.default_rng(4)
    x, y = random.standard_normal((120, 2)), random.standard_normal((120, 2))
    part, train = np.arange(120) // 40, np.ones(120, dtype=np.bool_)
    before = kernel_of_parts(x, y, part, train, KernelSettings(centres=30), seed=0)
    y[part == 1] += 5.0
    after = kernel_of_parts(x, y, part, train, KernelSettings(centres=30), seed=0)
    assert np.allclose(before[part == 1], after[part == 1])
    assert not np.allclose(before[part == 0], after[part == 0])


def test_the_first_stages_quantiles_lie_around_the_mean_of_its_members() -> None:
    net = np.array([0.2, 0.5, 0.9]).reshape(1, 1, 3)
    first = FirstStage(np.full((1, 1), 0.6), net, np.full((1, 1), 0.7), (0.1, 0.5, 0.9))
    assert first.quantiles((0.1, 0.5, 0.9)).ravel() == pytest.approx([0.3, 0.6, 1.0])


def test_trees_that_start_from_a_right_base_leave_it_as_it_is() -> None:
    random = np.random.default_rng(5)
    rows = 3000
    x = np.column_stack([np.zeros(rows), random.standard_normal(rows)])
    truth = 5.0 * np.sin(4.0 * x[:, 1])
    base = truth[:, None] + np.zeros((1, 1))
    data = PooledRows(x, truth + random.uniform(-0.5, 0.5, rows), np.ones(rows), np.arange(rows) >= 2000, base)
    one_tree = BoostSettings(1, 2, 200, 0.1, 1.0, 1.0, 31, False)
    from_base = quantiles_of_levels(data, (0.5,), one_tree, seed=0)[0]
    from_constant = quantiles_of_levels(PooledRows(x, data.y, data.weight, data.asked), (0.5,), one_tree, seed=0)[0]
    assert np.abs(from_base - truth[2000:]).max() < 0.05
    assert np.abs(from_constant - truth[2000:]).max() > 1.0
