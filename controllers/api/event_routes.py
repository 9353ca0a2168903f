"""Calls of the grid by REST: an event with a life cycle, posted once however often it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.ask_routes import refuse_faults
from controllers.api.bodies import AmendBody, EventBody, EventId, RefusedCallBody
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayCall, MaySeeEvents
from controllers.api.ledger_facts import EventFacts, EventList
from controllers.api.limits import event_faults
from controllers.api.problem import Fault, Refusal
from controllers.api.roles import Caller

__all__ = ["OVER", "router"]

router = APIRouter(prefix="/v1")
#: States that nothing follows but the account of what was.
OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
_SAME: Final = ("connection", "asset", "kind", "target_mw", "start", "end", "priority", "confidence", "note")


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """It is in the audit."""

    noted: bool = True


@router.get("/events", tags=["events"], responses=answers(EventList), response_class=Raw)
async def events(
    request: Request,
    _caller: MaySeeEvents,
    state: Annotated[list[str] | None, Query(description="only in one of these states")] = None,
    connection: Annotated[str | None, Query(description="only on this connection")] = None,
    asset: Annotated[str | None, Query(description="only at the meter of this cluster")] = None,
) -> Response:
    """Every event that was called, by REST or over the bus, with its state and why."""
    parts = parts_of(request)
    rows = await parts.in_thread(parts.ledger.events)
    wanted = [
        r for r in rows if (not state or r.state in state) and connection in (None, r.connection) and asset in (None, r.asset)
    ]
    return answer(EventList(at=parts.clock.now(), events=tuple(wanted)))


@router.post(
    "/events",
    tags=["events"],
    status_code=201,
    responses=answers(EventFacts, 201, "written; the controller is told", _409="the same event_id with another content")
    | answers(EventFacts, 200, "the same call was received before; nothing has changed", _409="see there"),
    response_class=Raw,
)
async def call(request: Request, caller: MayCall, body: EventBody) -> Response:
    """Calls an event. Sent again with the same content it answers 200 and the event as it stands."""
    parts = parts_of(request)
    async with parts.asking:
        known = await _find(parts, body.event_id)
        if known is not None:
            return await _again(parts, caller, known, body)
        await _refuse(parts, caller, body.event_id, event_faults(parts.park, body, parts.clock.now()))
        row = await parts.in_thread(parts.ledger.ask_event, body, caller.name, parts.clock.now())
    parts.told("event", row.number)
    return answer(row, 201, {"Location": f"/v1/events/{row.event_id}"})


@router.post("/events/refused", tags=["events"], status_code=201, responses=answers(Noted, 201, "noted"), response_class=Raw)
async def refused_elsewhere(request: Request, caller: MayCall, body: RefusedCallBody) -> Response:
    """Writes into the audit that a call came by another protocol and could not be read; it is a call that was refused."""
    await parts_of(request).audited(caller.name, "event.ask", body.event_id, body.why, outcome="refused")
    return answer(Noted(), 201)


@router.get("/events/{event_id}", tags=["events"], responses=answers(EventFacts, _404="no such event"), response_class=Raw)
async def one(request: Request, _caller: MaySeeEvents, event_id: EventId) -> Response:
    """One event as it stands."""
    return answer(await _known(parts_of(request), event_id))


@router.patch(
    "/events/{event_id}",
    tags=["events"],
    responses=answers(EventFacts, _404="no such event", _409="the event is over"),
    response_class=Raw,
)
async def amend(request: Request, caller: MayCall, event_id: EventId, body: AmendBody) -> Response:
    """Changes target, span or priority of an event that is not over; it is judged anew, under the next revision."""
    parts = parts_of(request)
    async with parts.asking:
        known = await _alive(parts, event_id)
        changed = EventBody(
            event_id=known.event_id,
            connection=known.connection,
            asset=known.asset,
            kind=known.kind,  # type: ignore[arg-type]  # it was one of them when it was written
            target_mw=known.target_mw if body.target_mw is None else body.target_mw,
            start=body.start or known.start,
            end=body.end or known.end,
            priority=known.priority if body.priority is None else body.priority,
            confidence=known.confidence if body.confidence is None else body.confidence,
            note=known.note,
        )
        at = parts.clock.now()
        # The start of an event that runs is past, and stays what it was.
        found = (f for f in event_faults(parts.park, changed, at) if body.start is not None or f.where != "body.start")
        await _refuse(parts, caller, event_id, found)
        row = await parts.in_thread(parts.ledger.amend_event, known, changed, caller.name, at)
    parts.told("event", row.number)
    return answer(row)


@router.delete(
    "/events/{event_id}",
    tags=["events"],
    responses=answers(EventFacts, _404="no such event", _409="the event is over"),
    response_class=Raw,
)
async def cancel(request: Request, caller: MayCall, event_id: EventId) -> Response:
    """Takes an event back; cancelled twice it stays cancelled."""
    parts = parts_of(request)
    async with parts.asking:
        known = await _known(parts, event_id)
        if known.state == "cancelled":
            return answer(known)
        known = await _alive(parts, event_id)
        row = await parts.in_thread(parts.ledger.cancel_event, known, caller.name, parts.clock.now())
    parts.told("event", row.number)
    return answer(row)


async def _refuse(parts: Parts, caller: Caller, event_id: str, found: Iterable[Fault]) -> None:
    """Refuses a call that has faults; that somebody called and was refused is a line of the audit."""
    faults = tuple(found)
    if faults:
        said = "; ".join(fault.line() for fault in faults)
        await parts.audited(caller.name, "event.ask", event_id, said, outcome="refused")
    refuse_faults(faults)


async def _again(parts: Parts, caller: Caller, known: EventFacts, body: EventBody) -> Response:
    different = [name for name in _SAME if getattr(known, name) != getattr(body, name)]
    if different:
        detail = (
            f"{body.event_id}: was received with another {', '.join(different)}; change it by PATCH, or choose a new event_id"
        )
        await parts.audited(caller.name, "event.ask", body.event_id, detail, outcome="refused")
        raise Refusal(409, "event_differs", detail)
    return answer(known)


async def _find(parts: Parts, event_id: str) -> EventFacts | None:
    return await parts.in_thread(parts.ledger.event, event_id)


async def _known(parts: Parts, event_id: str) -> EventFacts:
    row = await _find(parts, event_id)
    if row is None:
        raise Refusal(404, "unknown_event", f"{event_id}: no such event")
    return row


async def _alive(parts: Parts, event_id: str) -> EventFacts:
    row = await _known(parts, event_id)
    at: datetime = parts.clock.now()
    if row.state in OVER or row.end <= at:
        raise Refusal(
            409, "event_over", f"{event_id}: is {row.state}, ended {row.end.isoformat()}; nothing can change it any more"
        )
    return row
