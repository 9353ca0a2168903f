"""Zinc electrowinning (锌电积): deposit by Faraday, re-dissolution that never sleeps, and a cell house that must stay cool.

Per unit of rated current a cell needs `E + R i` of its rated voltage, so power is `i (E + R i)` of rating. Zinc grows with the
current and dissolves again with the acid: what is left of both is the product. A long time near the protective current lets local
cells form, and dissolution grows.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sim_harness.plants.band_station import Band, BandStation
from sim_harness.plants.base import Ambient, Balance
from vpp.park.plates import ZincElectrowinningPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, h_to_s, s_to_h

__all__ = ["ZincElectrowinning"]

#: Decomposition voltage and overpotentials as a share of the voltage at rating (about 2.1 of 3.3 V). Assumption.
EMF_FRAC: Final = 0.64
#: Share of the power at rating that leaves as bound energy: reversible 1.99 V of 3.3 V.
BOUND_FRAC: Final = 0.60
#: Energy of a tonne of cathode zinc at rating; the trade's 3,000-3,300 kWh/t. [MWh/t]
RATED_MWH_PER_T: Final = 3.15
#: Dissolution current at the protective power, as a share of the current there: the plate keeps a margin. Assumption.
PROTECTED_MARGIN: Final = 0.65
#: Dissolution grows with every degree above the cell house's set-point, and up to so many times in a cell left alone.
DISSOLUTION_PER_C: Final = 0.03
NEGLECT_GAIN: Final = 4.0
NEGLECT_S: Final = 2_400.0
#: Cell house: set-point, coolest electrolyte, time constant; cooling towers weaken above this outdoor temperature. Assumptions.
CELL_C: Final = 38.0
HALL_C: Final = 20.0
CELL_TIME_H: Final = 5.0
COOLING_MARGIN: Final = 1.05
TOWER_WEAK_ABOVE_C: Final = 24.0
TOWER_C_PER_C: Final = 0.35


class ZincElectrowinning(BandStation):
    """The cell house and its rectifiers.

    Args:
        asset: With a zinc plate.
        start: First instant (UTC).
        zone: Park time.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo) -> None:
        plate: ZincElectrowinningPlate = asset.plate
        rated_mw = plate.rated_mw
        band = Band(
            low_mw=plate.min_frac * rated_mw,
            high_mw=plate.max_frac * rated_mw,
            floor_mw=min(plate.protective_frac, plate.min_frac) * rated_mw,
            quota_mw=plate.quota_frac * rated_mw,
            excursion_s=plate.reduction_max_s,
            recovery_s=plate.reduction_max_s,
            ramp_mw_per_s=plate.ramp_frac_per_min * rated_mw * MINUTES_PER_HOUR / h_to_s(1.0),
        )
        self._rated_mw, self._protective_mw = rated_mw, band.floor_mw
        self._dissolving = PROTECTED_MARGIN * _current(plate.protective_frac)
        self._rated_net = 1.0 - self._dissolving
        super().__init__(asset, band, start, zone)
        self._cell_c, self._first_c = CELL_C, CELL_C
        # Heat at rating holds the set-point against full cooling at the tower's design day, with a little in hand.
        heat_mw = COOLING_MARGIN * rated_mw * (1.0 - BOUND_FRAC * self._rated_net)
        self._cooling_mw_per_c = heat_mw / (CELL_C - HALL_C)
        self._heat_mwh_per_c = self._cooling_mw_per_c * CELL_TIME_H
        self._neglect = 0.0
        self._gross = self._dissolved = self._net = 0.0
        self._bound_mwh = self._cooled_mwh = self._below_protective_mwh = 0.0

    def _process(self, power_mw: float, ambient: Ambient) -> float:
        dt_s, dt_h, rated_mw = ambient.dt_s, s_to_h(ambient.dt_s), self._rated_mw
        current = _current(power_mw / rated_mw)
        forgets = -math.expm1(-dt_s / NEGLECT_S)
        self._neglect += ((1.0 if power_mw < self._band.low_mw else 0.0) - self._neglect) * forgets
        warm = max(0.2, 1.0 + DISSOLUTION_PER_C * (self._cell_c - CELL_C))
        dissolving = self._dissolving * warm * (1.0 + NEGLECT_GAIN * self._neglect * self._neglect)
        net = current - dissolving
        self._gross += current * dt_h
        self._dissolved += dissolving * dt_h
        self._net += net * dt_h
        bound_mw = net * BOUND_FRAC * rated_mw
        self._bound_mwh += bound_mw * dt_h
        self._cool(power_mw - bound_mw, ambient.temperature_c, dt_h)
        self._below_protective_mwh += max(0.0, self._protective_mw - power_mw) * dt_h
        # Product counts in MWh at rating: what a megawatt-hour there brings onto the cathode.
        return net / self._rated_net * rated_mw * dt_h

    def _cool(self, heat_mw: float, outdoor_c: float, dt_h: float) -> None:
        """Electrolyte towards where heat and cooling meet, exactly for steps of any length; the set-point valve throttles."""
        sink_c = HALL_C + TOWER_C_PER_C * max(0.0, outdoor_c - TOWER_WEAK_ABOVE_C)
        per_c = self._cooling_mw_per_c
        if self._cell_c < CELL_C and heat_mw < per_c * (CELL_C - sink_c):
            # Below the set-point the towers are by-passed; half of their effect is lost to the hall all the same.
            per_c *= 0.5
        rest_c = sink_c + heat_mw / per_c
        x = dt_h * per_c / self._heat_mwh_per_c
        gone = -math.expm1(-x)
        mean_c = rest_c + (self._cell_c - rest_c) * gone / x
        self._cooled_mwh += per_c * (mean_c - sink_c) * dt_h
        self._cell_c += (rest_c - self._cell_c) * gone

    def _laws(self) -> tuple[Balance, ...]:
        warmed_mwh = (self._cell_c - self._first_c) * self._heat_mwh_per_c
        energy = self._energy_mwh - self._bound_mwh - self._cooled_mwh - warmed_mwh
        charge = self._gross - self._dissolved - self._net
        return (
            Balance(f"{self.asset_id}.energy", energy, self._energy_mwh, "MWh"),
            Balance(f"{self.asset_id}.charge", charge, self._gross, "rated hours"),
        )

    def _own_totals(self) -> dict[str, float]:
        per_hour_t = self._rated_mw / RATED_MWH_PER_T / self._rated_net
        return {
            "zinc_t": self._net * per_hour_t,
            "redissolved_t": self._dissolved * per_hour_t,
            "below_protective_mwh": self._below_protective_mwh,
        }

    def _own_state(self) -> dict[str, float]:
        return {"cell_c": self._cell_c}


def _current(power_frac: float) -> float:
    """Share of rated current at a share of rated power: `i (E + R i) = p`, in the form that loses no digits."""
    rest = 1.0 - EMF_FRAC
    return 2.0 * power_frac / (EMF_FRAC + math.sqrt(EMF_FRAC * EMF_FRAC + 4.0 * rest * power_frac))
