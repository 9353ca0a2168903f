"""What the rest of the world may ask of its weather, whether measured or generated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from forecasting.known import FarmKind, WeatherRuns
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.series import Series
from vpp.units import FloatArray

__all__ = ["SITE_LATITUDE_DEG", "SITE_LONGITUDE_DEG", "STEP", "Farm", "Weather", "check_farms"]

#: Chifeng High-tech Industrial Development Zone (white paper).
SITE_LATITUDE_DEG: Final = 42.3
SITE_LONGITUDE_DEG: Final = 118.9

#: The step at which history is metered; 15 min as in Chinese dispatch.
STEP: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Farm:
    """A wind or solar farm, as the weather needs it.

    Args:
        asset_id: As in the park file.
        kind: Wind or solar.
        capacity_mw: Installed power; larger farms are smoother within the hour. [MW]
        capacity_factor_frac: Long-run mean of available power over capacity (0..1).
    """

    asset_id: AssetId
    kind: FarmKind
    capacity_mw: float
    capacity_factor_frac: float


class Weather(Protocol):
    """The true series the world runs on, and the runs and meters that a forecaster may see of it."""

    @property
    def farms(self) -> tuple[Farm, ...]:
        """The farms it knows."""
        ...

    @property
    def start(self) -> datetime:
        """First instant that every farm has (UTC)."""
        ...

    @property
    def end(self) -> datetime:
        """First instant that some farm no longer has (UTC)."""
        ...

    @property
    def facts(self) -> tuple[str, ...]:
        """One line each: what is measured, what is made up, what was repaired; to be shown beside every figure."""
        ...

    def available_frac(self, farm_id: AssetId, at: datetime) -> float:
        """Available power at an instant as a share of capacity (0..1).

        Raises:
            ScenarioError: The farm is unknown or the instant is out of bounds.
        """
        ...

    def available_row(self, at: datetime, dt_s: float) -> Sequence[float]:
        """Mean available power of every farm over `[at, at + dt_s)`, in the order of `farms`; one cheap look-up.

        What is asked for at most ten seconds is the value held over those ten seconds.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        ...

    def running_row(self, at: datetime) -> Sequence[float]:
        """Share of each farm that is not out of service (0..1), in the order of `farms`."""
        ...

    def available_frac_array(self, farm_ids: Sequence[AssetId], start: datetime, step: timedelta, n: int) -> FloatArray:
        """Mean available power over each of `n` intervals, shape (F, n), with the energy of the fine series kept.

        Raises:
            ScenarioError: A farm is unknown or an interval is out of bounds.
        """
        ...

    def temperature_c(self, at: datetime) -> float:
        """Outdoor air temperature, in degC.

        Raises:
            ScenarioError: The instant is out of bounds.
        """
        ...

    def history(self, farm_id: AssetId, start: datetime, end: datetime) -> Series:
        """What the farm's meter recorded in `[start, end)`, 15-min means, NaN where it did not; from 0 to many values.

        Intervals are on the quarter hours; `received_at` is the interval's end.
        """
        ...

    def runs_known(self, farm_id: AssetId, known_at: datetime) -> WeatherRuns:
        """The weather runs published by `known_at`: wind in `WIND_FEATURES`, sun in `sun_runs.SUN_FEATURES`."""
        ...


def check_farms(farms: Iterable[Farm]) -> tuple[Farm, ...]:
    """The farms themselves, if a weather can be made for them.

    Raises:
        ScenarioError: No farm, a doubled id, a capacity or capacity factor out of range; all faults at once.
    """
    found = tuple(farms)
    faults = [] if found else ["weather: no farm given; it needs one or more"]
    seen: set[AssetId] = set()
    for farm in found:
        if farm.asset_id in seen:
            faults.append(f"weather: {farm.asset_id} is given twice; ids are unique")
        seen.add(farm.asset_id)
        if not farm.capacity_mw > 0:
            faults.append(f"weather: {farm.asset_id}.capacity_mw: {farm.capacity_mw} is not positive")
        if not 0 < farm.capacity_factor_frac < 1:
            faults.append(f"weather: {farm.asset_id}.capacity_factor_frac: {farm.capacity_factor_frac} is not in (0, 1)")
    if faults:
        raise ScenarioError(faults)
    return found
