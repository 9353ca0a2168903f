"""One unit that burns coal or biomass: on, off or on its way, with the times it must keep and the luck it has."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from vpp.park.plates import ThermalUnitPlate
from vpp.units import h_to_s

__all__ = ["Boiler", "Stage"]

#: Mean time on the grid between trips, and how long a trip keeps a unit off. Assumptions (about four trips a year).
TRIP_EVERY_H: Final = 2_000.0
REPAIR_H: Final = (3.0, 24.0)
#: A unit that stood for less than this share of its cooling time starts faster. Assumptions.
COOLING_H: Final = 48.0
HOT_START_FRAC: Final = 0.4
START_SPREAD: Final = 0.1


class Stage(IntEnum):
    """What a unit does."""

    OFF = 0
    STARTING = 1
    ON = 2


class Boiler:
    """A unit's times; power is the plant's affair.

    Args:
        plate: Of the plant.
        on: Whether it is on the grid when the run begins.
        rng: Trips, repairs and starts.
    """

    def __init__(self, plate: ThermalUnitPlate, *, on: bool, rng: np.random.Generator) -> None:
        self._plate, self._rng = plate, rng
        self.stage = Stage.ON if on else Stage.OFF
        self.left_s = 0.0
        # A run finds its units long in the state they are in.
        self.on_s, self.off_s = h_to_s(plate.min_on_h), h_to_s(max(plate.min_off_h, COOLING_H))
        self.repair_s = 0.0
        self._trip_in_s = h_to_s(TRIP_EVERY_H) * float(rng.standard_exponential())
        self.starts = self.hot_starts = self.trips = self.stops = self.given_up = 0

    @property
    def locked_on_s(self) -> float:
        """Time until it may be stopped, in s."""
        return max(0.0, h_to_s(self._plate.min_on_h) - self.on_s) if self.stage is Stage.ON else 0.0

    @property
    def locked_off_s(self) -> float:
        """Time until it may be started, in s."""
        return max(0.0, h_to_s(self._plate.min_off_h) - self.off_s, self.repair_s) if self.stage is Stage.OFF else 0.0

    def start(self) -> bool:
        """Light the burners if it may; whether it did."""
        if self.stage is not Stage.OFF or self.locked_off_s > 0.0:
            return False
        warmth = max(0.0, 1.0 - self.off_s / h_to_s(COOLING_H))
        frac = 1.0 - (1.0 - HOT_START_FRAC) * warmth
        spread = 1.0 + START_SPREAD * float(self._rng.uniform(-1.0, 1.0))
        self.stage, self.left_s = Stage.STARTING, h_to_s(self._plate.start_h) * frac * spread
        self.starts += 1
        self.hot_starts += warmth > 0.5
        return True

    def stop(self) -> bool:
        """Leave the grid in good order, or give up a start, if it may; whether it did."""
        if self.stage is Stage.OFF or self.locked_on_s > 0.0:
            return False
        self.stops += self.stage is Stage.ON
        self.given_up += self.stage is Stage.STARTING
        self.stage, self.off_s = Stage.OFF, 0.0
        return True

    def advance(self, dt_s: float) -> bool:
        """Time passes before a step; True if the unit tripped. A start that ends before the step's middle is over."""
        if self.stage is Stage.ON:
            self.on_s += dt_s
            self._trip_in_s -= dt_s
            if self._trip_in_s <= 0.0:
                self.trip()
                return True
        elif self.stage is Stage.STARTING:
            if self.left_s <= dt_s / 2.0:
                self.stage, self.on_s = Stage.ON, 0.0
            self.left_s = max(0.0, self.left_s - dt_s)
        else:
            self.off_s += dt_s
            self.repair_s = max(0.0, self.repair_s - dt_s)
        return False

    def trip(self) -> None:
        """Leave the grid at once, and stay off until it is repaired."""
        self.trips += 1
        self.stage, self.off_s = Stage.OFF, 0.0
        self.repair_s = h_to_s(float(self._rng.uniform(*REPAIR_H)))
        self._trip_in_s = h_to_s(TRIP_EVERY_H) * float(self._rng.standard_exponential())
