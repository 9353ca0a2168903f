"""What people ask of the park: overrides of assets, and alarms that they have seen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.bodies import AcknowledgeBody, LocalBody, MaintenanceBody, OverrideBody, PinBody, ReleaseBody
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayAcknowledge, MayOverride, MayRead
from controllers.api.ledger_facts import AlarmFacts, AlarmList, OverrideFacts, OverrideList, Released
from controllers.api.limits import override_faults
from controllers.api.problem import Fault, Refusal
from controllers.api.roles import Caller
from controllers.api.unwritten import UNWRITTEN

__all__ = ["refuse_faults", "router"]

router = APIRouter(prefix="/v1")


@router.get("/overrides", tags=["overrides"], responses=answers(OverrideList), response_class=Raw)
async def overrides(
    request: Request, _caller: MayRead, asset_id: Annotated[str | None, Query(description="only of this asset")] = None
) -> Response:
    """Overrides that stand or are still to come."""
    parts = parts_of(request)
    at = parts.clock.now()
    rows = await parts.in_thread(parts.ledger.overrides_open, at)
    return answer(OverrideList(at=at, overrides=tuple(row for row in rows if asset_id in (None, row.asset_id))))


@router.post(
    "/overrides",
    tags=["overrides"],
    status_code=201,
    responses=answers(OverrideFacts, 201, "written; the controller is told")
    | answers(OverrideFacts, 200, "the same stands already; nothing has changed"),
    response_class=Raw,
)
async def override(request: Request, caller: MayOverride, body: OverrideBody) -> Response:
    """Takes an asset to local, pins its power, books a maintenance window, or releases it.

    The answer comes when the row is on disk. Sent again with the same content by the same person it answers 200 and the row that
    stands. A release answers with the numbers that it has ended.
    """
    parts = parts_of(request)
    at = parts.clock.now()
    refuse_faults(override_faults(parts.park, body, at))
    if isinstance(body, ReleaseBody):
        return answer(await _release(parts, body, caller, at), 201)
    async with parts.asking:
        known = await _same(parts, body, caller, at)
        if known is not None:
            return answer(known)
        row = await parts.in_thread(parts.ledger.ask_override, body, caller.name, at)
    parts.told("override", row.number)
    return answer(row, 201, {"Location": f"/v1/overrides/{row.number}"})


@router.get(
    "/overrides/{number}", tags=["overrides"], responses=answers(OverrideFacts, _404="no such override"), response_class=Raw
)
async def one_override(request: Request, _caller: MayRead, number: int) -> Response:
    """One override that stands or is still to come."""
    parts = parts_of(request)
    return answer(await _open_override(parts, number, parts.clock.now()))


@router.delete(
    "/overrides/{number}", tags=["overrides"], responses=answers(OverrideFacts, _404="no such override"), response_class=Raw
)
async def close(request: Request, caller: MayOverride, number: int) -> Response:
    """Ends one override."""
    parts = parts_of(request)
    at = parts.clock.now()
    row = await _open_override(parts, number, at)
    closed = await parts.in_thread(parts.ledger.close_override, row, caller.name, at)
    parts.told("override", number)
    return answer(closed)


@router.get("/alarms", tags=["alarms"], responses=answers(AlarmList), response_class=Raw)
async def alarms(request: Request, _caller: MayRead) -> Response:
    """Alarms that stand, or that nobody has acknowledged."""
    parts = parts_of(request)
    return answer(AlarmList(at=parts.clock.now(), alarms=await parts.alarms()))


@router.post(
    "/alarms/{number}/acknowledge",
    tags=["alarms"],
    responses=answers(AlarmFacts, _404="no such alarm", _409="cannot be noted now"),
    response_class=Raw,
)
async def acknowledge(request: Request, caller: MayAcknowledge, number: int, body: AcknowledgeBody | None = None) -> Response:
    """Somebody has seen an alarm; seen twice, the first one's name stays."""
    parts = parts_of(request)
    rows = await parts.alarms()
    row = next((one for one in rows if one.number == number), None)
    if row is None:
        raise Refusal(404, "unknown_alarm", f"{number}: no such alarm is open; GET /v1/alarms lists them")
    if row.key == UNWRITTEN:
        raise Refusal(409, "cannot_acknowledge", "the ledger is not written, and so cannot note it; this alarm ends by itself")
    note = "" if body is None else body.note
    seen = await parts.in_thread(parts.ledger.acknowledge, row, caller.name, note, parts.clock.now())
    parts.nudge.set()
    return answer(seen)


def refuse_faults(found: Iterable[Fault]) -> None:
    """Refuses a request that has faults, all of them in one answer."""
    faults = tuple(found)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Refusal(422, "absurd", f"{faults[0].line()}{more}", faults=faults)


async def _same(parts: Parts, body: LocalBody | PinBody | MaintenanceBody, caller: Caller, at: datetime) -> OverrideFacts | None:
    """What stands already and says the same, as after a second click or a retry; a start that was not named is no difference."""
    asked = body.model_dump()
    wanted = {key: value for key, value in asked.items() if key != "start" or value is not None}
    rows = await parts.in_thread(parts.ledger.overrides_open, at)
    mine = [row for row in rows if row.by == caller.name]
    return next((row for row in mine if all(getattr(row, key) == value for key, value in wanted.items())), None)


async def _release(parts: Parts, body: ReleaseBody, caller: Caller, at: datetime) -> Released:
    released = await parts.in_thread(parts.ledger.release, body.asset_id, caller.name, body.why, at)
    parts.told("override", released.number)
    return released


async def _open_override(parts: Parts, number: int, at: datetime) -> OverrideFacts:
    rows = await parts.in_thread(parts.ledger.overrides_open, at)
    row = next((one for one in rows if one.number == number), None)
    if row is None:
        raise Refusal(404, "unknown_override", f"{number}: no such override stands; GET /v1/overrides lists them")
    return row
