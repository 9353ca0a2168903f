"""One submerged-arc furnace: the heat of its hearth, its electrodes, its hold."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sim_harness.plants.glide import glide
from vpp.park.plates import SubmergedArcPlate
from vpp.units import h_to_s, s_to_h

__all__ = ["LOSS_FRAC", "Hearth"]

#: Heat through shell, off-gas and cooling water, of the furnace's rating, as long as it is hot. Assumption.
LOSS_FRAC: Final = 0.10
#: A hearth that was held takes its heat back with this time constant, from at most this share of its power. Assumptions.
REHEAT_TIME_H: Final = 1.5
REHEAT_MAX_FRAC: Final = 0.35
#: After a hold the breaker closes on a low tap, and electrodes are lowered from there. Assumption.
RESTART_FRAC: Final = 0.5
#: An electrode slips now and then: mean time between, length and depth. Assumptions.
SLIP_EVERY_H: Final = 30.0
SLIP_S: Final = (180.0, 600.0)
SLIP_DEPTH: Final = (0.05, 0.2)
#: Electrodes that cooled may crack when loaded again: chance after a full hold, output and time until repaired. Assumptions.
BREAK_CHANCE: Final = 0.03
BROKEN_FRAC: Final = 0.6
BROKEN_H: Final = 5.0


class Hearth:
    """Counters are truth of this furnace since the run began.

    Args:
        plate: Of the works.
        power_mw: At the start. [MW]
        rng: Its electrodes.
    """

    def __init__(self, plate: SubmergedArcPlate, power_mw: float, rng: np.random.Generator) -> None:
        self._plate, self._rng = plate, rng
        self._low_mw, self._high_mw = plate.min_frac * plate.furnace_mw, plate.max_frac * plate.furnace_mw
        self._loss_mw = LOSS_FRAC * plate.furnace_mw
        self._level_mw = self.drawn_mw = power_mw
        self.holding, self._stood_s, self.rest_s = False, 0.0, 0.0
        self._slip_in_s = h_to_s(SLIP_EVERY_H) * float(rng.standard_exponential())
        self._slip_left_s = self._slip_depth = self._broken_s = 0.0
        self.chill_mwh = self.useful_mwh = self.lost_mwh = self.reheat_mwh = self.held_mwh = self.hold_s = 0.0
        self.holds = self.overlong = self.slips = self.breaks = 0

    @property
    def hold_left_s(self) -> float:
        """Time for which it may still be held, in s."""
        return max(0.0, self._plate.hold_max_s - self._stood_s) if self.rest_s <= 0.0 or self.holding else 0.0

    def may_hold(self, dt_s: float) -> bool:
        """Whether it may stand through a step: rested, or in a hold whose time is not up."""
        return self.hold_left_s >= max(dt_s, 1.0)

    def set_hold(self, hold: bool) -> None:
        """Arc off, or on again."""
        if hold and not self.holding:
            self.holds += 1
        elif self.holding and not hold:
            self._come_back()
        self.holding = hold

    def draw(self, wanted_mw: float, rate_mw_per_s: float, dt_s: float) -> float:
        """Mean power of the coming step, before anybody's blackout."""
        if self.holding:
            self._level_mw = self.drawn_mw = 0.0
            return 0.0
        high_mw = self._high_mw if self._broken_s <= 0.0 else BROKEN_FRAC * self._high_mw
        goal_mw = min(max(wanted_mw, self._low_mw), high_mw)
        self._level_mw, mean_mw = glide(min(self._level_mw, high_mw), goal_mw, rate_mw_per_s, dt_s)
        self.drawn_mw = mean_mw * (1.0 - self._slipping(dt_s))
        return self.drawn_mw

    def melt(self, power_mw: float, dt_s: float, *, cut: bool) -> float:
        """Carry a step out; useful energy, in MWh. Reheating a cold hearth comes before melting."""
        dt_h = s_to_h(dt_s)
        taken_mwh, loss_mwh = power_mw * dt_h, self._loss_mw * dt_h
        spare_mwh = taken_mwh - loss_mwh
        if spare_mwh <= 0.0:
            useful_mwh, reheat_mwh = 0.0, spare_mwh
        else:
            reheat_mwh = 0.0
            if self.chill_mwh > 0.0:
                reheat_mwh = min(self.chill_mwh * -math.expm1(-dt_h / REHEAT_TIME_H), REHEAT_MAX_FRAC * taken_mwh, spare_mwh)
                self.reheat_mwh += reheat_mwh
            useful_mwh = spare_mwh - reheat_mwh
        self.chill_mwh -= reheat_mwh
        self.lost_mwh += loss_mwh
        self.useful_mwh += useful_mwh
        self._time_passes(dt_s, cut=cut)
        return useful_mwh

    def _time_passes(self, dt_s: float, *, cut: bool) -> None:
        plate = self._plate
        if self.holding or cut:
            if cut and not self.holding:
                # A blackout is a hold that nobody chose; the breaker closes again on a low tap.
                self._level_mw = min(self._level_mw, RESTART_FRAC * plate.furnace_mw)
            before_s, self._stood_s = self._stood_s, self._stood_s + dt_s
            self.overlong += before_s <= plate.hold_max_s < self._stood_s - 1e-6
            self.rest_s = plate.recovery_s
            if self.holding:
                self.hold_s += dt_s
                self.held_mwh += self._low_mw * s_to_h(dt_s)
            return
        self._stood_s = 0.0
        self.rest_s = max(0.0, self.rest_s - dt_s)
        self._broken_s = max(0.0, self._broken_s - dt_s)

    def _come_back(self) -> None:
        plate = self._plate
        self._level_mw = RESTART_FRAC * plate.furnace_mw
        chance = BREAK_CHANCE * min(1.0, self._stood_s / plate.hold_max_s) if plate.hold_max_s else 0.0
        if self._rng.random() < chance:
            self.breaks += 1
            self._broken_s = h_to_s(BROKEN_H)

    def _slipping(self, dt_s: float) -> float:
        """Share of the step's power that slips take."""
        self._slip_in_s -= dt_s
        if self._slip_in_s <= 0.0:
            self.slips += 1
            self._slip_in_s += h_to_s(SLIP_EVERY_H) * float(self._rng.standard_exponential())
            self._slip_left_s = float(self._rng.uniform(*SLIP_S))
            self._slip_depth = float(self._rng.uniform(*SLIP_DEPTH))
        if self._slip_left_s <= 0.0:
            return 0.0
        share = min(1.0, self._slip_left_s / dt_s) * self._slip_depth
        self._slip_left_s -= dt_s
        return share
