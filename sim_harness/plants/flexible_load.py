"""A load that runs anywhere in its band, such as carbon capture (碳捕集): its column is slow to warm, and poor at part load."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sim_harness.plants.band_station import Band, BandStation
from sim_harness.plants.base import Ambient, Balance
from vpp.park.plates import FlexibleLoadPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, h_to_s, s_to_h

__all__ = ["FlexibleLoad"]

#: The process answers power with this delay: absorber, rich solvent, stripper. Assumption.
PROCESS_TIME_H: Final = 0.4
#: Pumps, fans and the compressor's recycle draw this share of rating whatever is captured. Assumption.
FIXED_FRAC: Final = 0.12


class FlexibleLoad(BandStation):
    """The process and its machines.

    Args:
        asset: With a flexible load plate.
        start: First instant (UTC).
        zone: Park time.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo) -> None:
        plate: FlexibleLoadPlate = asset.plate
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
        super().__init__(asset, band, start, zone)
        self._fixed_mw = FIXED_FRAC * min(rated_mw, band.quota_mw)
        # At the quota's power the product is the power itself, so that a works that runs evenly makes its quota.
        self._gain = band.quota_mw / (band.quota_mw - self._fixed_mw) if band.quota_mw > 0.0 else 1.0
        self._useful_mw = max(0.0, self._power_mw - self._fixed_mw)
        self._first_mwh = self._held_mwh
        self._fixed_mwh = self._made_mwh = 0.0

    @property
    def _held_mwh(self) -> float:
        return self._useful_mw * PROCESS_TIME_H

    def _process(self, power_mw: float, ambient: Ambient) -> float:
        dt_h = s_to_h(ambient.dt_s)
        fixed_mw = min(power_mw, self._fixed_mw)
        feed_mw = power_mw - fixed_mw
        x = dt_h / PROCESS_TIME_H
        gone = -math.expm1(-x)
        out_mwh = (feed_mw + (self._useful_mw - feed_mw) * gone / x) * dt_h
        self._useful_mw += (feed_mw - self._useful_mw) * gone
        self._fixed_mwh += fixed_mw * dt_h
        self._made_mwh += out_mwh
        return out_mwh * self._gain

    def _laws(self) -> tuple[Balance, ...]:
        energy = self._energy_mwh - self._fixed_mwh - self._made_mwh - (self._held_mwh - self._first_mwh)
        return (Balance(f"{self.asset_id}.energy", energy, self._energy_mwh + self._first_mwh, "MWh"),)

    def _own_totals(self) -> dict[str, float]:
        return {"fixed_mwh": self._fixed_mwh}

    def _own_state(self) -> dict[str, float]:
        return {"output_mw": self._useful_mw * self._gain}
