"""Accounts of a park: origin, cost and carbon of every quarter of an hour, from registers alone; see `docs/accounts.md`."""

from vpp.accounts.bill import ConnectionBill, Metered, connection_bill, demand_charge_cny
from vpp.accounts.calendar import Days, days_of
from vpp.accounts.invoice import InvoiceLine, invoice_lines
from vpp.accounts.origins import CLEAN, DIRECT_GREEN, GREEN, Origin, Pools, Traced, pools_of, trace
from vpp.accounts.projection import METHOD, Projection, project
from vpp.accounts.ratios import Ratio, join, ratios_of
from vpp.accounts.registers import Columns, RegisterLike, Registers, registers_of, registers_of_columns
from vpp.accounts.settle import Accounts, Party, settle
from vpp.accounts.terms import Terms, terms_of
from vpp.accounts.totals import AreaTotal, PartyTotal, PeakTotal, Totals, check_accounts, totals_of

__all__ = [
    "CLEAN",
    "DIRECT_GREEN",
    "GREEN",
    "METHOD",
    "Accounts",
    "AreaTotal",
    "Columns",
    "ConnectionBill",
    "Days",
    "InvoiceLine",
    "Metered",
    "Origin",
    "Party",
    "PartyTotal",
    "PeakTotal",
    "Pools",
    "Projection",
    "Ratio",
    "RegisterLike",
    "Registers",
    "Terms",
    "Totals",
    "Traced",
    "check_accounts",
    "connection_bill",
    "days_of",
    "demand_charge_cny",
    "invoice_lines",
    "join",
    "pools_of",
    "project",
    "ratios_of",
    "registers_of",
    "registers_of_columns",
    "settle",
    "terms_of",
    "totals_of",
    "trace",
]
