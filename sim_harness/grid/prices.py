"""Spot prices of a scenario: a day-ahead curve that is published the evening before, and what energy really cost then.

Shapes come from a measured day-ahead market where the data are (`day_ahead_price.parquet`, not Chinese: shapes only) or from a
seeded generator; either is scaled to the park's tariff and kept between the market's floor and cap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from sim_harness.plants.drift import seeded
from vpp.errors import ScenarioError
from vpp.park.schema import Park
from vpp.park.tariff import Tariff
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["PRICE_FILE", "PriceChoice", "SpotMarket", "open_market", "with_spot"]

#: What energy costs: the tariff's hours, or the spot market's.
PriceChoice: TypeAlias = Literal["tariff", "spot"]
PRICE_FILE: Final = "day_ahead_price.parquet"

_HOUR: Final = timedelta(hours=1)
#: Park hour of the evening at which tomorrow's curve is published; most Chinese provincial markets clear by then (assumption).
_PUBLISHED_H: Final = 18
#: Germany: the market of the file with much wind and sun in it, and with negative prices.
_MARKET: Final = "DE"
#: Real time against day ahead: spread as a share of the mean price, and how long an error lasts. [h]
_ERROR_FRAC: Final = 0.12
_ERROR_MEMORY_H: Final = 3.0
#: Hours of a spring or autumn day against its mean: two peaks, and the valley that the sun makes (shape made up).
_DAY: Final = (
    0.80, 0.76, 0.73, 0.72, 0.75, 0.86, 1.05, 1.20, 1.12, 0.92, 0.72, 0.58,
    0.52, 0.55, 0.68, 0.90, 1.16, 1.46, 1.66, 1.62, 1.40, 1.18, 1.00, 0.86,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpotMarket:
    """Prices of one price zone over a run and some days after, hour by hour.

    Args:
        start: Midnight of the first park day (UTC).
        day_ahead_cny_per_mwh: Shape (H,). [CNY/MWh]
        realised_cny_per_mwh: What energy came to in the same hours, shape (H,). [CNY/MWh]
        zone: Park time.
        facts: What is measured and what is made up.
    """

    start: datetime
    day_ahead_cny_per_mwh: FloatArray
    realised_cny_per_mwh: FloatArray
    zone: ZoneInfo
    facts: str

    def known_until(self, at: datetime) -> datetime:
        """The end of the last day whose curve is published at an instant (UTC)."""
        local = at.astimezone(self.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight + timedelta(days=2 if local.hour >= _PUBLISHED_H else 1)).astimezone(UTC)

    def next_publication(self, at: datetime) -> datetime:
        """When the next day's curve comes out after an instant (UTC)."""
        local = at.astimezone(self.zone)
        today = local.replace(hour=_PUBLISHED_H, minute=0, second=0, microsecond=0)
        return (today if local < today else today + timedelta(days=1)).astimezone(UTC)

    def published(self, at: datetime) -> tuple[TimeGrid, FloatArray]:
        """Day-ahead prices from the last midnight to the end of what is published, and their hours."""
        midnight = at.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        first, last = int((midnight - self.start) / _HOUR), int((self.known_until(at) - self.start) / _HOUR)
        return TimeGrid.regular(self.start + first * _HOUR, _HOUR, last - first), self.day_ahead_cny_per_mwh[first:last]

    def realised_on(self, grid: TimeGrid) -> FloatArray:
        """Realised prices of intervals no longer than an hour that cross none, shape (T,). [CNY/MWh]."""
        index = np.array([int((start - self.start) / _HOUR) for start in grid.starts], dtype=np.int64)
        return self.realised_cny_per_mwh[index]


def with_spot(park: Park) -> Park:
    """The same park with its grid connections' tariffs on spot prices."""
    return replace(park, tariffs=tuple(replace(tariff, pricing="spot") for tariff in park.tariffs))


