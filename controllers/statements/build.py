"""A statement from registers: the span itself, and the year to date for the ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from controllers.statements.source import RegisterSource
from controllers.statements.span import Span, free_span, month_span
from vpp.accounts import (
    Accounts,
    Days,
    Projection,
    Ratio,
    Registers,
    Terms,
    Totals,
    days_of,
    demand_charge_cny,
    join,
    project,
    ratios_of,
    settle,
    terms_of,
    totals_of,
)
from vpp.errors import AccountError
from vpp.park import Park
from vpp.units import FloatArray, hours

__all__ = ["ParkOn", "Statement", "accounts_of", "build_statement"]

#: Registers before a span that stores are followed through, so that their first discharge has an origin.
LEAD: Final = timedelta(days=3)

#: The park as it is on a day.
ParkOn = Callable[[date], Park]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a statement prints.

    Args:
        span: What was asked for.
        accounts: Of the part of it that registers cover.
        totals: Their sums.
        days: The park's days of the accounts.
        demand_cny: What each day accrues of the demand charge, all connections, shape (D,). [CNY]
        ratios: Of the year to date.
        projections: The end of the year, one for each ratio, None where too little was seen.
        covered_frac: Share of the span that registers cover from first to last.
        year_from: First day that the year's ratios count.
    """

    span: Span
    accounts: Accounts
    totals: Totals
    days: Days
    demand_cny: FloatArray
    ratios: tuple[Ratio, ...]
    projections: tuple[Projection | None, ...]
    covered_frac: float
    year_from: date

    @property
    def park(self) -> Park:
        """Whose statement it is."""
        return self.accounts.registers.park

    @property
    def complete(self) -> bool:
        """Whether the whole span is behind us; a statement of a running month is provisional."""
        return self.covered_frac >= 1.0


def build_statement(source: RegisterSource, park_on: ParkOn, span: Span | None) -> Statement:
    """The statement of a span; the same registers give the same statement at any time.

    Args:
        source: Of registers.
        park_on: The park as of a day.
        span: None: everything that the source has.

    Raises:
        AccountError: There are no registers, or the park cannot be billed.
    """
    wanted = span or _everything(source, park_on)
    zone = park_on(_day(wanted, park_on)).zone
    accounts = accounts_of(source, park_on, wanted)
    if accounts is None:
        raise AccountError(f"no registers between {wanted.start.isoformat()} and {wanted.end.isoformat()}; nothing to state")
    months = [*_months_before(source, park_on, wanted), ratios_of(accounts)]
    ratios = join(months)
    days = days_of(accounts.grid, zone)
    return Statement(
        span=wanted,
        accounts=accounts,
        totals=totals_of(accounts),
        days=days,
        demand_cny=_accrued(accounts, days),
        ratios=ratios,
        projections=tuple(project(ratio) for ratio in ratios),
        covered_frac=hours(accounts.grid.end - accounts.grid.start) / hours(wanted.end - wanted.start),
        year_from=next((day for part in months for ratio in part[:1] for day in ratio.days), days.days[0]),
    )


def accounts_of(source: RegisterSource, park_on: ParkOn, span: Span) -> Accounts | None:
    """Accounts of what registers cover of a span; None where they cover nothing.

    A day's demand charge is what the day accrues, so its month is read from its beginning; a month's is on its highest quarter.
    """
    park = park_on(_day(span, park_on))
    daily = span.kind == "day"
    first = span.month_start if daily else span.start
    registers = source.registers(park, first - LEAD, span.end)
    if registers is None or registers.grid.end <= span.start:
        return None
    if not np.any(registers.asset_measured_frac > 0.0):
        raise AccountError(f"registers of {span.label} name no asset of the park {park.id}; is it the right park?")
    return _settled(registers, terms_of(park), span, daily=daily)


def _settled(registers: Registers, terms: Terms, span: Span, *, daily: bool) -> Accounts:
    accounts = settle(registers, terms, "day" if daily else "month")
    starts = registers.grid.starts
    first = next(t for t, at in enumerate(starts) if at >= span.start)
    return accounts.window(first, registers.grid.n)


def _months_before(source: RegisterSource, park_on: ParkOn, span: Span) -> list[tuple[Ratio, ...]]:
    """Ratios of the year's registers before the span, month by month."""
    zone = park_on(_day(span, park_on)).zone
    local = span.start.astimezone(zone)
    found = []
    for month in range(1, local.month + 1):
        one = month_span(date(local.year, month, 1), zone)
        if one.start >= span.start:
            break
        part = Span("month", one.label, one.start, min(one.end, span.start), one.start)
        accounts = accounts_of(source, park_on, part)
        if accounts is not None:
            found.append(ratios_of(accounts))
    return found


def _accrued(accounts: Accounts, days: Days) -> FloatArray:
    """The demand charge by day, all connections; over a whole month it comes to the month's."""
    total: FloatArray = np.zeros(len(days.days))
    for connection, tariff in accounts.terms.tariff.items():
        imported = accounts.registers.import_mwh[accounts.registers.connections.index(connection)]
        step_h = accounts.grid.step_h
        mean_mw = np.nan_to_num(imported) / step_h
        total += days.sums(demand_charge_cny(mean_mw, days, step_h, tariff.demand_charge_cny_per_mw_month, "day"))
    return total


def _everything(source: RegisterSource, park_on: ParkOn) -> Span:
    whole = source.whole()
    if whole is None:
        raise AccountError("name a month or a day: --month YYYY-MM, --day YYYY-MM-DD")
    return free_span(*whole, park_on(whole[1].date()).zone)


def _day(span: Span, park_on: ParkOn) -> date:
    """The span's last day in UTC or the day after: no park changes in the hours between the two."""
    return (span.end - timedelta(seconds=1)).date()
