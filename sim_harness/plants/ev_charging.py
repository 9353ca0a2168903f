"""Charging and swapping (充换电站): cars want their energy before they leave, packs before they are needed again.

Charging goes by the nearest deadline. What can no longer wait is charged whatever is commanded: that is the lower edge of the
station's tube; all that waits, through every charger, is its upper edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.arrivals import Arrivals
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.parking import Parking
from sim_harness.plants.station import Station
from vpp.park.plates import EvChargingPlate
from vpp.park.schema import Asset
from vpp.units import h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["EvCharging"]

#: Chargers take this share of what the meter sees. Assumption.
LOSS_FRAC: Final = 0.06
#: Packs that are full when the run begins. Assumption.
FULL_FIRST: Final = 0.8
#: What is due is looked up this often, and the tube tells it for the hour to come. [s]
_LOOK_S: Final = 60.0
_EPS_MW: Final = 1e-9


class EvCharging(Station):
    """The station: chargers, bays and its own scheduler.

    Without any command everybody is charged as fast as the station can. A `Target` or a `Limit` holds charging back, down to what
    is due. A truck that finds no full pack goes on without one and is counted.

    Args:
        asset: With a charging plate.
        start: First instant (UTC).
        zone: Park time.
        rng: Its own stream: who comes.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo, rng: np.random.Generator) -> None:
        plate: EvChargingPlate = asset.plate
        super().__init__(asset, start)
        self._plate = plate
        self._arrivals = Arrivals(plate, start, zone, rng)
        self._parking = Parking(plate.power_mw)
        self._full_packs = round(FULL_FIRST * plate.swap_bays)
        for _ in range(plate.swap_bays - self._full_packs):
            self._parking.park(0.5 * self._arrivals.pack_mwh, h_to_s(plate.slack_h) * float(rng.random()), is_pack=True)
        self._first_mwh = self._parking.waiting_mwh
        self._time_s = 0.0
        self._cap_mw = math.inf
        self._intended_mw = self._due_mw = 0.0
        self._energy_mwh = self._arrived_mwh = self._undelivered_mwh = self._delayed_mwh_h = self._missed_swap_mwh = 0.0
        self._swaps = self._missed_swaps = self._cars = self._left_short = 0

    def intend(self, ambient: Ambient) -> Intent:
        """Vehicles come; all that waits is charged, under the cap, but never less than what is due."""
        dt_s = ambient.dt_s
        self._receive(dt_s)
        most_mw = self._parking.most_mw(dt_s)
        wanted_mw = most_mw
        if self._cap_mw < most_mw:
            self._due_mw = self._parking.due_mw(self._time_s, dt_s)
            wanted_mw = min(most_mw, max(self._cap_mw, self._due_mw))
        self._intended_mw = min(wanted_mw, self._plate.power_mw)
        return Intent(self._intended_mw, self._intended_mw, self._intended_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Charge by deadline; who has to go, goes."""
        dt_s, dt_h = ambient.dt_s, s_to_h(ambient.dt_s)
        parking = self._parking
        waiting_mwh = parking.waiting_mwh
        charged_mwh = power_mw * dt_h
        scarce = self._cap_mw < self._plate.power_mw or power_mw < self._intended_mw - _EPS_MW
        packs_done = parking.charge(charged_mwh, self._time_s, dt_s, scarce=scarce)
        self._full_packs += packs_done
        self._energy_mwh += charged_mwh
        self._delayed_mwh_h += max(0.0, waiting_mwh - charged_mwh) * dt_h
        self._time_s += dt_s
        if parking.first_leaves_s <= self._time_s:
            short_mwh, count = parking.leave(self._time_s)
            self._undelivered_mwh += short_mwh
            self._left_short += count
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy at the meter, and what vehicles got and missed since the run began.

        `undelivered_mwh` is what cars lacked when they left; `missed_swap_mwh` what trucks without a pack would have taken;
        `delayed_mwh_h` is waiting energy times the hours it waited.
        """
        return {
            "energy_mwh": self._energy_mwh,
            "arrived_mwh": self._arrived_mwh,
            "delivered_mwh": self._energy_mwh,
            "charger_lost_mwh": LOSS_FRAC * self._energy_mwh,
            "undelivered_mwh": self._undelivered_mwh,
            "missed_swap_mwh": self._missed_swap_mwh,
            "delayed_mwh_h": self._delayed_mwh_h,
            "swaps": float(self._swaps),
            "missed_swaps": float(self._missed_swaps),
            "cars": float(self._cars),
            "left_short": float(self._left_short),
        }

    def stock(self) -> Mapping[str, float]:
        """What still wants to be charged, and the packs that are full."""
        return {"waiting_mwh": self._parking.waiting_mwh, "full_packs": float(self._full_packs)}

    def balances(self) -> tuple[Balance, ...]:
        """What came wanting is charged, waits, or left short; every bay has its pack."""
        waiting_mwh = self._parking.waiting_mwh - self._first_mwh
        residual = self._arrived_mwh - self._energy_mwh - waiting_mwh - self._undelivered_mwh
        packs = self._plate.swap_bays - self._full_packs - self._parking.packs
        return (
            Balance(f"{self.asset_id}.energy", residual, self._arrived_mwh + self._first_mwh, "MWh"),
            Balance(f"{self.asset_id}.packs", float(packs), float(self._plate.swap_bays), "packs"),
        )

    def read(self) -> Reading:
        """The tube's edges under the names the planner knows, and the bays."""
        parking, dt_s = self._parking, _LOOK_S
        state = {
            "waiting_mwh": parking.waiting_mwh,
            "arriving_mw": self._arrivals.mean_mw,
            "due_mw": min(self._plate.power_mw, parking.due_mw(self._time_s, dt_s)) if self._capped else self._power_mw,
            "full_packs": float(self._full_packs),
            "vehicles": float(parking.count),
        }
        return self._reading(state, {"max_power_mw": self._plate.power_mw})

    def safe_power_mw(self) -> float:
        """All that waits, as without a command: nobody leaves short because nobody spoke."""
        return min(self._plate.power_mw, self._parking.most_mw(_LOOK_S))

    @property
    def arrivals(self) -> Arrivals:
        """Who comes, in the order of time."""
        return self._arrivals

    @property
    def _capped(self) -> bool:
        return self._cap_mw < self._plate.power_mw

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        del ramp_mw_per_min
        match setpoint:
            case Target(power_mw=asked_mw):
                pass
            case Limit(max_power_mw=asked_mw):
                pass
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target or a limit")
        self._cap_mw = max(0.0, asked_mw)
        most_mw = min(self._plate.power_mw, self._parking.most_mw(_LOOK_S))
        due_mw = min(most_mw, self._parking.due_mw(self._time_s, _LOOK_S))
        if asked_mw < due_mw - _EPS_MW:
            return clamped(due_mw, "due", f"{due_mw:.3f} MW can wait no longer")
        if isinstance(setpoint, Target) and asked_mw > most_mw + _EPS_MW:
            return clamped(most_mw, "waiting", f"{self._parking.count} vehicles and packs take {most_mw:.3f} MW")
        return accepted(min(asked_mw, most_mw))

    def _receive(self, dt_s: float) -> None:
        for one in self._arrivals.until(self._time_s + 0.5 * dt_s):
            if not one.swaps:
                self._cars += 1
            elif self._full_packs < 1:
                self._missed_swaps += 1
                self._missed_swap_mwh += one.energy_mwh
                continue
            else:
                self._swaps += 1
                self._full_packs -= 1
            self._arrived_mwh += one.energy_mwh
            self._parking.park(one.energy_mwh, one.leaves_s, is_pack=one.swaps)
