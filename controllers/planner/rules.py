"""A good threshold controller: the rival of every plan, and what steps in when there is none.

It sees what is measured now and the tariff, and nothing else. Batteries charge below one price and discharge above another;
electrolysers take what wind and sun leave over; the ammonia loop follows its tank; furnaces start no heat in dear hours unless
the day's order would be missed; computing that can wait waits while green power is scarce. The thresholds are data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from controllers.dispatch.guidance import (
    BandGuidance,
    ConnectionGuidance,
    Guidance,
    HeatOrder,
    ShiftGuidance,
    StackOrder,
    StoreGuidance,
)
from controllers.dispatch.snapshot import Snapshot
from controllers.planner.rule_facts import RuleFacts
from controllers.planner.rule_loads import QUOTA_KINDS, QuotaRule, feeder_band, quota_band, thermal_band
from vpp.ids import AreaId, AssetId, PlanId
from vpp.park import Asset, Connection, Park
from vpp.park.offtake import hydrogen_worth_cny_per_kg
from vpp.park.plates import AmmoniaLoopPlate, ArcFurnacePlate, CompressedAirPlate, ComputePlate, ElectrolyserPlate
from vpp.units import HOURS_PER_DAY, hours

__all__ = ["RuleThresholds", "rule_guidance"]

_LOOK = timedelta(minutes=15)
#: A cavern this full, or this near to empty, is left alone: its machines would stop as soon as they ran.
CAVERN_FULL_FRAC = 0.97
CAVERN_EMPTY_FRAC = 0.05


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
        contract_share: Part of the ammonia contract's shortfall price that hydrogen is taken to save, beside its own price.
        tank_worth: Worth of hydrogen against its fixed price when the tank is empty; it falls to `2 - tank_worth` when full.
        tank_empty_frac: Level below which the stacks make at least what the loop takes at its least, also from the grid.
        tank_full_frac: Level above which they make no more than it takes, and more is worth nothing.
        heat_price_cny_per_mwh: Above it no heat is started that can wait.
        scarce_frac: Wind and sun below this share of their capacity count as scarce for computing.
        scarce_soc_frac: Computing waits only while the area's batteries are below this.
        quota_price_cny_per_mwh: Above it smelters and carbon capture run at their least, if the day's quota can still be made.
        wait_price_cny_per_mwh: Above it computing that can wait waits where a grid supplies it.
        full_frac: So near to a connection's import limit, computing that can wait waits.
        feeder_close_cny_per_mwh: An interrupted feeder is closed again when energy in its area is cheaper.
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
    contract_share: float = 0.0
    tank_empty_frac: float = 0.08
    tank_full_frac: float = 0.92
    heat_price_cny_per_mwh: float = 700.0
    scarce_frac: float = 0.2
    scarce_soc_frac: float = 0.5
    quota_price_cny_per_mwh: float = 700.0
    wait_price_cny_per_mwh: float = 700.0
    full_frac: float = 0.97
    feeder_close_cny_per_mwh: float = 900.0


def rule_guidance(
    plan_id: PlanId, park: Park, snapshot: Snapshot, thresholds: RuleThresholds, facts: RuleFacts | None = None
) -> Guidance:
    """What the rules have dispatch follow now.

    Args:
        plan_id: Named by every command.
        park: What is in service.
        snapshot: Every device's last word.
        thresholds: See `RuleThresholds`.
        facts: Of the same park, where somebody keeps them; None to look them up anew.
    """
    seen = _Seen(facts if facts is not None else RuleFacts(park).at_prices(snapshot.spot), snapshot, thresholds)
    return Guidance(
        plan_id=plan_id,
        source="rules",
        connections={c.id: _prices(seen, c) for c in park.connections},
        stores={a.id: _store(seen, a) for kind in ("battery", "compressed_air") for a in park.assets_of(kind)},
        stacks={a.id: _stacks(seen, a) for a in park.assets_of("electrolyser")},
        heats={a.id: _heats(seen, a) for a in park.assets_of("arc_furnace")},
        shifts={a.id: _shift(seen, a) for a in park.assets_of("compute")},
        held_mw={a.id: _loop(seen, a) for a in park.assets_of("ammonia_loop")},
        bands=_bands(seen, park),
        curtail_cny_per_mwh=park.prices.curtailment_cny_per_mwh,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that a rule looks at."""

    facts: RuleFacts
    snapshot: Snapshot
    thresholds: RuleThresholds

    def available_mw(self, area: AreaId) -> float:
        said = [self.snapshot.assets.get(i) for i in self.facts.farms[area]]
        return sum(s.available_mw for s in said if s is not None and s.available_mw is not None)


def _prices(seen: _Seen, connection: Connection) -> ConnectionGuidance:
    if connection.tariff is None:
        return ConnectionGuidance(0.0, 0.0, connection.import_limit_mw, 0.0)
    table = seen.facts.tables[connection.tariff]
    price = table.import_cny_per_mwh(seen.snapshot.at)
    return ConnectionGuidance(price, table.export_cny_per_mwh, connection.import_limit_mw, price)


