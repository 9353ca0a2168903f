"""What plants cost beside energy: wear, starts, output sold and owed, delay, and what is left in the stores at the end.

Counters are read by name from the plants' own totals; a plant that lacks one is an error, because a missing counter is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from sim_harness.prices import FixedPrices
from sim_harness.truth import Truth
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.park import Asset
from vpp.park.offtake import ammonia_arrears_t
from vpp.park.plates import (
    AmmoniaLoopPlate,
    ArcFurnacePlate,
    BaseLoadPlate,
    BatteryPlate,
    CompressedAirPlate,
    ComputePlate,
    ElectrolyserPlate,
    EvChargingPlate,
    FeederPlate,
    ThermalUnitPlate,
)
from vpp.units import HOURS_PER_DAY, SECONDS_PER_HOUR

__all__ = ["heats_missing", "plant_items"]

Item: TypeAlias = tuple[str, float]
_Kind: TypeAlias = Callable[[Truth, Asset, FixedPrices], Iterator[Item]]


def plant_items(truth: Truth, prices: FixedPrices) -> Iterator[Item]:
    """Items of all plants whose kind has a price of its own.

    Raises:
        ScenarioError: A plant lacks a counter or a stock that its bill is made of.
    """
    for asset_id in truth.assets:
        asset = truth.park.asset(asset_id)
        if (items := _KINDS.get(asset.kind)) is not None:
            yield from items(truth, asset, prices)


def heats_missing(truth: Truth, asset: Asset) -> tuple[float, float]:
    """Heats due and not begun, less what an even pace would still have before it that day, at the start and the end of a run."""
    plate: ArcFurnacePlate = asset.plate
    left = [_day_left_frac(truth, at) * plate.heats_per_day for at in (truth.grid.start, truth.grid.end)]
    first = _read(truth.stock_first, asset, "heats_due") - left[0]
    return first, _read(truth.stock_last, asset, "heats_due") - left[1]


def _battery(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: BatteryPlate = asset.plate
    yield "wear", _read(truth.totals, asset, "discharged_mwh") * plate.wear_cny_per_mwh
    yield "inventory_battery", -_change(truth, asset, "stored_mwh") * prices.stored_cny_per_mwh


def _electrolyser(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    del prices
    plate: ElectrolyserPlate = asset.plate
    cold, warm = (_read(truth.totals, asset, name) for name in ("cold_starts", "warm_starts"))
    yield "starts", cold * plate.cold_start_cny + warm * plate.warm_start_cny
    if not any(loop.plate.hydrogen_node == plate.hydrogen_node for loop in truth.park.assets_of("ammonia_loop")):
        # Hydrogen that no loop turns into ammonia is sold as it is.
        yield "hydrogen_income", -_read(truth.totals, asset, "hydrogen_kg") * truth.park.prices.hydrogen_cny_per_kg


def _ammonia_loop(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    del prices
    plate: AmmoniaLoopPlate = asset.plate
    made_t = _read(truth.totals, asset, "ammonia_t")
    # Hydrogen left is contract ammonia still to be made, hydrogen taken out was taken from tomorrow's.
    arrears_t = ammonia_arrears_t(plate, float(truth.grid.step_h.sum()), made_t, _change(truth, asset, "hydrogen_kg"))
    yield "ammonia_income", -made_t * plate.netback_cny_per_t
    yield "ammonia_shortfall", max(0.0, arrears_t) * plate.shortfall_cny_per_t
    yield "hydrogen_vented", _read(truth.totals, asset, "vented_kg") * plate.vent_cny_per_kg
    yield "trips", _read(truth.totals, asset, "starved_t") * plate.trip_cny_per_t
    yield "inventory_hydrogen", -_change(truth, asset, "hydrogen_kg") * truth.park.prices.hydrogen_cny_per_kg


def _arc_furnace(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: ArcFurnacePlate = asset.plate
    first, last = heats_missing(truth, asset)
    yield "late_heats", _read(truth.totals, asset, "heats_late") * plate.late_heat_cny
    yield "missing_heats", max(0.0, last) * plate.late_heat_cny
    owed_mwh = (last - first) * plate.heat_mwh - _change(truth, asset, "begun_mwh")
    yield "inventory_heats", owed_mwh * prices.pending_work_cny_per_mwh


def _compute(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: ComputePlate = asset.plate
    for one in plate.job_classes:
        # The price is that of waiting out the whole slack; less waiting costs its share.
        delayed_mwh_h = _read(truth.totals, asset, f"delayed_mwh_h.{one.name}")
        yield "compute_delay", delayed_mwh_h / one.slack_h * one.delay_cny_per_mwh
        yield "compute_missed", _read(truth.totals, asset, f"missed_mwh.{one.name}") * one.miss_cny_per_mwh
        yield "inventory_compute", _change(truth, asset, f"waiting_mwh.{one.name}") * prices.pending_work_cny_per_mwh
    yield "compute_throughput", _read(truth.totals, asset, "lost_throughput_mwh") * plate.throughput_cny_per_mwh


def _base_load(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    """Lost load; what a blackout takes from the other kinds is in their own items (starved, missed, lost, late)."""
    del prices
    plate: BaseLoadPlate = asset.plate
    yield "unserved", _read(truth.totals, asset, "unserved_mwh") * plate.unserved_cny_per_mwh


def _compressed_air(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: CompressedAirPlate = asset.plate
    yield "wear", _read(truth.totals, asset, "discharged_mwh") * plate.wear_cny_per_mwh
    yield "starts", _read(truth.totals, asset, "starts") * plate.start_cost_cny
    yield "inventory_air", -_change(truth, asset, "stored_mwh") * prices.stored_cny_per_mwh


def _thermal_unit(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    """Fuel as part load really burns it, starts, and carbon at the tariff's price."""
    del prices
    plate: ThermalUnitPlate = asset.plate
    carbon_cny_per_t = max((t.carbon_cny_per_t for t in truth.park.tariffs), default=0.0)
    yield "fuel", _read(truth.totals, asset, "fuel_equivalent_mwh") * plate.fuel_cost_cny_per_mwh
    yield "starts", _read(truth.totals, asset, "starts") * plate.start_cost_cny
    yield "carbon_fuel", _read(truth.totals, asset, "emissions_t") * carbon_cny_per_t


