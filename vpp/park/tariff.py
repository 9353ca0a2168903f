"""Tariffs as data, and what they make of a time grid; park time is met here and nowhere else in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Annotated, Any, Final, Literal, NewType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from vpp.errors import SeriesError
from vpp.park.plates import NonNegative
from vpp.series import to_stamps
from vpp.timegrid import TimeGrid
from vpp.units import HOURS_PER_DAY, KW_PER_MW, SECONDS_PER_HOUR, FloatArray, IntArray

__all__ = ["Period", "Prices", "Tariff", "TariffId", "TariffPrices", "period_slots", "tariff_prices"]

_STRICT: Final = ConfigDict(extra="forbid")
_MONTHS: Final = 12
#: Tariff hours are read in quarters; no published table is finer.
SLOTS_PER_HOUR: Final = 4
SLOTS_PER_DAY: Final = int(HOURS_PER_DAY) * SLOTS_PER_HOUR
_SLOT: Final = np.timedelta64(int(SECONDS_PER_HOUR) // SLOTS_PER_HOUR, "s")

TariffId = NewType("TariffId", str)
Hour = Annotated[float, Field(ge=0, le=HOURS_PER_DAY, multiple_of=1 / SLOTS_PER_HOUR)]
Money = Annotated[float, Field(allow_inf_nan=False)]
StampArray = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Hours of the day under one price (分时时段), in park time; `months` empty means all."""

    __pydantic_config__ = _STRICT
    name: Annotated[str, Field(min_length=1)]
    hours: Annotated[tuple[tuple[Hour, Hour], ...], Field(min_length=1)]
    months: tuple[Annotated[int, Field(ge=1, le=_MONTHS)], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What energy costs at a connection, part by part (电价).

    Args:
        jurisdiction: Whose tariff it is.
        valid_from: First day.
        valid_until: Last day; None while no end is known.
        pricing: Whether `import_cny_per_mwh` or the spot price makes the energy price.
        periods: Every hour of the day in exactly one.
        sharp_periods: Win over `periods` in their months.
        import_cny_per_mwh: All-in price by period name; energy, network and fees together. [CNY/MWh]
        network_cny_per_mwh: Of it, the network's part by energy (输配电价). [CNY/MWh]
        system_fees_cny_per_mwh: Of it, system operation and government funds (系统运行费). [CNY/MWh]
        network_capacity_cny_per_kva_month: Network by transformer capacity; 0 where demand is charged instead.
        demand_charge_cny_per_kw_month: On the month's highest import (需量电费).
        above_contract_cny_per_mwh: For import above the connection's contract. [CNY/MWh]
        deviation_cny_per_mwh: For each MWh beside the declared schedule. [CNY/MWh]
        export_cny_per_mwh: Paid for export. [CNY/MWh]
        ppa_cny_per_mwh: Green power under a long contract, before network and fees. [CNY/MWh]
        certificate_cny_per_mwh: A green certificate (绿证). [CNY/MWh]
        carbon_cny_per_t: A tonne of CO2. [CNY/t]
        spot_floor_cny_per_mwh: Lowest spot price of scenarios. [CNY/MWh]
        spot_cap_cny_per_mwh: Highest spot price of scenarios. [CNY/MWh]
    """

    __pydantic_config__ = _STRICT
    id: TariffId
    name: str
    name_zh: str
    jurisdiction: Annotated[str, Field(min_length=1)]
    valid_from: date
    valid_until: date | None = None
    pricing: Literal["time_of_use", "spot"]
    periods: Annotated[tuple[Period, ...], Field(min_length=1)]
    sharp_periods: tuple[Period, ...] = ()
    import_cny_per_mwh: Mapping[str, Money]
    network_cny_per_mwh: NonNegative
    system_fees_cny_per_mwh: NonNegative
    network_capacity_cny_per_kva_month: NonNegative
    demand_charge_cny_per_kw_month: NonNegative
    above_contract_cny_per_mwh: NonNegative
    deviation_cny_per_mwh: NonNegative
    export_cny_per_mwh: Money
    ppa_cny_per_mwh: NonNegative
    certificate_cny_per_mwh: NonNegative
    carbon_cny_per_t: NonNegative
    spot_floor_cny_per_mwh: Money
    spot_cap_cny_per_mwh: Money

    @property
    def demand_charge_cny_per_mw_month(self) -> float:
        """The demand charge in the house's unit of power."""
        return self.demand_charge_cny_per_kw_month * KW_PER_MW


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices inside the park, the same in every area.

    Args:
        hydrogen_cny_per_kg: Value of hydrogen in a buffer. [CNY/kg]
        curtailment_cny_per_mwh: Price of curtailed energy in a plan; reported apart from cost. [CNY/MWh]
    """

    __pydantic_config__ = _STRICT
    hydrogen_cny_per_kg: NonNegative
    curtailment_cny_per_mwh: NonNegative


@dataclass(frozen=True, slots=True)
class TariffPrices:
    """A tariff on a time grid.

    Args:
        import_cny_per_mwh: All-in price of imported energy, mean of each interval, shape (T,). [CNY/MWh]
        export_cny_per_mwh: Paid for exported energy, shape (T,). [CNY/MWh]
        period: Name of the period at the start of each interval, T of them.
        demand_charge_cny_per_mw_month: On the month's highest import. [CNY/MW]
    """

    import_cny_per_mwh: FloatArray
    export_cny_per_mwh: FloatArray
    period: tuple[str, ...]
    demand_charge_cny_per_mw_month: float


def period_slots(tariff: Tariff) -> IntArray:
    """Which period holds each quarter of an hour: rows are months, columns quarters after midnight, park time.

    Returns:
        Index into `periods + sharp_periods`, shape (12, 96); -1 where no period holds.
    """
    slots: IntArray = np.full((_MONTHS, SLOTS_PER_DAY), -1, dtype=np.int64)
    for index, period in enumerate((*tariff.periods, *tariff.sharp_periods)):
        months = np.array(period.months or range(1, _MONTHS + 1)) - 1
        for start, end in period.hours:
            slots[months, int(start * SLOTS_PER_HOUR) : int(end * SLOTS_PER_HOUR)] = index
    return slots


def tariff_prices(tariff: Tariff, grid: TimeGrid, zone: ZoneInfo, spot_cny_per_mwh: FloatArray | None = None) -> TariffPrices:
    """Prices of every interval; one that crosses a change of period carries the mean over its time.

    Args:
        tariff: The tariff.
        grid: T intervals (UTC).
        zone: Park time.
        spot_cny_per_mwh: Spot price of energy, shape (T,), for a tariff whose pricing is `spot`. [CNY/MWh]

    Raises:
        SeriesError: A spot tariff without prices of the grid's length, or spot prices for one that has none.
    """
    if (tariff.pricing == "spot") != (spot_cny_per_mwh is not None):
        raise SeriesError(f"{tariff.id}: pricing is {tariff.pricing}; spot prices go with a spot tariff and no other")
    cells, weight = _cells(grid)
    periods = (*tariff.periods, *tariff.sharp_periods)
    index = _period_index(tariff, cells, zone)
    first = np.searchsorted(cells, to_stamps(grid.starts))
    if spot_cny_per_mwh is None:
        price = np.array([tariff.import_cny_per_mwh[period.name] for period in periods])[index]
        import_price = np.add.reduceat(price * weight, first) / np.add.reduceat(weight, first)
    else:
        if spot_cny_per_mwh.shape != (grid.n,):
            raise SeriesError(f"{tariff.id}: {spot_cny_per_mwh.shape} spot prices for a grid of {grid.n} intervals")
        import_price = spot_cny_per_mwh + tariff.network_cny_per_mwh + tariff.system_fees_cny_per_mwh
    return TariffPrices(
        import_cny_per_mwh=import_price,
        export_cny_per_mwh=np.full(grid.n, tariff.export_cny_per_mwh),
        period=tuple(periods[i].name for i in index[first]),
        demand_charge_cny_per_mw_month=tariff.demand_charge_cny_per_mw_month,
    )


def _cells(grid: TimeGrid) -> tuple[StampArray, FloatArray]:
    """The grid cut at every quarter of an hour: starts of the pieces and their lengths in hours."""
    edges = to_stamps(grid.edges)
    quarters = np.arange(edges[0].astype("datetime64[h]"), edges[-1], _SLOT)
    cuts = np.union1d(edges, quarters[quarters > edges[0]])
    return cuts[:-1], np.diff(cuts) / np.timedelta64(1, "h")


def _period_index(tariff: Tariff, stamps: StampArray, zone: ZoneInfo) -> IntArray:
    local = stamps + _offsets(stamps, zone)
    month = local.astype("datetime64[M]").astype(np.int64) % _MONTHS
    slot = (local - local.astype("datetime64[D]")) // _SLOT
    index: IntArray = period_slots(tariff)[month, slot]
    return index


def _offsets(stamps: StampArray, zone: ZoneInfo) -> NDArray[np.timedelta64]:
    """Park time minus UTC; zoneinfo is asked once an hour, which is as often as any zone ever changes."""
    unique, inverse = np.unique(stamps.astype("datetime64[h]"), return_inverse=True)
    whole: list[Any] = unique.astype("datetime64[us]").tolist()
    offsets = np.array([zone.utcoffset(at.replace(tzinfo=UTC).astimezone(zone)) for at in whole], dtype="timedelta64[us]")
    return offsets[inverse]
