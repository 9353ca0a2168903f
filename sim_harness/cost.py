"""Comparable cost: every run pays for what it used, what it owes and what it leaves behind, at the same published prices.

Items are CNY, positive when they cost; income is negative. Nothing is left out that a policy could hide in: unfinished heats,
work that still waits, an emptied battery, a month's peak.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from sim_harness.cost_plants import plant_items
from sim_harness.green import GreenAccount
from sim_harness.prices import FIXED, FixedPrices
from sim_harness.truth import Truth
from vpp.accounts import Metered, connection_bill
from vpp.accounts.bill import ABOVE_CONTRACT, CARBON, CERTIFICATES, DEMAND, energy_item
from vpp.errors import ScenarioError
from vpp.park import Connection, Tariff
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["Cost", "Item", "comparable_cost", "emissions_t", "pro_rata_month_frac"]

#: Name of the item and its amount; items of one name are added up.
Item: TypeAlias = tuple[str, float]

_DEMAND_MONTH_DAYS: Final = 30.0
_GREEN_METRIC: Final = "green_share_frac"


@dataclass(frozen=True, slots=True)
class Cost:
    """A bill.

    Args:
        items: Amount by name, negative where it is income. [CNY]
        total_cny: Their sum. [CNY]
        gross_cny: Sum of the positive ones: what percentages refer to, because a net can be near zero. [CNY]
    """

    items: Mapping[str, float]
    total_cny: float
    gross_cny: float


def comparable_cost(truth: Truth, green: GreenAccount, prices: FixedPrices = FIXED) -> Cost:
    """The bill of a run.

    Raises:
        ScenarioError: A grid connection has no tariff that needs no spot price, or a plant lacks a counter the bill is made of.
    """
    items: dict[str, float] = {}
    for source in (_grid_items(truth, prices), _green_items(truth, green), plant_items(truth, prices)):
        for name, amount_cny in source:
            items[name] = items.get(name, 0.0) + amount_cny
    return Cost(items, sum(items.values()), sum(max(0.0, amount) for amount in items.values()))


def emissions_t(truth: Truth, prices: FixedPrices = FIXED) -> float:
    """CO2 of what was imported over grid connections, export not set against it, and of fuel burnt in the park, in tonnes."""
    imported_t = float(sum(np.sum(imported) for _, imported, _ in _grid(truth))) * prices.emission_t_per_mwh
    return imported_t + (truth.total("emissions_t", "thermal_unit") or 0.0)


def pro_rata_month_frac(first_day: int, days_inside: float, month_days: int) -> float:
    """Share of a month's demand charge that a run pays for the peak it reached in that month.

    A whole calendar month pays in full; part of one pays its days over 30, never more than in full. The peak is the run's own:
    what the month's peak was before it began is not known and does not count.

    >>> pro_rata_month_frac(1, 31.0, 31), pro_rata_month_frac(1, 3.0, 31), pro_rata_month_frac(1, 30.5, 31)
    (1.0, 0.1, 1.0)
    """
    whole = first_day == 1 and days_inside >= month_days
    return 1.0 if whole else min(1.0, days_inside / _DEMAND_MONTH_DAYS)


def _grid(truth: Truth) -> Iterator[tuple[Connection, FloatArray, FloatArray]]:
    """Grid connections with their import and export, shape (T,) each, in MWh."""
    for row, connection_id in enumerate(truth.connections):
        connection = truth.park.connection(connection_id)
        if connection.is_grid:
            yield connection, truth.import_mwh[row], truth.export_mwh[row]


def _tariff(truth: Truth, connection: Connection) -> Tariff:
    if connection.tariff is None:
        raise ScenarioError([f"{connection.id}: has no tariff; its energy cannot be priced"])
    tariff = truth.park.tariff(connection.tariff)
    if (tariff.pricing == "spot") != (truth.spot_cny_per_mwh is not None):
        raise ScenarioError([f"{connection.id}: tariff {tariff.id} is {tariff.pricing}; spot prices go with a spot tariff only"])
    return tariff


def _grid_items(truth: Truth, prices: FixedPrices) -> Iterator[Item]:
    """The connection's own bill as accounts make it, energy with its network and fees, and the demand charge pro rata."""
    for connection, imported, exported in _grid(truth):
        tariff = _tariff(truth, connection)
        metered = Metered(
            connection=connection,
            tariff=tariff,
            grid=truth.grid,
            zone=truth.park.zone,
            import_mwh=imported,
            export_mwh=exported,
            spot_cny_per_mwh=truth.spot_cny_per_mwh,
        )
        bill = connection_bill(metered, prices.emission_t_per_mwh)
        if tariff.pricing == "spot":
            yield "energy_spot", sum(bill.energy_all_in_cny(period) for period in dict.fromkeys(bill.period))
        for period in tariff.import_cny_per_mwh if tariff.pricing == "time_of_use" else ():
            yield energy_item(period), bill.energy_all_in_cny(period)
        yield "export", -float(np.sum(bill.income_cny))
        mean_mw = imported / truth.grid.step_h
        yield DEMAND, _billed_peak_mw(truth, mean_mw) * tariff.demand_charge_cny_per_mw_month
        for name in (ABOVE_CONTRACT, CARBON, CERTIFICATES):
            yield name, float(np.sum(bill.items_cny[name]))


def _billed_peak_mw(truth: Truth, mean_mw: FloatArray) -> float:
    """Each month's highest 15-min import in the run, weighted by the share of the month that is charged."""
    starts = [start.astimezone(truth.park.zone) for start in truth.grid.starts]
    months = [(at.year, at.month) for at in starts]
    billed_mw = 0.0
    for month in dict.fromkeys(months):
        inside = np.array([t for t, own in enumerate(months) if own == month], dtype=np.int64)
        first = starts[inside[0]]
        days = float(np.sum(truth.grid.step_h[inside])) / HOURS_PER_DAY
        frac = pro_rata_month_frac(first.day, days, calendar.monthrange(first.year, first.month)[1])
        billed_mw += frac * float(np.max(mean_mw[inside], initial=0.0))
    return billed_mw


def _green_items(truth: Truth, green: GreenAccount) -> Iterator[Item]:
    """Certificates for what green targets miss: those of the whole park, or of its parts if they miss more together."""
    tariffs = [_tariff(truth, connection) for connection, _, _ in _grid(truth)]
    if not tariffs:
        return
    missing: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for target in truth.park.targets:
        if target.metric == _GREEN_METRIC and target.sense == "at_least":
            rows = np.zeros(len(truth.assets), dtype=np.bool_)
            for kind in target.kinds or (None,):
                for area in target.areas or (None,):
                    rows |= truth.rows_of(kind, area)
            short_mwh = max(0.0, target.value * green.used_mwh(rows) - green.green_mwh(rows))
            key = (tuple(target.areas), tuple(target.kinds))
            missing[key] = max(short_mwh, missing.get(key, 0.0))
    everybody = missing.pop(((), ()), 0.0)
    yield "green_shortfall", max(everybody, sum(missing.values())) * tariffs[0].certificate_cny_per_mwh