def _quota_load(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    """Smelters and carbon capture: what a day's quota missed, what today is behind, and what a cut spoils."""
    short_cny_per_mwh: float = asset.plate.shortfall_cny_per_mwh
    yield "quota_shortfall", _read(truth.totals, asset, "undelivered_mwh") * short_cny_per_mwh
    yield "inventory_quota", _change(truth, asset, "owed_mwh") * prices.pending_work_cny_per_mwh
    match asset.kind:
        case "zinc_electrowinning":
            # What dissolves again below the protective current is already missing from what was delivered.
            yield "reductions", _read(truth.totals, asset, "below_band_mwh") * asset.plate.reduction_price_cny_per_mwh
        case "copper_refining":
            yield "spoilt", _read(truth.totals, asset, "off_grade_mwh") * short_cny_per_mwh
        case "submerged_arc":
            yield "holds", _read(truth.totals, asset, "held_mwh") * asset.plate.hold_price_cny_per_mwh


def _ev_charging(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: EvChargingPlate = asset.plate
    missed_mwh = _read(truth.totals, asset, "undelivered_mwh") + _read(truth.totals, asset, "missed_swap_mwh")
    yield "vehicles_delay", _read(truth.totals, asset, "delayed_mwh_h") / plate.slack_h * plate.delay_cny_per_mwh
    yield "vehicles_missed", missed_mwh * plate.miss_cny_per_mwh
    yield "inventory_vehicles", _change(truth, asset, "waiting_mwh") * prices.pending_work_cny_per_mwh


def _feeder(truth: Truth, asset: Asset, prices: FixedPrices) -> Iterator[Item]:
    plate: FeederPlate = asset.plate
    yield "interruptions", _read(truth.totals, asset, "interrupted_mwh") * plate.call_cny_per_mwh
    yield "unserved", _read(truth.totals, asset, "unserved_mwh") * prices.unserved_cny_per_mwh


_KINDS: Final[Mapping[str, _Kind]] = {
    "battery": _battery,
    "electrolyser": _electrolyser,
    "ammonia_loop": _ammonia_loop,
    "arc_furnace": _arc_furnace,
    "compute": _compute,
    "base_load": _base_load,
    "compressed_air": _compressed_air,
    "thermal_unit": _thermal_unit,
    "zinc_electrowinning": _quota_load,
    "copper_refining": _quota_load,
    "submerged_arc": _quota_load,
    "flexible_load": _quota_load,
    "ev_charging": _ev_charging,
    "feeder": _feeder,
}


def _read(facts: Mapping[AssetId, Mapping[str, float]], asset: Asset, name: str) -> float:
    try:
        return facts[asset.id][name]
    except KeyError as error:
        raise ScenarioError([f"{asset.id}: does not tell {name}; its share of the cost cannot be known"]) from error


def _change(truth: Truth, asset: Asset, name: str) -> float:
    return _read(truth.stock_last, asset, name) - _read(truth.stock_first, asset, name)


def _day_left_frac(truth: Truth, at: datetime) -> float:
    """Share of the park's day that is still to come; at midnight of the end nothing of the day before is left."""
    local = at.astimezone(truth.park.zone)
    gone_s = (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    gone_frac = gone_s / SECONDS_PER_HOUR / HOURS_PER_DAY
    if at == truth.grid.end:
        return (1.0 - gone_frac) % 1.0
    return 1.0 - gone_frac
