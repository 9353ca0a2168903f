"""What stands before every route but health: who is it, and may they?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controllers.api.context import Parts, parts_of
from controllers.api.door import LockedError
from controllers.api.problem import Refusal
from controllers.api.roles import RIGHTS, Caller, Right
from vpp.errors import AccessError

__all__ = [
    "MayAcknowledge",
    "MayAudit",
    "MayCall",
    "MayKeepToken",
    "MayManageKeys",
    "MayOverride",
    "MayRead",
    "MayReport",
    "MaySeeEvents",
    "MaySeeOffer",
    "MaySeeShift",
    "address_of",
    "may",
]

#: For the description of the API; the header itself is read at the door.
_BEARER = HTTPBearer(auto_error=False, scheme_name="key or token", description="an API key, or a token got by POST /v1/token")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="vpp"'}


def _checker(right: Right) -> Callable[..., Awaitable[Caller]]:
    """A dependency that yields the caller, or refuses, and leaves a line in the audit.

    A route that speaks of one cluster has it as `{cluster}` in its path: a scheduler gets no further with another's.
    """

    async def check(request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
        parts = parts_of(request)
        caller = await _caller(parts, request)
        await may(parts, request, caller, right, request.path_params.get("cluster"))
        request.state.caller = caller
        return caller

    return check


async def may(parts: Parts, request: Request, caller: Caller, right: Right, cluster: str | None = None) -> None:
    """Refuses a caller whose role does not hold a right."""
    if caller.may(right, cluster):
        return
    roles = ", ".join(role for role, rights in RIGHTS.items() if right in rights)
    detail = f"{caller.role} {caller.name} may not {request.method} {request.url.path}; it takes the right to {right}: {roles}"
    if right in RIGHTS[caller.role]:
        detail = f"{caller.role} {caller.name} speaks for {caller.cluster}, not for {cluster}"
    parts.counts.refused.labels("forbidden").inc()
    await parts.refused(caller.name, address_of(request), request.method, request.url.path, detail)
    raise Refusal(403, "forbidden", detail)


async def _caller(parts: Parts, request: Request) -> Caller:
    header, address = request.headers.get("authorization"), address_of(request)
    try:
        return parts.door.caller(header, address)
    except LockedError as error:
        parts.counts.refused.labels("locked").inc()
        if error.first:
            await parts.refused("", address, request.method, request.url.path, str(error))
        raise Refusal(429, "locked", str(error), headers={"Retry-After": str(error.retry_s)}) from error
    except AccessError as error:
        parts.counts.refused.labels("unknown" if header else "missing").inc()
        # Only what was tried is worth a line; at most so many a minute come from one address before its door closes.
        if header:
            await parts.refused("", address, request.method, request.url.path, str(error))
        raise Refusal(401, "unauthorized", str(error), headers=_CHALLENGE) from error


def address_of(request: Request) -> str:
    """Who is at the other end of the line; a proxy's headers are believed only where the server was told to."""
    return request.client.host if request.client is not None else "unknown"


#: The caller, once the right is granted: one for each right, as the type of a route's parameter.
MayRead: TypeAlias = Annotated[Caller, Depends(_checker(Right.READ))]
MaySeeOffer: TypeAlias = Annotated[Caller, Depends(_checker(Right.FLEXIBILITY))]
MaySeeEvents: TypeAlias = Annotated[Caller, Depends(_checker(Right.EVENTS))]
MaySeeShift: TypeAlias = Annotated[Caller, Depends(_checker(Right.SHIFT))]
MayReport: TypeAlias = Annotated[Caller, Depends(_checker(Right.BACKLOG))]
MayOverride: TypeAlias = Annotated[Caller, Depends(_checker(Right.OVERRIDE))]
MayAcknowledge: TypeAlias = Annotated[Caller, Depends(_checker(Right.ACKNOWLEDGE))]
MayCall: TypeAlias = Annotated[Caller, Depends(_checker(Right.CALL))]
MayAudit: TypeAlias = Annotated[Caller, Depends(_checker(Right.AUDIT))]
MayManageKeys: TypeAlias = Annotated[Caller, Depends(_checker(Right.KEYS))]
MayKeepToken: TypeAlias = Annotated[Caller, Depends(_checker(Right.OWN_TOKEN))]
