"""From a snapshot and the plan's guidance to bids: what each machine would pay to draw one more MW now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from controllers.dispatch.clear import Bids, Tie
from controllers.dispatch.compressed_air import air_band
from controllers.dispatch.events import EventBounds, bounded, bounds_of
from controllers.dispatch.guidance import ConnectionGuidance, Guidance, StackOrder, StoreGuidance
from controllers.dispatch.heats import starting_mw
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.planner.blocks.hydrogen import hydrogen_curve
from vpp.ids import AreaId, AssetId
from vpp.park import Asset, Connection, Park
from vpp.park.plates import BatteryPlate, CompressedAirPlate, ElectrolyserPlate
from vpp.park.rating import ramp_mw_per_min
from vpp.units import MINUTES_PER_HOUR, s_to_h

__all__ = ["MARGIN_CNY_PER_MWH", "Machine", "TIE_CNY_PER_MWH", "bids_of", "machines", "ties_of"]

#: Inside a machine's band, staying on the plan's side of its planned power is worth this much more: ties follow the plan, and a
#: price that wobbles around a value does not throw a battery from end to end.
TIE_CNY_PER_MWH = 8.0
#: The last share of a connection's limit is left to noise and to what moves between two periods: using it costs this much more.
LIMIT_MARGIN_FRAC = 0.02
MARGIN_CNY_PER_MWH = 1_500.0
#: A store may not bid energy it could not keep up for this long: the longest time between two commands. [s]
STORE_HOLD_S = 120.0
#: A machine on its ramp is counted where it is so soon. [min]
_SOON_MIN = 0.25

Segment = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Machine:
    """One bidder: an asset or a connection, its bottom power and its segments `(width_mw, worth_cny_per_mwh)`."""

    name: str
    area: AreaId
    base_mw: float
    segments: tuple[Segment, ...]


def machines(park: Park, snapshot: Snapshot, guidance: Guidance, hold_s: float = STORE_HOLD_S) -> tuple[Machine, ...]:
    """Every asset that was heard and every connection, as bidders.

    An asset that cannot move now (a furnace in its heat, a load that follows its users, a cluster that follows its signal) bids
    its measured power as it is; so does one that refuses what it is told. Silent ones do not bid: what they draw together is what
    the area's meters see beside all that was heard.
    """
    found = [m for asset in park.assets if (m := _machine(asset, snapshot, guidance, s_to_h(hold_s))) is not None]
    found += [_connection(c, guidance.connections[c.id], snapshot, margin_frac(hold_s)) for c in park.connections if c.is_grid]
    if snapshot.silent:
        found += _unheard(park, snapshot)
    return tuple(found)


def margin_frac(hold_s: float) -> float:
    """Share of a limit that is left to what moves between two commands, more where they are further apart than usual."""
    return LIMIT_MARGIN_FRAC * max(1.0, hold_s / STORE_HOLD_S)


def ties_of(park: Park, snapshot: Snapshot, hold_s: float = STORE_HOLD_S) -> tuple[Tie, ...]:
    """Connections between areas, inside their limits less what moves between two periods, and inside what events ask of them."""
    place = {area: i for i, area in enumerate(park.area_ids)}
    found = []
    for connection in park.connections:
        if not connection.is_grid:
            bounds = bounds_of(snapshot.events, connection, snapshot.at) if snapshot.events else EventBounds()
            high, low = ((1.0 - margin_frac(hold_s)) * mw for mw in (connection.import_limit_mw, -connection.export_limit_mw))
            high = high if bounds.at_most_mw is None else min(high, max(bounds.at_most_mw, low))
            low = low if bounds.at_least_mw is None else max(low, min(bounds.at_least_mw, high))
            found.append(Tie(place[connection.area], place[AreaId(connection.to)], high, -low))
    return tuple(found)


def bids_of(bidders: tuple[Machine, ...], areas: tuple[AreaId, ...]) -> Bids:
    """Bidders as arrays for `clear`."""
    place = {area: i for i, area in enumerate(areas)}
    flat = [(i, width, worth) for i, machine in enumerate(bidders) for width, worth in machine.segments if width > 0]
    return Bids(
        base_mw=np.array([machine.base_mw for machine in bidders]),
        area=np.array([place[machine.area] for machine in bidders], dtype=np.int64),
        owner=np.array([i for i, _, _ in flat], dtype=np.int64),
        width_mw=np.array([width for _, width, _ in flat]),
        worth_cny_per_mwh=np.array([worth for _, _, worth in flat]),
    )


def _machine(asset: Asset, snapshot: Snapshot, guidance: Guidance, hold_h: float) -> Machine | None:
    cluster = snapshot.clusters.get(asset.id)
    if cluster is not None:
        return Machine(asset.id, asset.area, cluster.power_mw, ())
    said = snapshot.assets.get(asset.id)
    if said is None:
        return None
    if not said.follows:
        return Machine(asset.id, asset.area, said.power_mw, ())
    if said.online and said.available_mw is not None and asset.kind in ("wind", "solar"):
        return Machine(asset.id, asset.area, -said.available_mw, ((said.available_mw, -guidance.curtail_cny_per_mwh),))
    if said.online and asset.id in guidance.stores:
        return _store(asset, said, guidance.stores[asset.id], hold_h)
    if said.online and asset.id in guidance.stacks:
        return _stacks(asset, asset.plate, said, guidance.stacks[asset.id])
    if said.online and asset.id in guidance.heats and guidance.source != "rules":
        soon_mw = starting_mw(asset.plate, said, guidance.heats[asset.id], snapshot.at)
        return Machine(asset.id, asset.area, said.power_mw + soon_mw, ())
    if said.online and asset.id in guidance.bands:
        band = guidance.bands[asset.id]
        return Machine(asset.id, asset.area, band.low_mw, band.segments)
    return Machine(asset.id, asset.area, _on_its_way_mw(asset, said, guidance.held_mw.get(asset.id), hold_h), ())


def _on_its_way_mw(asset: Asset, said: Reported, held_mw: float | None, hold_h: float) -> float:
    """What a machine with a set-point of its own draws soon: a smelter takes ten minutes to where the plan wants it.

    Where commands are further apart than usual it is counted half way between two of them.
    """
    ramp = ramp_mw_per_min(asset)
    if held_mw is None or ramp is None:
        return said.power_mw if held_mw is None else held_mw
    soon_min = _SOON_MIN if hold_h <= s_to_h(STORE_HOLD_S) else 0.5 * hold_h * MINUTES_PER_HOUR
    reach_mw = ramp * soon_min
    return min(max(held_mw, said.power_mw - reach_mw), said.power_mw + reach_mw)


def _store(asset: Asset, said: Reported, store: StoreGuidance, hold_h: float) -> Machine:
    """Charging and discharging ranges, each split at the planned power."""
    plate: BatteryPlate | CompressedAirPlate = asset.plate
    if isinstance(plate, CompressedAirPlate):
        band = air_band(plate, said, store, hold_h)
        charging = band.high_mw > 0.0
        worth = store.charge_below_cny_per_mwh if charging else store.discharge_above_cny_per_mwh
        return Machine(asset.id, asset.area, band.low_mw, _split(band.low_mw, band.high_mw, worth, store.planned_mw))
    stored = said.state.get("soc_frac", plate.soc_min_frac) * plate.energy_mwh
    room = max(0.0, plate.soc_max_frac * plate.energy_mwh - stored) / hold_h
    left = max(0.0, stored - plate.soc_min_frac * plate.energy_mwh) / hold_h
    auxiliary = plate.auxiliary_frac * plate.power_mw
    # The rating holds at the meter, where the auxiliaries are drawn too.
    out, into = min(plate.power_mw, left), min(plate.power_mw - auxiliary, room)
    planned = None if store.planned_mw is None else store.planned_mw - auxiliary
    segments = (
        *_split(-out, 0.0, store.discharge_above_cny_per_mwh, planned),
        *_split(0.0, into, store.charge_below_cny_per_mwh, planned),
    )
    return Machine(asset.id, asset.area, auxiliary - out, segments)


def _stacks(asset: Asset, plate: ElectrolyserPlate, said: Reported, order: StackOrder) -> Machine:
    """Stacks that are on between minimum and maximum load, each segment worth its hydrogen; the rest stands by or warms up.

    Those that came on too lately to be parked stay on, whatever is ordered. For warm ones on their way the power at minimum load
    is kept free, since they take it from one moment to the next.
    """
    running_now = int(said.state.get("stacks_on", 0.0))
    on = min(max(order.on, int(said.state.get("stacks_locked_on", 0.0))), running_now)
    coming = max(0, min(order.on - running_now, int(said.state.get("stacks_standby", 0.0))))
    power_mw, kg_per_h = hydrogen_curve(plate)
    running = said.state.get("load_frac", 0.0) * said.state.get("stacks_on", 0.0) * plate.stack_mw
    idle = max(0.0, said.power_mw - running) + coming * (float(power_mw[0]) - plate.standby_frac * plate.stack_mw)
    base = on * float(power_mw[0]) + idle
    planned = None if order.planned_mw is None else order.planned_mw - idle
    segments: list[Segment] = []
    for k in range(len(power_mw) - 1):
        worth = order.hydrogen_cny_per_kg * float((kg_per_h[k + 1] - kg_per_h[k]) / (power_mw[k + 1] - power_mw[k]))
        segments += _split(on * float(power_mw[k]), on * float(power_mw[k + 1]), worth, planned)
    return Machine(asset.id, asset.area, base, tuple(segments))


def _split(low: float, high: float, worth: float, planned: float | None) -> tuple[Segment, ...]:
    """One range as two: up to the planned power a little dearer, beyond it a little cheaper."""
    if planned is None:
        return ((high - low, worth),)
    at = min(max(planned, low), high)
    return ((at - low, worth + TIE_CNY_PER_MWH), (high - at, worth - TIE_CNY_PER_MWH))


def _connection(connection: Connection, terms: ConnectionGuidance, snapshot: Snapshot, kept_frac: float) -> Machine:
    """A connection to the grid: giving up import is worth its price, export earns; the import that raises the peak is dear."""
    margin = kept_frac * connection.import_limit_mw
    free = min(max(terms.free_import_mw, 0.0), connection.import_limit_mw - margin)
    segments: tuple[Segment, ...] = (
        (margin, max(terms.above_cny_per_mwh, terms.import_cny_per_mwh + MARGIN_CNY_PER_MWH)),
        (connection.import_limit_mw - margin - free, terms.above_cny_per_mwh),
        (free, terms.import_cny_per_mwh),
        (connection.export_limit_mw, terms.export_cny_per_mwh),
    )
    bounds = bounds_of(snapshot.events, connection, snapshot.at)
    segments = bounded(segments, -connection.import_limit_mw, bounds)
    return Machine(connection.id, connection.area, -connection.import_limit_mw, segments)


def _unheard(park: Park, snapshot: Snapshot) -> list[Machine]:
    """Where devices are silent: what flows into the area and was drawn by nobody who spoke, as one machine that cannot move."""
    found = []
    for area in dict.fromkeys(park.asset(asset_id).area for asset_id in snapshot.silent):
        into = [c.id for c in park.connections if c.area == area]
        out_of = [c.id for c in park.connections if c.to == area]
        if all(c in snapshot.import_mw for c in (*into, *out_of)):
            net_mw = sum(snapshot.import_mw[c] for c in into) - sum(snapshot.import_mw[c] for c in out_of)
            heard_mw = sum(_heard_mw(asset.id, snapshot) for asset in park.assets if asset.area == area)
            found.append(Machine(f"{area}.unheard", area, net_mw - heard_mw, ()))
    return found


def _heard_mw(asset_id: AssetId, snapshot: Snapshot) -> float:
    said = snapshot.assets.get(asset_id) or snapshot.clusters.get(asset_id)
    return 0.0 if said is None else said.power_mw


def powers(bidders: tuple[Machine, ...], power_mw: np.ndarray) -> Mapping[AssetId, float]:
    """Cleared powers by name."""
    return {AssetId(machine.name): float(mw) for machine, mw in zip(bidders, power_mw, strict=True)}
