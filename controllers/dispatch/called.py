"""Under a call machines that the plan holds at one power may be moved as well: smelters and furnaces in their bands, units.

A plan is made for the mean course of a quarter of an hour. When the wind then falls below it while a call binds, batteries may
give all they have and the target is missed, beside a smelter that could have gone down. So machines behind the called
connection get a band round their planned power, as far as their ramp brings them by the next command. What leaving the plan is
worth lies far below the price of a call and above every price of the market: without need nothing moves. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from controllers.dispatch.guidance import BandGuidance, Guidance
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.planner.blocks.quota import BAND_KINDS, band_limits
from controllers.planner.rule_loads import thermal_band
from vpp.ids import AreaId, ConnectionId
from vpp.park import Asset, Park
from vpp.park.rating import ramp_mw_per_min
from vpp.units import MINUTES_PER_HOUR, s_to_h

__all__ = ["CALLED_CNY_PER_MWH", "with_called_bands"]

#: What leaving the plan costs under a call: as much as an offer may cost at most (`controllers.flexibility.hold`).
CALLED_CNY_PER_MWH: Final = 3_000.0


def with_called_bands(park: Park, snapshot: Snapshot, guidance: Guidance, hold_s: float) -> Guidance:
    """The same guidance, held machines behind called connections in bands.

    Args:
        park: What is in service.
        snapshot: Calls, people's decisions and measurements.
        guidance: Of the plan.
        hold_s: Longest time between two commands. [s]
    """
    called = {event.connection for event in snapshot.events if event.in_force(snapshot.at)}
    if not called or guidance.source == "rules":
        return guidance
    areas = _behind(park, called)
    decided = {override.asset_id for override in snapshot.overrides if override.in_force(snapshot.at)}
    bands = dict(guidance.bands)
    for kind in (*BAND_KINDS, "thermal_unit"):
        for asset in park.assets_of(kind):
            said, held_mw = snapshot.assets.get(asset.id), guidance.held_mw.get(asset.id)
            if asset.area not in areas or asset.id in decided or said is None or not said.online or held_mw is None:
                continue
            band = _band(asset, said, held_mw, 0.5 * s_to_h(hold_s) * MINUTES_PER_HOUR)
            if band is not None:
                bands[asset.id] = band
    return replace(guidance, bands=bands)


def _behind(park: Park, called: Iterable[ConnectionId]) -> frozenset[AreaId]:
    """Areas that the connections supply, by themselves or over ties."""
    found = {park.connection(connection).area for connection in called}
    while more := {c.area for c in park.connections if not c.is_grid and c.to in found} - found:
        found |= more
    return frozenset(found)


def _band(asset: Asset, said: Reported, held_mw: float, soon_min: float) -> BandGuidance | None:
    span, ramp = _span_mw(asset, said), ramp_mw_per_min(asset)
    if span is None or ramp is None:
        return None
    (low, high), reach_mw = span, ramp * soon_min
    # One that is outside its band now, as in an excursion, comes back at its own pace.
    low, high = max(low, min(said.power_mw - reach_mw, high)), min(high, max(said.power_mw + reach_mw, low))
    at = min(max(held_mw, low), high)
    return BandGuidance(low, ((at - low, CALLED_CNY_PER_MWH), (high - at, -CALLED_CNY_PER_MWH)))


def _span_mw(asset: Asset, said: Reported) -> tuple[float, float] | None:
    """Between what powers it may be moved now; None where it cannot be moved. [MW]."""
    if asset.kind == "thermal_unit":
        unit = thermal_band(asset, said)
        return None if unit is None else (unit.low_mw, unit.high_mw)
    limits = band_limits(asset)
    return limits.low_mw, limits.high_mw
