"""What is and what moves: the park, its assets, the present of all of them at once, what could be offered, and the stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from controllers.api.answer import Raw, answer, answers
from controllers.api.context import parts_of
from controllers.api.gate import MayRead, MaySeeOffer
from controllers.api.live_state import AssetLive, LiveState
from controllers.api.offer import Offer, offer_of, promised
from controllers.api.park_facts import AssetFacts, AssetList, ParkFacts, asset_facts, park_facts
from controllers.api.problem import Refusal
from controllers.api.stream import Follower
from vpp.park import Asset, Park

__all__ = ["router"]

router = APIRouter(prefix="/v1")
#: What a stream may be asked for.
_KINDS = ("asset", "connection", "command", "ack", "shift", "plan", "forecast", "event", "override", "alarm")


@router.get("/park", tags=["park"], responses=answers(ParkFacts), response_class=Raw)
async def park(request: Request, _caller: MayRead) -> Response:
    """Areas and connections of the park."""
    return answer(park_facts(parts_of(request).park))


@router.get("/assets", tags=["park"], responses=answers(AssetList), response_class=Raw)
async def assets(
    request: Request,
    _caller: MayRead,
    area: Annotated[str | None, Query(description="only of this area")] = None,
    kind: Annotated[str | None, Query(description="only of this kind")] = None,
) -> Response:
    """Every asset with its nameplate."""
    whole = parts_of(request).park
    return answer(AssetList(assets=tuple(asset_facts(whole, asset) for asset in whole.assets_of(kind, area))))


@router.get("/assets/{asset_id}", tags=["park"], responses=answers(AssetFacts, _404="no such asset"), response_class=Raw)
async def asset(request: Request, _caller: MayRead, asset_id: str) -> Response:
    """One asset with its nameplate."""
    whole = parts_of(request).park
    return answer(asset_facts(whole, known_asset(whole, asset_id)))


@router.get("/live", tags=["live"], responses=answers(LiveState), response_class=Raw)
async def live(request: Request, _caller: MayRead) -> Response:
    """All assets, connections and areas at this moment; asked more often than ten times a second it answers the same."""
    return Raw(parts_of(request).present.encoded())


@router.get("/live/{asset_id}", tags=["live"], responses=answers(AssetLive, _404="no such asset"), response_class=Raw)
async def live_asset(request: Request, _caller: MayRead, asset_id: str) -> Response:
    """One asset at this moment, with its last command and why."""
    parts = parts_of(request)
    known_asset(parts.park, asset_id)
    return answer(parts.live.asset(asset_id, parts.clock.now()))


@router.get("/flexibility", tags=["flexibility"], responses=answers(Offer), response_class=Raw)
async def flexibility(
    request: Request, _caller: MaySeeOffer, connection: Annotated[str | None, Query(description="only of this connection")] = None
) -> Response:
    """What each connection can give up or take on: promised with confidence over the next day, and for how long from now."""
    parts = parts_of(request)
    if connection is not None and connection not in {c.id for c in parts.park.connections if c.is_grid}:
        raise Refusal(404, "unknown_connection", f"{connection}: no connection of {parts.park.id} to the grid")
    at = parts.clock.now()
    state = parts.live.state(at)
    held = await parts.in_thread(parts.ledger.held, at)
    table = await parts.in_thread(parts.ledger.offer_table)
    offer = await parts.in_thread(offer_of, parts.park, at, state.assets, state.connections, held)
    return answer(promised(offer, table).only(connection))


@router.get(
    "/stream",
    tags=["live"],
    response_class=StreamingResponse,
    responses={200: {"description": "server-sent events, see docs/api.md", "content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    caller: MayRead,
    kinds: Annotated[list[str] | None, Query(description=f"of {', '.join(_KINDS)}; everything without it")] = None,
    pace_s: Annotated[float, Query(ge=0.2, le=60.0, description="least time between two reports of state [s]")] = 1.0,
) -> Response:
    """The whole state, then what changes; ends when the key or token does."""
    parts = parts_of(request)
    unknown = sorted(set(kinds or ()) - set(_KINDS))
    if unknown:
        raise Refusal(422, "invalid", f"query.kinds: {', '.join(unknown)}: there are {', '.join(_KINDS)}")
    if not parts.hub.has_room():
        most = parts.settings.api.streams_max
        raise Refusal(503, "streams_full", f"{most} streams are open, more are not served", headers={"Retry-After": "10"})

    def left_s() -> float | None:
        return None if caller.until_s is None else caller.until_s - parts.door.now().timestamp()

    follower = Follower(frozenset(kinds) if kinds else None, pace_s)
    return StreamingResponse(
        parts.hub.follow(follower, left_s), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


def known_asset(park: Park, asset_id: str) -> Asset:
    """The asset, or a refusal."""
    found = next((one for one in park.assets if one.id == asset_id), None)
    if found is None:
        raise Refusal(404, "unknown_asset", f"{asset_id}: no such asset in {park.id}; GET /v1/assets lists them")
    return found
