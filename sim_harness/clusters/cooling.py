"""Cooling and conversion: grow with the outdoor air and with the load, and follow the load with a lag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vpp.units import SECONDS_PER_MINUTE

__all__ = ["Cooling", "Overhead"]

#: The plate's PUE holds at this temperature; per degree the overhead changes by so much, within the band. Assumptions.
PUE_AT_C: Final = 10.0
PUE_PER_C: Final = 0.02
PUE_BAND: Final = (0.7, 1.6)
#: Chilled water and hall air carry the load of the last minutes. Assumption.
LAG_S: Final = 10.0 * SECONDS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the meter reads over one step for a load at the plate's PUE: `slope * load_mw + offset_mw`."""

    slope: float
    offset_mw: float

    def meter_mw(self, load_mw: float) -> float:
        """At the meter, for a load at the plate's PUE."""
        return self.slope * load_mw + self.offset_mw

    def load_mw(self, meter_mw: float) -> float:
        """The load that makes the meter read so much, never negative."""
        return max(0.0, (meter_mw - self.offset_mw) / self.slope)


class Cooling:
    """One first-order lag between the heat of the machines and the power that takes it away.

    Args:
        pue_frac: Of the plate.
        load_mw: Load at the start, at the plate's PUE; cooling begins in balance with it. [MW]
    """

    def __init__(self, pue_frac: float, load_mw: float) -> None:
        self._pue_frac = pue_frac
        self._it_mw = load_mw / pue_frac
        self._cooling_mw: float | None = None
        # Before the first step nobody knows the weather: the plate's own.
        self._share = pue_frac - 1.0
        self._left = 1.0
        self._of = (math.nan, math.nan)

    def over(self, temperature_c: float, dt_s: float) -> Overhead:
        """The meter's law for the coming step."""
        if self._of != (temperature_c, dt_s):
            warmer = min(max(1.0 + PUE_PER_C * (temperature_c - PUE_AT_C), PUE_BAND[0]), PUE_BAND[1])
            self._share = (self._pue_frac - 1.0) * warmer
            self._left = math.exp(-dt_s / LAG_S)
            self._of = (temperature_c, dt_s)
        if self._cooling_mw is None:
            self._cooling_mw = self._share * self._it_mw
        carried = LAG_S / dt_s * (1.0 - self._left)
        return Overhead((1.0 + (1.0 - carried) * self._share) / self._pue_frac, carried * self._cooling_mw)

    @property
    def steady_frac(self) -> float:
        """Meter over load at the plate's PUE once cooling has followed."""
        return (1.0 + self._share) / self._pue_frac

    def meter_after_mw(self, load_mw: float, ahead_s: float) -> float:
        """What the meter reads some time after the load has changed to this, while cooling follows. [MW]."""
        it_mw = load_mw / self._pue_frac
        target_mw = self._share * it_mw
        before_mw = self._share * self._it_mw if self._cooling_mw is None else self._cooling_mw
        return it_mw + target_mw + (before_mw - target_mw) * math.exp(-max(0.0, ahead_s) / LAG_S)

    def follow(self, load_mw: float) -> None:
        """The step has passed under a load at the plate's PUE."""
        target_mw = self._share * load_mw / self._pue_frac
        before_mw = target_mw if self._cooling_mw is None else self._cooling_mw
        self._cooling_mw = target_mw + (before_mw - target_mw) * self._left