def _store(seen: _Seen, asset: Asset) -> StoreGuidance:
    thresholds = seen.thresholds
    if asset.kind == "compressed_air":
        return _cavern(seen, asset)
    if seen.facts.on_grid[asset.area]:
        return StoreGuidance(thresholds.charge_below_cny_per_mwh, thresholds.discharge_above_cny_per_mwh)
    return StoreGuidance(thresholds.island_charge_below_cny_per_mwh, thresholds.island_discharge_above_cny_per_mwh)


def _cavern(seen: _Seen, asset: Asset) -> StoreGuidance:
    """Machines that start in minutes go by the tariff: they compress in cheap hours with room, and generate in dear ones."""
    plate: CompressedAirPlate = asset.plate
    thresholds, table, said = seen.thresholds, seen.facts.table_of_area[asset.area], seen.snapshot.assets.get(asset.id)
    low, high = thresholds.charge_below_cny_per_mwh, thresholds.discharge_above_cny_per_mwh
    soc = 0.5 if said is None else said.state.get("soc_frac", 0.5)
    price = None if table is None else table.import_cny_per_mwh(seen.snapshot.at)
    planned_mw = 0.0
    if price is not None and price < low and soc < CAVERN_FULL_FRAC * plate.soc_max_frac and not _is_full(seen, plate.power_mw):
        planned_mw = plate.power_mw
    elif price is not None and price > high and soc > plate.soc_min_frac + CAVERN_EMPTY_FRAC:
        planned_mw = -plate.power_mw
    return StoreGuidance(low, high, planned_mw)


def _is_full(seen: _Seen, more_mw: float) -> bool:
    """Whether a connection to the grid has less room than that."""
    measured, full = seen.snapshot.import_mw, seen.thresholds.full_frac
    grid = [c for c in seen.facts.park.connections if c.is_grid]
    return any(measured.get(c.id, 0.0) + more_mw > full * c.import_limit_mw for c in grid)


def _stacks(seen: _Seen, asset: Asset) -> StackOrder:
    """As many stacks as carry what wind and sun leave after all other loads, at the load that leaves room both ways."""
    plate: ElectrolyserPlate = asset.plate
    snapshot, thresholds, others = seen.snapshot, seen.thresholds, seen.facts.loads[asset.area]
    drawn = sum(snapshot.assets[i].power_mw for i in others if i in snapshot.assets)
    drawn += sum(snapshot.clusters[i].power_mw for i in others if i in snapshot.clusters)
    surplus = seen.available_mw(asset.area) - drawn
    wanted = int(min(max(surplus / (plate.stack_mw * thresholds.stack_load_frac), 0), plate.stacks))
    wanted = _within_tank(seen, asset, wanted)
    said = snapshot.assets.get(asset.id)
    now = int(said.state.get("stacks_on", wanted)) if said is not None else wanted
    on = now if abs(wanted - now) < thresholds.stack_band else wanted
    standby = min(plate.stacks - on, max(now - on, round(plate.stacks * thresholds.standby_frac)))
    return StackOrder(on, standby, _hydrogen_worth(seen, asset))


def _within_tank(seen: _Seen, asset: Asset, wanted: int) -> int:
    """A tank that is nearly full or nearly empty has the stacks make what the loop takes, at its most or at its least."""
    plate: ElectrolyserPlate = asset.plate
    loop, thresholds = seen.facts.loop_of[asset.id], seen.thresholds
    if loop is None:
        return wanted
    level = _tank_frac(loop, seen.snapshot)
    taken_kg_per_h = loop.plate.loop_t_per_h * loop.plate.hydrogen_kg_per_t * seen.facts.share_of_loop[asset.id]
    needed = taken_kg_per_h / seen.facts.stack_kg_per_h(asset, thresholds.stack_load_frac)
    if level >= thresholds.tank_full_frac:
        return min(wanted, int(needed))
    if level <= thresholds.tank_empty_frac and seen.facts.on_grid[asset.area]:
        least: int = math.ceil(loop.plate.min_load_frac * needed)
        return max(wanted, min(least, plate.stacks))
    return wanted


def _tank_frac(loop: Asset, snapshot: Snapshot) -> float:
    plate: AmmoniaLoopPlate = loop.plate
    said = snapshot.assets.get(loop.id)
    return 0.5 if said is None else said.state.get("buffer_kg", plate.buffer_kg / 2.0) / plate.buffer_kg


def _hydrogen_worth(seen: _Seen, asset: Asset) -> float:
    loop = seen.facts.loop_of[asset.id]
    level = min(max(_tank_frac(loop, seen.snapshot), 0.0), 1.0) if loop is not None else 0.5
    dear, full = seen.thresholds.tank_worth, seen.thresholds.tank_full_frac
    left = 1.0 if level <= full or full >= 1.0 else (1.0 - level) / (1.0 - full)
    price = seen.facts.park.prices.hydrogen_cny_per_kg
    if loop is not None and seen.thresholds.contract_share > 0.0:
        price += seen.thresholds.contract_share * (hydrogen_worth_cny_per_kg(loop.plate, price, short=True) - price)
    return price * (dear + (2.0 - 2.0 * dear) * level) * left


