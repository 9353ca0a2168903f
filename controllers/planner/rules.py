"""A good threshold controller: the rival of every plan, and what steps in when there is none.

It sees what is measured now and the tariff, and nothing else. Batteries charge below one price and discharge above another;
electrolysers take what wind and sun leave over; the ammonia loop follows its tank; furnaces start no heat in dear hours unless
the day's order would be missed; computing that can wait waits while green power is scarce. The thresholds are data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from controllers.dispatch.guidance import (
    ConnectionGuidance,
    Guidance,
    HeatOrder,
    ShiftGuidance,
    StackOrder,
    StoreGuidance,
)
from controllers.dispatch.snapshot import Snapshot
from controllers.planner.expect import firm_compute_mw
from controllers.planner.guide import grid_carbon_kg_per_mwh
from vpp.ids import AreaId, ConnectionId, PlanId
from vpp.park import Asset, Connection, Park, tariff_prices
from vpp.park.plates import AmmoniaLoopPlate, ArcFurnacePlate, ComputePlate, ElectrolyserPlate
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, hours

__all__ = ["RuleThresholds", "rule_guidance"]

_LOOK = timedelta(minutes=15)
_FARMS = ("wind", "solar")


@dataclass(frozen=True, slots=True)
class RuleThresholds:
    """All that the rules know beside the plates.

    Args:
        charge_below_cny_per_mwh: A grid battery charges when energy is cheaper.
        discharge_above_cny_per_mwh: It discharges when energy is dearer.
        island_charge_below_cny_per_mwh: An island's battery charges from what the electrolysers leave.
        island_discharge_above_cny_per_mwh: It discharges when the electrolysers' hydrogen is worth more.
        stack_load_frac: Load at which the stacks that are on are to run, so that some room is left both ways.
        standby_frac: Stacks kept warm beside those that are on.
        stack_band: Change in the wanted count below which nothing is switched. [stacks]
        tank_low_frac: Level of the hydrogen tank at which the ammonia loop runs at its least.
        tank_high_frac: Level at which it runs at its most.
        tank_worth: Worth of hydrogen against its fixed price when the tank is empty; it falls to `2 - tank_worth` when full.
        heat_price_cny_per_mwh: Above it no heat is started that can wait.
        scarce_frac: Wind and sun below this share of their capacity count as scarce for computing.
        scarce_soc_frac: Computing waits only while the area's batteries are below this.
    """

    charge_below_cny_per_mwh: float = 300.0
    discharge_above_cny_per_mwh: float = 620.0
    island_charge_below_cny_per_mwh: float = 170.0
    island_discharge_above_cny_per_mwh: float = 260.0
    stack_load_frac: float = 0.8
    standby_frac: float = 0.1
    stack_band: int = 3
    tank_low_frac: float = 0.15
    tank_high_frac: float = 0.6
    tank_worth: float = 1.5
    heat_price_cny_per_mwh: float = 700.0
    scarce_frac: float = 0.2
    scarce_soc_frac: float = 0.5


def rule_guidance(plan_id: PlanId, park: Park, snapshot: Snapshot, thresholds: RuleThresholds) -> Guidance:
    """What the rules have dispatch follow now.

    Args:
        plan_id: Named by every command.
        park: What is in service.
        snapshot: Every device's last word.
        thresholds: See `RuleThresholds`.
    """
    return Guidance(
        plan_id=plan_id,
        source="rules",
        connections={c.id: _prices(park, c, snapshot.at) for c in park.connections},
        stores={a.id: _store(park, a, thresholds) for kind in ("battery", "compressed_air") for a in park.assets_of(kind)},
        stacks={a.id: _stacks(park, a, snapshot, thresholds) for a in park.assets_of("electrolyser")},
        heats={a.id: _heats(park, a, snapshot, thresholds) for a in park.assets_of("arc_furnace")},
        shifts={a.id: _shift(park, a, snapshot, thresholds) for a in park.assets_of("compute")},
        held_mw={a.id: _loop(a, snapshot, thresholds) for a in park.assets_of("ammonia_loop")},
        curtail_cny_per_mwh=park.prices.curtailment_cny_per_mwh,
    )


def _prices(park: Park, connection: Connection, at: datetime) -> ConnectionGuidance:
    if connection.tariff is None:
        return ConnectionGuidance(0.0, 0.0, connection.import_limit_mw, 0.0)
    prices = tariff_prices(park.tariff(connection.tariff), TimeGrid.regular(at, _LOOK, 1), park.zone)
    price = float(prices.import_cny_per_mwh[0])
    return ConnectionGuidance(price, float(prices.export_cny_per_mwh[0]), connection.import_limit_mw, price)


def _on_grid(park: Park, area: AreaId) -> bool:
    return bool(park.connections_of(area))


def _store(park: Park, asset: Asset, thresholds: RuleThresholds) -> StoreGuidance:
    if _on_grid(park, asset.area):
        return StoreGuidance(thresholds.charge_below_cny_per_mwh, thresholds.discharge_above_cny_per_mwh)
    return StoreGuidance(thresholds.island_charge_below_cny_per_mwh, thresholds.island_discharge_above_cny_per_mwh)


def _available_mw(park: Park, area: AreaId, snapshot: Snapshot) -> float:
    farms = [a for kind in _FARMS for a in park.assets_of(kind, area)]
    said = [snapshot.assets.get(a.id) for a in farms]
    return sum(s.available_mw for s in said if s is not None and s.available_mw is not None)


def _stacks(park: Park, asset: Asset, snapshot: Snapshot, thresholds: RuleThresholds) -> StackOrder:
    """As many stacks as carry what wind and sun leave after all other loads, at the load that leaves room both ways."""
    plate: ElectrolyserPlate = asset.plate
    others = [a for a in park.assets if a.area == asset.area and a.kind not in (*_FARMS, "battery", "electrolyser")]
    drawn = sum(snapshot.assets[a.id].power_mw for a in others if a.id in snapshot.assets)
    drawn += sum(snapshot.clusters[a.id].power_mw for a in others if a.id in snapshot.clusters)
    surplus = _available_mw(park, asset.area, snapshot) - drawn
    wanted = int(np.clip(surplus / (plate.stack_mw * thresholds.stack_load_frac), 0, plate.stacks))
    said = snapshot.assets.get(asset.id)
    now = int(said.state.get("stacks_on", wanted)) if said is not None else wanted
    on = now if abs(wanted - now) < thresholds.stack_band else wanted
    standby = min(plate.stacks - on, max(now - on, round(plate.stacks * thresholds.standby_frac)))
    return StackOrder(on, standby, _hydrogen_worth(park, asset, snapshot, thresholds))


def _tank_frac(loop: Asset, snapshot: Snapshot) -> float:
    plate: AmmoniaLoopPlate = loop.plate
    said = snapshot.assets.get(loop.id)
    return 0.5 if said is None else said.state.get("buffer_kg", plate.buffer_kg / 2.0) / plate.buffer_kg


def _hydrogen_worth(park: Park, asset: Asset, snapshot: Snapshot, thresholds: RuleThresholds) -> float:
    loops = [a for a in park.assets_of("ammonia_loop") if a.plate.hydrogen_node == asset.plate.hydrogen_node]
    level = _tank_frac(loops[0], snapshot) if loops else 0.5
    return park.prices.hydrogen_cny_per_kg * float(
        np.interp(level, [0.0, 1.0], [thresholds.tank_worth, 2.0 - thresholds.tank_worth])
    )


def _loop(asset: Asset, snapshot: Snapshot, thresholds: RuleThresholds) -> float:
    """Own power of the ammonia loop at the rate its tank level asks for."""
    plate: AmmoniaLoopPlate = asset.plate
    level = _tank_frac(asset, snapshot)
    rate = np.interp(level, [thresholds.tank_low_frac, thresholds.tank_high_frac], [plate.min_load_frac, 1.0])
    return plate.own_load_mw * (plate.own_load_fixed_frac + (1.0 - plate.own_load_fixed_frac) * float(rate))


def _heats(park: Park, asset: Asset, snapshot: Snapshot, thresholds: RuleThresholds) -> HeatOrder:
    """As soon as a furnace is free while energy is not dear; in dear hours the furnaces' own latest start decides."""
    plate: ArcFurnacePlate = asset.plate
    grid = TimeGrid.regular(snapshot.at, _LOOK, int(HOURS_PER_DAY / hours(_LOOK)))
    connections = [c for c in park.connections_of(asset.area) if c.tariff is not None]
    if not connections:
        return HeatOrder(((snapshot.at, plate.furnaces),))
    tariff = park.tariff(connections[0].tariff or ConnectionId(""))
    price = tariff_prices(tariff, grid, park.zone).import_cny_per_mwh
    cheap = np.flatnonzero(price <= thresholds.heat_price_cny_per_mwh)
    first = grid.starts[int(cheap[0])] if len(cheap) else grid.end
    return HeatOrder(((first, plate.furnaces),))


