"""Whether the process lives and can serve, its figures for Prometheus, and its own description."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controllers.api.answer import Raw, answer
from controllers.api.context import Parts, parts_of
from controllers.api.gate import MayRead
from controllers.api.unwritten import unwritten
from vpp.errors import VppError

__all__ = ["router"]

router = APIRouter(tags=["health"])
_STORE_S: Final = 2.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process lives."""

    status: str = "ok"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it can serve; each check with `ok` or what is wrong, and nothing that is not for everybody."""

    ready: bool
    checks: dict[str, str]


@router.get("/healthz", response_class=Raw)
async def healthz() -> Response:
    """Answers as long as the process lives; open to everybody."""
    return answer(Health())


@router.get("/readyz", response_class=Raw)
async def readyz(request: Request) -> Response:
    """200 when store, bus and controller are there, else 503; open to everybody."""
    parts = parts_of(request)
    checks = {"store": await _store(parts), "bus": _bus(parts), "controller": _controller(parts)}
    ready = all(word == "ok" for word in checks.values())
    # What can be served does not depend on it, and whoever watches should know.
    checks["ledger"] = await _ledger(parts) if checks["store"] == "ok" else checks["store"]
    return answer(Ready(ready=ready, checks=checks), 200 if ready else 503)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}}
)
async def metrics(request: Request, _caller: MayRead) -> Response:
    """Figures for Prometheus, which shows a key as `authorization: credentials`."""
    return Response(generate_latest(parts_of(request).counts.register), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/openapi.json", include_in_schema=False)
async def openapi(request: Request, _caller: MayRead) -> Response:
    """This API's description."""
    return answer(request.app.openapi())


async def _store(parts: Parts) -> str:
    try:
        async with asyncio.timeout(_STORE_S):
            await parts.in_thread(parts.ledger.check)
    except TimeoutError:
        return "does not answer"
    except VppError:
        return "cannot be read"
    return "ok"


async def _ledger(parts: Parts) -> str:
    health = await parts.in_thread(parts.ledger.controller_health)
    away = unwritten(health, parts.live.controller_heard_at, parts.clock.now())
    return "ok" if away is None else f"not written since {health['at']}"


def _bus(parts: Parts) -> str:
    return "ok" if parts.live.bus.connected else "not connected"


def _controller(parts: Parts) -> str:
    heard_at = parts.live.controller_heard_at
    if heard_at is None:
        return "not heard yet"
    return "ok" if parts.clock.now() - heard_at <= parts.silent_after else "silent"
