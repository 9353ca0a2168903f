"""Pictures of forecasts that people can read: fan charts, reliability, error by lead time, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecasting.forecast import Forecast
from forecasting.scores import Reliability, reliability
from forecasting.upload import PARK_ZONE
from vpp.series import StampArray
from vpp.units import FloatArray

if TYPE_CHECKING:
    from forecasting.backtest.pv import StationTest

__all__ = ["fan_charts", "fan_figure", "reliability_figure", "saved", "station_plots"]

INK, BLUE, GREY, RED = "#1f2937", "#1d6fa5", "#9aa3ad", "#c2410c"
SIZE: Final = (9.0, 4.2)
#: Days of a station's test that are drawn: a clear one, a changing one and a dull one tell most.
DAYS_DRAWN: Final = 3
STEP: Final = np.timedelta64(15, "m")


def fan_charts(forecast: Forecast, folder: Path) -> list[Path]:
    """One fan chart for each asset of a forecast."""
    at = np.array([np.datetime64(edge.replace(tzinfo=None), "us") for edge in forecast.grid.starts])
    made = []
    for row, asset_id in enumerate(forecast.asset_ids):
        why = ", ".join(forecast.flags_of(asset_id))
        title = f"{asset_id}: {forecast.quality[row]}" + (f" ({why})" if why else "")
        figure = fan_figure(at, forecast.quantile_frac[row], forecast.quantile_levels, title, mean=forecast.mean_frac[row])
        made.append(saved(figure, folder / f"{asset_id}.fan.png"))
    return made


def fan_figure(
    at: StampArray,
    quantile_frac: FloatArray,
    levels: Sequence[float],
    title: str,
    *,
    mean: FloatArray | None = None,
    outcome: FloatArray | None = None,
) -> Figure:
    """Nested bands from the widest to the narrowest interval, the median, and what came.

    Args:
        at: Start of each interval (UTC), shape (T,).
        quantile_frac: Shape (T, Q).
        levels: Q levels; each is drawn with its mirror image.
        title: Above.
        mean: Expected value, shape (T,).
        outcome: Measured, NaN where unknown, shape (T,).
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    pairs = [(i, len(levels) - 1 - i) for i in range(len(levels) // 2)]
    x = mdates.date2num(at)
    for depth, (low, high) in enumerate(pairs):
        share = levels[high] - levels[low]
        shade = 0.12 + 0.5 * (depth + 1) / len(pairs) / 2
        axes.fill_between(x, quantile_frac[:, low], quantile_frac[:, high], color=BLUE, alpha=shade, lw=0, label=f"{share:.0%}")
    middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
    axes.plot(x, quantile_frac[:, middle], color=BLUE, lw=1.4, label="median")
    if mean is not None:
        axes.plot(x, mean, color=BLUE, lw=1.0, ls="--", label="mean")
    if outcome is not None:
        axes.plot(x, outcome, color=INK, lw=1.4, label="measured")
    _park_time(axes)
    axes.set(ylim=(0.0, 1.02), ylabel="share of capacity", title=title, xlabel="park time")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability_figure(found: Reliability, title: str) -> Figure:
    """Observed share below each quantile against its level, with the band of independent outcomes."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    level = np.array(found.levels)
    width = 2.58 * np.sqrt(level * (1 - level) / max(found.count, 1))
    axes.plot([0, 1], [0, 1], color=GREY, lw=1.0)
    axes.fill_between(level, level - width, level + width, color=GREY, alpha=0.3, lw=0, label="99 % by chance, if independent")
    axes.plot(level, found.observed_frac, color=BLUE, marker="o", ms=4, lw=1.2, label=f"{found.count:,} outcomes")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal level", ylabel="observed share below", title=title)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def skill_figure(lead_min: Sequence[int], curves: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Error by lead time, ours in front of its rivals."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        ours = name == "ours"
        axes.plot(lead_min, np.array(values) * 100, color=BLUE if ours else None, lw=2.2 if ours else 1.0, label=name)
    axes.set(xlabel="minutes ahead", ylabel="nRMSE, % of capacity", title=title, ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def drift_figure(at: StampArray, ratio: dict[str, FloatArray], limit: float, title: str) -> Figure:
    """Recent pinball over the trial's, by farm, with the line above which a farm counts as drifting."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for name, values in ratio.items():
        axes.plot(mdates.date2num(at), values, lw=1.2, label=name)
    axes.axhline(limit, color=RED, lw=1.0, ls="--", label="drift")
    axes.axhline(1.0, color=GREY, lw=1.0)
    _park_time(axes)
    axes.set(ylabel="recent pinball / trial's", title=title, ylim=(0, None))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def station_plots(test: StationTest, folder: Path) -> list[Path]:
    """Fan charts of the 1-h and 4-h forecasts over some days, reliability, and error by lead time."""
    from forecasting.scores import nrmse_frac
    from forecasting.sun.model import LEVELS

    made: list[Path] = []
    middle = test.origin.size // 2
    days = slice(middle, middle + DAYS_DRAWN * 96)
    for ahead in (4, 16):
        at = test.record.measured_at[test.origin[days]] + ahead * STEP
        quantile = np.nan_to_num(test.quantile[days, ahead - 1])
        title = f"{test.record.name}, forecast {ahead * 15} min before"
        figure = fan_figure(at, quantile, LEVELS, title, outcome=np.nan_to_num(test.measured[days, ahead - 1]))
        made.append(saved(figure, folder / f"pv.fan.{ahead * 15}min.png"))
    found = reliability(test.available.reshape(-1), test.quantile.reshape(-1, len(LEVELS)), LEVELS)
    made.append(saved(reliability_figure(found, "15 min to 4 h, by day"), folder / "pv.reliability.png"))
    said: dict[str, Any] = {"ours": test.mean, **test.rivals}
    curves = {
        name: [nrmse_frac(test.available[:, h], one[:, h]) for h in range(one.shape[1])]
        for name, one in said.items()
        if name != "persistence"
    }
    figure = skill_figure([15 * (h + 1) for h in range(test.mean.shape[1])], curves, test.record.name)
    made.append(saved(figure, folder / "pv.skill.png"))
    return made


def _park_time(axes: Axes) -> None:
    """Ticks at whole hours and days of park time."""
    hours = mdates.AutoDateLocator(tz=PARK_ZONE)
    axes.xaxis.set_major_locator(hours)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(hours, tz=PARK_ZONE))


def saved(figure: Figure, path: Path) -> Path:
    """Write a picture, its folder made if absent; returns where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Chinese names fall back to a font that has them, where there is one.
    with mpl.rc_context({"font.family": ["sans-serif"]}):
        figure.savefig(path, dpi=120)
    return path
