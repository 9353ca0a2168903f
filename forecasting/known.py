"""The only door to history: whoever reads says when, and sees what had been received by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np

from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.series import Series, StampArray, to_stamp
from vpp.units import FloatArray

__all__ = ["WIND_FEATURES", "CheckedDoor", "FarmKind", "FarmSite", "KnownDoor", "WeatherRuns"]

FarmKind: TypeAlias = Literal["wind", "solar", "load"]

#: What a wind run holds, in this order: the wind blows *to* (u east, v north), 10 m and 100 m above ground. [m/s]
WIND_FEATURES: Final = ("u10_m_s", "v10_m_s", "u100_m_s", "v100_m_s")


@dataclass(frozen=True, slots=True)
class FarmSite:
    """What a forecaster must know of a farm, or of an inflexible load: which it is, what drives it and where it stands.

    Args:
        asset_id: As in the park file.
        kind: Driven by wind, by the sun, or by its users.
        latitude_deg: North positive.
        longitude_deg: East positive.
    """

    asset_id: AssetId
    kind: FarmKind
    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True)
class WeatherRuns:
    """Runs of a weather model at one place, oldest first.

    Args:
        issued_at: Start of each run (UTC), increasing, shape (R,).
        received_at: When it could be read here, shape (R,).
        lead_h: Lead times common to all runs, increasing, shape (L,). [h]
        features: Name with unit of each quantity, as in `WIND_FEATURES`, K of them.
        value: Instantaneous values at `issued_at + lead`, NaN where a run has none, shape (R, L, K).
    """

    issued_at: StampArray
    received_at: StampArray
    lead_h: FloatArray
    features: tuple[str, ...]
    value: FloatArray

    def __post_init__(self) -> None:
        shape = (self.issued_at.size, self.lead_h.size, len(self.features))
        if self.value.shape != shape or self.received_at.shape != self.issued_at.shape:
            raise ForecastError(
                f"weather runs: value has shape {self.value.shape}, but {shape} runs, leads and features are named"
            )
        if np.any(np.diff(self.issued_at) <= np.timedelta64(0, "us")) or np.any(np.diff(self.lead_h) <= 0):
            raise ForecastError("weather runs: issued_at and lead_h must increase; sort and drop doubles on entry")

    @property
    def n(self) -> int:
        """Number of runs."""
        return int(self.issued_at.size)

    def known(self, known_at: datetime) -> WeatherRuns:
        """Only the runs that had been received by `known_at`."""
        keep = self.received_at <= to_stamp(known_at)
        if bool(keep.all()):
            return self
        return WeatherRuns(self.issued_at[keep], self.received_at[keep], self.lead_h, self.features, self.value[keep])

    @classmethod
    def none(cls, features: tuple[str, ...] = WIND_FEATURES) -> WeatherRuns:
        """No run at all, which is a state and not an error."""
        empty = np.array([], dtype="datetime64[us]")
        return cls(empty, empty, np.array([]), features, np.empty((0, 0, len(features))))


class KnownDoor(Protocol):
    """All that training, back-test and operation may ask of the past."""

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """Available power for intervals in `[start, end)` as a share of capacity (0..1), NaN where not measured.

        Of a load: what its users draw, as a share of `load_sites.reference_mw`.

        Intervals are regular (15 min), may be missing, and none was received after `known_at`.
        A farm nobody knows has an empty series.
        """
        ...

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """The runs at the farm's place received by `known_at`; empty where there are none (as for the sun)."""
        ...


@dataclass(frozen=True, slots=True)
class CheckedDoor:
    """A door that does not trust the one behind it: a value from the future is an error, not an advantage.

    Args:
        inner: The door to watch.
    """

    inner: KnownDoor

    def power(self, farm_id: AssetId, *, known_at: datetime, start: datetime, end: datetime) -> Series:
        """As the inner door.

        Raises:
            ForecastError: A value was received after `known_at`.
        """
        series = self.inner.power(farm_id, known_at=known_at, start=start, end=end)
        _refuse_leak(f"power of {farm_id}", series.received_at, known_at)
        return series

    def weather_runs(self, farm_id: AssetId, *, known_at: datetime) -> WeatherRuns:
        """As the inner door.

        Raises:
            ForecastError: A run was received after `known_at`.
        """
        runs = self.inner.weather_runs(farm_id, known_at=known_at)
        _refuse_leak(f"weather runs of {farm_id}", runs.received_at, known_at)
        return runs


def _refuse_leak(what: str, received_at: StampArray, known_at: datetime) -> None:
    late = received_at > to_stamp(known_at)
    if bool(np.any(late)):
        raise ForecastError(
            f"{what}: {int(late.sum())} of {received_at.size} values were received after known_at={known_at}, "
            f"the last at {received_at.max()}; the door leaks the future"
        )
