"""What the rules need of a park and no reading ever changes, looked up once: who stands where, and what energy costs when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planner.blocks.hydrogen import hydrogen_curve
from controllers.planner.expect import firm_compute_mw
from controllers.planner.guide import grid_carbon_kg_per_mwh
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park import Asset, Park, Tariff, TariffId, tariff_prices
from vpp.park.tariff import period_slots
from vpp.spot import SpotPrices
from vpp.timegrid import TimeGrid
from vpp.units import MINUTES_PER_HOUR, SECONDS_PER_MINUTE

__all__ = ["PriceTable", "RuleFacts", "SpotTable"]

_QUARTER: Final = timedelta(minutes=15)
_MINUTES_PER_SLOT: Final = _QUARTER / timedelta(minutes=1)
_FARMS: Final = ("wind", "solar")


class PriceTable:
    """Prices of a time-of-use tariff for every quarter of an hour of every month, park time.

    Args:
        tariff: The tariff; one whose pricing is `spot` has no table and is refused as by `tariff_prices`.
        zone: Park time.

    Raises:
        SeriesError: A spot tariff without prices.
    """

    def __init__(self, tariff: Tariff, zone: ZoneInfo) -> None:
        if tariff.pricing == "spot":
            tariff_prices(tariff, TimeGrid.regular(datetime(2026, 1, 1, tzinfo=UTC), _QUARTER, 1), zone)
        self._zone = zone
        periods = (*tariff.periods, *tariff.sharp_periods)
        by_period = np.array([tariff.import_cny_per_mwh[period.name] for period in periods])
        self._import: list[list[float]] = by_period[period_slots(tariff)].tolist()
        self.export_cny_per_mwh = tariff.export_cny_per_mwh

    def import_cny_per_mwh(self, at: datetime) -> float:
        """Mean price of imported energy over the quarter of an hour that begins at `at` (UTC). [CNY/MWh]."""
        slot, into_frac = self._slot(at)
        price = self._import[at.astimezone(self._zone).month - 1][slot]
        if into_frac == 0.0:
            return price
        later = at + _QUARTER
        return price * (1.0 - into_frac) + self._import[later.astimezone(self._zone).month - 1][self._slot(later)[0]] * into_frac

    def first_at_or_below(self, price_cny_per_mwh: float, start: datetime, quarters: int) -> datetime:
        """The first quarter of an hour from `start` on that costs no more; the end of the search where all are dearer."""
        at = start
        for _ in range(quarters):
            if self.import_cny_per_mwh(at) <= price_cny_per_mwh:
                break
            at += _QUARTER
        return at

    def _slot(self, at: datetime) -> tuple[int, float]:
        """Which quarter of the local day an instant falls into, and how far into it."""
        local = at.astimezone(self._zone)
        seconds = local.second + local.microsecond / 1e6
        minutes = local.hour * MINUTES_PER_HOUR + local.minute + seconds / SECONDS_PER_MINUTE
        slot = int(minutes / _MINUTES_PER_SLOT)
        return slot, minutes / _MINUTES_PER_SLOT - slot


class SpotTable:
    """The same for a tariff on spot prices: what the market has published, with network and fees on top.

    Args:
        tariff: The tariff.
        spot: What is published; None before the first word, when energy is taken to cost the flat price.
    """

    def __init__(self, tariff: Tariff, spot: SpotPrices | None) -> None:
        self._added = tariff.network_cny_per_mwh + tariff.system_fees_cny_per_mwh
        self._flat = float(np.mean(list(tariff.import_cny_per_mwh.values())))
        self._spot = spot
        self.export_cny_per_mwh = tariff.export_cny_per_mwh

    def import_cny_per_mwh(self, at: datetime) -> float:
        """Price of imported energy at an instant (UTC). [CNY/MWh]."""
        return self._flat if self._spot is None else self._spot.at(at) + self._added

    def first_at_or_below(self, price_cny_per_mwh: float, start: datetime, quarters: int) -> datetime:
        """The first quarter of an hour from `start` on that costs no more; the end of the search where all are dearer."""
        at = start
        for _ in range(quarters):
            if self.import_cny_per_mwh(at) <= price_cny_per_mwh:
                break
            at += _QUARTER
        return at


class RuleFacts:
    """A park as the rules look at it.

    Args:
        park: What is in service.
    """

    def __init__(self, park: Park) -> None:
        self.park = park
        zone = park.zone
        used = {c.tariff for c in park.connections if c.tariff is not None}
        self._spot = tuple(i for i in used if park.tariff(i).pricing == "spot")
        self.tables: dict[TariffId, PriceTable | SpotTable] = {
            i: SpotTable(park.tariff(i), None) if i in self._spot else PriceTable(park.tariff(i), zone) for i in used
        }
        areas = park.area_ids
        self.farms = {z: _ids(a for a in park.assets if a.area == z and a.kind in _FARMS) for z in areas}
        self.farm_capacity_mw = {
            z: sum(a.plate.capacity_mw for a in park.assets if a.area == z and a.kind in _FARMS) for z in areas
        }
        self.batteries = {z: park.assets_of("battery", z) for z in areas}
        idle = (*_FARMS, "battery", "electrolyser")
        #: Loads that the electrolysers of an area leave the first word to.
        self.loads = {z: _ids(a for a in park.assets if a.area == z and a.kind not in idle) for z in areas}
        self.on_grid = {z: bool(park.connections_of(z)) for z in areas}
        #: The table of the first connection with a tariff through which an area is supplied.
        self.table_of_area: dict[AreaId, PriceTable | SpotTable | None] = {z: self._first_table(z) for z in areas}
        loops = park.assets_of("ammonia_loop")
        self.loop_of = {a.id: _loop_of(a, loops) for a in park.assets_of("electrolyser")}
        self.share_of_loop = _shares_of_loop(park)
        self.grid_carbon_kg_per_mwh = grid_carbon_kg_per_mwh(park)
        self.firm_mw = {a.id: float(firm_compute_mw(a.plate, None, np.zeros(1))[0]) for a in park.assets_of("compute")}

    def stack_kg_per_h(self, asset: Asset, load_frac: float) -> float:
        """What one stack makes at a load. [kg/h]."""
        power_mw, kg_per_h = hydrogen_curve(asset.plate)
        return float(np.interp(load_frac * asset.plate.stack_mw, power_mw, kg_per_h))

    def at_prices(self, spot: Mapping[ConnectionId, SpotPrices]) -> RuleFacts:
        """The same facts with what the market has published; themselves where no tariff is on spot prices."""
        if not self._spot:
            return self
        now = copy(self)
        published = {c.tariff: spot[c.id] for c in self.park.connections if c.id in spot}
        now.tables = {**self.tables, **{i: SpotTable(self.park.tariff(i), published.get(i)) for i in self._spot}}
        now.table_of_area = {area: now._first_table(area) for area in self.park.area_ids}
        return now

    def _first_table(self, area: AreaId) -> PriceTable | SpotTable | None:
        """What the area pays, straight or through the areas it hangs on; None for an island."""
        asked: set[str] = set()
        waiting: list[str] = [area]
        while waiting:
            place = waiting.pop(0)
            asked.add(place)
            for connection in self.park.connections:
                if connection.area == place and connection.tariff is not None:
                    return self.tables[connection.tariff]
                if connection.area == place and connection.to not in asked:
                    waiting.append(connection.to)
        return None


def _shares_of_loop(park: Park) -> dict[AssetId, float]:
    """Share of an electrolyser in the capacity of all at its hydrogen node."""
    stacks = park.assets_of("electrolyser")
    rated_mw = {a.id: a.plate.stacks * a.plate.stack_mw for a in stacks}
    node_mw: dict[str, float] = {}
    for asset in stacks:
        node_mw[asset.plate.hydrogen_node] = node_mw.get(asset.plate.hydrogen_node, 0.0) + rated_mw[asset.id]
    return {a.id: rated_mw[a.id] / node_mw[a.plate.hydrogen_node] for a in stacks}


def _ids(assets: Iterable[Asset]) -> tuple[AssetId, ...]:
    return tuple(asset.id for asset in assets)


def _loop_of(stacks: Asset, loops: tuple[Asset, ...]) -> Asset | None:
    return next((loop for loop in loops if loop.plate.hydrogen_node == stacks.plate.hydrogen_node), None)
