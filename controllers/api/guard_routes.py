"""What stands prepared in the devices: the shedding ladders, as they are armed."""

from __future__ import annotations

from datetime import datetime

import msgspec
from fastapi import APIRouter, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayRead
from controllers.dispatch.ladder import GUARD_KEY, GuardFacts, LadderFacts, RungFacts, ladder_facts, ladders_of
from vpp.errors import StoreError

__all__ = ["LadderList", "router"]

router = APIRouter(prefix="/v1/guard")


class RungNow(msgspec.Struct, frozen=True, kw_only=True):
    """One device on a ladder.

    Args:
        step: Its place, the first one goes first; 0 for one that is left out.
        asset_id: Which.
        name_zh: Its Chinese name.
        mode: Whether it can be counted on now.
        relief_mw: What it gives back at most. [MW]
        now_mw: What it would give back at this moment; null where it was not heard. [MW]
        cost_cny_per_mwh: What each MWh of it costs.
        full_after_s: From the broadcast to all of it. [s]
        calls: How often it was shed this year.
        calls_per_year: Most by contract; null without one.
        open_h: How long it was shed this year. [h]
        hours_per_year: Most by contract; null without one. [h]
        reason: Why it is left out; empty for the others.
    """

    step: int
    asset_id: str
    name_zh: str
    mode: str
    relief_mw: float
    now_mw: float | None
    cost_cny_per_mwh: float
    full_after_s: float
    calls: int
    calls_per_year: int | None
    open_h: float
    hours_per_year: float | None
    reason: str


class LadderNow(msgspec.Struct, frozen=True, kw_only=True):
    """The ladder of one area.

    Args:
        area: Whose.
        connections: That it protects.
        armed_at: When its devices last learnt their places; null before a controller has told them.
        step: That stands now; 0 at rest.
        reason: Why it stands; empty at rest.
        rungs: In their order, those that are left out last.
    """

    area: str
    connections: tuple[str, ...]
    armed_at: datetime | None
    step: int
    reason: str
    rungs: tuple[RungNow, ...]


class LadderList(msgspec.Struct, frozen=True, kw_only=True):
    """Every ladder."""

    at: datetime
    ladders: tuple[LadderNow, ...]


@router.get("/ladder", tags=["guard"], responses=answers(LadderList), response_class=Raw)
async def ladder(request: Request, _caller: MayRead) -> Response:
    """Who is shed in which order when a connection is overloaded or an emergency is called, and how often they were already."""
    parts = parts_of(request)
    kept = await parts.in_thread(parts.ledger.store.recall, GUARD_KEY)
    return answer(LadderList(at=parts.clock.now(), ladders=tuple(_now(parts, one) for one in _armed(parts, kept))))


def _armed(parts: Parts, kept: bytes | None) -> tuple[LadderFacts, ...]:
    """As the controller noted them; before the first note, as they will be armed."""
    if kept is not None:
        try:
            return msgspec.json.decode(kept, type=GuardFacts).ladders
        except msgspec.DecodeError as error:
            raise StoreError(f"{GUARD_KEY}: cannot be read: {error}") from error
    return tuple(
        LadderFacts(
            area=area,
            connections=tuple(c.id for c in parts.park.connections if c.is_grid and c.area == area),
            armed_at=None,
            step=0,
            reason="",
            rungs=ladder_facts(ladder),
        )
        for area, ladder in ladders_of(parts.park).items()
    )


def _now(parts: Parts, one: LadderFacts) -> LadderNow:
    known = {str(asset.id): asset for asset in parts.park.assets}
    at = parts.clock.now()
    rungs = []
    for rung in one.rungs:
        if rung.asset_id in known:
            live = parts.live.asset(rung.asset_id, at)
            rungs.append(_rung(rung, known[rung.asset_id].name_zh, live.mode.value, _gives_mw(rung, live.power_mw)))
    return LadderNow(
        area=one.area,
        connections=one.connections,
        armed_at=one.armed_at,
        step=one.step,
        reason=one.reason,
        rungs=tuple(rungs),
    )


def _gives_mw(rung: RungFacts, power_mw: float | None) -> float | None:
    """From what it draws now down to where its rung leaves it."""
    return None if power_mw is None else round(max(power_mw - rung.then_mw, 0.0), 6)


def _rung(rung: RungFacts, name_zh: str, mode: str, now_mw: float | None) -> RungNow:
    return RungNow(
        step=rung.step,
        asset_id=rung.asset_id,
        name_zh=name_zh,
        mode=mode,
        relief_mw=rung.relief_mw,
        now_mw=now_mw,
        cost_cny_per_mwh=rung.cost_cny_per_mwh,
        full_after_s=rung.full_after_s,
        calls=rung.calls,
        calls_per_year=rung.calls_per_year,
        open_h=round(rung.open_h, 4),
        hours_per_year=rung.hours_per_year,
        reason=rung.reason,
    )
