"""Measured and generated weather side by side: the plots of `docs/weather.md` and the table in it.

Both weathers are asked through the same Protocol for the same farms over the same months, so that every figure is what a
controller would meet. Wind: the eight farms of the park of 2030; sun: its largest PV station.

    python benchmarks/weather_realism.py [--data DIR] [--seed N] [--out docs] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim_harness.site import farms_of
from sim_harness.weather import GeneratedWeather, MeasuredWeather, Weather, default_data_dir
from sim_harness.weather.realism import (
    LAGS_H,
    LEAD_CLASS_H,
    LEADS_H,
    SunPortrait,
    WindPortrait,
    sun_portrait,
    wind_portrait,
)
from sim_harness.weather.statistics import autocorrelation, ramps, spectrum
from sim_harness.weather.zones import NEAR_ZONES, wind_zone
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.park import load
from vpp.units import FloatArray

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
PARK_AT = date(2030, 10, 1)
SUN = AssetId("pv.envision")
QUARTER_H = 0.25
DAY = timedelta(days=1)
COLOURS = {"measured": "#222222", "generated": "#d1495b"}
BAD_INPUT = 2


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two weathers and its portraits."""

    name: str
    weather: Weather
    wind: WindPortrait
    sun: SunPortrait

    @property
    def colour(self) -> str:
        """Of its lines."""
        return COLOURS[self.name]


