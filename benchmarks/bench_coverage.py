"""Do nominal 90 % bands hold 90 %? Months of hourly forecasts as in service, the models trained anew at the first of each month.

Every origin knows what had been received by then; a journal stretches the quantiles as outcomes come in, as the service's does.
Wind is measured (GEFCom2014, its runs to 24 h, carried on by seed beyond), the sun measured, its runs made up by seed.

    .venv/bin/python benchmarks/bench_coverage.py --first 2030-04-01 --days 264
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bench_forecast import FARMS, GRID, HORIZON, HOUR_APART
from rich.progress import track

from forecasting.baselines import scale_frac
from forecasting.calibrate import horizon_group
from forecasting.evaluate import GROUP_NAMES, outcomes_frac
from forecasting.forecast import QUANTILE_LEVELS
from forecasting.journal import Journal
from forecasting.known import CheckedDoor, FarmSite, KnownDoor
from forecasting.predict import grid_middles, predict_raw
from forecasting.report import band_block
from forecasting.scores import bootstrap_band, coverage_frac
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, train
from sim_harness.weather.base import SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import default_data_dir, open_weather
from vpp.errors import VppError
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray, IntArray

NOMINAL, WITHIN = 0.90, 0.02
LOW, HIGH = QUANTILE_LEVELS.index(0.05), QUANTILE_LEVELS.index(0.95)
DAY_ORIGINS = round(timedelta(days=1) / HOUR_APART)


@dataclass(frozen=True, slots=True)
class Bands:
    """Outcomes (N, F, T), NaN by night and in gaps, and the bands around them, with the journal's work and without, (N, F, T)."""

    at: list[datetime]
    outcome: FloatArray
    low: dict[str, FloatArray]
    high: dict[str, FloatArray]
    group: IntArray
    horizon_h: FloatArray


