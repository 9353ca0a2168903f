"""From what is known now to a planning problem: snapshot, forecast, tariffs and plates in, frozen `Problem` out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.dispatch.snapshot import ClusterReport, Reported, Snapshot
from controllers.planner.asks import Asks, feed_in_duties, flow_limits, held_by_events, pins_of, rebounds_after
from controllers.planner.blocks.furnace import heat_profile_mw
from controllers.planner.blocks.hydrogen import hydrogen_curve
from controllers.planner.blocks.quota import BAND_KINDS, band_limits
from controllers.planner.expect import arriving_work, expected_load_mw, firm_compute_mw, forecast_load_mw
from controllers.planner.guide import grid_carbon_kg_per_mwh
from controllers.planner.horizon import FINE
from controllers.planner.problem import (
    BandNeed,
    ComputeNeed,
    ConnectionTerms,
    EndValues,
    HeatNeed,
    Problem,
    Reserve,
    WorkItem,
)
from forecasting.forecast import Forecast
from forecasting.load_sites import LOAD_KINDS
from vpp.ids import AssetId, ConnectionId
from vpp.park import Asset, Connection, Park, tariff_prices
from vpp.park.offtake import ammonia_owed_t
from vpp.park.plates import AmmoniaLoopPlate, ArcFurnacePlate, BatteryPlate, ComputePlate, EvChargingPlate, ThermalUnitPlate
from vpp.spot import spot_or_mean
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, KG_PER_T, FloatArray, hours, s_to_h

__all__ = ["ELECTRICITY_DAYS_PER_MONTH", "ReserveRule", "assemble"]

#: A demand charge is owed once a month; a horizon of one day carries this part of it.
ELECTRICITY_DAYS_PER_MONTH: Final = 30.0
#: A furnace that comes free this far into an interval can still start its heat in it; the start just slips by so much.
FREE_SOON_FRAC: Final = 0.35
_FARMS: Final = ("wind", "solar")


@dataclass(frozen=True, slots=True)
class ReserveRule:
    """How long an island must be able to live on its stores when wind and sun fail against the forecast, and a loop on its tank.

    Args:
        arrivals_level: The quantile of arriving deferrable work that room is kept for, out of what has come to each cluster so
            far; None for the plate's mean rate, or until a week of it is known.
        energy_h: Hours of what must run (base load, firm computing, the ammonia loop at its least) from the batteries.
        energy_cny_per_mwh_h: Price of each MWh missing, each hour.
        hydrogen_h: Hours of the ammonia loop at its least from the tank.
        tied_hydrogen_h: The same where a grid stands behind: a loop that runs its tank dry trips, whoever supplies it.
        hydrogen_cny_per_kg_h: Price of each kg missing, each hour.
    """

    arrivals_level: float | None = None
    energy_h: float = 4.0
    energy_cny_per_mwh_h: float = 100.0
    hydrogen_h: float = 10.0
    tied_hydrogen_h: float = 4.0
    hydrogen_cny_per_kg_h: float = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    park: Park
    snapshot: Snapshot
    grid: TimeGrid


def assemble(
    park: Park,
    snapshot: Snapshot,
    forecast: Forecast,
    month_peak_mw: Mapping[ConnectionId, float],
    reserve_rule: ReserveRule | None = None,
    asks: Asks | None = None,
) -> Problem:
    """The problem of this moment.

    Args:
        park: What is in service.
        snapshot: Every device's last word.
        forecast: Of every wind and solar farm, and of loads as far as they are forecast; its grid is the horizon.
        month_peak_mw: Highest 15-min import of the month so far, by connection to the grid.
        reserve_rule: What islands keep in hand; None for the defaults.
        asks: Events, overrides, the published plan; None for nothing.
    """
    grid, asked, rule = forecast.grid, asks or Asks(), reserve_rule or ReserveRule()
    known = _Known(park, snapshot, grid)
    states: dict[AssetId, Mapping[str, float]] = {
        i: {**said.state, "power_mw": said.power_mw} for i, said in snapshot.assets.items()
    }
    connections = {c.id: _terms(known, c, month_peak_mw.get(c.id, 0.0)) for c in park.connections}
    return Problem(
        park=park,
        grid=grid,
        states=states,
        available_mw={a.id: _available(a, forecast) for kind in _FARMS for a in park.assets_of(kind)},
        load_mw=_loads(known, forecast),
        connections=connections,
        end_values=_end_values(known, connections),
        compute={a.id: _compute(known, rule, a) for a in park.assets_of("compute")},
        heats={a.id: _heats(known, a) for a in park.assets_of("arc_furnace")},
        reserves=_reserves(known, rule),
        curtail_cny_per_mwh=park.prices.curtailment_cny_per_mwh,
        bands={a.id: _band(known, a) for kind in BAND_KINDS for a in park.assets_of(kind)},
        charging={a.id: _charging(known, a) for a in park.assets_of("ev_charging")},
        held=held_by_events(asked.events, grid),
        rebounds=rebounds_after(asked.events, grid, snapshot.import_mw, park, snapshot.recovering, snapshot.before_mw),
        pins=pins_of(asked.overrides, grid, {i: said.power_mw for i, said in snapshot.assets.items()}),
        # What is settled over a month or a year binds no two days: a windy one may send out what calm ones have not.
        feed_in=tuple(duty for duty in feed_in_duties(park) if duty.each_interval),
        flows=flow_limits(park, asked.lines),
        published=asked.published,
        must_run={a.id: _must_run(known, a) for a in park.assets_of("thermal_unit")},
        ammonia_owed_t={
            a.id: ammonia_owed_t(a.plate, hours(grid.end - grid.start)) + asked.ammonia_arrears_t.get(a.id, 0.0)
            for a in park.assets_of("ammonia_loop")
        },
    )


def _band(known: _Known, asset: Asset) -> BandNeed:
    """Each day's quota by its end; of today what telemetry says is owed beside the even pace; of a day cut off its even share."""
    quota_mw, grid, zone = band_limits(asset).quota_mw, known.grid, known.park.zone
    said = known.snapshot.assets.get(asset.id)
    behind = 0.0 if said is None else said.state.get("owed_mwh", 0.0)
    ends = [
        t for t, edge in enumerate(grid.edges[1:])
        if t == grid.n - 1 or (local := edge.astimezone(zone)).hour == 0 and local.minute == 0
    ]  # fmt: skip
    until_h = np.append(grid.offset_h[1:], hours(grid.end - grid.start))[ends]
    owed = quota_mw * np.diff(until_h, prepend=0.0)
    owed[0] = max(owed[0] + behind, 0.0)
    if said is not None and "quota_left_mwh" in said.state and len(ends) > 1:
        owed[0] = said.state["quota_left_mwh"]
    return BandNeed(tuple(ends), tuple(owed.tolist()))


