"""Planning problems of the small park, from a made-up moment; real objects only, every number chosen and none measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from controllers.dispatch.snapshot import ClusterReport, Reported, Snapshot, Work
from controllers.planner import Problem
from controllers.planner.assemble import assemble
from controllers.planner.problem import ConnectionTerms, EndValues
from forecasting.forecast import QUANTILE_LEVELS, Forecast, Quality
from tests.world_builders import park as park_with
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park import Asset, Connection, Park, load
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = [
    "AIDC", "BASE", "CAST", "GRID", "HONGSHAN", "H2", "ISLAND", "ISLAND_BATTERY", "MORNING", "NH3", "PARK_BATTERY", "QUARTER",
    "forecast_of", "hourly", "park_of", "problem_of", "snapshot_of", "terms_of", "with_plate", "with_terms",
]  # fmt: skip

PARK_FILE = Path(__file__).resolve().parents[1] / "seeds" / "parks" / "two_areas.yaml"
#: Midnight in park time, so that a day of the plan is a day of the tariff.
MORNING = datetime(2030, 9, 30, 16, tzinfo=UTC)
QUARTER = timedelta(minutes=15)

ISLAND, HONGSHAN = AreaId("island"), AreaId("hongshan")
GRID = ConnectionId("grid.hongshan")
AIDC, BASE, CAST = AssetId("compute.aidc"), AssetId("base.hongshan"), AssetId("eaf.yuanlian")
H2, NH3 = AssetId("h2.envision"), AssetId("nh3.envision")
ISLAND_BATTERY, PARK_BATTERY = AssetId("bess.envision"), AssetId("bess.hongshan")

_STATES: Mapping[AssetId, Mapping[str, float]] = {
    ISLAND_BATTERY: {"soc_frac": 0.5},
    PARK_BATTERY: {"soc_frac": 0.5},
    H2: {"stacks_on": 40.0, "stacks_standby": 10.0, "stacks_starting": 0.0},
    NH3: {"rate_t_per_h": 20.0, "buffer_kg": 60_000.0},
    CAST: {"heats_today": 0.0},
}


@cache
def park_of() -> Park:
    """The small park, whole."""
    return load(PARK_FILE, at=date(2030, 10, 1))


def forecast_of(n: int, *, wind_frac: float | FloatArray | None = None, at: datetime = MORNING) -> Forecast:
    """Wind that swings once in 16 h (or as given) and sun by a half sine of park time, with a band around both.

    Args:
        n: Quarter hours.
        wind_frac: Instead of the swing; one number or shape (n,).
        at: Start of the grid.
    """
    grid = TimeGrid.regular(at, QUARTER, n)
    swing = 0.4 + 0.3 * np.sin(2.0 * np.pi * grid.offset_h / 16.0)
    wind = np.broadcast_to(swing if wind_frac is None else np.asarray(wind_frac, dtype=np.float64), (n,))
    local_h = (grid.offset_h + at.astimezone(park_of().zone).hour) % HOURS_PER_DAY
    sun = 0.7 * np.clip(np.sin(np.pi * (local_h - 6.0) / 12.0), 0.0, None)
    farms = [a for kind in ("wind", "solar") for a in park_of().assets_of(kind)]
    mean = np.array([wind if a.kind == "wind" else sun for a in farms])
    spread = np.linspace(0.7, 1.3, len(QUANTILE_LEVELS))
    quantiles = np.clip(mean[:, :, np.newaxis] * spread, 0.0, 1.0)
    fresh: Quality = "fresh"
    return Forecast(grid, QUANTILE_LEVELS, tuple(a.id for a in farms), quantiles, mean, at, (fresh,) * len(farms))


def snapshot_of(
    *,
    at: datetime = MORNING,
    states: Mapping[AssetId, Mapping[str, float]] | None = None,
    wind_frac: float = 0.4,
    work: tuple[Work, ...] = (),
) -> Snapshot:
    """Every device has just spoken.

    Args:
        at: When.
        states: Numbers that differ from the usual moment, by asset.
        wind_frac: Wind available now; the sun is down.
        work: What waits at the cluster.
    """
    told = {i: {**_STATES.get(i, {}), **(states or {}).get(i, {})} for i in {*_STATES, *(states or {})}}
    drawn = {BASE: 105.0, AssetId("base.island"): 5.0, H2: 130.0, NH3: 18.0}
    assets = {}
    for asset in park_of().assets:
        if asset.kind == "compute":
            continue
        available = {"wind": wind_frac, "solar": 0.0}.get(asset.kind)
        mw = None if available is None else available * asset.plate.capacity_mw
        power = drawn.get(asset.id, 0.0) if mw is None else -mw
        assets[asset.id] = Reported(at, power, mw, told.get(asset.id, {}), online=True)
    cluster = ClusterReport(at, 20.0, {"firm_mw": 8.0, "idle_mw": 10.0}, work, fast_band_mw=4.0)
    return Snapshot(at, assets, {AIDC: cluster}, {GRID: 60.0})


def problem_of(n: int, *, wind_frac: float | FloatArray | None = None, **moment: Any) -> Problem:
    """What `assemble` makes of `n` quarter hours; further arguments as in `snapshot_of`."""
    snapshot = snapshot_of(**moment)
    return assemble(park_of(), snapshot, forecast_of(n, wind_frac=wind_frac, at=snapshot.at), {GRID: 120.0})


def with_plate(problem: Problem, asset_id: AssetId, **changes: Any) -> Problem:
    """The same problem in a park where one asset's plate differs."""
    park = problem.park
    assets = tuple(replace(a, plate=replace(a.plate, **changes)) if a.id == asset_id else a for a in park.assets)
    return replace(problem, park=replace(park, assets=assets))