def _shift(park: Park, asset: Asset, snapshot: Snapshot, thresholds: RuleThresholds) -> ShiftGuidance:
    """Everything that waits may run, unless wind and sun are scarce and the batteries low; the next two hours alike."""
    plate: ComputePlate = asset.plate
    capacity = sum(a.plate.capacity_mw for kind in _FARMS for a in park.assets_of(kind, asset.area))
    available = _available_mw(park, asset.area, snapshot)
    stores = [(a, snapshot.assets[a.id]) for a in park.assets_of("battery", asset.area) if a.id in snapshot.assets]
    energy = sum(a.plate.energy_mwh for a, _ in stores)
    soc = sum(said.state.get("soc_frac", 0.5) * a.plate.energy_mwh for a, said in stores) / energy if energy else 0.0
    scarce = available < thresholds.scarce_frac * capacity and soc < thresholds.scarce_soc_frac
    firm = float(firm_compute_mw(plate, None, 1)[0])
    target = firm if scarce else plate.rated_mw
    drawn = sum(r.power_mw for r in snapshot.clusters.values()) or plate.rated_mw
    green = float(np.clip(available / max(drawn, 1e-9), 0.0, 1.0)) if not _on_grid(park, asset.area) else 0.0
    edges = tuple(snapshot.at + timedelta(hours=h) for h in range(3))
    n = len(edges) - 1
    return ShiftGuidance(
        edges=edges,
        cap_mw=(plate.rated_mw,) * n,
        target_mw=(target,) * n,
        floor_mw=(firm,) * n,
        green_share_frac=(green,) * n,
        carbon_kg_per_mwh=((1.0 - green) * grid_carbon_kg_per_mwh(park),) * n,
        price_cny_per_mwh=(0.0,) * n,
        confidence_frac=(0.0,) * n,
    )
