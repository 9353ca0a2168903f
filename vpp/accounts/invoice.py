"""A connection's bill as lines: how much, at what price, for how much money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vpp.accounts.bill import (
    ABOVE_CONTRACT,
    CARBON,
    CERTIFICATES,
    DEMAND,
    ENERGY,
    FEES,
    NETWORK,
    NETWORK_CAPACITY,
    ConnectionBill,
    energy_item,
)
from vpp.accounts.settle import EXPORT, Accounts
from vpp.ids import ConnectionId
from vpp.units import KW_PER_MW, FloatArray

__all__ = ["InvoiceLine", "invoice_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of a bill.

    Args:
        item: As in the accounts.
        amount: Of what is charged, in the unit beside it.
        unit: Of `amount`.
        cost_cny: Negative where it is income. [CNY]
    """

    item: str
    amount: float
    unit: str
    cost_cny: float

    @property
    def price(self) -> float | None:
        """CNY per unit; None where nothing was charged."""
        return self.cost_cny / self.amount if self.amount else None


def invoice_lines(accounts: Accounts, connection: ConnectionId) -> tuple[InvoiceLine, ...]:
    """Every line of a connection's bill over the accounts' span, in the order of a Chinese electricity bill."""
    return tuple(_lines(accounts, connection))


def _lines(accounts: Accounts, connection: ConnectionId) -> Iterator[InvoiceLine]:
    bill = accounts.bills[connection]
    row = accounts.registers.connections.index(connection)
    imported = np.nan_to_num(accounts.registers.import_mwh[row])
    exported = float(np.nansum(accounts.registers.export_mwh[row]))
    total_mwh = float(imported.sum())
    for item in bill.items_cny:
        if item.startswith(f"{ENERGY}_"):
            yield _line(bill, item, _energy_mwh(bill, item, imported, total_mwh), "MWh")
    yield _line(bill, NETWORK, total_mwh, "MWh")
    yield _line(bill, FEES, total_mwh, "MWh")
    tariff, record = accounts.terms.tariff[connection], accounts.registers.park.connection(connection)
    contract_mw = record.import_limit_mw if record.contract_demand_mw is None else record.contract_demand_mw
    yield _line(bill, NETWORK_CAPACITY, contract_mw * KW_PER_MW / accounts.terms.power_factor_frac, "kVA")
    peak_mw = float(np.max(imported / accounts.grid.step_h))
    yield _line(bill, DEMAND, peak_mw, "MW")
    above = float(np.sum(bill.items_cny[ABOVE_CONTRACT]))
    above_mwh = above / tariff.above_contract_cny_per_mwh if tariff.above_contract_cny_per_mwh else 0.0
    yield _line(bill, ABOVE_CONTRACT, above_mwh, "MWh")
    yield _line(bill, CARBON, total_mwh * accounts.terms.emission.kg_per_kwh, "t CO2")
    yield _line(bill, CERTIFICATES, (record.green_origin_frac or 0.0) * total_mwh, "MWh")
    yield InvoiceLine(item=EXPORT, amount=exported, unit="MWh", cost_cny=-float(np.sum(bill.income_cny)))


def _energy_mwh(bill: ConnectionBill, item: str, imported_mwh: FloatArray, total: float) -> float:
    if item == energy_item("spot"):
        return total
    inside = np.array([energy_item(name) == item for name in bill.period], dtype=np.bool_)
    return float(imported_mwh[inside].sum())


def _line(bill: ConnectionBill, item: str, amount: float, unit: str) -> InvoiceLine:
    return InvoiceLine(item=item, amount=amount, unit=unit, cost_cny=float(np.sum(bill.items_cny[item])))