def with_terms(problem: Problem, **changes: Any) -> Problem:
    """The same problem at other terms of the connection to the grid (fields of `ConnectionTerms`)."""
    terms: ConnectionTerms = replace(problem.connections[GRID], **changes)
    return replace(problem, connections={**problem.connections, GRID: terms})


def terms_of(import_cny_per_mwh: Sequence[float], **changes: Any) -> ConnectionTerms:
    """A connection at these prices that is wide, pays nothing for export and has no demand charge, unless said."""
    n = len(import_cny_per_mwh)
    wide = ConnectionTerms(
        import_cny_per_mwh=np.array(import_cny_per_mwh, dtype=np.float64),
        export_cny_per_mwh=np.zeros(n),
        import_limit_mw=np.full(n, 1_000.0),
        export_limit_mw=np.full(n, 1_000.0),
        demand_cny_per_mw=0.0,
        peak_so_far_mw=0.0,
    )
    return replace(wide, **changes)


def hourly(
    assets: Sequence[Asset],
    connections: Mapping[Connection, ConnectionTerms],
    end_cny_per_mwh: Mapping[str, float] | None = None,
    **facts: Any,
) -> Problem:
    """A problem small enough to be solved by hand, in hours, in a park of its own.

    Args:
        assets: All there is.
        connections: With their terms; their length is the horizon.
        end_cny_per_mwh: Worth of stored energy at the end, by area; nothing where not said.
        facts: Other fields of `Problem`.
    """
    n = len(next(iter(connections.values())).import_cny_per_mwh)
    worth = {AreaId(area): price for area, price in (end_cny_per_mwh or {}).items()}
    given: dict[str, Any] = {
        "states": {},
        "available_mw": {},
        "load_mw": {},
        "end_values": EndValues(worth, hydrogen_cny_per_kg=0.0, work_cny_per_mwh=0.0),
        **facts,
    }
    return Problem(
        park=park_with(assets, tuple(connections)),
        grid=TimeGrid.regular(MORNING, timedelta(hours=1), n),
        connections={c.id: terms for c, terms in connections.items()},
        **given,
    )
