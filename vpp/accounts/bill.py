"""What a grid connection costs, interval by interval and item by item."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from vpp.accounts.calendar import Days, days_of, month_step_frac, months_of
from vpp.park.schema import Connection
from vpp.park.tariff import Tariff, tariff_prices
from vpp.timegrid import TimeGrid
from vpp.units import KW_PER_MW, FloatArray

__all__ = ["ABOVE_CONTRACT", "CARBON", "CERTIFICATES", "DEMAND", "ENERGY", "FEES", "NETWORK", "NETWORK_CAPACITY", "Booking"]
__all__ += ["ConnectionBill", "Metered", "connection_bill", "demand_charge_cny", "energy_item"]

#: Where a month's demand charge is booked: all on the month's highest quarter, or what each day accrues on the day's own.
Booking: TypeAlias = Literal["month", "day"]

ENERGY: Final = "energy"
NETWORK: Final = "network_energy"
FEES: Final = "system_fees"
NETWORK_CAPACITY: Final = "network_capacity"
DEMAND: Final = "demand_charge"
ABOVE_CONTRACT: Final = "above_contract"
CARBON: Final = "carbon"
CERTIFICATES: Final = "certificates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A connection's meter over T intervals; NaN where it was not read.

    Args:
        connection: Whose.
        tariff: What it pays.
        grid: The intervals.
        zone: Park time.
        import_mwh: Never negative, shape (T,). [MWh]
        export_mwh: Never negative, shape (T,). [MWh]
        spot_cny_per_mwh: Market price, shape (T,), for a spot tariff. [CNY/MWh]
    """

    connection: Connection
    tariff: Tariff
    grid: TimeGrid
    zone: ZoneInfo
    import_mwh: FloatArray
    export_mwh: FloatArray
    spot_cny_per_mwh: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBill:
    """A bill by interval.

    Args:
        items_cny: What import costs, by name, shape (T,) each; a quarter that was not read costs nothing yet. [CNY]
        period: Name of the tariff's period of each interval.
        income_cny: Paid for export, shape (T,). [CNY]
    """

    items_cny: Mapping[str, FloatArray]
    period: tuple[str, ...]
    income_cny: FloatArray

    def energy_all_in_cny(self, period: str) -> float:
        """What energy of one period came to, network and fees by energy included. [CNY]."""
        inside = np.array([name == period for name in self.period], dtype=np.bool_)
        parts = [item for name, item in self.items_cny.items() if name.startswith(f"{ENERGY}_") or name in (NETWORK, FEES)]
        return float(sum(np.sum(part[inside]) for part in parts))


def energy_item(period: str) -> str:
    """Name of the item of energy in one period of the tariff."""
    return f"{ENERGY}_{period}"


def connection_bill(
    metered: Metered,
    emission_t_per_mwh: float,
    power_factor_frac: float = 1.0,
    booking: Booking = "month",
    peak_before_mw: float = 0.0,
) -> ConnectionBill:
    """Every item of a connection.

    Args:
        metered: Its meter and tariff.
        emission_t_per_mwh: Of imported energy, for the price of carbon. [t/MWh]
        power_factor_frac: Makes kVA of contract demand, for a tariff that charges capacity.
        booking: Where the demand charge is booked.
        peak_before_mw: The month's highest import before the first interval. [MW]

    Raises:
        SeriesError: A spot tariff without prices, or prices for one that has none.
    """
    tariff, connection = metered.tariff, metered.connection
    days, step_h = days_of(metered.grid, metered.zone), metered.grid.step_h
    imported, exported = np.nan_to_num(metered.import_mwh), np.nan_to_num(metered.export_mwh)
    priced = tariff_prices(tariff, metered.grid, metered.zone, metered.spot_cny_per_mwh)
    contract = connection.contract_demand_mw
    contract_mw = connection.import_limit_mw if contract is None else contract
    capacity_kva = contract_mw * KW_PER_MW / power_factor_frac
    mean_mw = imported / step_h
    energy_cny = imported * (priced.import_cny_per_mwh - tariff.network_cny_per_mwh - tariff.system_fees_cny_per_mwh)
    items = _by_period(tariff, priced.period, energy_cny)
    items[NETWORK] = imported * tariff.network_cny_per_mwh
    items[FEES] = imported * tariff.system_fees_cny_per_mwh
    items[NETWORK_CAPACITY] = tariff.network_capacity_cny_per_kva_month * capacity_kva * month_step_frac(days, step_h)
    items[DEMAND] = demand_charge_cny(mean_mw, days, step_h, tariff.demand_charge_cny_per_mw_month, booking, peak_before_mw)
    items[ABOVE_CONTRACT] = np.maximum(mean_mw - contract_mw, 0.0) * step_h * tariff.above_contract_cny_per_mwh
    items[CARBON] = imported * emission_t_per_mwh * tariff.carbon_cny_per_t
    items[CERTIFICATES] = (connection.green_origin_frac or 0.0) * imported * tariff.certificate_cny_per_mwh
    return ConnectionBill(items_cny=items, period=priced.period, income_cny=exported * priced.export_cny_per_mwh)


def _by_period(tariff: Tariff, period: tuple[str, ...], cost_cny: FloatArray) -> dict[str, FloatArray]:
    """Cost split over the tariff's periods, or under `energy_spot`."""
    if tariff.pricing == "spot":
        return {energy_item("spot"): cost_cny}
    names = np.array(period)
    return {energy_item(name): np.where(names == name, cost_cny, 0.0) for name in tariff.import_cny_per_mwh}


def demand_charge_cny(
    mean_mw: FloatArray,
    days: Days,
    step_h: FloatArray,
    price_cny_per_mw: float,
    booking: Booking = "month",
    peak_before_mw: float = 0.0,
) -> FloatArray:
    """The demand charge on the quarters that it is booked on; its sum over a whole month is the price times the highest import.

    By the month, the month's highest quarter carries all of it. By the day, each day's highest quarter carries what was accrued
    on that day: the highest import so far times the share of the month that has passed, less what was accrued before.

    Args:
        mean_mw: Import of each interval, shape (T,). [MW]
        days: The day of each interval.
        step_h: Length of each interval, shape (T,). [h]
        price_cny_per_mw: On the highest import of a month. [CNY/MW]
        booking: By the month or by the day.
        peak_before_mw: Of the first month, before the first interval. [MW]

    Returns:
        CNY of each interval, shape (T,).
    """
    charge: FloatArray = np.zeros(mean_mw.shape[0])
    month, share = months_of(days), month_step_frac(days, step_h)
    over = month if booking == "month" else days.index
    starts = np.flatnonzero(np.diff(over, prepend=over[0] - 1))
    # A grid that begins inside a month has missed the share of it before its first day.
    passed_frac = (days.days[0].day - 1) / monthrange(days.days[0].year, days.days[0].month)[1]
    peak_mw, own_month = peak_before_mw, int(month[0])
    accrued = peak_mw * (passed_frac if booking == "day" else 1.0)
    for first, last in zip(starts, (*starts[1:], over.shape[0]), strict=True):
        if month[first] != own_month:
            peak_mw, passed_frac, accrued, own_month = 0.0, 0.0, 0.0, int(month[first])
        at = first + int(np.argmax(mean_mw[first:last]))
        peak_mw = max(peak_mw, float(mean_mw[at]))
        passed_frac += float(np.sum(share[first:last]))
        due = peak_mw * (passed_frac if booking == "day" else 1.0)
        charge[at] = (due - accrued) * price_cny_per_mw
        accrued = due
    return charge