def _charging(known: _Known, asset: Asset) -> ComputeNeed:
    """Vehicles that wait, due evenly within their slack, and those that will arrive at their mean rate."""
    plate: EvChargingPlate = asset.plate
    grid, said = known.grid, known.snapshot.assets.get(asset.id)
    state = {} if said is None else said.state
    rate_mw = plate.energy_mwh_per_day / HOURS_PER_DAY
    waiting = state.get("waiting_mwh", 0.5 * rate_mw * plate.slack_h)
    parts = max(1, round(plate.slack_h))
    now = tuple(WorkItem(asset.id, waiting / parts, -1.0, plate.slack_h * (k + 1) / parts) for k in range(parts) if waiting > 0.0)
    later = tuple(
        WorkItem(asset.id, rate_mw * float(step_h), float(at_h), float(at_h) + plate.slack_h)
        for at_h, step_h in zip(grid.offset_h, grid.step_h, strict=True)
    )
    return ComputeNeed(np.zeros(grid.n), now + later, plate.power_mw)


def _must_run(known: _Known, asset: Asset) -> int:
    """Units that heat needs: as told, or in the plate's months as many as run."""
    plate: ThermalUnitPlate = asset.plate
    said = known.snapshot.assets.get(asset.id)
    if said is not None and "must_run_units" in said.state:
        return int(said.state["must_run_units"])
    heating = known.grid.start.astimezone(known.park.zone).month in plate.heat_bound_months
    return plate.units if heating and not plate.off_by_default else 0


def _reserves(known: _Known, rule: ReserveRule) -> dict[AssetId, Reserve]:
    park, found = known.park, {}
    for loop in park.assets_of("ammonia_loop"):
        plate: AmmoniaLoopPlate = loop.plate
        least_h = rule.tied_hydrogen_h if park.connections_of(loop.area) else rule.hydrogen_h
        least_kg_per_h = plate.min_load_frac * plate.loop_t_per_h * plate.hydrogen_kg_per_t
        found[loop.id] = Reserve(min(least_h * least_kg_per_h, plate.buffer_kg), rule.hydrogen_cny_per_kg_h)
    for area in park.area_ids:
        if park.connections_of(area):
            continue
        must_mw = sum(a.plate.mean_mw for a in park.assets_of("base_load", area))
        must_mw += sum(float(firm_compute_mw(a.plate, None, np.zeros(1))[0]) for a in park.assets_of("compute", area))
        for loop in park.assets_of("ammonia_loop", area):
            plate = loop.plate
            must_mw += plate.own_load_mw * (plate.own_load_fixed_frac + (1.0 - plate.own_load_fixed_frac) * plate.min_load_frac)
        batteries = park.assets_of("battery", area)
        whole = sum(a.plate.energy_mwh for a in batteries)
        for battery in batteries:
            usable: BatteryPlate = battery.plate
            level = usable.soc_min_frac * usable.energy_mwh + rule.energy_h * must_mw * usable.energy_mwh / whole
            found[battery.id] = Reserve(min(level, usable.soc_max_frac * usable.energy_mwh), rule.energy_cny_per_mwh_h)
    return found


