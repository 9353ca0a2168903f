"""Vehicles that come to a charging station: cars that park, trucks that swap; the same ones whatever the step of a run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from vpp.park.plates import EvChargingPlate
from vpp.units import h_to_s

__all__ = ["PACK_MWH", "SWAP_SHARE", "Arrival", "Arrivals"]

#: Share of a day's energy that trucks swap, where there are bays. Assumption.
SWAP_SHARE: Final = 0.6
#: A truck's pack, and what an empty one asks at the meter: 282 kWh packs come back with about a quarter in them.
PACK_MWH: Final = 0.282
EMPTY_MEAN_FRAC: Final = 0.75
EMPTY_SPREAD: Final = 0.12
#: A car asks this at the meter on average (log-normal). Assumption.
CAR_MEAN_MWH: Final = 0.045
CAR_SPREAD: Final = 0.5
#: Share of the day's arrivals in each hour: trucks at changes of shift, cars over the day. Assumptions.
_TRUCKS: Final = (2, 2, 2, 2, 2, 3, 6, 8, 7, 5, 4, 4, 4, 5, 6, 7, 6, 5, 5, 5, 4, 3, 3, 2)
_CARS: Final = (1, 1, 1, 1, 1, 2, 3, 6, 8, 8, 6, 6, 7, 6, 5, 5, 6, 8, 7, 5, 4, 3, 2, 1)
#: Cars leave after a time between these shares of the plate's slack; packs are wanted again after the whole of it.
CAR_STAY: Final = (0.5, 1.3)
WEEKEND_FRAC: Final = 0.8
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Arrival:
    """One vehicle.

    Args:
        at_s: When, in seconds of the run.
        energy_mwh: What it wants, at the meter.
        leaves_s: By when.
        swaps: A truck that leaves an empty pack and takes a full one.
    """

    at_s: float
    energy_mwh: float
    leaves_s: float
    swaps: bool


class Arrivals:
    """Draws an hour's vehicles when the hour begins.

    Args:
        plate: Of the station.
        start: First instant (UTC).
        zone: Park time.
        rng: Its own stream.
    """

    def __init__(self, plate: EvChargingPlate, start: datetime, zone: ZoneInfo, rng: np.random.Generator) -> None:
        self._plate, self._start, self._zone, self._rng = plate, start, zone, rng
        self._drawn_until_s = 0.0
        self._coming: deque[Arrival] = deque()
        share = SWAP_SHARE if plate.swap_bays else 0.0
        self._trucks_per_day = share * plate.energy_mwh_per_day / (PACK_MWH * EMPTY_MEAN_FRAC)
        self._cars_per_day = (1.0 - share) * plate.energy_mwh_per_day / CAR_MEAN_MWH
        self.pack_mwh = PACK_MWH * EMPTY_MEAN_FRAC
        self.mean_mw = self._mean_mw(0.0)

    def until(self, end_s: float) -> list[Arrival]:
        """Those that come before an instant and have not been told yet."""
        while self._drawn_until_s < end_s:
            self._draw_hour()
        came: list[Arrival] = []
        while self._coming and self._coming[0].at_s < end_s:
            came.append(self._coming.popleft())
        return came

    def _draw_hour(self) -> None:
        begin_s = self._drawn_until_s
        hour_s = h_to_s(1.0)
        trucks, cars = self._rates(begin_s)
        self.mean_mw = self._mean_mw(begin_s)
        rng, found = self._rng, []
        for _ in range(int(rng.poisson(trucks))):
            spread = 1.0 + EMPTY_SPREAD * float(rng.uniform(-1.0, 1.0))
            at_s = begin_s + hour_s * float(rng.random())
            found.append(Arrival(at_s, PACK_MWH * EMPTY_MEAN_FRAC * spread, at_s + h_to_s(self._plate.slack_h), True))
        for _ in range(int(rng.poisson(cars))):
            at_s = begin_s + hour_s * float(rng.random())
            energy_mwh = CAR_MEAN_MWH * float(np.exp(CAR_SPREAD * rng.standard_normal() - 0.5 * CAR_SPREAD**2))
            stay_s = h_to_s(self._plate.slack_h * float(rng.uniform(*CAR_STAY)))
            found.append(Arrival(at_s, energy_mwh, at_s + stay_s, False))
        found.sort(key=lambda one: one.at_s)
        self._coming.extend(found)
        self._drawn_until_s += hour_s

    def _rates(self, at_s: float) -> tuple[float, float]:
        """Trucks and cars expected in the hour from an instant."""
        local = (self._start + timedelta(seconds=at_s)).astimezone(self._zone)
        week = WEEKEND_FRAC if local.weekday() >= _SATURDAY else 1.0 + 2.0 * (1.0 - WEEKEND_FRAC) / 5.0
        trucks = self._trucks_per_day * week * _TRUCKS[local.hour] / sum(_TRUCKS)
        cars = self._cars_per_day * week * _CARS[local.hour] / sum(_CARS)
        return trucks, cars

    def _mean_mw(self, at_s: float) -> float:
        trucks, cars = self._rates(at_s)
        return trucks * PACK_MWH * EMPTY_MEAN_FRAC + cars * CAR_MEAN_MWH
