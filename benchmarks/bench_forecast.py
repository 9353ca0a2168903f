"""Skill of the forecasters on measured data: the first two weeks of the reporting months, day-ahead and near.

Every six hours a forecast of 48 h is made from what was known, and scored against what the meters recorded. Wind runs are
measured up to 24 h and made up beyond (see `sim_harness/weather/runs.py`); variability within the hour is made up as well.
The sun has no weather run here. Without the data the generated weather is scored, and the table says so.

    python benchmarks/bench_forecast.py [--data DIR] [--days N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.baselines import scale_frac
from forecasting.forecast import QUANTILE_LEVELS, Forecast
from forecasting.known import CheckedDoor, FarmKind, FarmSite
from forecasting.predict import grid_middles, predict
from forecasting.scores import coverage_frac, nrmse_frac, pinball
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, read_lessons, train_on
from forecasting.training_set import read_past
from sim_harness.weather import Farm, Weather, WeatherDoor, default_data_dir, open_weather
from sim_harness.weather.base import SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

FIRST = datetime(2030, 10, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
HORIZON_STEPS = 192
BETWEEN = timedelta(hours=6)
#: Park rows for scenario 2026, with a second PV plant.
FARMS = (
    Farm(AssetId("wind.songshan"), "wind", 150.0, 0.34),
    Farm(AssetId("wind.hongshan"), "wind", 110.0, 0.332),
    Farm(AssetId("wind.yuneng"), "wind", 450.0, 0.297),
    Farm(AssetId("wind.envision"), "wind", 1100.0, 0.36),
    Farm(AssetId("pv.envision"), "solar", 330.0, 0.185),
    Farm(AssetId("pv.roofs"), "solar", 20.0, 0.15),
)
#: Horizon groups in steps: name, first, last.
GROUPS = (("0-4h", 0, 16), ("4-24h", 16, 96), ("24-48h", 96, 192), ("0-48h", 0, 192))


RIVALS = ("ours", "climatology", "persistence")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind at all origins: outcomes and the rivals' quantiles and means, shapes (N, T) and (N, T, Q)."""

    outcome: FloatArray
    quantile: dict[str, FloatArray]
    mean: dict[str, FloatArray]


def main() -> int:
    """Print the table, write the JSON; status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with the measured series")
    parser.add_argument("--days", type=int, default=14, help="days of October to score")
    parser.add_argument("--json", type=Path, default=Path("out/bench/forecast.json"))
    options = parser.parse_args()
    try:
        data_dir = options.data if options.data is not None else default_data_dir()
        last = FIRST + timedelta(days=options.days) + HORIZON_STEPS * STEP
        weather = open_weather(data_dir, FARMS, seed=1, start=FIRST, end=last)
    except VppError as error:
        print(error, file=sys.stderr)
        return 2
    report = run(weather, "measured" if data_dir else "generated", options.days)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    return 0


def run(weather: Weather, data: str, days: int) -> dict[str, Any]:
    """Train, forecast, score."""
    door = CheckedDoor(WeatherDoor(weather))
    sites = tuple(FarmSite(farm.asset_id, farm.kind, SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG) for farm in FARMS)
    settings = ForecastSettings()
    began = time.perf_counter()
    lessons = read_lessons(door, sites, known_at=FIRST, settings=settings)
    read_s = time.perf_counter() - began
    models = train_on(lessons, settings)
    train_s = time.perf_counter() - began - read_s
    origins = [FIRST + i * BETWEEN for i in range(int(timedelta(days=days) / BETWEEN))]
    grids = [TimeGrid.regular(origin, STEP, HORIZON_STEPS) for origin in origins]
    began = time.perf_counter()
    forecasts = [predict(models, door, known_at=grid.start, grid=grid) for grid in grids]
    predict_s = (time.perf_counter() - began) / len(grids)
    scores = {kind: score(case(kind, forecasts, models, weather), kind) for kind in ("wind", "solar")}
    return {
        "data": data, "first": FIRST.isoformat(), "days": days, "farms": [farm.asset_id for farm in FARMS],
        "facts": list(weather.facts), "read_s": read_s, "train_s": train_s, "predict_s": predict_s, "scores": scores,
    }  # fmt: skip


def case(kind: FarmKind, forecasts: list[Forecast], models: ForecastModels, weather: Weather) -> Case:
    """Outcomes and rivals of one kind; night and gaps are NaN outcomes."""
    rows = [number for number, site in enumerate(models.farms) if site.kind == kind]
    outcome: list[FloatArray] = []
    quantile: dict[str, list[FloatArray]] = {name: [] for name in RIVALS}
    mean: dict[str, list[FloatArray]] = {name: [] for name in RIVALS}
    for forecast in forecasts:
        grid, middle = forecast.grid, grid_middles(forecast.grid)
        pasts = read_past(WeatherDoor(weather), models.farms, known_at=grid.start, span=timedelta(days=1))
        for number in rows:
            site = models.farms[number]
            scale = scale_frac(site, middle)
            truth = weather.history(site.asset_id, grid.start, grid.end).value
            outcome.append(np.where(scale > 0, truth, np.nan))
            quantile["ours"].append(forecast.quantile_frac[number])
            mean["ours"].append(forecast.mean_frac[number])
            usual, expected = models.climatology[number].at(middle, scale)
            quantile["climatology"].append(usual)
            mean["climatology"].append(expected)
            held = hold(pasts[number].history.value, scale, kind)
            quantile["persistence"].append(np.repeat(held[:, None], len(QUANTILE_LEVELS), axis=1))
            mean["persistence"].append(held)
    return Case(np.array(outcome), {k: np.array(v) for k, v in quantile.items()}, {k: np.array(v) for k, v in mean.items()})


def hold(past_day: FloatArray, scale: FloatArray, kind: FarmKind) -> FloatArray:
    """The naive rival: the last value for wind, the same quarter hour of the day before for sun."""
    if kind == "solar":
        return np.asarray(np.nan_to_num(np.resize(past_day, scale.shape)), dtype=np.float64)
    known = past_day[~np.isnan(past_day)]
    return np.full(scale.shape, known[-1] if known.size else 0.5)


def score(one: Case, kind: FarmKind) -> dict[str, object]:
    """Scores by horizon group and rival."""
    result: dict[str, object] = {}
    for name, first, last in GROUPS:
        outcome = one.outcome[:, first:last]
        by_rival: dict[str, dict[str, float]] = {}
        for rival, quantile in one.quantile.items():
            part = quantile[:, first:last]
            by_rival[rival] = {
                "pinball": pinball(outcome, part, QUANTILE_LEVELS),
                "nrmse_frac": nrmse_frac(outcome, one.mean[rival][:, first:last]),
                "coverage_90_frac": coverage_frac(outcome, part[..., 0], part[..., -1]),
            }
        result[name] = by_rival
    return result


def table(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [
        f"{report['data']} weather, {report['days']} days from {report['first']}; train {report['train_s']:.1f} s, "
        f"48 h of all farms {report['predict_s']:.3f} s",
        f"{'kind':6} {'horizon':7} {'rival':12} {'pinball':>8} {'nRMSE':>7} {'in 90 %':>8}",
    ]
    scores = report["scores"]
    for kind, groups in scores.items():
        for group, rivals in groups.items():
            for rival, s in rivals.items():
                lines.append(
                    f"{kind:6} {group:7} {rival:12} {s['pinball']:8.4f} {s['nrmse_frac']:7.3f} {s['coverage_90_frac']:8.2f}"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