def _loop(seen: _Seen, asset: Asset) -> float:
    """Own power of the ammonia loop at the rate its tank level asks for."""
    plate: AmmoniaLoopPlate = asset.plate
    low, high = seen.thresholds.tank_low_frac, seen.thresholds.tank_high_frac
    share = min(max((_tank_frac(asset, seen.snapshot) - low) / (high - low), 0.0), 1.0)
    rate = plate.min_load_frac + (1.0 - plate.min_load_frac) * share
    return plate.own_load_mw * (plate.own_load_fixed_frac + (1.0 - plate.own_load_fixed_frac) * rate)


def _heats(seen: _Seen, asset: Asset) -> HeatOrder:
    """As soon as a furnace is free while energy is not dear; in dear hours the furnaces' own latest start decides."""
    plate: ArcFurnacePlate = asset.plate
    at, table = seen.snapshot.at, seen.facts.table_of_area[asset.area]
    if table is None:
        return HeatOrder(((at, plate.furnaces),))
    first = table.first_at_or_below(seen.thresholds.heat_price_cny_per_mwh, at, int(HOURS_PER_DAY / hours(_LOOK)))
    return HeatOrder(((first, plate.furnaces),))


def _bands(seen: _Seen, park: Park) -> dict[AssetId, BandGuidance]:
    thresholds, at = seen.thresholds, seen.snapshot.at
    rule = QuotaRule(thresholds.quota_price_cny_per_mwh, park.zone)
    found: dict[AssetId, BandGuidance | None] = {}
    for kind in (*QUOTA_KINDS, "thermal_unit", "feeder"):
        for asset in park.assets_of(kind):
            said = seen.snapshot.assets.get(asset.id)
            if said is None:
                continue
            if kind in QUOTA_KINDS:
                found[asset.id] = quota_band(asset, said, at, seen.facts.table_of_area[asset.area], rule)
            elif kind == "thermal_unit":
                found[asset.id] = thermal_band(asset, said)
            else:
                found[asset.id] = feeder_band(asset, said, thresholds.feeder_close_cny_per_mwh)
    return {asset_id: band for asset_id, band in found.items() if band is not None}


def _must_wait(seen: _Seen, asset: Asset) -> bool:
    """Where a grid supplies the cluster: energy is dear, or a connection is nearly full."""
    table = seen.facts.table_of_area[asset.area]
    if table is None:
        return False
    if table.import_cny_per_mwh(seen.snapshot.at) > seen.thresholds.wait_price_cny_per_mwh:
        return True
    full = seen.thresholds.full_frac
    measured = seen.snapshot.import_mw
    return any(measured.get(c.id, 0.0) > full * c.import_limit_mw for c in seen.facts.park.connections if c.is_grid)


def _shift(seen: _Seen, asset: Asset) -> ShiftGuidance:
    """Everything that waits may run, unless wind and sun are scarce and the batteries low; the next two hours alike.

    Where a grid supplies the cluster, dear hours and a full connection make it wait too.
    """
    plate: ComputePlate = asset.plate
    snapshot, thresholds, facts = seen.snapshot, seen.thresholds, seen.facts
    available = seen.available_mw(asset.area)
    stores = [(a, snapshot.assets[a.id]) for a in facts.batteries[asset.area] if a.id in snapshot.assets]
    energy = sum(a.plate.energy_mwh for a, _ in stores)
    soc = sum(said.state.get("soc_frac", 0.5) * a.plate.energy_mwh for a, said in stores) / energy if energy else 0.0
    scarce = available < thresholds.scarce_frac * facts.farm_capacity_mw[asset.area] and soc < thresholds.scarce_soc_frac
    firm = facts.firm_mw[asset.id]
    target = firm if scarce or _must_wait(seen, asset) else plate.rated_mw
    drawn = sum(r.power_mw for r in snapshot.clusters.values()) or plate.rated_mw
    green = min(max(available / max(drawn, 1e-9), 0.0), 1.0) if not facts.on_grid[asset.area] else 0.0
    edges = tuple(snapshot.at + timedelta(hours=h) for h in range(3))
    n = len(edges) - 1
    return ShiftGuidance(
        edges=edges,
        cap_mw=(plate.rated_mw,) * n,
        target_mw=(target,) * n,
        floor_mw=(firm,) * n,
        green_share_frac=(green,) * n,
        carbon_kg_per_mwh=((1.0 - green) * facts.grid_carbon_kg_per_mwh,) * n,
        price_cny_per_mwh=(0.0,) * n,
        confidence_frac=(0.0,) * n,
    )
