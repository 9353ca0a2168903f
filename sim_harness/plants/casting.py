"""A caster (连铸机) and one furnace's heats (炉次), the rhythm of an arc furnace plant; times are seconds of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from vpp.park.plates import ArcFurnacePlate
from vpp.units import h_to_s, s_to_h

__all__ = ["MELTING_FLOOR_FRAC", "REFINING_BAND", "Caster", "Furnace", "Stage"]

#: Casting takes this share of the time in which the furnaces make a heat: the caster waits, not the steel. Assumption.
CAST_SHARE: Final = 0.85
#: Change of tundish between two sequences. Assumption.
TURNAROUND_S: Final = 1_800.0
#: Now and then the caster is late with a heat. Assumptions.
DELAY_PROBABILITY: Final = 0.05
DELAY_S: Final = (300.0, 900.0)

#: Melting runs between 80 and 100 % of the furnace's power, refining between 30 and 50 %.
MELTING_FLOOR_FRAC: Final = 0.8
REFINING_BAND: Final = (0.3, 0.5)
#: Share of the energy that melting takes, drawn for each heat around the plate's.
MELTING_SPREAD: Final = 0.03
ENERGY_SPREAD: Final = 0.03
POWER_ON_SPREAD: Final = 0.05
#: Electrodes: the arc wanders by +-15 % at most, with this memory.
NOISE_MAX: Final = 0.15
NOISE_STD: Final = 0.07
NOISE_TIME_S: Final = 10.0


class Stage(IntEnum):
    """What a furnace does; the number is what telemetry says."""

    IDLE = 0
    MELTING = 1
    REFINING = 2
    WAITING = 3
    TURNAROUND = 4


class Caster:
    """Takes one heat after another in sequences of drawn length; a gap too long breaks a sequence.

    Args:
        plate: The furnaces it belongs to.
        rng: Lengths of sequences, casting times, delays.
    """

    def __init__(self, plate: ArcFurnacePlate, rng: np.random.Generator) -> None:
        self._plate, self._rng = plate, rng
        self.cast_s = CAST_SHARE * plate.tap_to_tap_s / plate.furnaces
        self.heats, self.broken = 0, 0
        self.planned = self._draw()
        self.free_s = 0.0
        self._ready_s = 0.0

    def ready_s(self, at_s: float) -> float:
        """When it can take a ladle that comes at `at_s`."""
        if self.heats and at_s > self.free_s + self._plate.sequence_gap_s:
            return max(at_s, self.free_s + TURNAROUND_S)
        return max(at_s, self._ready_s)

    def take(self, tap_s: float) -> None:
        """Cast a heat tapped at a moment when it was ready."""
        if self.heats and tap_s > self.free_s + self._plate.sequence_gap_s:
            self.broken += self.heats < self._plate.sequence_heats_min
            self._close()
        delay_s = 0.0
        if self._rng.random() < DELAY_PROBABILITY:
            delay_s = float(self._rng.uniform(*DELAY_S))
        self.free_s = self._ready_s = tap_s + self.cast_s * float(self._rng.uniform(0.95, 1.05)) + delay_s
        self.heats += 1
        if self.heats >= self.planned:
            self._close()
            self._ready_s = self.free_s + TURNAROUND_S

    def after(self, taps_s: list[float]) -> tuple[float, int]:
        """When it is ready once the heats already under way are cast, and how many heats its sequence then has."""
        ready_s, heats = self._ready_s, self.heats
        for tap_s in sorted(taps_s):
            ready_s = max(ready_s, tap_s) + self.cast_s
            heats += 1
            if heats >= self.planned:
                heats, ready_s = 0, ready_s + TURNAROUND_S
        return ready_s, heats

    @property
    def pace_s(self) -> float:
        """Mean time between heats that furnaces and caster can keep up."""
        plate = self._plate
        return max(plate.tap_to_tap_s / plate.furnaces, self.cast_s + TURNAROUND_S / plate.sequence_heats_min)

    def _close(self) -> None:
        self.heats = 0
        self.planned = self._draw()

    def _draw(self) -> int:
        return int(self._rng.integers(self._plate.sequence_heats_min, self._plate.sequence_heats_max + 1))


@dataclass(slots=True)
class _Heat:
    energy_mwh: float
    refining_mwh: float
    melting_mw: float
    refining_mw: float


class Furnace:
    """One furnace and its heat; the energy of a heat is drawn when it begins and kept whatever the arc does.

    Args:
        plate: What is written on it.
        rng: Its heats and its arc.
    """

    def __init__(self, plate: ArcFurnacePlate, rng: np.random.Generator) -> None:
        self._plate, self._rng = plate, rng
        self.stage = Stage.IDLE
        self.begun_s, self.until_s = 0.0, 0.0
        self.left_mwh = self.refining_left_mwh = 0.0
        self.hold_left_s = plate.hold_max_s
        self.holding = False
        self.booked_s: float | None = None
        self.taken_s = -math.inf
        self._noise = 0.0
        self._heat = _Heat(0.0, 0.0, 0.0, 0.0)

    @property
    def is_powered(self) -> bool:
        """Whether an arc burns, or would but for a hold."""
        return self.stage is Stage.MELTING or self.stage is Stage.REFINING

    @property
    def wanted_mw(self) -> float:
        """Power of its stage without noise, in MW."""
        if self.stage is Stage.MELTING:
            return self._heat.melting_mw
        return self._heat.refining_mw if self.stage is Stage.REFINING else 0.0

    @property
    def floor_mw(self) -> float:
        """Least power its stage can run at, in MW."""
        if self.stage is Stage.MELTING:
            return min(MELTING_FLOOR_FRAC * self._plate.melting_mw, self._heat.melting_mw)
        return min(REFINING_BAND[0] * self._plate.melting_mw, self._heat.refining_mw) if self.stage is Stage.REFINING else 0.0

    @property
    def energy_left_mwh(self) -> float:
        """What the heat still needs, in MWh."""
        return self.left_mwh + self.refining_left_mwh

    @property
    def drawn_mwh(self) -> float:
        """Energy of the present heat, or of the last one, in MWh."""
        return self._heat.energy_mwh

    @property
    def lead_s(self) -> float:
        """Usual time from a start to the tap, in s."""
        return self._plate.power_on_s

    def tap_s(self, at_s: float) -> float:
        """When its steel will be ready, seen from `at_s`."""
        if self.stage is Stage.WAITING:
            return at_s
        return at_s + h_to_s(self._left_h())

    def begin(self, at_s: float) -> None:
        """Begin a heat: draw what it takes."""
        plate, rng = self._plate, self._rng
        energy_mwh = plate.heat_mwh * (1.0 + ENERGY_SPREAD * min(2.5, max(-2.5, float(rng.standard_normal()))))
        share = min(1.0, max(0.0, plate.melting_energy_frac + float(rng.uniform(-MELTING_SPREAD, MELTING_SPREAD))))
        power_on_h = s_to_h(plate.power_on_s) * (1.0 + float(rng.uniform(-POWER_ON_SPREAD, POWER_ON_SPREAD)))
        melting_mw = plate.melting_mw * float(rng.uniform(0.9, 1.0))
        refining_h = max(power_on_h - energy_mwh * share / melting_mw, 1e-3)
        wanted_mw = energy_mwh * (1.0 - share) / refining_h
        refining_mw = min(max(wanted_mw, REFINING_BAND[0] * plate.melting_mw), REFINING_BAND[1] * plate.melting_mw)
        self._heat = _Heat(energy_mwh, energy_mwh * (1.0 - share), melting_mw, refining_mw)
        self.left_mwh, self.refining_left_mwh = energy_mwh * share, energy_mwh * (1.0 - share)
        self.stage, self.begun_s, self.hold_left_s = Stage.MELTING, at_s, plate.hold_max_s
        if self.booked_s is not None:
            self.taken_s, self.booked_s = self.booked_s, None

    def burn(self, power_mw: float, dt_s: float) -> tuple[float, float]:
        """Burn at a power for at most `dt_s` within the present stage; energy taken and time used. [MWh], [s]."""
        if self.holding:
            self.hold_left_s -= dt_s
            return 0.0, dt_s
        possible_mwh = power_mw * s_to_h(dt_s)
        if possible_mwh < self.left_mwh:
            self.left_mwh -= possible_mwh
            return possible_mwh, dt_s
        taken_mwh, used_s = self.left_mwh, h_to_s(self.left_mwh / power_mw)
        if self.stage is Stage.MELTING:
            self.stage, self.left_mwh, self.refining_left_mwh = Stage.REFINING, self.refining_left_mwh, 0.0
        else:
            self.stage, self.left_mwh = Stage.WAITING, 0.0
        return taken_mwh, min(used_s, dt_s)

    def noise(self, dt_s: float) -> float:
        """Factor on the arc's mean power over a step in melting; 1 in refining, where the bath is flat."""
        if self.stage is not Stage.MELTING:
            return 1.0
        memory = math.exp(-dt_s / NOISE_TIME_S)
        self._noise = memory * self._noise + math.sqrt(1.0 - memory * memory) * NOISE_STD * float(self._rng.standard_normal())
        mean = self._noise * min(1.0, math.sqrt(NOISE_TIME_S / dt_s))
        return 1.0 + min(NOISE_MAX, max(-NOISE_MAX, mean))

    def _left_h(self) -> float:
        heat = self._heat
        if self.stage is Stage.MELTING:
            return self.left_mwh / heat.melting_mw + self.refining_left_mwh / heat.refining_mw
        return self.left_mwh / heat.refining_mw if self.stage is Stage.REFINING else 0.0
