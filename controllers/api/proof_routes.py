"""The proof of an event: what was requested, promised and delivered, by every baseline."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.bodies import EventId
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MaySeeEvents
from controllers.api.problem import Refusal
from controllers.proof import Proof, evidence_of, prove
from vpp.errors import AccountError

__all__ = ["router"]

router = APIRouter(prefix="/v1")

Rule = Annotated[str | None, Query(description="baseline that judges: declared, jiangsu, beijing or caiso", max_length=20)]


@router.get(
    "/events/{event_id}/proof",
    tags=["events"],
    responses=answers(Proof, _404="no such event, or nothing of it is known"),
    response_class=Raw,
)
async def proof(request: Request, _caller: MaySeeEvents, event_id: EventId, rule: Rule = None) -> Response:
    """Made anew from the ledger each time; the same ledger gives the same proof. Of a running event: as far as it is."""
    parts = parts_of(request)
    # One at a time: it reads weeks of registers and the plans of ten days.
    async with parts.accounting:
        return answer(await parts.in_thread(_proven, parts, event_id, rule))


def _proven(parts: Parts, event_id: str, rule: str | None) -> Proof:
    row = parts.ledger.event(event_id)
    if row is None:
        raise Refusal(404, "unknown_event", f"{event_id}: no such event")
    now = parts.clock.now()
    day = (row.end - timedelta(seconds=1)).astimezone(parts.park.zone).date()
    try:
        return prove(evidence_of(parts.ledger.store, parts.park_on(day), event_id, now), rule)
    except AccountError as error:
        raise Refusal(404, "no_proof", str(error)) from error