def main(words: Sequence[str] | None = None) -> int:
    """Makes the plots; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description="Measured and generated weather side by side.")
    parser.add_argument("--data", type=Path, default=default_data_dir(), help="measured series (default: ../shared/data)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is made up")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder for the plots")
    parser.add_argument("--json", type=Path, help="the table for machines")
    told = parser.parse_args(words)
    try:
        sides = both(told.data, told.seed)
    except VppError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    told.out.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        figure = draw(sides)
        figure.savefig(told.out / f"weather_{name}.png", dpi=80)
    rows = table(sides)
    print("| statistic | measured | generated |\n|---|---:|---:|")
    for label, (measured, generated) in rows.items():
        print(f"| {label} | {measured:.3f} | {generated:.3f} |")
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps({"seed": told.seed, "statistics": rows}, indent=2) + "\n", encoding="utf-8")
    return 0


def both(data_dir: Path | None, seed: int) -> tuple[Side, Side]:
    """The two weathers over the months that were measured."""
    farms = farms_of(load(SEEDS, at=PARK_AT))
    began_s = time.perf_counter()
    measured = MeasuredWeather(Path("../shared/data") if data_dir is None else data_dir, farms, seed=seed)
    opened_s = time.perf_counter()
    generated = GeneratedWeather(seed, farms, measured.start, measured.end)
    print(
        f"{len(farms)} farms; measured opened in {opened_s - began_s:.1f} s, generated in {time.perf_counter() - opened_s:.1f} s",
        file=sys.stderr,
    )
    return (
        Side("measured", measured, wind_portrait(measured), sun_portrait(measured, SUN)),
        Side("generated", generated, wind_portrait(generated), sun_portrait(generated, SUN)),
    )


def pair_means(matrix: FloatArray, farms: tuple[AssetId, ...]) -> tuple[float, float]:
    """Mean over pairs inside the two groups of near farms, and over pairs across them."""
    rows = [[i for i, farm in enumerate(farms) if wind_zone(farm) in zones] for zones in NEAR_ZONES]
    inside = [matrix[a, b] for group in rows for a in group for b in group if a < b]
    across = [matrix[a, b] for a in rows[0] for b in rows[1]]
    return float(np.mean(inside)), float(np.mean(across))


def _memory_at(i: int) -> Callable[[WindPortrait], float]:
    return lambda portrait: float(portrait.memory[:, i].mean())


def table(sides: tuple[Side, Side]) -> dict[str, tuple[float, float]]:
    """Every figure as (measured, generated); means over the farms."""
    wind: dict[str, Callable[[WindPortrait], float]] = {
        "wind: standard deviation": lambda p: p.std_frac.mean(),
        "wind: hours below 1 % of capacity": lambda p: p.zero_frac.mean(),
        "wind: lower quartile": lambda p: p.quantile_frac[:, 1].mean(),
        "wind: median": lambda p: p.quantile_frac[:, 2].mean(),
        "wind: upper quartile": lambda p: p.quantile_frac[:, 3].mean(),
        "wind: std of ramps over 15 min (measured: made up within the hour)": lambda p: p.quarter_ramp_std_frac.mean(),
        "wind: std of ramps over 1 h": lambda p: p.ramp_std_frac[:, 0].mean(),
        "wind: std of ramps over 4 h": lambda p: p.ramp_std_frac[:, 1].mean(),
        "wind: std of ramps over 12 h": lambda p: p.ramp_std_frac[:, 2].mean(),
        "wind: excess kurtosis of ramps over 1 h": lambda p: p.ramp_kurtosis.mean(),
        **{f"wind: autocorrelation at {lag} h": _memory_at(i) for i, lag in enumerate(LAGS_H[:6])},
        "wind: correlation of near farms": lambda p: pair_means(p.correlation, p.farms)[0],
        "wind: correlation across groups": lambda p: pair_means(p.correlation, p.farms)[1],
        "run error, lead 1-4 h": lambda p: p.error_rms_frac[:, 0].mean(),
        "run error, lead 21-24 h": lambda p: p.error_rms_frac[:, 5].mean(),
        "run error, lead 45-48 h (measured: carried on by seed)": lambda p: p.error_rms_frac[:, 11].mean(),
        "run error, lead 69-72 h (measured: carried on by seed)": lambda p: p.error_rms_frac[:, 17].mean(),
        "run error: autocorrelation at 1 h": lambda p: p.error_memory[:, 0].mean(),
        "run error: autocorrelation at 6 h": lambda p: p.error_memory[:, 2].mean(),
        "run error: correlation of near farms": lambda p: pair_means(p.error_correlation, p.farms)[0],
        "run error: correlation across groups": lambda p: pair_means(p.error_correlation, p.farms)[1],
    }
    sun: dict[str, Callable[[SunPortrait], float]] = {
        "sun: index, 5 % quantile": lambda p: p.index_quantile[0],
        "sun: index, lower quartile": lambda p: p.index_quantile[1],
        "sun: index, median": lambda p: p.index_quantile[2],
        "sun: std of index steps over 15 min": lambda p: p.step_std[0],
        "sun: std of index steps over 1 h": lambda p: p.step_std[1],
        "sun: std of index steps over 4 h": lambda p: p.step_std[2],
        "sun: std of daily index": lambda p: p.daily.std(),
        "sun: correlation of daily index with the day before": lambda p: p.daily_memory,
    }
    rows = {label: (float(of(sides[0].wind)), float(of(sides[1].wind))) for label, of in wind.items()}
    return rows | {label: (float(of(sides[0].sun)), float(of(sides[1].sun))) for label, of in sun.items()}


def panels(rows: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """An empty figure with its panels in a row."""
    figure = Figure(figsize=(4.6 * columns, 3.5 * rows), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.grid(visible=True, alpha=0.25)
    return figure, list(axes.flat)


def label(axis: Axes, title: str, x: str, y: str) -> None:
    """Title, axes and legend of a panel."""
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.legend(fontsize=8, frameon=False)


def band(axis: Axes, side: Side, x: FloatArray, lines: FloatArray) -> None:
    """Mean over farms as a line, least to most as a band; lines have shape (F, len(x))."""
    axis.fill_between(x, lines.min(axis=0), lines.max(axis=0), color=side.colour, alpha=0.15, linewidth=0)
    axis.plot(x, lines.mean(axis=0), color=side.colour, label=f"{side.name} (mean, range of farms)")


def exceedance(axis: Axes, side: Side, size: FloatArray) -> None:
    """How often a step is larger than x."""
    levels = np.linspace(0.0, 1.0, 101)
    ordered = np.sort(np.abs(size), axis=1)
    lines = np.stack([1.0 - np.searchsorted(row, levels, side="right") / row.size for row in ordered])
    band(axis, side, levels, np.maximum(lines, 1e-5))
    axis.set_yscale("log")
    axis.set_ylim(1e-4, 1.0)


def draw_wind(sides: tuple[Side, Side]) -> Figure:
    """Marginal distribution, spectrum, memory, ramps over 15 min, 1 h, 4 h."""
    figure, axes = panels(2, 3, "Wind: eight farms of the park, measured (GEFCom2014, moved to the park) and generated")
    for side in sides:
        share = np.linspace(0.0, 1.0, 201)
        band(axes[0], side, share, np.quantile(side.wind.hourly_frac, 1.0 - share, axis=1).T)
        found = [spectrum(row, 1.0) for row in side.wind.hourly_frac]
        band(axes[1], side, 1.0 / found[0][0], np.stack([density for _, density in found]))
        lags = np.arange(1, 97)
        memory = np.array([[autocorrelation(row, int(lag)) for lag in lags] for row in side.wind.hourly_frac])
        band(axes[2], side, lags.astype(np.float64), memory)
        exceedance(axes[3], side, ramps(side.wind.quarter_frac, 1))
        exceedance(axes[4], side, ramps(side.wind.hourly_frac, 1))
        exceedance(axes[5], side, ramps(side.wind.hourly_frac, 4))
    axes[1].set_xscale("log")
    axes[1].set_yscale("log")
    axes[1].invert_xaxis()
    label(axes[0], "Duration curve of hourly power", "share of hours above", "share of capacity")
    label(axes[1], "Spectrum of hourly power", "period [h]", "density [h]")
    label(axes[2], "Autocorrelation of hourly power", "lag [h]", "correlation")
    label(axes[3], "Ramps over 15 min (measured: made up within the hour)", "size, share of capacity", "share of steps above")
    label(axes[4], "Ramps over 1 h", "size, share of capacity", "share of steps above")
    label(axes[5], "Ramps over 4 h", "size, share of capacity", "share of steps above")
    return figure


def draw_runs(sides: tuple[Side, Side]) -> Figure:
    """Error by lead, its memory, its correlation between farms against that of power."""
    figure, axes = panels(1, 3, "Weather runs for wind: what is left of power once the forecast wind is known")
    lead = np.arange(LEAD_CLASS_H / 2, LEADS_H, LEAD_CLASS_H)
    axes[0].axvspan(24, LEADS_H, color="#888888", alpha=0.12, linewidth=0, label="measured runs end: carried on by seed")
    for side in sides:
        band(axes[0], side, lead, side.wind.error_rms_frac)
        band(axes[1], side, np.array(LAGS_H[:6], dtype=np.float64), side.wind.error_memory[:, :6])
        upper = np.triu_indices(len(side.wind.farms), 1)
        power, error = side.wind.correlation[upper], side.wind.error_correlation[upper]
        axes[2].scatter(power, error, color=side.colour, s=22, alpha=0.8, label=f"{side.name}, one dot a pair of farms")
    axes[0].set_ylim(0.0, None)
    label(axes[0], "Error by lead time", "lead [h]", "rms, share of capacity")
    label(axes[1], "Autocorrelation of the error on day 1", "lag [h]", "correlation")
    label(axes[2], "Pairs of farms", "correlation of power", "correlation of the error")
    return figure


def draw_space(sides: tuple[Side, Side]) -> Figure:
    """Correlation between farms: power above, error below."""
    figure, axes = panels(2, 2, "Correlation between farms: hourly power (above), error of the runs on day 1 (below)")
    order = sorted(range(len(sides[0].wind.farms)), key=lambda i: (wind_zone(sides[0].wind.farms[i]) not in NEAR_ZONES[0], i))
    order.sort(key=lambda i: next((k for k, zones in enumerate(NEAR_ZONES) if wind_zone(sides[0].wind.farms[i]) in zones), 9))
    names = [sides[0].wind.farms[i].removeprefix("wind.") for i in order]
    for column, side in enumerate(sides):
        for row, matrix in enumerate((side.wind.correlation, side.wind.error_correlation)):
            axis = axes[2 * row + column]
            axis.grid(visible=False)
            axis.imshow(matrix[np.ix_(order, order)], vmin=0.0, vmax=1.0, cmap="viridis")
            for (i, j), value in np.ndenumerate(matrix[np.ix_(order, order)]):
                axis.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color="white" if value < 0.7 else "black")
            axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
            axis.set_yticks(range(len(names)), names, fontsize=7)
            axis.set_title(side.name, fontsize=10)
    return figure


def draw_sun(sides: tuple[Side, Side]) -> Figure:
    """Index, spectrum, daily index, ramps over 15 min, 1 h, 4 h of power."""
    figure, axes = panels(2, 3, "Sun: pv.envision, measured (State Grid site 1, moved to the park) and generated")
    for side in sides:
        seen = side.sun.index[np.isfinite(side.sun.index)]
        axes[0].hist(seen, np.linspace(0.0, 1.3, 66).tolist(), density=True, histtype="step", color=side.colour, label=side.name)
        frequency, density = spectrum(side.sun.quarter_frac, QUARTER_H)
        axes[1].plot(1.0 / frequency, density, color=side.colour, label=side.name)
        axes[2].plot(np.linspace(0, 1, side.sun.daily.size), np.sort(side.sun.daily), color=side.colour, label=side.name)
        for axis, steps in zip(axes[3:], (1, 4, 16), strict=True):
            day = side.sun.quarter_frac > 0.01
            moved = ramps(side.sun.quarter_frac, steps)[day[steps:] | day[:-steps]]
            exceedance(axis, side, moved[None])
    axes[1].set_xscale("log")
    axes[1].set_yscale("log")
    axes[1].invert_xaxis()
    label(axes[0], "Power over that of clear days, sun above 15 % of capacity", "index", "density")
    label(axes[1], "Spectrum of power", "period [h]", "density [h]")
    label(axes[2], "Index of whole days", "share of days below", "index")
    for axis, span in zip(axes[3:], ("15 min", "1 h", "4 h"), strict=True):
        label(axis, f"Ramps of power over {span} by day", "size, share of capacity", "share of steps above")
    return figure


def draw_weeks(sides: tuple[Side, Side]) -> Figure:
    """Ten days of November as they look, with the newest run of each morning."""
    figure, axes = panels(2, 2, "Ten days of November: two near farms, a far one, and the sun")
    farms = [AssetId(name) for name in ("wind.songshan", "wind.hongshan", "wind.envision")]
    for column, side in enumerate(sides):
        start = side.weather.start.replace(year=2030, month=11, day=5, hour=16, minute=0)
        steps = 10 * 96
        hour = np.arange(steps) * QUARTER_H
        power = side.weather.available_frac_array([*farms, SUN], start, timedelta(hours=QUARTER_H), steps)
        for farm, row, colour in zip(farms, power, ("#1b6ca8", "#4aa3df", "#e08e0b"), strict=False):
            axes[column].plot(hour / 24, row, color=colour, linewidth=0.9, label=farm)
        axes[2 + column].plot(hour / 24, power[-1], color="#c9a000", linewidth=0.9, label=SUN)
        label(axes[column], side.name, "day", "share of capacity")
        label(axes[2 + column], side.name, "day", "share of capacity")
    return figure


PLOTS: dict[str, Callable[[tuple[Side, Side]], Figure]] = {
    "wind": draw_wind,
    "runs": draw_runs,
    "space": draw_space,
    "sun": draw_sun,
    "weeks": draw_weeks,
}


if __name__ == "__main__":
    mpl.use("Agg")
    sys.exit(main())
