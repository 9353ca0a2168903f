"""Skill, honesty, joint scenarios and speed of the park's forecasters on measured data, beside rivals.

From the first of October on a forecast of 48 h is made every few hours from what was known, and scored against what was
recorded afterwards. A journal goes along, as in service: outcomes that have come in stretch the next quantiles. Wind runs are
measured up to 24 h and made up beyond, runs for the sun are made up (see `sim_harness/weather`), variability within the hour too.
Without the data the generated weather is scored, and the table says so.

    make bench-forecast [ARGS="--days 21"]
    python benchmarks/bench_forecast.py [--data DIR] [--days N] [--json FILE]

The second takes the rivals that are installed and names those that are not. mlforecast and OpenSTEF are slow and
forecast at some two dozen origins; where they are here, the table of skill is over these origins for everybody.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from forecast_rivals import rivals_at

from forecasting.baselines import persistence, scale_frac
from forecasting.calibrate import horizon_group
from forecasting.dependence import Dependence, scenarios
from forecasting.evaluate import GROUP_NAMES, outcomes_frac
from forecasting.features import SOLAR_COLUMNS, WIND_COLUMNS
from forecasting.forecast import MODEL_LEVELS, QUANTILE_LEVELS, Forecast
from forecasting.history import STEP_US
from forecasting.journal import Journal
from forecasting.known import CheckedDoor, FarmKind, FarmSite, KnownDoor
from forecasting.predict import Ask, finished, grid_middles, predict, predict_raw
from forecasting.scores import bootstrap_band, coverage_frac, crps, energy_score, nrmse_frac, pinball, variogram_score
from forecasting.settings import ForecastSettings
from forecasting.train import ForecastModels, Lessons, read_lessons, train_on
from forecasting.training_set import Past, read_past
from sim_harness.weather.base import SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG, Farm
from sim_harness.weather.door import WeatherDoor
from sim_harness.weather.source import default_data_dir, open_weather
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.timegrid import TimeGrid
from vpp.units import BoolArray, FloatArray

FIRST = datetime(2030, 10, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
HOUR_APART = timedelta(hours=1)
#: Every quarter of an hour to 4 h, hourly to two days.
GRID = ((STEP, 16), (timedelta(hours=1), 44))
HORIZON = timedelta(hours=48)
#: Park rows for scenario 2026, with a second PV plant.
FARMS = (
    Farm(AssetId("wind.songshan"), "wind", 150.0, 0.34),
    Farm(AssetId("wind.hongshan"), "wind", 110.0, 0.332),
    Farm(AssetId("wind.yuneng"), "wind", 450.0, 0.297),
    Farm(AssetId("wind.envision"), "wind", 1100.0, 0.36),
    Farm(AssetId("pv.envision"), "solar", 330.0, 0.185),
    Farm(AssetId("pv.roofs"), "solar", 20.0, 0.15),
)
KINDS: tuple[FarmKind, ...] = ("wind", "solar")
SCENARIOS = 100
#: Forecasts of the slow rivals, about; they are asked in steps of an odd number of origins, so that these walk through the day.
SLOW_ORIGINS = 24
NINETY_NINE = tuple(round(0.01 * i, 2) for i in range(1, 100))
#: Farms of a large park, for the clock alone.
LARGE_PARK = 20
LOW, HIGH = QUANTILE_LEVELS.index(0.05), QUANTILE_LEVELS.index(0.95)


@dataclass(frozen=True, slots=True)
class Run:
    """All origins: outcomes (N, F, T), forecasts (N, F, T, Q) and means (N, F, T) of ours and the rivals."""

    outcome: FloatArray
    quantile: dict[str, FloatArray]
    mean: dict[str, FloatArray]
    horizon_h: FloatArray
    last: list[Forecast]
    absent: dict[str, str]


def main() -> int:
    """Print the table, write the JSON; status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with the measured series")
    parser.add_argument("--days", type=int, default=28, help="days from the first of October to score")
    parser.add_argument("--json", type=Path, default=Path("out/bench/forecast.json"))
    options = parser.parse_args()
    try:
        data_dir = options.data if options.data is not None else default_data_dir()
        weather = open_weather(data_dir, FARMS, seed=1, start=FIRST, end=FIRST + timedelta(days=options.days) + HORIZON)
    except VppError as error:
        print(error, file=sys.stderr)
        return 2
    report = {"data": "measured" if data_dir else "generated", "facts": list(weather.facts)}
    report |= measure(CheckedDoor(WeatherDoor(weather)), options.days)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    return 0


