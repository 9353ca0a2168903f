"""Accounts: who used what, of which origin, at what cost; summed over a month or a day, and quarter by quarter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from fastapi import APIRouter, Query, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayRead
from controllers.api.problem import Refusal
from controllers.statements import StoreRegisters, build_statement, parse_span, statement_facts
from controllers.statements.build import Statement
from controllers.statements.span import Span, day_span
from vpp.accounts import GREEN, Origin
from vpp.errors import AccountError
from vpp.units import FloatArray

__all__ = ["router"]

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
_DIGITS: Final = 6

Month = Annotated[str | None, Query(description="as in 2030-10", max_length=7)]
Day = Annotated[str | None, Query(description="as in 2030-10-12; today without month and day", max_length=10)]


class AccountSums(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of a month or a day: bill by connection, areas, consumers by origin, ratios with the year's projection.

    Args:
        statement: See docs/accounts.md; every number has its unit in its key.
    """

    statement: dict[str, Any]


class PartyQuarters(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever energy went to, over the quarters.

    Args:
        id: Of the asset or connection.
        area: Where.
        role: load, own_use, store, export or unmetered.
        energy_mwh: By quarter; a store is net. [MWh]
        green_mwh: Of it, matched green. [MWh]
        cost_cny: By quarter, all items. [CNY]
        cost_items_cny: Over all quarters, by item. [CNY]
        measured_frac: Share of the time that its meter told; null where none was due.
    """

    id: str
    area: str
    role: str
    energy_mwh: list[float]
    green_mwh: list[float]
    cost_cny: list[float]
    cost_items_cny: dict[str, float]
    measured_frac: list[float | None]


class AreaQuarters(msgspec.Struct, frozen=True, kw_only=True):
    """What came into an area by origin over the quarters. [MWh]."""

    id: str
    supply_mwh: dict[str, list[float]]


class AccountQuarters(msgspec.Struct, frozen=True, kw_only=True):
    """One day of accounts, quarter by quarter; `edges` are T + 1 instants."""

    day: str
    edges: tuple[str, ...]
    areas: tuple[AreaQuarters, ...]
    parties: tuple[PartyQuarters, ...]


@router.get("", responses=answers(AccountSums, _404="no registers there"), response_class=Raw)
async def sums(request: Request, _caller: MayRead, month: Month = None, day: Day = None) -> Response:
    """The statement of a month or a day; of one that is still running it says how much of it is covered."""
    parts = parts_of(request)
    statement = await _statement(parts, _span(parts, month, day))
    return answer(AccountSums(statement=statement_facts(statement)))


@router.get("/quarters", responses=answers(AccountQuarters, _404="no registers there"), response_class=Raw)
async def quarters(request: Request, _caller: MayRead, day: Day = None) -> Response:
    """A day's accounts as they are booked, every 15 min."""
    parts = parts_of(request)
    span = _span(parts, None, day)
    statement = await _statement(parts, span)
    return answer(_quarters(span.label, statement))


def _span(parts: Parts, month: str | None, day: str | None) -> Span:
    zone = parts.park.zone
    try:
        return parse_span(month, day, zone) or day_span(_today(parts), zone)
    except AccountError as error:
        raise Refusal(422, "invalid", f"query: {str(error).removeprefix('--')}") from error


def _today(parts: Parts) -> date:
    return parts.clock.now().astimezone(parts.park.zone).date()


async def _statement(parts: Parts, span: Span) -> Statement:
    """One at a time: it adds up a year, and whoever asks for ten of them waits for ten."""
    async with parts.accounting:
        try:
            return await parts.in_thread(build_statement, StoreRegisters(parts.ledger.store), parts.park_on, span)
        except AccountError as error:
            raise Refusal(404, "no_accounts", f"{span.label}: {error}") from error


def _quarters(label: str, statement: Statement) -> AccountQuarters:
    accounts = statement.accounts
    origins = list(Origin)
    green = [i for i, origin in enumerate(origins) if origin in GREEN]
    return AccountQuarters(
        day=label,
        edges=tuple(edge.isoformat() for edge in accounts.grid.edges),
        areas=tuple(
            AreaQuarters(id=area, supply_mwh={o.name.lower(): _row(accounts.supply_mwh[z, :, i]) for i, o in enumerate(origins)})
            for z, area in enumerate(statement.park.area_ids)
        ),
        parties=tuple(
            PartyQuarters(
                id=party.id,
                area=party.area,
                role=party.role,
                energy_mwh=_row(accounts.energy_mwh[n]),
                green_mwh=_row(accounts.origin_mwh[n][:, green].sum(axis=1)),
                cost_cny=_row(accounts.cost_cny[n].sum(axis=1)),
                cost_items_cny=_items(accounts.items, accounts.cost_cny[n]),
                measured_frac=[None if v != v else round(v, _DIGITS) for v in accounts.measured_frac[n].tolist()],
            )
            for n, party in enumerate(accounts.parties)
        ),
    )


def _items(names: Sequence[str], cost_cny: FloatArray) -> dict[str, float]:
    return {name: round(float(cost_cny[:, k].sum()), _DIGITS) for k, name in enumerate(names)}


def _row(values: FloatArray) -> list[float]:
    rounded: list[float] = (np.round(values, _DIGITS) + 0.0).tolist()
    return rounded
