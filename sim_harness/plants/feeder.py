"""An interruptible feeder (可中断负荷馈线): customers behind a breaker that opens by contract, and now and then does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.drift import Drift
from sim_harness.plants.station import Station
from vpp.park.plates import FeederPlate
from vpp.park.schema import Asset
from vpp.units import HOURS_PER_DAY, MINUTES_PER_HOUR, h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Switch, Target

__all__ = ["Feeder"]

#: A breaker that was told to open stays closed with this chance: relay, spring, interlock. Assumption.
REFUSAL_CHANCE: Final = 0.02
#: Customers behind an interruptible feeder: share of the contract at night and by day, and their whims. Assumptions.
NIGHT_FRAC: Final = 0.75
DAY_FRAC: Final = 0.97
NOISE_FRAC: Final = 0.03
NOISE_MEMORY_H: Final = 0.5
#: The clock is looked at this often. [s]
PROFILE_S: Final = 600.0
#: After power is back the customers' machines start one after the other. [s]
PICKUP_S: Final = 120.0


class Feeder(Station):
    """Breaker, relay and what hangs on them.

    It takes `Switch`. Opening uses up one of the year's calls; the year's hours end an interruption by themselves. A park year
    begins with the run: what was called before it is not known.

    Args:
        asset: With a feeder plate.
        start: First instant (UTC).
        zone: Park time.
        rng: Its own stream: customers and breaker.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo, rng: np.random.Generator) -> None:
        plate: FeederPlate = asset.plate
        self._plate, self._zone, self._rng = plate, zone, rng
        self._noise = Drift(NOISE_FRAC, NOISE_MEMORY_H, rng)
        self._profile_until_s = 0.0
        self._profile_mw = 0.0
        self._closed = True
        self._move_s = 0.0
        self._back_s = math.inf
        self._calls_left, self._open_left_s = plate.calls_per_year, h_to_s(plate.hours_per_year)
        self._demand_mw = self._intended_mw = self._look(start, 0.0)
        super().__init__(asset, start, self._demand_mw)
        self._demand_mwh = self._served_mwh = self._interrupted_mwh = self._unserved_mwh = self._open_s = 0.0
        self._calls = self._refusals = 0

    def intend(self, ambient: Ambient) -> Intent:
        """What the customers draw; the breaker takes its time, and the contract's hours end an interruption."""
        dt_s = ambient.dt_s
        self._demand_mw = demand_mw = self._look(ambient.at, dt_s)
        if not self._closed and self._open_left_s <= 0.0:
            self._close()
        if self._closed:
            # Machines come back over the pick-up time: the mean of a rising share over the step.
            share = 1.0
            if self._back_s < PICKUP_S:
                rising_s = min(dt_s, PICKUP_S - self._back_s)
                low = self._back_s / PICKUP_S
                share = (rising_s * (low + 0.5 * rising_s / PICKUP_S) + (dt_s - rising_s)) / dt_s
            self._back_s += dt_s
        else:
            share = min(1.0, self._move_s / dt_s)
            open_s = dt_s - share * dt_s
            if open_s > self._open_left_s:
                share += (open_s - self._open_left_s) / dt_s
            self._move_s = max(0.0, self._move_s - dt_s)
        self._intended_mw = demand_mw * share
        return Intent(self._intended_mw, 0.0, self._intended_mw, PushOrder.SHEDDING)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Book what was served, what the contract took and what nobody had agreed to."""
        dt_s, dt_h = ambient.dt_s, s_to_h(ambient.dt_s)
        self._demand_mwh += self._demand_mw * dt_h
        self._served_mwh += power_mw * dt_h
        self._interrupted_mwh += (self._demand_mw - self._intended_mw) * dt_h
        self._unserved_mwh += max(0.0, self._intended_mw - power_mw) * dt_h
        if not self._closed and self._demand_mw > 0.0:
            open_s = dt_s * (1.0 - self._intended_mw / self._demand_mw)
            self._open_s += open_s
            self._open_left_s = max(0.0, self._open_left_s - open_s)
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy of the customers, calls, hours and refusals since the run began."""
        return {
            "demand_mwh": self._demand_mwh,
            "served_mwh": self._served_mwh,
            "interrupted_mwh": self._interrupted_mwh,
            "unserved_mwh": self._unserved_mwh,
            "calls": float(self._calls),
            "open_s": self._open_s,
            "refusals": float(self._refusals),
        }

    def stock(self) -> Mapping[str, float]:
        """What is left of the contract's year."""
        return {"calls_left": float(self._calls_left), "hours_left_h": s_to_h(self._open_left_s)}

    def balances(self) -> tuple[Balance, ...]:
        """Demand is served, interrupted by contract, or lost."""
        residual = self._demand_mwh - self._served_mwh - self._interrupted_mwh - self._unserved_mwh
        return (Balance(f"{self.asset_id}.demand", residual, self._demand_mwh, "MWh"),)

    def read(self) -> Reading:
        """The breaker, the contract, and what the customers would draw (an estimate while it is open)."""
        state = {
            "closed": 1.0 if self._closed else 0.0,
            "demand_mw": self._demand_mw if self._closed else self._profile_mw,
            "calls_left": float(self._calls_left),
            "hours_left_h": s_to_h(self._open_left_s),
        }
        return self._reading(state, {"max_power_mw": self._plate.power_mw})

    def safe_power_mw(self) -> float:
        """Supplied: an interruption never goes on because nobody ended it."""
        return self._demand_mw

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        del ramp_mw_per_min
        match setpoint:
            case Switch(closed=True):
                self._close()
                return accepted(self._demand_mw)
            case Switch():
                return self._open()
            case Limit(max_power_mw=cap_mw) | Target(power_mw=cap_mw):
                if cap_mw >= self._demand_mw - 1e-9:
                    self._close()
                    return accepted(self._demand_mw)
                answer = self._open()
                if cap_mw > 0.0 and answer.outcome == "accepted":
                    return clamped(0.0, "breaker", "a breaker is open or closed, nothing between")
                return answer
            case _:
                return rejected_kind(self._power_mw, setpoint, "a feeder takes Switch")

    def _open(self) -> Applied:
        if not self._closed:
            return accepted(0.0)
        if self._calls_left < 1:
            return rejected(self._power_mw, "calls_exhausted", f"all {self._plate.calls_per_year} calls of the year are used")
        if self._open_left_s <= 0.0:
            return rejected(self._power_mw, "hours_exhausted", f"all {self._plate.hours_per_year:g} h of the year are used")
        if self._rng.random() < REFUSAL_CHANCE:
            self._refusals += 1
            return rejected(self._power_mw, "breaker_refused", "the breaker did not open; ask again")
        self._closed, self._move_s = False, self._plate.breaker_s
        self._calls += 1
        self._calls_left -= 1
        return accepted(0.0)

    def _close(self) -> None:
        if not self._closed:
            self._closed, self._back_s = True, 0.0

    def _look(self, at: datetime, dt_s: float) -> float:
        """Demand now: the clock's share of the contract and the customers' whims, never above the contract."""
        self._profile_until_s -= dt_s
        if self._profile_until_s <= 0.0:
            local = at.astimezone(self._zone)
            day = 0.5 - 0.5 * math.cos(2.0 * math.pi * (local.hour + local.minute / MINUTES_PER_HOUR - 2.0) / HOURS_PER_DAY)
            self._profile_mw = self._plate.power_mw * (NIGHT_FRAC + (DAY_FRAC - NIGHT_FRAC) * day)
            self._profile_until_s = PROFILE_S
        wander = self._noise.step(dt_s) if dt_s else self._noise.value
        return min(self._plate.power_mw, max(0.0, self._profile_mw * (1.0 + wander)))