def measure(door: KnownDoor, days: int) -> dict[str, Any]:
    """Train, forecast, score, and look at the clock."""
    sites = tuple(FarmSite(farm.asset_id, farm.kind, SITE_LATITUDE_DEG, SITE_LONGITUDE_DEG) for farm in FARMS)
    settings = ForecastSettings(threads=1)
    began = time.perf_counter()
    lessons = read_lessons(door, sites, known_at=FIRST, settings=settings)
    models = train_on(lessons, settings)
    train_s = time.perf_counter() - began
    run = forecasts(models, lessons, door, days)
    return {
        "first": FIRST.isoformat(), "days": days, "farms": [farm.asset_id for farm in FARMS], "train_s": train_s,
        "scores": {kind: scores(run, kind) for kind in KINDS}, "coverage": coverages(run, days),
        "origins": int(spoken(run).sum()), "joint": joint(models, run), "clock": clock(models, door), "absent": run.absent,
    }  # fmt: skip


def forecasts(models: ForecastModels, lessons: Lessons, door: KnownDoor, days: int) -> Run:
    """What was said at every origin and what came; nights of the sun and gaps are NaN outcomes."""
    journal = Journal.empty(models)
    slow, absent = rivals_at(models, door, FIRST)
    plain = {kind: plain_lightgbm(lessons, kind) for kind in KINDS}
    outcome, raw = [], []
    quantile: dict[str, list[FloatArray]] = {}
    mean: dict[str, list[FloatArray]] = {}
    end = FIRST + timedelta(days=days) + HORIZON
    origins = int(timedelta(days=days) / HOUR_APART)
    sparse = max(7, origins // SLOW_ORIGINS) | 1
    for i in range(origins):
        at = FIRST + i * HOUR_APART
        grid = TimeGrid.of_steps(at, GRID)
        journal = journal.settled(door, at)
        said = predict_raw(models, door, known_at=at, grid=grid)
        ours = journal.applied(said, models)
        journal = journal.with_forecast(said, models)
        raw.append(ours)
        middle = grid_middles(grid)
        scale = np.stack([scale_frac(site, middle) for site in models.farms])
        truth = np.stack([outcomes_frac(door, site.asset_id, grid, end) for site in models.farms])
        outcome.append(np.where(scale > 0, truth, np.nan))
        usual = [one.at(middle, s) for one, s in zip(models.climatology, scale, strict=True)]
        pasts = read_past(door, models.farms, known_at=at, span=timedelta(days=1))
        held = np.stack([hold(past.history.value, s, past.site.kind, grid) for past, s in zip(pasts, scale, strict=True)])
        others = {
            "ours": (ours.quantile_frac[..., 1:-1], ours.mean_frac),
            "before journal": (said.quantile_frac[..., 1:-1], said.mean_frac),
            "climatology": (np.stack([q[:, 1:-1] for q, _ in usual]), np.stack([m for _, m in usual])),
            "persistence": sure(held),
            "smart persistence": fading(pasts, grid, scale, usual),
            "plain LightGBM": sure(plain_means(models, door, grid, plain)),
        }
        for name, rival in slow.items():
            others[name] = rival.said(door, at, grid) if i % sparse == 0 else silent(ours)
        for name, (q, m) in others.items():
            quantile.setdefault(name, []).append(q)
            mean.setdefault(name, []).append(m)
    horizon_h = grid.offset_h + grid.step_h / 2.0
    stacked = {name: np.array(one) for name, one in quantile.items()}
    return Run(np.array(outcome), stacked, {name: np.array(one) for name, one in mean.items()}, horizon_h, raw, absent)


def spoken(run: Run) -> BoolArray:
    """Origins at which every rival made a forecast, shape (N,)."""
    spoke: BoolArray = np.all([~np.isnan(mean).any(axis=(1, 2)) for mean in run.mean.values()], axis=0)
    return spoke


def silent(like: Forecast) -> tuple[FloatArray, FloatArray]:
    """A rival that was not asked."""
    return np.full_like(like.quantile_frac[..., 1:-1], np.nan), np.full_like(like.mean_frac, np.nan)


def fading(
    pasts: Sequence[Past], grid: TimeGrid, scale: FloatArray, usual: list[tuple[FloatArray, FloatArray]]
) -> tuple[FloatArray, FloatArray]:
    """Smart persistence: the last value (sun: its ratio to the clear sky) fading into climatology."""
    horizon_h = grid.offset_h + grid.step_h / 2.0
    found = []
    for past, own, base in zip(pasts, scale, usual, strict=True):
        known = np.flatnonzero(~np.isnan(past.history.value))
        if known.size == 0:
            found.append(base)
            continue
        before = past.history.measured_at[known[-1:]] + STEP_US // 2
        last, last_scale = float(past.history.value[known[-1]]), float(scale_frac(past.site, before)[0])
        found.append(persistence(last, last_scale, horizon_h, base, own))
    return np.stack([q[:, 1:-1] for q, _ in found]), np.stack([m for _, m in found])


def plain_lightgbm(lessons: Lessons, kind: FarmKind) -> lgb.Booster:
    """The rival: LightGBM as it comes, on the run, the hour and the last value, all farms pooled."""
    data = next(one for name, one in lessons.sets if name == kind)
    assert data is not None
    frame = lgb.Dataset(data.x[:, PLAIN[kind]], data.y * data.scale_frac, free_raw_data=False)
    return lgb.train({"objective": "regression", "verbosity": -1, "num_threads": 1}, frame)


PLAIN = {
    "wind": [WIND_COLUMNS.index(n) for n in ("farm", "speed100_m_s", "speed10_m_s", "horizon_h", "last_frac", "hour")],
    "solar": [
        SOLAR_COLUMNS.index(n) for n in ("farm", "elevation_deg", "hour_angle_deg", "horizon_h", "index_15min", "run_ghi_frac")
    ],
}


def plain_means(models: ForecastModels, door: KnownDoor, grid: TimeGrid, plain: dict[FarmKind, lgb.Booster]) -> FloatArray:
    """Its forecasts, shape (F, T)."""
    from forecasting.features import Rows, solar_features, wind_features
    from forecasting.training_set import park_speed_m_s
    from vpp.series import to_stamp

    pasts = read_past(door, models.farms, known_at=grid.start, span=timedelta(days=11))
    middle = grid_middles(grid)
    rows = Rows(np.full(middle.shape, to_stamp(grid.start)), middle)
    park = park_speed_m_s([past for past in pasts if past.site.kind == "wind"], rows)
    result = []
    for n, past in enumerate(pasts):
        kind = past.site.kind
        x = (
            wind_features(rows, n, past.history, past.runs, park)
            if kind == "wind"
            else solar_features(rows, n, past.history, past.site, past.runs)
        )
        result.append(np.clip(np.asarray(plain[kind].predict(x[:, PLAIN[kind]])), 0.0, 1.0))
    return np.stack(result)


def hold(past_day: FloatArray, scale: FloatArray, kind: FarmKind, grid: TimeGrid) -> FloatArray:
    """The naive rival: the last value for wind, the same time of the day before for sun."""
    if kind == "solar":
        step = np.round(grid.offset_h / 0.25).astype(np.int64) % past_day.size
        return np.nan_to_num(past_day[step])
    known = past_day[~np.isnan(past_day)]
    return np.full(scale.shape, known[-1] if known.size else 0.5)


def sure(mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A forecast without doubt."""
    return np.repeat(mean[..., None], len(QUANTILE_LEVELS), axis=-1), mean


def scores(run: Run, kind: FarmKind) -> dict[str, Any]:
    """By horizon group and rival."""
    rows = [number for number, farm in enumerate(FARMS) if farm.kind == kind]
    group, heard = horizon_group(run.horizon_h), spoken(run)
    result: dict[str, Any] = {}
    for g in (*np.unique(group), -1):
        part = np.arange(group.size) if g < 0 else np.flatnonzero(group == g)
        outcome = run.outcome[heard][:, rows][:, :, part]
        result["0-48h" if g < 0 else GROUP_NAMES[g]] = {
            name: {
                "pinball": pinball(outcome, quantile[heard][:, rows][:, :, part], QUANTILE_LEVELS),
                "crps": crps(outcome, quantile[heard][:, rows][:, :, part], QUANTILE_LEVELS),
                "nrmse_frac": nrmse_frac(outcome, run.mean[name][heard][:, rows][:, :, part]),
            }
            for name, quantile in run.quantile.items()
        }
    return result


def coverages(run: Run, days: int) -> dict[str, Any]:
    """Of the 90 % interval by farm and horizon group, with the 99 % band that chance leaves it."""
    group = horizon_group(run.horizon_h)
    result: dict[str, Any] = {}
    for f, farm in enumerate(FARMS):
        result[farm.asset_id] = {}
        for g in np.unique(group):
            outcome, quantile = run.outcome[:, f, group == g], run.quantile["ours"][:, f, group == g]
            low, high = quantile[..., LOW], quantile[..., HIGH]
            inside = np.where(np.isnan(outcome), np.nan, (outcome >= low) & (outcome <= high))
            known = ~np.isnan(inside)
            by_origin = np.divide(
                np.nansum(inside, axis=1), known.sum(axis=1), out=np.full(inside.shape[0], np.nan), where=known.any(axis=1)
            )
            band = bootstrap_band(by_origin, block=max(2, by_origin.size // days // 2))
            before = run.quantile["before journal"][:, f, group == g]
            result[farm.asset_id][GROUP_NAMES[g]] = {
                "coverage_frac": coverage_frac(outcome, low, high),
                "band_99_frac": [0.9 + band[0], 0.9 + band[1]],
                "before_journal_frac": coverage_frac(outcome, before[..., LOW], before[..., HIGH]),
            }
    return result


def joint(models: ForecastModels, run: Run) -> dict[str, float]:
    """Energy and variogram score of the scenarios, of draws independent in everything, and of farms apart from each other."""
    learnt = models.dependence
    assert learnt is not None
    n = len(learnt.asset_ids)
    apart = replace(learnt, correlation=np.eye(n))
    none = Dependence(learnt.asset_ids, np.eye(n), np.full(n, 1e-3), np.full(n, 1e-3), np.zeros(n))
    found: dict[str, list[tuple[float, float]]] = {"joint": [], "farms apart": [], "independent": []}
    hourly = slice(0, None, 2)
    for number, said in enumerate(run.last):
        outcome = run.outcome[number][:, hourly]
        known = ~np.isnan(outcome)
        for name, one in (("joint", learnt), ("farms apart", apart), ("independent", none)):
            drawn = scenarios(
                one, said.quantile_frac, MODEL_LEVELS, said.grid.step_h, SCENARIOS, np.random.default_rng([7, number])
            )[:, :, hourly]
            pair = energy_score(outcome[known], drawn[:, known]), variogram_score(outcome[known], drawn[:, known])
            found[name].append(pair)
    result: dict[str, float] = {}
    for name, pairs in found.items():
        result[f"{name} energy"], result[f"{name} variogram"] = (float(v) for v in np.mean(pairs, axis=0))
    wins = np.array(found["joint"]) < np.array(found["independent"])
    result["energy wins_frac"], result["variogram wins_frac"] = (float(v) for v in wins.mean(axis=0))
    return result


def clock(models: ForecastModels, door: KnownDoor) -> dict[str, float]:
    """Seconds of one farm's day at 99 levels, and of a park of twenty farms over 48 h with a hundred scenarios."""
    one = replace(models, farms=models.farms[:1], climatology=models.climatology[:1])
    day = TimeGrid.regular(FIRST, STEP, 96)
    numbers = [i % len(models.farms) for i in range(LARGE_PARK)]
    names = [AssetId(f"{models.farms[i].asset_id}.{k}") for k, i in enumerate(numbers)]
    large = replace(
        models,
        farms=tuple(replace(models.farms[i], asset_id=name) for i, name in zip(numbers, names, strict=True)),
        climatology=tuple(models.climatology[i] for i in numbers),
    )
    renamed = RenamedDoor(door, {name: models.farms[i].asset_id for i, name in zip(numbers, names, strict=True)})
    two_days = TimeGrid.regular(FIRST, STEP, 192)

    def farm() -> Forecast:
        return predict(one, door, known_at=FIRST, grid=day, ask=Ask(levels=NINETY_NINE))

    raw = predict_raw(large, renamed, known_at=FIRST, grid=two_days)
    return {
        "one_farm_96x99_s": timed(farm, 50),
        "one_farm_96x99_cpu_s": timed(farm, 50, time.process_time),
        "park_20_farms_100_scenarios_s": timed(
            lambda: predict(large, renamed, known_at=FIRST, grid=two_days, ask=Ask(scenarios=SCENARIOS))
        ),
        "scenarios_alone_s": timed(lambda: finished(large, raw, Ask(scenarios=SCENARIOS))),
    }


@dataclass(frozen=True, slots=True)
class RenamedDoor:
    """A park of more farms than were measured: several share one record."""

    inner: KnownDoor
    of: dict[AssetId, AssetId]

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Any:
        """As the farm behind the name."""
        return self.inner.power(self.of[farm_id], known_at=known_at, start=start, end=end)

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> Any:
        """As the farm behind the name."""
        return self.inner.weather_runs(self.of[farm_id], known_at=known_at)


def timed(call: Callable[[], object], times: int = 7, watch: Callable[[], float] = time.perf_counter) -> float:
    """Least of some seconds: the machine's other work is not ours."""
    took = []
    for _ in range(times):
        began = watch()
        call()
        took.append(watch() - began)
    return min(took)


def table(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"{report['data']} weather, {report['days']} days from {report['first']}; train {report['train_s']:.1f} s"]
    lines.append(f"skill over {report['origins']} origins:")
    lines.append(f"{'kind':6} {'horizon':7} {'rival':17} {'pinball':>8} {'CRPS':>8} {'nRMSE':>7}")
    for kind, groups in report["scores"].items():
        for group, rivals in groups.items():
            for rival, s in rivals.items():
                lines.append(f"{kind:6} {group:7} {rival:17} {s['pinball']:8.4f} {s['crps']:8.4f} {s['nrmse_frac']:7.3f}")
    lines.append("90 % interval covers, by farm and horizon (in brackets before the journal):")
    for farm, groups in report["coverage"].items():
        shown = " ".join(f"{g} {s['coverage_frac']:.1%} ({s['before_journal_frac']:.0%})" for g, s in groups.items())
        lines.append(f"  {farm:16} {shown}")
    joint_, took = report["joint"], report["clock"]
    for name in ("joint", "farms apart", "independent"):
        energy, variogram = joint_[f"{name} energy"], joint_[f"{name} variogram"]
        lines.append(f"scenarios {name:12} energy {energy:.4f}  variogram {variogram:.5f}")
    lines.append(
        f"joint beats independent: energy in {joint_['energy wins_frac']:.0%}, variogram in {joint_['variogram wins_frac']:.0%}"
    )
    lines.append(
        f"one farm 96 x 99: {took['one_farm_96x99_s'] * 1e3:.1f} ms (CPU {took['one_farm_96x99_cpu_s'] * 1e3:.1f}); "
        f"20 farms, 192 steps, 100 scenarios: {took['park_20_farms_100_scenarios_s']:.3f} s"
    )
    lines += [f"{name}: {why}" for name, why in report["absent"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
