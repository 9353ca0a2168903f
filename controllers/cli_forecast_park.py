"""`vpp forecast train` and `vpp forecast predict`: the park's farms, from tables of metered power and weather runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from controllers.cli_forecast import Words
from controllers.cli_park import default_park_path
from vpp.errors import ForecastError
from vpp.park import Park, load
from vpp.timegrid import TimeGrid, floor_to

if TYPE_CHECKING:
    from forecasting.archive import ArchiveDoor
    from forecasting.forecast import Forecast
    from forecasting.known import FarmSite
    from forecasting.parallel import Spread

__all__ = ["PREDICT", "TRAIN"]

STEP: Final = timedelta(minutes=15)
#: Dispatch and park files count days in park time.
PARK_ZONE: Final = ZoneInfo("Asia/Shanghai")
FARM_KINDS: Final = ("wind", "solar")
HORIZON_H: Final = 72
FINE_STEPS: Final = 32


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--history", type=Path, required=True, metavar="FILE", help="asset_id, measured_at, available_frac")
    parser.add_argument("--runs", type=Path, metavar="FILE", help="asset_id, issued_at, received_at, lead_h, quantities")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="where versions of models live")
    parser.add_argument("--at", metavar="TIME", help="now, as in 2030-10-01T08:45+08:00; without it the history's end")


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    parser.add_argument("--park", help="park file or folder whose wind and PV farms are trained for")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, as in tcp://10.0.0.5:8786")
    parser.add_argument("--jobs", type=int, default=1, help="processes of this machine (1)")
    parser.add_argument("--days", type=int, default=450, help="how far back it learns from (450)")


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    parser.add_argument(
        "--horizon", type=int, default=HORIZON_H, metavar="H", help=f"hours ahead ({HORIZON_H}); coarser after 8 h"
    )
    parser.add_argument("--scenarios", type=int, default=0, metavar="S", help="joint trajectories, into the JSON")
    parser.add_argument("--upload", type=Path, metavar="FILE", help="96 points of the coming day for dispatch, CSV")
    parser.add_argument("--park", help="park file or folder, for the capacities of --upload")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw a fan chart for each farm into this folder")


def _train(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    from forecasting.known import CheckedDoor
    from forecasting.registry import Registry, challenge
    from forecasting.settings import ForecastSettings
    from forecasting.train import train

    if told.days < 30:
        raise ForecastError(f"--days {told.days}: fewer than 30 days are too few to learn from")
    door, known_at = _door(told), _known_at(told)
    farms = _farms(_park(told, known_at), door)
    settings = ForecastSettings(span=timedelta(days=told.days), threads=1)
    with _spread(told) as spread:
        registry, decision = challenge(
            Registry.open(told.models),
            CheckedDoor(door),
            farms,
            known_at=known_at,
            settings=settings,
            trainer=lambda d, f, at, s: train(d, f, known_at=at, settings=s, spread=spread),
        )
    facts = {
        "version": decision.version.name,
        "promoted": decision.promoted,
        "in_use": registry.current,
        "learnt": [decision.version.first_day, decision.version.known_at],
        "farms": [farm.asset_id for farm in farms],
        "scores": decision.scores.to_json(),
        "rival": decision.version.rival,
        "rival_pinball": decision.version.rival_pinball,
    }
    lines = [f"{'farm':24} {'pinball':>8} {'climatology':>11} {'nRMSE':>7}  90 % interval covers"]
    for farm in decision.scores.farms:
        covered = " ".join(f"{name} {value:.0%}" for name, value in farm.coverage_frac.items())
        lines.append(f"{farm.asset_id:24} {farm.pinball:8.4f} {farm.climatology_pinball:11.4f} {farm.nrmse_frac:7.3f}  {covered}")
    against = (
        "the first version" if decision.rival_scores is None else f"against {decision.rival_scores.pinball:.4f} of the one in use"
    )
    verdict = "is in use now" if decision.promoted else "is kept, not used"
    lines.append(f"{decision.version.name}: pinball {decision.scores.pinball:.4f} on the newest days, {against}; {verdict}")
    return facts, "\n".join(lines)


def _predict(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    from forecasting.known import CheckedDoor
    from forecasting.predict import Ask, predict
    from forecasting.registry import Registry
    from forecasting.upload import day_ahead_grid

    if not 1 <= told.horizon <= HORIZON_H:
        raise ForecastError(f"--horizon {told.horizon}: models reach 1..{HORIZON_H} h")
    door, known_at = _door(told), _known_at(told)
    registry = Registry.open(told.models)
    grid = _grid(known_at, told.horizon)
    forecast = predict(registry.models(), CheckedDoor(door), known_at=known_at, grid=grid, ask=Ask(scenarios=told.scenarios))
    facts = {"version": registry.current, **_facts(forecast)}
    if told.upload is not None:
        day = day_ahead_grid(known_at)
        facts["upload"] = _upload(told, predict(registry.models(), CheckedDoor(door), known_at=known_at, grid=day), day)
    if told.plots is not None:
        from forecasting.plots import fan_charts

        facts["plots"] = [str(path) for path in fan_charts(forecast, told.plots)]
    lines = [f"{'farm':24} {'quality':12} {'next 4 h':>9} {'day':>7} {'next day':>9}  why"]
    for row, asset_id in enumerate(forecast.asset_ids):
        means = [_mean(forecast, row, first, last) for first, last in ((0, 4), (0, 24), (24, 48))]
        shown = " ".join(
            f"{value:>{width}.1%}" if value is not None else " " * width for value, width in zip(means, (9, 7, 9), strict=True)
        )
        lines.append(f"{asset_id:24} {forecast.quality[row]:12} {shown}  {', '.join(forecast.flags_of(asset_id))}")
    return facts, "\n".join(lines)


def _facts(forecast: Forecast) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "issued_at": forecast.issued_at.isoformat(),
        "edges": [edge.isoformat() for edge in forecast.grid.edges],
        "levels": list(forecast.quantile_levels),
        "farms": [
            {
                "asset_id": asset_id,
                "quality": forecast.quality[row],
                "flags": list(forecast.flags_of(asset_id)),
                "mean_frac": forecast.mean_frac[row].round(5).tolist(),
                "quantile_frac": forecast.quantile_frac[row].round(5).tolist(),
            }
            for row, asset_id in enumerate(forecast.asset_ids)
        ],
    }
    if forecast.scenario_frac is not None:
        facts["scenario_frac"] = forecast.scenario_frac.round(4).tolist()
    return facts


def _upload(told: argparse.Namespace, forecast: Forecast, day: TimeGrid) -> dict[str, Any]:
    from forecasting.upload import day_ahead_of, upload_csv

    park = _park(told, forecast.issued_at)
    days = tuple(
        day_ahead_of(forecast, asset_id, float(park.asset(asset_id).plate.capacity_mw), day)
        for asset_id in forecast.asset_ids
        if asset_id not in forecast.loads and any(asset.id == asset_id for asset in park.assets)
    )
    told.upload.parent.mkdir(parents=True, exist_ok=True)
    told.upload.write_text(upload_csv(days), encoding="utf-8")
    return {"file": str(told.upload), "stations": len(days), "points": day.n, "in_time": all(one.in_time for one in days)}


def _mean(forecast: Forecast, row: int, first_h: float, last_h: float) -> float | None:
    inside = (forecast.grid.offset_h >= first_h) & (forecast.grid.offset_h < last_h)
    if not inside.any():
        return None
    step_h = forecast.grid.step_h[inside]
    return float((forecast.mean_frac[row, inside] * step_h).sum() / step_h.sum())


def _grid(at: datetime, horizon_h: int) -> TimeGrid:
    fine = min(FINE_STEPS, horizon_h * 4)
    return TimeGrid.of_steps(floor_to(at, STEP), ((STEP, fine), (timedelta(hours=1), horizon_h - fine // 4)))


def _door(told: argparse.Namespace) -> ArchiveDoor:
    from forecasting.archive import ArchiveDoor, read_power, read_runs

    return ArchiveDoor(read_power(told.history), {} if told.runs is None else read_runs(told.runs))


def _known_at(told: argparse.Namespace) -> datetime:
    """The instant asked for, or the end of the history: nothing here asks the machine for the time."""
    if told.at is None:
        from forecasting.archive import read_power

        last = max(series.received_at[-1] for series in read_power(told.history).values())
        end: datetime = last.item()
        return end.replace(tzinfo=UTC)
    try:
        at = datetime.fromisoformat(told.at)
    except ValueError as error:
        raise ForecastError(f"--at {told.at}: not an instant; write 2030-10-01T08:45+08:00") from error
    if at.tzinfo is None:
        raise ForecastError(f"--at {told.at}: without a zone; write 2030-10-01T08:45+08:00")
    return at.astimezone(UTC)


def _park(told: argparse.Namespace, at: datetime) -> Park:
    return load(told.park or default_park_path(), at=at.astimezone(PARK_ZONE).date())


def _farms(park: Park, door: ArchiveDoor) -> tuple[FarmSite, ...]:
    """The park's farms and inflexible loads that have a history; a park without any is a mistake."""
    from forecasting.known import FarmSite
    from forecasting.load_sites import load_sites

    known = set(door.power_of)
    farms = tuple(
        FarmSite(asset.id, "wind" if asset.kind == "wind" else "solar", park.site.latitude_deg, park.site.longitude_deg)
        for asset in park.assets
        if asset.kind in FARM_KINDS and asset.id in known
    )
    sites = (*farms, *(site for site in load_sites(park) if site.asset_id in known))
    if not sites:
        raise ForecastError(
            f"--history: none of {', '.join(sorted(known)) or 'no farm'} is a wind or PV farm or an inflexible load of the park"
        )
    return sites


@contextmanager
def _spread(told: argparse.Namespace) -> Iterator[Spread]:
    from forecasting.parallel import one_by_one, over_cores, over_dask

    if told.scheduler:
        with over_dask(told.scheduler) as spread:
            yield spread
    else:
        yield over_cores(told.jobs) if told.jobs > 1 else one_by_one


TRAIN: Final = Words("train all farms on what was known; promote only if better than the models in use", _add_train, _train)
PREDICT: Final = Words("forecast all farms from what is known now; write the upload file for dispatch", _add_predict, _predict)
