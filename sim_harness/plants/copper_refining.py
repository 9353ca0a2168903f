"""Copper electrorefining (铜电解精炼): power becomes heat of the bath, and the cathode remembers an uneven current."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sim_harness.plants.band_station import Band, BandStation
from sim_harness.plants.base import Ambient, Balance
from vpp.park.plates import CopperRefiningPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, h_to_s, s_to_h

__all__ = ["CopperRefining"]

#: Of the works' power, the electrolysis itself; the rest is melting, casting and pumps in proportion. Assumption.
CELL_FRAC: Final = 0.75
#: Energy of a tonne of cathode at rating, the whole works counted. [MWh/t] Assumption.
RATED_MWH_PER_T: Final = 0.42
#: Bath: set-point, hall, time constant, and how much of its loss at rating steam can make up at low current. Assumptions.
BATH_C: Final = 62.0
HALL_C: Final = 20.0
BATH_TIME_H: Final = 12.0
STEAM_FRAC: Final = 0.4
#: Nodules: current away from its own mean of the last hours, or above rating, spoils this share of the cathodes. Inside the band,
#: moved now and then, next to nothing is spoilt; a restless current or a standstill spoils much. Assumptions.
SMOOTH_H: Final = 3.0
TOLERATED_SWING: Final = 0.05
OFF_GRADE_PER_SWING: Final = 0.6
OFF_GRADE_PER_OVERLOAD: Final = 0.3
OFF_GRADE_PER_C: Final = 0.02
TOLERATED_C: Final = 2.0
MOST_OFF_GRADE: Final = 0.6


class CopperRefining(BandStation):
    """The tank house and what belongs to it.

    Args:
        asset: With a copper plate.
        start: First instant (UTC).
        zone: Park time.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo) -> None:
        plate: CopperRefiningPlate = asset.plate
        rated_mw = plate.rated_mw
        band = Band(
            low_mw=plate.min_frac * rated_mw,
            high_mw=plate.max_frac * rated_mw,
            floor_mw=plate.min_frac * rated_mw,
            quota_mw=plate.quota_frac * rated_mw,
            excursion_s=0.0,
            recovery_s=0.0,
            ramp_mw_per_s=plate.ramp_frac_per_min * rated_mw * MINUTES_PER_HOUR / h_to_s(1.0),
        )
        self._rated_mw = rated_mw
        super().__init__(asset, band, start, zone)
        self._bath_c = self._first_c = BATH_C
        self._loss_mw_per_c = CELL_FRAC * rated_mw / (BATH_C - HALL_C)
        self._heat_mwh_per_c = self._loss_mw_per_c * BATH_TIME_H
        self._usual = _current(self._power_mw / rated_mw)
        self._good_mwh = self._off_grade_mwh = self._cell_mwh = self._other_mwh = self._lost_mwh = self._steam_mwh = 0.0

    def _process(self, power_mw: float, ambient: Ambient) -> float:
        dt_h = s_to_h(ambient.dt_s)
        current = _current(power_mw / self._rated_mw)
        swing = abs(current - self._usual)
        self._usual += (current - self._usual) * -math.expm1(-dt_h / SMOOTH_H)
        spoilt = OFF_GRADE_PER_SWING * max(0.0, swing - TOLERATED_SWING)
        spoilt += OFF_GRADE_PER_OVERLOAD * max(0.0, current - 1.0)
        spoilt += OFF_GRADE_PER_C * max(0.0, abs(self._bath_c - BATH_C) - TOLERATED_C)
        off_grade = min(MOST_OFF_GRADE, spoilt)
        cell_mwh = CELL_FRAC * power_mw * dt_h
        self._cell_mwh += cell_mwh
        self._other_mwh += (1.0 - CELL_FRAC) * power_mw * dt_h
        self._warm(cell_mwh, dt_h)
        made_mwh = current * self._rated_mw * dt_h
        self._off_grade_mwh += off_grade * made_mwh
        self._good_mwh += (1.0 - off_grade) * made_mwh
        # The quota counts cathodes; what is off grade is told apart and priced apart.
        return made_mwh

    def _warm(self, heat_mwh: float, dt_h: float) -> None:
        """The bath towards where heat and loss meet, exactly for steps of any length; steam helps as far as it can."""
        whole_mw = self._loss_mw_per_c * (BATH_C - HALL_C)
        heat_mw = heat_mwh / dt_h
        steam_mw = min(STEAM_FRAC * whole_mw, max(0.0, whole_mw - heat_mw))
        self._steam_mwh += steam_mw * dt_h
        rest_c = HALL_C + (heat_mw + steam_mw) / self._loss_mw_per_c
        x = dt_h / BATH_TIME_H
        gone = -math.expm1(-x)
        mean_c = rest_c + (self._bath_c - rest_c) * gone / x
        self._lost_mwh += self._loss_mw_per_c * (mean_c - HALL_C) * dt_h
        self._bath_c += (rest_c - self._bath_c) * gone

    def _laws(self) -> tuple[Balance, ...]:
        split = self._energy_mwh - self._cell_mwh - self._other_mwh
        heat = self._cell_mwh + self._steam_mwh - self._lost_mwh - (self._bath_c - self._first_c) * self._heat_mwh_per_c
        return (
            Balance(f"{self.asset_id}.energy", split, self._energy_mwh, "MWh"),
            Balance(f"{self.asset_id}.heat", heat, self._cell_mwh, "MWh"),
        )

    def _own_totals(self) -> dict[str, float]:
        return {
            "copper_t": self._good_mwh / RATED_MWH_PER_T,
            "off_grade_t": self._off_grade_mwh / RATED_MWH_PER_T,
            "off_grade_mwh": self._off_grade_mwh,
            "steam_mwh": self._steam_mwh,
        }

    def _own_state(self) -> dict[str, float]:
        return {"bath_c": self._bath_c, "swing_frac": abs(_current(self._power_mw / self._rated_mw) - self._usual)}


def _current(power_frac: float) -> float:
    """Share of rated current: the bath is a resistance, but for a tenth of its voltage."""
    return 2.0 * power_frac / (0.1 + math.sqrt(0.01 + 3.6 * power_frac))
