"""Day-ahead spot prices as far as they are published, and what is expected beyond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from vpp.errors import SeriesError
from vpp.park.tariff import Tariff
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["SpotPrices", "spot_or_mean"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SpotPrices:
    """Energy at the market, without network and fees.

    Args:
        grid: The published intervals.
        energy_cny_per_mwh: Their prices, one each. [CNY/MWh]
    """

    grid: TimeGrid
    energy_cny_per_mwh: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.energy_cny_per_mwh) != self.grid.n:
            raise SeriesError(f"spot prices: {len(self.energy_cny_per_mwh)} values for {self.grid.n} intervals")

    def at(self, instant: datetime) -> float:
        """The price at an instant; beyond what is published that of the same hour on the last day that is. [CNY/MWh]."""
        edges = self.grid.edges
        if instant >= edges[-1]:
            instant -= _DAY * (1 + (instant - edges[-1]) // _DAY)
        if instant < edges[0]:
            # Less than a day is known: the same hour of the first day after it, or else the mean.
            later = instant + _DAY * (1 + (edges[0] - instant) // _DAY)
            if later >= edges[-1]:
                return float(np.mean(self.energy_cny_per_mwh))
            instant = later
        return self.energy_cny_per_mwh[self.grid.index(instant)]

    def on(self, grid: TimeGrid) -> FloatArray:
        """Prices at the middle of each interval of another grid, shape (T,). [CNY/MWh]."""
        return np.array([self.at(a + (b - a) / 2) for a, b in zip(grid.edges[:-1], grid.edges[1:], strict=True)])


def spot_or_mean(spot: SpotPrices | None, tariff: Tariff, grid: TimeGrid) -> FloatArray:
    """Energy prices of a grid: what is published, or before the first word what the tariff's periods cost in the mean.

    Without network and fees, shape (T,). [CNY/MWh]
    """
    if spot is not None:
        return spot.on(grid)
    all_in = float(np.mean(list(tariff.import_cny_per_mwh.values())))
    return np.full(grid.n, all_in - tariff.network_cny_per_mwh - tariff.system_fees_cny_per_mwh)
