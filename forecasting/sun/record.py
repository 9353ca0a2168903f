"""One PV station's record on regular quarter hours: power, on-site weather, and a mark for each reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecasting.history import STEP_US
from forecasting.physics import STANDARD_SUN_W_M2
from vpp.errors import ForecastError
from vpp.series import StampArray
from vpp.units import BoolArray, FloatArray

__all__ = ["Mark", "MarkArray", "StationRecord"]


class Mark(IntEnum):
    """What a power reading is; only the first is learnt as available power."""

    MEASURED = 0
    MISSING = 1
    #: The same reading as in another year, times a constant: not a measurement.
    COPIED = 2
    #: Zero under full sun.
    OUTAGE = 3
    #: Far below what this sun usually gives: curtailed (限电) or partly out.
    CURTAILED = 4


MarkArray = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class StationRecord:
    """A station's readings; weather is NaN where its sensor failed.

    Args:
        name: Of the station, for messages.
        capacity_mw: Nominal power.
        measured_at: UTC, one quarter hour apart, shape (T,).
        power_frac: Share of capacity, never negative, NaN where missing, shape (T,).
        irradiance_w_m2: In the plane of the modules, shape (T,).
        temperature_c: Of the air, shape (T,).
        pressure_hpa: Of the air, shape (T,).
        humidity_pct: Relative, shape (T,).
        marks: Shape (T,).
        facts: One line each: what was found wrong and what was done about it.
    """

    name: str
    capacity_mw: float
    measured_at: StampArray
    power_frac: FloatArray
    irradiance_w_m2: FloatArray
    temperature_c: FloatArray
    pressure_hpa: FloatArray
    humidity_pct: FloatArray
    marks: MarkArray
    facts: tuple[str, ...]

    def __post_init__(self) -> None:
        n = self.measured_at.size
        columns = (self.power_frac, self.irradiance_w_m2, self.temperature_c, self.pressure_hpa, self.humidity_pct, self.marks)
        if any(column.shape != (n,) for column in columns):
            raise ForecastError(f"{self.name}: {n} stamps, but columns of shapes {[column.shape for column in columns]}")
        if n > 1 and bool(np.any(np.diff(self.measured_at) != STEP_US)):
            raise ForecastError(f"{self.name}: stamps are not one quarter hour apart; put the record on a regular grid first")

    @property
    def n(self) -> int:
        """Number of readings."""
        return int(self.measured_at.size)

    @property
    def available(self) -> BoolArray:
        """Where the reading is what the sun allowed, shape (T,)."""
        return np.asarray(self.marks == Mark.MEASURED, dtype=np.bool_)

    def available_frac(self) -> FloatArray:
        """Power where it was available power, NaN elsewhere, shape (T,)."""
        return np.where(self.available, self.power_frac, np.nan)

    def possible_frac(self, usual: FloatArray) -> FloatArray:
        """Available power: what was measured, and where it was held down, what the usual yield makes of the sun, shape (T,).

        Args:
            usual: Share of capacity under standard sun, shape (T,).
        """
        held = (self.marks == Mark.CURTAILED) | (self.marks == Mark.OUTAGE)
        by_sun = np.clip(usual * self.irradiance_w_m2 / STANDARD_SUN_W_M2, 0.0, 1.0)
        return np.where(held, by_sun, self.power_frac)

    def playing(self, power_frac: FloatArray) -> StationRecord:
        """The same record with another power, which counts as measured wherever it is known."""
        marks = np.where(np.isnan(power_frac), Mark.MISSING, Mark.MEASURED).astype(np.int8)
        return replace(self, power_frac=power_frac, marks=marks)

    def before(self, end: int) -> StationRecord:
        """The first `end` readings: all that may be known then."""
        cut = slice(0, end)
        return replace(
            self,
            measured_at=self.measured_at[cut],
            power_frac=self.power_frac[cut],
            irradiance_w_m2=self.irradiance_w_m2[cut],
            temperature_c=self.temperature_c[cut],
            pressure_hpa=self.pressure_hpa[cut],
            humidity_pct=self.humidity_pct[cut],
            marks=self.marks[cut],
        )


#: Sun under which a standstill is no weather.
OUTAGE_SUN_W_M2: Final = 300.0
