"""Small wind farms with a known truth, for the stacked model and its back-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.stack.panel import WIND_COMPONENTS, WindPanel
from forecasting.stack.settings import BoostSettings, KernelSettings, NetSettings, SecondSettings, StackSettings

FIRST_HOUR = np.datetime64("2012-07-01T00:00", "us")
HOURS_OF_FOUR_MONTHS = 125 * 24

TINY = StackSettings(
    name="tiny",
    first=BoostSettings(20, 7, 40, 0.2, 0.5, 0.5, 31, True),
    second=(
        SecondSettings(BoostSettings(15, 7, 60, 0.2, 0.5, 0.5, 31, True), on_first=True),
        SecondSettings(BoostSettings(15, 7, 60, 0.2, 0.5, 0.5, 31, True), on_first=False),
    ),
    net=NetSettings(hidden=12, epochs=3),
    kernel=KernelSettings(centres=60),
    levels=(0.05, 0.5, 0.95),
    net_levels=(0.1, 0.5, 0.9),
    folds=3,
    deals=2,
)


def windy_panel(zones: int = 3, hours: int = HOURS_OF_FOUR_MONTHS, seed: int = 0) -> WindPanel:
    """Farms whose power is a curve of the wind that was forecast, plus an error that lasts for hours."""
    random = np.random.default_rng(seed)
    start = FIRST_HOUR + np.arange(hours) * np.timedelta64(1, "h")
    slow = _smooth(random.standard_normal((hours, 2)), 24)
    wind = np.empty((hours, zones, 4))
    power = np.empty((hours, zones))
    for zone in range(zones):
        at100 = 9.0 * slow + 2.0 * _smooth(random.standard_normal((hours, 2)), 6)
        wind[:, zone] = np.column_stack([0.7 * at100, at100])
        error = 1.5 * _smooth(random.standard_normal((hours, 1)), 4)[:, 0]
        power[:, zone] = 1.0 / (1.0 + np.exp(-(np.hypot(at100[:, 0], at100[:, 1]) + error - 9.0) / 1.5))
    return WindPanel(start.astype("datetime64[us]"), tuple(range(1, zones + 1)), power, wind)


def panel_frame(panel: WindPanel) -> pd.DataFrame:
    """The panel in the form of the competition's file: one row a zone and hour, stamped with the hour's end."""
    parts = [
        pd.DataFrame(
            {"zone": np.int8(zone), "time": panel.start + np.timedelta64(1, "h"), "power": panel.power_frac[:, k]}
        ).assign(**{name: panel.wind_m_s[:, k, c] for c, name in enumerate(WIND_COMPONENTS)})
        for k, zone in enumerate(panel.zones)
    ]
    return pd.concat(parts, ignore_index=True)


def write_track(folder: Path, frame: pd.DataFrame) -> Path:
    """The file where the back-test looks for it."""
    path = folder / "gefcom2014_wind.parquet"
    frame.to_parquet(path)
    return path


def _smooth(noise: np.ndarray, hours: int) -> np.ndarray:
    kernel = np.exp(-np.arange(4 * hours) / hours)
    kernel /= np.sqrt((kernel**2).sum())
    return np.column_stack([np.convolve(column, kernel)[: noise.shape[0]] for column in noise.T])