def open_market(park: Park, start: datetime, end: datetime, seed: int, data_dir: Path | None = None) -> SpotMarket:
    """The market of a run.

    Args:
        park: Its first grid tariff gives level, floor and cap.
        start: Of the run (UTC).
        end: Of the run (UTC); three days more are made, so that whoever looks ahead finds them.
        seed: Of what is made up.
        data_dir: Where `day_ahead_price.parquet` lies; None to generate the shape.

    Raises:
        ScenarioError: The park has no grid connection with a tariff, or the file is missing.
    """
    tariff = next((park.tariff(c.tariff) for c in park.connections if c.is_grid and c.tariff is not None), None)
    if tariff is None:
        raise ScenarioError([f"{park.id}: prices: spot: no connection to the grid has a tariff to scale the market to"])
    midnight = start.astimezone(park.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = int((end - midnight) / timedelta(days=1)) + 3
    shape = _generated(days, seed) if data_dir is None else _measured(data_dir, midnight, days)
    ahead = np.clip(shape * _level(tariff), tariff.spot_floor_cny_per_mwh, tariff.spot_cap_cny_per_mwh)
    error = _autoregressive(len(ahead), _ERROR_MEMORY_H, seed, "grid.spot.realised") * _ERROR_FRAC * _level(tariff)
    realised = np.clip(ahead + error, tariff.spot_floor_cny_per_mwh, tariff.spot_cap_cny_per_mwh)
    made = f"generated from seed {seed}" if data_dir is None else f"shape of {_MARKET} 2016-2017, scaled"
    facts = f"spot prices: {made}; real time made up by seed"
    return SpotMarket(midnight.astimezone(UTC), ahead, realised, park.zone, facts)


def _level(tariff: Tariff) -> float:
    """Mean of the market: the energy part of the flat price, or of the mean price where no period is called so."""
    all_in = tariff.import_cny_per_mwh.get("flat", float(np.mean(list(tariff.import_cny_per_mwh.values()))))
    return all_in - tariff.network_cny_per_mwh - tariff.system_fees_cny_per_mwh


def _generated(days: int, seed: int) -> FloatArray:
    """Hours of made-up days around 1: scarcity and plenty last some days and reach deeper into the peak and the valley."""
    hours_of_day = len(_DAY)
    day = np.tile(np.array(_DAY) / np.mean(_DAY), days)
    tightness = np.repeat(_autoregressive(days, 2.0, seed, "grid.spot.days"), hours_of_day)
    ripple = _autoregressive(days * hours_of_day, 4.0, seed, "grid.spot.hours")
    price: FloatArray = 1.0 + (day - 1.0) * np.exp(0.25 * tightness) + 0.18 * tightness + 0.10 * ripple
    return price


def _measured(data_dir: Path, midnight: datetime, days: int) -> FloatArray:
    """The same weeks of the year of the measured market, weekday on weekday, against its mean."""
    path = data_dir / PRICE_FILE
    if not path.is_file():
        raise ScenarioError([f"prices: spot: {path}: no such file; without --data the market is generated"])
    import pandas as pd

    table = pd.read_parquet(path)
    table = table[table["market"] == _MARKET].sort_values("time")
    price = table["price_per_mwh"].to_numpy(dtype=np.float64)
    first = pd.Timestamp(table["time"].iloc[0])
    first_monday = int(-first.weekday() % 7)
    week = midnight.timetuple().tm_yday // 7
    begin = (first_monday + 7 * week + midnight.weekday()) * int(HOURS_PER_DAY)
    index = (begin + np.arange(days * int(HOURS_PER_DAY))) % (len(price) - len(price) % (7 * int(HOURS_PER_DAY)))
    shape: FloatArray = price[index] / price.mean()
    return shape


def _autoregressive(n: int, memory: float, seed: int, name: str) -> FloatArray:
    """Standard normal values that forget over `memory` steps."""
    keep = float(np.exp(-1.0 / memory))
    kicks = seeded(seed, name).standard_normal(n)
    values = np.empty(n)
    last = kicks[0]
    for i, kick in enumerate(kicks):
        last = kick if i == 0 else keep * last + np.sqrt(1.0 - keep * keep) * kick
        values[i] = last
    return values
