"""Accounts of a park: origin, cost and carbon of every quarter of an hour, from registers alone; see `docs/accounts.md`."""

from vpp.accounts.bill import ConnectionBill, Metered, connection_bill, demand_charge_cny
from vpp.accounts.calendar import Days, days_of
from vpp.accounts.origins import CLEAN, DIRECT_GREEN, GREEN, Origin, Pools, Traced, trace
from vpp.accounts.registers import RegisterLike, Registers, registers_of
from vpp.accounts.settle import Accounts, Party, settle
from vpp.accounts.terms import Terms, terms_of

__all__ = [
    "CLEAN",
    "DIRECT_GREEN",
    "GREEN",
    "Accounts",
    "ConnectionBill",
    "Days",
    "Metered",
    "Origin",
    "Party",
    "Pools",
    "RegisterLike",
    "Registers",
    "Terms",
    "Traced",
    "connection_bill",
    "days_of",
    "demand_charge_cny",
    "registers_of",
    "settle",
    "terms_of",
    "trace",
]
