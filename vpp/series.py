"""Values with the two times each of them has: the one it is for, and the one it was known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from vpp.errors import SeriesError
from vpp.timegrid import require_utc
from vpp.units import FloatArray

__all__ = ["Series", "to_stamp", "to_stamps"]

StampArray = NDArray[np.datetime64]


def to_stamp(at: datetime) -> np.datetime64:
    """An aware UTC instant as numpy's zone-less stamp, to the microsecond."""
    return np.datetime64(require_utc(at, "at").replace(tzinfo=None), "us")


def to_stamps(instants: list[datetime] | tuple[datetime, ...]) -> StampArray:
    """Aware UTC instants as a stamp array, shape (n,)."""
    return np.array([to_stamp(at) for at in instants], dtype="datetime64[us]")


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time; NaN is "not measured", never zero.

    Args:
        name: What it is, with its unit, as in `power_frac`.
        measured_at: Start of the interval each value is for (UTC), increasing, shape (n,), datetime64[us].
        received_at: When it became known here, shape (n,); what a back-test may see is decided by this.
        value: The values, shape (n,).
    """

    name: str
    measured_at: StampArray
    received_at: StampArray
    value: FloatArray

    def __post_init__(self) -> None:
        n = self.value.shape[0]
        if self.measured_at.shape != (n,) or self.received_at.shape != (n,):
            raise SeriesError(
                f"{self.name}: {n} values but {self.measured_at.shape} measured_at and {self.received_at.shape} received_at"
            )
        if n > 1 and not bool(np.all(self.measured_at[1:] > self.measured_at[:-1])):
            raise SeriesError(f"{self.name}: measured_at must increase; sort and drop doubles where the data enter")

    def known(self, known_at: datetime) -> Series:
        """Only what had been received by `known_at`."""
        keep = self.received_at <= to_stamp(known_at)
        return Series(self.name, self.measured_at[keep], self.received_at[keep], self.value[keep])

    def between(self, start: datetime, end: datetime) -> Series:
        """Only what is for `[start, end)`."""
        keep = (self.measured_at >= to_stamp(start)) & (self.measured_at < to_stamp(end))
        return Series(self.name, self.measured_at[keep], self.received_at[keep], self.value[keep])
