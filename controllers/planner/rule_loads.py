"""Rules for machines that run in a band: smelters, carbon capture, generating units, interruptible feeders.

A load with a daily quota runs at its most in cheap hours and at its least in dear ones, as long as the rest of the day can
still make the quota; below that it is cut only when nothing cheaper is left. A unit that runs follows the price of its fuel. A
feeder is opened last of all, and closed again only when power has become cheap enough that it will not have to open at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from controllers.dispatch.guidance import BandGuidance
from controllers.dispatch.snapshot import Reported
from controllers.planner.rule_facts import PriceTable, SpotTable
from vpp.park import Asset
from vpp.park.plates import FeederPlate, SubmergedArcPlate, ThermalUnitPlate, ZincElectrowinningPlate
from vpp.units import HOURS_PER_DAY, hours

__all__ = ["QUOTA_KINDS", "QuotaRule", "feeder_band", "quota_band", "thermal_band"]

QUOTA_KINDS: Final = ("zinc_electrowinning", "copper_refining", "submerged_arc", "flexible_load")
_QUARTER: Final = timedelta(minutes=15)
_QUARTER_H: Final = hours(_QUARTER)
#: Tariffs of a park at one instant, and some to spare.
_ANSWERS_KEPT: Final = 64
#: Running ahead of the quota is worth less than any sale and more than wasting wind and sun. [CNY/MWh]
_AHEAD_CNY_PER_MWH: Final = 50.0
#: What is opened last: this much above what a call costs. [CNY/MWh]
_LAST_CNY_PER_MWH: Final = 900.0


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """When a load with a quota runs at its least.

    Args:
        dear_above_cny_per_mwh: Energy that costs more is dear.
        zone: Whose midnight ends the quota's day.
    """

    dear_above_cny_per_mwh: float
    zone: ZoneInfo

    def hours_left(self, at: datetime, table: PriceTable | SpotTable | None) -> tuple[float, float]:
        """Hours until midnight, all of them and those that are not dear. [h]."""
        return _hours_left(self, at, table)


@lru_cache(_ANSWERS_KEPT)
def _hours_left(rule: QuotaRule, at: datetime, table: PriceTable | SpotTable | None) -> tuple[float, float]:
    """The same for every load of a tariff, so that it is worked out once an instant."""
    local = at.astimezone(rule.zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    cheap_h = _cheap_hours(rule, local.date(), table)
    done = (at - begin) / _QUARTER
    quarter = int(done)
    left_h = (len(cheap_h) - 1 - done) * _QUARTER_H
    return left_h, cheap_h[quarter + 1] + (cheap_h[quarter] - cheap_h[quarter + 1]) * (quarter + 1 - done)


@lru_cache(_ANSWERS_KEPT)
def _cheap_hours(rule: QuotaRule, day: date, table: PriceTable | SpotTable | None) -> tuple[float, ...]:
    """Hours from each quarter of a local day to its midnight that are not dear; at midnight none. [h]."""
    begin, end = (datetime.combine(d, time(), rule.zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    cheap_h = [0.0]
    for quarter in reversed(range((end - begin) // _QUARTER)):
        at = begin + quarter * _QUARTER
        dear = table is not None and table.import_cny_per_mwh(at) > rule.dear_above_cny_per_mwh
        cheap_h.append(cheap_h[-1] + (0.0 if dear else _QUARTER_H))
    return tuple(reversed(cheap_h))


def quota_band(asset: Asset, said: Reported, at: datetime, table: PriceTable | SpotTable | None, rule: QuotaRule) -> BandGuidance:
    """The band of a load with a daily quota: more than it wants is cheap, less costs what is then not made."""
    plate = asset.plate
    rated_mw: float = plate.furnaces * plate.furnace_mw if isinstance(plate, SubmergedArcPlate) else plate.rated_mw
    low_mw, high_mw = plate.min_frac * rated_mw, plate.max_frac * rated_mw
    left_h, cheap_h = rule.hours_left(at, table)
    quota_left_mwh = said.state.get("quota_left_mwh", plate.quota_frac * rated_mw * left_h)
    dear = table is not None and table.import_cny_per_mwh(at) > rule.dear_above_cny_per_mwh
    if dear:
        # What the cheap hours of the day cannot make has to be made now.
        rest_mwh = quota_left_mwh - high_mw * cheap_h
        wanted_mw = rest_mwh / max(left_h - cheap_h, hours(_QUARTER))
    else:
        wanted_mw = (quota_left_mwh - low_mw * (left_h - cheap_h)) / max(cheap_h, hours(_QUARTER))
    wanted_mw = min(max(wanted_mw, low_mw), high_mw)
    loss = _cut_cny_per_mwh(asset)
    return BandGuidance(low_mw, ((wanted_mw - low_mw, loss), (high_mw - wanted_mw, _AHEAD_CNY_PER_MWH)))


def _cut_cny_per_mwh(asset: Asset) -> float:
    plate = asset.plate
    spoilt = plate.reduction_price_cny_per_mwh if isinstance(plate, ZincElectrowinningPlate) else 0.0
    return float(plate.shortfall_cny_per_mwh + spoilt)


def thermal_band(asset: Asset, said: Reported) -> BandGuidance | None:
    """Units that run, between their least and their most, at the price of fuel; None where steam leads or nothing runs."""
    plate: ThermalUnitPlate = asset.plate
    on = said.state.get("units_on", 0.0)
    if plate.heat_led or on <= 0.0:
        return None
    least_mw = on * plate.unit_mw * max(said.state.get("least_frac", plate.min_load_frac), plate.min_load_frac)
    most_mw = max(on * plate.unit_mw * min(said.state.get("most_frac", 1.0), 1.0), least_mw)
    return BandGuidance(-most_mw, ((most_mw - least_mw, plate.fuel_cost_cny_per_mwh),))


def feeder_band(asset: Asset, said: Reported, close_below_cny_per_mwh: float) -> BandGuidance | None:
    """The whole feeder or nothing; None where the contract has no call or hour left.

    Args:
        asset: With a feeder plate.
        said: Its last word.
        close_below_cny_per_mwh: An open feeder is closed again when energy is cheaper.
    """
    plate: FeederPlate = asset.plate
    closed = said.state.get("closed", 1.0) > 0.0
    spent = said.state.get("calls_left", 1.0) <= 0.0 or said.state.get("hours_left_h", HOURS_PER_DAY) <= 0.0
    if closed and spent:
        return None
    worth = plate.call_cny_per_mwh + _LAST_CNY_PER_MWH if closed else close_below_cny_per_mwh
    return BandGuidance(0.0, ((said.state.get("demand_mw", plate.power_mw), worth),), switched=True)
