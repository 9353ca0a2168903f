"""Statements of account (结算单): built from registers, shown as a page, a sheet and facts; see `docs/accounts.md`."""

from controllers.statements.build import ParkOn, Statement, accounts_of, build_statement
from controllers.statements.facts import statement_facts
from controllers.statements.page import statement_html
from controllers.statements.sheet import SheetStep, write_sheet
from controllers.statements.source import RegisterFile, RegisterSource, StoreRegisters, write_registers
from controllers.statements.span import Span, day_span, month_span, parse_span

__all__ = [
    "ParkOn",
    "RegisterFile",
    "RegisterSource",
    "SheetStep",
    "Span",
    "Statement",
    "StoreRegisters",
    "accounts_of",
    "build_statement",
    "day_span",
    "month_span",
    "parse_span",
    "statement_facts",
    "statement_html",
    "write_registers",
    "write_sheet",
]
