"""What was and what is expected: measurements, forecasts, plans with their explanations, and the audit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.bodies import Instant
from controllers.api.context import Parts, parts_of
from controllers.api.forecast_facts import ForecastStanding, standing_of
from controllers.api.gate import MayAudit, MayRead
from controllers.api.ledger_facts import AuditList, CommandList, ForecastFacts, Measurements, PlanFacts, PlanList
from controllers.api.live_routes import known_asset
from controllers.api.problem import Refusal

__all__ = ["router"]

router = APIRouter(prefix="/v1")
#: Values in one answer; a year of quarters of one asset fits, a day of seconds of one asset too.
_VALUES_MAX: Final = 100_000
_DAY: Final = timedelta(days=1)
_COMMANDS_SPAN: Final = timedelta(days=7)

Subjects = Annotated[list[str], Query(min_length=1, max_length=50, description="assets or connections")]


@router.get("/measurements", tags=["records"], responses=answers(Measurements), response_class=Raw)
async def measurements(
    request: Request,
    _caller: MayRead,
    subject: Subjects,
    quantity: Annotated[str, Query(description="as in power_mw, available_mw, import_mw, soc_frac")] = "power_mw",
    start: Annotated[Instant | None, Query(description="a day before the end without it")] = None,
    end: Annotated[Instant | None, Query(description="now without it")] = None,
    step_s: Annotated[float, Query(ge=1.0, le=86_400.0, description="mean over so long [s]")] = 900.0,
) -> Response:
    """Series of what was measured, as means over steps: seconds for two days, minutes for ninety, quarter hours for ever."""
    parts = parts_of(request)
    begin, until = _span(parts, start, end)
    step = timedelta(seconds=step_s)
    values = len(subject) * ((until - begin) / step)
    if values > _VALUES_MAX:
        raise Refusal(422, "too_much", f"query: {values:,.0f} values, at most {_VALUES_MAX:,} are answered; take a longer step_s")
    known = {a.id for a in parts.park.assets} | {c.id for c in parts.park.connections}
    unknown = [one for one in subject if one not in known]
    if unknown:
        raise Refusal(404, "unknown_subject", f"query.subject: {unknown[0]!r}: no such asset or connection in {parts.park.id}")
    series = await parts.in_thread(parts.ledger.series, tuple(dict.fromkeys(subject)), quantity, begin, until, step)
    return answer(Measurements(start=begin, end=until, step_s=step_s, series=series))


@router.get("/commands/{asset_id}", tags=["records"], responses=answers(CommandList, _404="no such asset"), response_class=Raw)
async def commands(
    request: Request,
    _caller: MayRead,
    asset_id: str,
    start: Annotated[Instant | None, Query(description="a day before the end without it")] = None,
    end: Annotated[Instant | None, Query(description="now without it")] = None,
) -> Response:
    """What an asset was told, why, and what it answered."""
    parts = parts_of(request)
    known_asset(parts.park, asset_id)
    begin, until = _span(parts, start, end)
    if until - begin > _COMMANDS_SPAN:
        raise Refusal(422, "too_much", f"query: {until - begin}: at most {_COMMANDS_SPAN.days} days are answered at once")
    found = await parts.in_thread(parts.ledger.commands, asset_id, begin, until)
    return answer(CommandList(asset_id=asset_id, commands=found))


@router.get("/forecasts", tags=["records"], responses=answers(ForecastFacts, _404="no forecast yet"), response_class=Raw)
async def forecasts(
    request: Request,
    _caller: MayRead,
    subject: Annotated[list[str] | None, Query(description="only of these assets or areas")] = None,
    issued_before: Annotated[Instant | None, Query(description="the last one issued by then; the current one without it")] = None,
) -> Response:
    """Quantiles of what wind and sun will give, as known at a moment."""
    parts = parts_of(request)
    if issued_before is None and parts.live.forecast is not None:
        said = parts.live.forecast
        found: ForecastFacts | None = ForecastFacts(
            issued_at=said.issued_at, edges=said.edges, levels=said.levels, series=said.series, stale=said.stale
        )
    else:
        found = await parts.in_thread(parts.ledger.forecast, issued_before or parts.clock.now())
    if found is None:
        raise Refusal(404, "no_forecast", "no forecast was issued by then")
    series = tuple(row for row in found.series if not subject or row.id in subject)
    return answer(
        ForecastFacts(issued_at=found.issued_at, edges=found.edges, levels=found.levels, series=series, stale=found.stale)
    )


@router.get("/forecasts/standing", tags=["records"], responses=answers(ForecastStanding), response_class=Raw)
async def forecast_standing(request: Request, _caller: MayRead) -> Response:
    """Age, quality and models of the forecasts, and what became of the last training, some seconds old."""
    parts = parts_of(request)
    return answer(standing_of(await parts.in_thread(parts.ledger.controller_health)))


@router.get("/plans", tags=["records"], responses=answers(PlanList), response_class=Raw)
async def plans(
    request: Request,
    _caller: MayRead,
    start: Annotated[Instant | None, Query(description="made from then on; a day before the end without it")] = None,
    end: Annotated[Instant | None, Query(description="made until then; now without it")] = None,
) -> Response:
    """Plans that were made, newest first."""
    parts = parts_of(request)
    begin, until = _span(parts, start, end)
    return answer(PlanList(plans=await parts.in_thread(parts.ledger.plans, begin, until)))


@router.get("/plans/current", tags=["records"], responses=answers(PlanFacts, _404="no plan yet"), response_class=Raw)
async def current_plan(request: Request, _caller: MayRead) -> Response:
    """The plan that is followed now, with its explanation."""
    parts = parts_of(request)
    said = parts.live.plan
    found = None if said is None else await parts.in_thread(parts.ledger.explained, said)
    if found is None:
        raise Refusal(404, "no_plan", "no plan was published yet; until then the rules hold, and each command says so")
    return answer(found)


@router.get("/plans/{plan_id}", tags=["records"], responses=answers(PlanFacts, _404="no such plan"), response_class=Raw)
async def one_plan(request: Request, _caller: MayRead, plan_id: str) -> Response:
    """One plan, with what it does not meet, what holds it, and what it costs by item."""
    found = await parts_of(request).in_thread(parts_of(request).ledger.plan, plan_id)
    if found is None:
        raise Refusal(404, "unknown_plan", f"{plan_id}: no such plan; GET /v1/plans lists them")
    return answer(found)


@router.get("/audit", tags=["audit"], responses=answers(AuditList), response_class=Raw)
async def audit(
    request: Request,
    _caller: MayAudit,
    start: Annotated[Instant | None, Query(description="a day before the end without it")] = None,
    end: Annotated[Instant | None, Query(description="now without it")] = None,
    who: Annotated[str | None, Query(description="only of this caller")] = None,
    most: Annotated[int, Query(ge=1, le=5_000, description="rows")] = 500,
) -> Response:
    """Who asked for what, what became of it, and who was turned away; newest first."""
    parts = parts_of(request)
    begin, until = _span(parts, start, end)
    rows = await parts.in_thread(parts.ledger.audits, begin, until)
    wanted = [row for row in rows if who in (None, row.who)]
    return answer(AuditList(rows=tuple(wanted[:most])))


def _span(parts: Parts, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The span asked for; without an end it is what has been until now, this moment included."""
    until = end or parts.clock.now() + timedelta(seconds=1)
    begin = start or until - _DAY
    if begin >= until:
        raise Refusal(422, "absurd", f"query.start: {begin.isoformat()}: must come before end {until.isoformat()}")
    return begin, until
