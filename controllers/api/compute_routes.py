"""Compute clusters: the work they report, the signal they follow, and what they answer to it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.bodies import BacklogBody, BacklogItemBody, ResponseBody
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayReport, MaySeeShift
from controllers.api.ledger_facts import BacklogAnswer, BacklogFacts, ShiftFacts
from controllers.api.limits import backlog_items
from controllers.api.problem import Fault, Refusal
from vpp.errors import BrokerError, WireError
from vpp.park import Asset
from vpp.park.plates import ComputePlate
from vpp.wire.codec import encode
from vpp.wire.messages import AcceptedInterval, Backlog, BacklogItem, Message, ShiftResponse
from vpp.wire.topics import Channel, topic_of

__all__ = ["router"]

router = APIRouter(prefix="/v1/compute/{cluster}", tags=["compute"])
_CLUSTER: Final = "no such cluster"


@router.get("/shift", responses=answers(ShiftFacts, _404=_CLUSTER), response_class=Raw)
async def shift(request: Request, _caller: MaySeeShift, cluster: str) -> Response:
    """The compute-shift signal: cap, target and floor for the next two days, with green share, carbon and price."""
    parts = parts_of(request)
    _known(parts, cluster)
    signal = parts.live.shifts.get(cluster)
    valid = signal is not None and parts.clock.now() < signal.valid_until
    return answer(ShiftFacts(cluster=cluster, signal=signal, valid=valid, response=parts.live.responses.get(cluster)))


@router.get("/backlog", responses=answers(BacklogFacts, _404=_CLUSTER), response_class=Raw)
async def backlog(request: Request, _caller: MaySeeShift, cluster: str) -> Response:
    """The deferrable work that the cluster has reported last, by whichever way."""
    parts = parts_of(request)
    _known(parts, cluster)
    return answer(BacklogFacts(cluster=cluster, backlog=parts.live.backlogs.get(cluster)))


@router.post(
    "/backlog",
    responses=answers(BacklogAnswer, 200, "each item taken or refused by itself", _404=_CLUSTER, _503="the bus is away"),
    response_class=Raw,
)
async def report(request: Request, caller: MayReport, cluster: str, body: BacklogBody) -> Response:
    """Reports all deferrable work; what was reported before is replaced.

    An item with a fault is refused and named; the others are taken. Where all are refused, what was reported before stands.
    """
    parts = parts_of(request)
    asset = _known(parts, cluster)
    plate: ComputePlate = asset.plate
    at = parts.clock.now()
    taken, faults = backlog_items(body.items, plate.rated_mw, at)
    if body.fast_band_mw > plate.rated_mw:
        fault = Fault(where="body.fast_band_mw", value=f"{body.fast_band_mw:g}", rule=f"the cluster has {plate.rated_mw:g} MW")
        raise Refusal(422, "absurd", fault.line(), faults=(fault,))
    if faults and not taken:
        detail = f"all {len(body.items)} items are refused, the report before stands; {faults[0].line()}"
        raise Refusal(422, "absurd", detail, faults=faults)
    items = tuple(_wire(item) for item in taken)
    said = Backlog(cluster=cluster, reported_at=at, fast_band_mw=body.fast_band_mw, items=items)
    await _post(parts, Channel.COMPUTE_BACKLOG, cluster, said, retain=True)
    await parts.in_thread(parts.ledger.keep_backlog, said, caller.name, at)
    energy_mwh = sum(item.energy_mwh or 0.0 for item in taken)
    return answer(BacklogAnswer(cluster=cluster, accepted=len(taken), accepted_mwh=round(energy_mwh, 6), refused=faults))


@router.post(
    "/response", responses=answers(ShiftFacts, 200, "passed on", _404=_CLUSTER, _503="the bus is away"), response_class=Raw
)
async def respond(request: Request, caller: MayReport, cluster: str, body: ResponseBody) -> Response:
    """Says what of a revision of the signal the scheduler takes on."""
    parts = parts_of(request)
    _known(parts, cluster)
    signal = parts.live.shifts.get(cluster)
    if signal is None or body.revision > signal.revision:
        last = "none" if signal is None else str(signal.revision)
        raise Refusal(422, "absurd", f"body.revision: {body.revision}: the last signal to {cluster} is {last}")
    said = ShiftResponse(
        cluster=cluster,
        revision=body.revision,
        responded_at=parts.clock.now(),
        accepted=body.accepted,
        intervals=tuple(AcceptedInterval(start=i.start, end=i.end, power_mw=i.power_mw) for i in body.intervals),
        note=body.note,
    )
    await _post(parts, Channel.COMPUTE_RESPONSE, cluster, said)
    await parts.audited(caller.name, "compute.response", cluster, f"revision {body.revision}: {body.accepted}")
    valid = parts.clock.now() < signal.valid_until
    return answer(ShiftFacts(cluster=cluster, signal=signal, valid=valid, response=said))


def _known(parts: Parts, cluster: str) -> Asset:
    found = next((a for a in parts.park.assets_of("compute") if a.id == cluster), None)
    if found is None:
        there = ", ".join(a.id for a in parts.park.assets_of("compute"))
        raise Refusal(404, "unknown_cluster", f"{cluster}: no such cluster in {parts.park.id}; there are {there}")
    return found


def _wire(item: BacklogItemBody) -> BacklogItem:
    return BacklogItem(**item.model_dump())


async def _post(parts: Parts, channel: Channel, cluster: str, said: Message, *, retain: bool = False) -> None:
    """Hands a message to the broker and waits until the broker has it: an answer of 200 is a promise."""
    try:
        payload = encode(said)
    except WireError as error:
        raise Refusal(422, "invalid", str(error)) from error
    try:
        if not parts.live.bus.connected:
            raise BrokerError("not connected")  # noqa: TRY301  the one way out for all that keeps it from the broker
        parts.live.bus.post(topic_of(parts.park.id, channel, cluster), payload, qos=1, retain=retain)
        await parts.handed_over()
    except (BrokerError, TimeoutError) as error:
        headers = {"Retry-After": "5"}
        raise Refusal(503, "bus_away", f"{cluster}: the bus does not answer, try again", headers=headers) from error