def _available(asset: Asset, forecast: Forecast) -> FloatArray:
    mean_mw: FloatArray = forecast.mean_frac[forecast.row(asset.id)] * asset.plate.capacity_mw
    return mean_mw


def _loads(known: _Known, forecast: Forecast) -> dict[AssetId, FloatArray]:
    """As forecast; else a base load by its calendar, and a feeder is not here: it goes on as it is."""
    found: dict[AssetId, FloatArray] = {}
    for asset in (a for kind in LOAD_KINDS for a in known.park.assets_of(kind)):
        load_mw = forecast_load_mw(asset, forecast)
        if load_mw is None and asset.kind == "base_load":
            said = known.snapshot.assets.get(asset.id)
            load_mw = expected_load_mw(asset.plate, None if said is None else said.power_mw, known.grid, known.park.zone)
        if load_mw is not None:
            found[asset.id] = load_mw
    return found


def _terms(known: _Known, connection: Connection, peak_mw: float) -> ConnectionTerms:
    n = known.grid.n
    if connection.tariff is None:
        free = np.zeros(n)
        limits = np.full(n, connection.import_limit_mw), np.full(n, connection.export_limit_mw)
        return ConnectionTerms(free, free, *limits, demand_cny_per_mw=0.0, peak_so_far_mw=0.0)
    tariff, spot = known.park.tariff(connection.tariff), None
    if tariff.pricing == "spot":
        spot = spot_or_mean(known.snapshot.spot.get(connection.id), tariff, known.grid)
    prices = tariff_prices(tariff, known.grid, known.park.zone, spot)
    days = float(known.grid.step_h.sum()) / HOURS_PER_DAY
    near = int((known.grid.offset_h < hours(FINE)).sum()) if days > 1.0 else 0
    return ConnectionTerms(
        import_cny_per_mwh=prices.import_cny_per_mwh + _beside_energy_cny_per_mwh(known.park, connection),
        export_cny_per_mwh=prices.export_cny_per_mwh,
        import_limit_mw=np.full(n, min(connection.import_limit_mw, connection.contract_demand_mw or math.inf)),
        export_limit_mw=np.full(n, connection.export_limit_mw),
        demand_cny_per_mw=prices.demand_charge_cny_per_mw_month * days / ELECTRICITY_DAYS_PER_MONTH,
        peak_so_far_mw=peak_mw,
        near_steps=near,
        near_frac=1.0 / days if near else 0.0,
    )


def _beside_energy_cny_per_mwh(park: Park, connection: Connection) -> float:
    """Carbon and the green part's certificates, paid for what is imported as energy is."""
    if connection.tariff is None:
        return 0.0
    tariff = park.tariff(connection.tariff)
    carbon = grid_carbon_kg_per_mwh(park) / KG_PER_T * tariff.carbon_cny_per_t
    return carbon + (connection.green_origin_frac or 0.0) * tariff.certificate_cny_per_mwh


def _end_values(known: _Known, connections: Mapping[ConnectionId, ConnectionTerms]) -> EndValues:
    """What is left after the horizon, at prices that do not depend on the plan.

    A MWh at a bus is worth the mean price of import where there is a grid. An island has none: there it is worth the cheapest
    hour of the tariffs around it, or what it makes as hydrogen if that is more. Work that waits costs what buying it would.
    """
    paid = [connections[c.id].import_cny_per_mwh for c in known.park.connections if c.tariff is not None]
    step_h = known.grid.step_h
    mean = float(np.mean([(price * step_h).sum() / step_h.sum() for price in paid])) if paid else 0.0
    # Nobody pays for carbon on an island: there the grid around is only the measure of what energy is worth.
    bare = [
        float(connections[c.id].import_cny_per_mwh.min()) - _beside_energy_cny_per_mwh(known.park, c)
        for c in known.park.connections
        if c.tariff is not None
    ]
    cheapest = min(bare) if bare else 0.0
    hydrogen = [_as_hydrogen(known, a) for a in known.park.assets_of("electrolyser")]
    island = max([cheapest, *hydrogen, known.park.prices.curtailment_cny_per_mwh])
    values = {area: mean if known.park.connections_of(area) and paid else island for area in known.park.area_ids}
    return EndValues(values, known.park.prices.hydrogen_cny_per_kg, max(mean, island))