def main() -> int:
    """Print the table, write the JSON; status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with the measured series")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2030, 11, 1), help="first day, UTC")
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--json", type=Path, default=Path("out/bench/coverage.json"))
    options = parser.parse_args()
    first = datetime.combine(options.first, datetime.min.time(), UTC)
    try:
        data_dir = options.data if options.data is not None else default_data_dir()
        weather = open_weather(data_dir, FARMS, seed=1, start=first, end=first + timedelta(days=options.days) + HORIZON)
    except VppError as error:
        print(error, file=sys.stderr)
        return 2
    began = time.perf_counter()
    found = report(replay(CheckedDoor(WeatherDoor(weather)), first, options.days))
    found |= {
        "data": "measured" if data_dir else "generated", "facts": list(weather.facts), "first": first.isoformat(),
        "days": options.days, "wall_s": time.perf_counter() - began,
    }  # fmt: skip
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    return 0


def replay(door: KnownDoor, first: datetime, days: int) -> Bands:
    """Every hour a forecast, every month new models, one journal over all of it."""
    sites = tuple(FarmSite(farm.asset_id, farm.kind, SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG) for farm in FARMS)
    end = first + timedelta(days=days) + HORIZON
    models: ForecastModels | None = None
    journal: Journal | None = None
    origins = [first + i * HOUR_APART for i in range(days * DAY_ORIGINS)]
    outcome: list[FloatArray] = []
    quantile: dict[str, list[FloatArray]] = {"ours": [], "without journal": []}
    for at in track(origins, "hourly forecasts", transient=True, disable=not sys.stderr.isatty()):
        if models is None or (at.day, at.hour) == (1, 0):
            models = train(door, sites, known_at=at, settings=ForecastSettings(threads=1))
        journal = (journal or Journal.empty(models)).settled(door, at)
        grid = TimeGrid.of_steps(at, GRID)
        raw = predict_raw(models, door, known_at=at, grid=grid)
        # One level more on either side than is published, for scenarios.
        quantile["ours"].append(journal.applied(raw, models).quantile_frac[..., 1:-1])
        quantile["without journal"].append(raw.quantile_frac[..., 1:-1])
        journal = journal.with_forecast(raw, models)
        by_day = np.stack([scale_frac(site, grid_middles(grid)) for site in models.farms]) > 0
        truth = np.stack([outcomes_frac(door, site.asset_id, grid, end) for site in models.farms])
        outcome.append(np.where(by_day, truth, np.nan))
    horizon_h = grid.offset_h + grid.step_h / 2.0
    stacked = {name: np.stack(one) for name, one in quantile.items()}
    low, high = ({name: one[..., side] for name, one in stacked.items()} for side in (LOW, HIGH))
    return Bands(origins, np.stack(outcome), low, high, horizon_group(horizon_h), horizon_h)


def report(bands: Bands) -> dict[str, Any]:
    """Coverage by farm and horizon group, over all and by month with the band that chance leaves it."""
    month = np.array([at.strftime("%Y-%m") for at in bands.at])
    result: dict[str, Any] = {"farms": {}}
    deviations: dict[str, list[float]] = {name: [] for name in bands.low}
    months_in = months = 0
    for f, farm in enumerate(FARMS):
        rows: dict[str, Any] = {}
        for g in np.unique(bands.group):
            part = bands.group == g
            said = {
                name: coverage_frac(bands.outcome[:, f, part], bands.low[name][:, f, part], bands.high[name][:, f, part])
                for name in bands.low
            }
            for name, value in said.items():
                deviations[name].append(value - NOMINAL)
            by_month = {m: _month(bands, f, part, month == m) for m in np.unique(month)}
            months += len(by_month)
            months_in += sum(one["inside"] for one in by_month.values())
            rows[GROUP_NAMES[g]] = {**{name.replace(" ", "_") + "_frac": v for name, v in said.items()}, "months": by_month}
        result["farms"][farm.asset_id] = rows
    result["groups"] = len(deviations["ours"])
    for name, found in deviations.items():
        key = name.replace(" ", "_")
        result[f"{key}_within"] = int(np.sum(np.abs(found) <= WITHIN))
        result[f"{key}_rms_frac"] = float(np.sqrt(np.mean(np.square(found))))
    result["months"], result["months_inside_band"] = months, months_in
    return result


def _month(bands: Bands, farm: int, part: BoolArray, rows: BoolArray) -> dict[str, Any]:
    outcome = bands.outcome[rows][:, farm, part]
    low, high = bands.low["ours"][rows][:, farm, part], bands.high["ours"][rows][:, farm, part]
    known = ~np.isnan(outcome)
    hits, count = ((outcome >= low) & (outcome <= high) & known).sum(axis=1), known.sum(axis=1)
    by_origin = np.divide(hits, count, out=np.full(count.shape, np.nan), where=count > 0)
    below, above = bootstrap_band(by_origin, block=band_block(bands.horizon_h[part], HOUR_APART))
    found = coverage_frac(outcome, low, high)
    return {
        "coverage_frac": found,
        "band_99_frac": [NOMINAL + below, NOMINAL + above],
        "inside": bool(NOMINAL + below <= found <= NOMINAL + above),
    }


def table(found: dict[str, Any]) -> str:
    """For people."""
    names = list(next(iter(found["farms"].values())))
    lines = [f"90 % bands from {found['first'][:10]}, {found['days']} days, hourly; per cent of outcomes inside", ""]
    lines.append(f"{'':24}" + "".join(f"{name:>8}" for name in names))
    for farm, rows in found["farms"].items():
        lines.append(f"{farm:24}" + "".join(f"{100 * rows[name]['ours_frac']:8.1f}" for name in names))
    lines += ["", f"within 88-92 %: {found['ours_within']} of {found['groups']}, root mean square of what they are off "
              f"{100 * found['ours_rms_frac']:.2f} points; without the journal {found['without_journal_within']} and "
              f"{100 * found['without_journal_rms_frac']:.2f}",
              f"months inside the block-bootstrap 99 % band: {found['months_inside_band']} of {found['months']}"]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
