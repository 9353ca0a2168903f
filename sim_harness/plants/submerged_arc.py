"""Submerged-arc furnaces (矿热炉): each keeps its own heat, its own electrodes, and its own account of how long it may stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.drift import Drift
from sim_harness.plants.glide import ramp_mw_per_s
from sim_harness.plants.hearth import LOSS_FRAC, Hearth
from sim_harness.plants.quota import QuotaBook
from sim_harness.plants.station import Station
from vpp.park.plates import SubmergedArcPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["SubmergedArc"]

#: Energy of a tonne of alloy at rating; between high-carbon ferro-manganese (2.5) and ferro-silicon (8.5). [MWh/t] Assumption.
RATED_MWH_PER_T: Final = 4.2
#: Resistance under the electrodes wanders: spread and memory of the power. Assumptions.
NOISE_FRAC: Final = 0.015
NOISE_MEMORY_H: Final = 0.05
_EPS_MW: Final = 1e-9


class SubmergedArc(Station):
    """All furnaces of the works.

    Without any command they run at the pace that makes the day's quota. A `Target` or `Limit` is shared over the furnaces; below
    the sum of their least powers some are held, arc off, each for at most its plate's time, and then needs hours to recover.

    Args:
        asset: With a submerged-arc plate.
        start: First instant (UTC).
        zone: Park time.
        rng: Its own stream: electrodes and noise.
    """

    def __init__(self, asset: Asset, start: datetime, zone: ZoneInfo, rng: np.random.Generator) -> None:
        plate: SubmergedArcPlate = asset.plate
        self._plate = plate
        rated_mw = plate.furnaces * plate.furnace_mw
        self._low_mw, self._high_mw = plate.min_frac * rated_mw, plate.max_frac * rated_mw
        first_mw = min(max(plate.quota_frac * rated_mw, self._low_mw), self._high_mw)
        super().__init__(asset, start, first_mw)
        self._rated_mw, self._rate_mw_per_s = rated_mw, plate.ramp_frac_per_min * rated_mw * MINUTES_PER_HOUR / h_to_s(1.0)
        self._own_rate_mw_per_s = self._rate_mw_per_s
        self._quota = QuotaBook(plate.quota_frac * rated_mw, start, zone)
        self._hearths = tuple(Hearth(plate, first_mw / plate.furnaces, rng) for _ in range(plate.furnaces))
        self._noise = Drift(NOISE_FRAC, NOISE_MEMORY_H, rng)
        self._setpoint: Target | Limit | None = None
        self._intended_mw = first_mw
        self._energy_mwh = self._unserved_mwh = 0.0

    def intend(self, ambient: Ambient) -> Intent:
        """Furnaces are held or let go, electrodes move; arcs wander around what is asked."""
        dt_s, count = ambient.dt_s, len(self._hearths)
        wanted_mw = self._wanted_mw()
        held = self._hold(wanted_mw, dt_s)
        each_mw = wanted_mw / (count - held) if held < count else 0.0
        rate = self._rate_mw_per_s / count
        noise = 1.0 + self._noise.step(dt_s)
        self._intended_mw = sum(hearth.draw(each_mw, rate, dt_s) for hearth in self._hearths) * noise
        return Intent(self._intended_mw, self._intended_mw, self._intended_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Melt with what is there; what a blackout takes is taken from every furnace alike."""
        dt_s, dt_h = ambient.dt_s, s_to_h(ambient.dt_s)
        share = power_mw / self._intended_mw if self._intended_mw > _EPS_MW else 0.0
        self._unserved_mwh += max(0.0, self._intended_mw - power_mw) * dt_h
        # The noise of all arcs together is spread over them by their power.
        whole_mw = sum(hearth.drawn_mw for hearth in self._hearths)
        scale = share * self._intended_mw / whole_mw if whole_mw > _EPS_MW else 0.0
        made_mwh = sum(hearth.melt(hearth.drawn_mw * scale, dt_s, cut=share < 0.999) for hearth in self._hearths)
        self._energy_mwh += power_mw * dt_h
        self._quota.book(made_mwh / (1.0 - LOSS_FRAC), dt_s)
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy, quota, holds and what they cost the furnaces since the run began; `hold_s` counts each furnace."""
        hearths = self._hearths
        return {
            "energy_mwh": self._energy_mwh,
            "unserved_mwh": self._unserved_mwh,
            **self._quota.totals(),
            "alloy_t": sum(h.useful_mwh for h in hearths) / (1.0 - LOSS_FRAC) / RATED_MWH_PER_T,
            "holds": float(sum(h.holds for h in hearths)),
            "hold_s": sum(h.hold_s for h in hearths),
            "held_mwh": sum(h.held_mwh for h in hearths),
            "reheat_mwh": sum(h.reheat_mwh for h in hearths),
            "overlong_holds": float(sum(h.overlong for h in hearths)),
            "electrode_slips": float(sum(h.slips for h in hearths)),
            "electrode_breaks": float(sum(h.breaks for h in hearths)),
        }

    def stock(self) -> Mapping[str, float]:
        """`owed_mwh` behind today's pace, and the heat the hearths lack."""
        return {"owed_mwh": self._quota.owed_mwh, "chill_mwh": sum(h.chill_mwh for h in self._hearths)}

    def balances(self) -> tuple[Balance, ...]:
        """Energy melts, is lost through the shell, or warms what a hold has cooled; quota is delivered or not."""
        hearths = self._hearths
        used_mwh = sum(h.useful_mwh + h.lost_mwh - h.chill_mwh for h in hearths)
        lost_mwh = sum(h.lost_mwh for h in hearths)
        return (
            Balance(f"{self.asset_id}.energy", self._energy_mwh - used_mwh, self._energy_mwh + lost_mwh, "MWh"),
            Balance(f"{self.asset_id}.quota", self._quota.residual_mwh, self._quota.quota_mwh + self._energy_mwh, "MWh"),
        )

    def read(self) -> Reading:
        """Power, quota, and how long furnaces may still be held."""
        hearths, plate = self._hearths, self._plate
        state = {
            "power_mw": self._power_mw,
            "quota_left_mwh": self._quota.left_mwh,
            "owed_mwh": self._quota.owed_mwh,
            "excursion_left_h": s_to_h(max(h.hold_left_s for h in hearths)),
            "recovery_left_h": s_to_h(min(h.rest_s for h in hearths)),
            "furnaces_held": float(sum(h.holding for h in hearths)),
            "furnaces_rested": float(sum(h.rest_s <= 0.0 and not h.holding for h in hearths)),
        }
        rested_mw = sum(plate.min_frac * plate.furnace_mw for h in hearths if h.may_hold(0.0))
        return self._reading(state, {"min_power_mw": max(0.0, self._low_mw - rested_mw), "max_power_mw": self._high_mw})

    def safe_power_mw(self) -> float:
        """All furnaces at their least: a hold is nobody's safe state."""
        return self._low_mw

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        match setpoint:
            case Target():
                asked_mw = setpoint.power_mw
            case Limit():
                asked_mw = min(setpoint.max_power_mw, max(self._own_mw(), self._low_mw))
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target or a limit")
        self._setpoint = setpoint
        self._rate_mw_per_s = ramp_mw_per_s(self._own_rate_mw_per_s, ramp_mw_per_min)
        if asked_mw > self._high_mw + _EPS_MW:
            return clamped(self._high_mw, "band", f"at most {self._high_mw:g} MW")
        least_mw = self._low_mw - sum(self._plate.min_frac * self._plate.furnace_mw for h in self._hearths if h.may_hold(0.0))
        if asked_mw < least_mw - 1e-6:
            text = f"of {len(self._hearths)} furnaces those that were held recover and run at {least_mw:g} MW at least"
            return clamped(max(0.0, least_mw), "recovering", text)
        return accepted(max(0.0, asked_mw))

    def _own_mw(self) -> float:
        return min(max(self._quota.pace_mw(), self._low_mw), self._high_mw)

    def _wanted_mw(self) -> float:
        match self._setpoint:
            case Target():
                return min(max(0.0, self._setpoint.power_mw), self._high_mw)
            case Limit():
                return min(self._own_mw(), self._setpoint.max_power_mw)
            case _:
                return self._own_mw()

    def _hold(self, wanted_mw: float, dt_s: float) -> int:
        """Hold as few furnaces as bring the rest into its band; how many are held."""
        least_mw = self._plate.min_frac * self._plate.furnace_mw
        count = len(self._hearths)
        needed = 0 if wanted_mw >= self._low_mw - 1e-6 else math.ceil(count - wanted_mw / least_mw - 1e-9) if least_mw else 0
        held = 0
        # Those that stand already go on standing, then those that are rested.
        for hearth in sorted(self._hearths, key=lambda h: not h.holding) if needed else self._hearths:
            hold = held < needed and hearth.may_hold(dt_s)
            hearth.set_hold(hold)
            held += hold
        return held