def _as_hydrogen(known: _Known, asset: Asset) -> float:
    power_mw, kg_per_h = hydrogen_curve(asset.plate)
    return known.park.prices.hydrogen_cny_per_kg * float((kg_per_h / power_mw).min())


def _compute(known: _Known, rule: ReserveRule, asset: Asset) -> ComputeNeed:
    """Work that waits, as reported, and work that is expected to arrive, interval by interval."""
    plate: ComputePlate = asset.plate
    report = known.snapshot.clusters.get(asset.id)
    firm_now = None if report is None else _firm_now_mw(report)
    items = () if report is None else _waiting(report, known.grid.start)
    level = rule.arrivals_level
    expected = arriving_work(plate, known.grid, None if report is None or level is None else report.arriving, level)
    return ComputeNeed(firm_compute_mw(plate, firm_now, known.grid.offset_h), items + expected, plate.rated_mw)


def _firm_now_mw(report: ClusterReport) -> float | None:
    """Idle power and work that does not wait, as the scheduler tells it; None where it does not."""
    if "firm_mw" not in report.state:
        return None
    return report.state["firm_mw"] + report.state.get("idle_mw", 0.0)


def _waiting(report: ClusterReport, start: datetime) -> tuple[WorkItem, ...]:
    return tuple(
        WorkItem(w.job_class, w.energy_mwh, hours(w.release - start), hours(w.deadline - start), w.max_mw)
        for w in report.work
        if w.energy_mwh > 0
    )


def _heats(known: _Known, asset: Asset) -> HeatNeed:
    """Heats owed by the end of each park day, and what the running ones still draw."""
    plate: ArcFurnacePlate = asset.plate
    grid, said = known.grid, known.snapshot.assets.get(asset.id)
    step_h = float(grid.step_h[0])
    running, free = np.zeros(grid.n), []
    for furnace in range(plate.furnaces):
        into_h, free_h = _furnace_h(said, furnace)
        free.append(max(0, math.ceil(free_h / step_h - FREE_SOON_FRAC)))
        if into_h > 0.0:
            profile = heat_profile_mw(plate, step_h)[math.floor(into_h / step_h) :]
            running[: len(profile)] += profile[: grid.n]
    started_today = 0.0 if said is None else said.state.get("heats_today", 0.0)
    earliest, latest, day_ends = _heat_bounds(known, plate, started_today)
    open_heats = 0 if said is None else int(said.state.get("sequence_heats", 0.0))
    return HeatNeed(running, tuple(free), earliest, latest, day_ends, open_heats)


def _furnace_h(said: Reported | None, furnace: int) -> tuple[float, float]:
    """Hours since the furnace's heat began (0: none runs) and until it can begin another."""
    if said is None:
        return 0.0, 0.0
    name = f"furnace.{furnace}"
    return s_to_h(said.state.get(f"{name}.in_heat_s", 0.0)), s_to_h(said.state.get(f"{name}.free_in_s", 0.0))


def _heat_bounds(known: _Known, plate: ArcFurnacePlate, started_today: float) -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Cumulative starts: never more than the day's order, never fewer than still lets the day's order be reached in time."""
    grid, zone = known.grid, known.park.zone
    today = grid.start.astimezone(zone).date()
    pace_h = s_to_h(plate.tap_to_tap_s) / plate.furnaces
    earliest, latest, day_ends = np.zeros(grid.n), np.zeros(grid.n), []
    for i, edge in enumerate(grid.edges[1:]):
        local = (edge - timedelta(microseconds=1)).astimezone(zone)
        whole_days = (local.date() - today).days
        order = plate.heats_per_day * (whole_days + 1) - started_today
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        left_h = hours(midnight - edge.astimezone(zone))
        earliest[i] = max(order, 0.0)
        if left_h <= 0.0:
            day_ends.append(i)
        # The last heat must tap before the day ends; before it, the furnaces follow one another at their own pace.
        latest[i] = max(0.0, order - max(0.0, left_h - s_to_h(plate.tap_to_tap_s)) / pace_h)
    return earliest, np.floor(latest + 1e-9), tuple(day_ends)
