"""What every route of the VTN has at hand, and who is let in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from fastapi import Request

from controllers.adapters.openadr3.vtn.access import Shown, TokenMaker
from controllers.adapters.openadr3.vtn.desk import Desk, Trouble
from controllers.api.door import Attempts
from vpp.errors import AccessError

__all__ = ["VtnParts", "parts_of"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VtnParts:
    """The parts of one VTN.

    Args:
        desk: Where objects are written.
        tokens: Who is who.
        attempts: Wrong secrets and tokens by address.
        public_url: As clients see it.
        now: Real time.
    """

    desk: Desk
    tokens: TokenMaker
    attempts: Attempts
    public_url: str
    now: Callable[[], datetime]

    def listen_to(self, request: Request) -> None:
        """Refuses an address that has shown too many wrong ones.

        Raises:
            Trouble: For a while.
        """
        retry_s = self.attempts.retry_s(_address(request), self.now())
        if retry_s:
            raise Trouble(429, f"too many wrong secrets or tokens from this address; try again in {retry_s} s")

    async def wrong(self, request: Request, why: str) -> None:
        """Counts a wrong secret or token, and writes it into the audit."""
        self.attempts.wrong(_address(request), self.now())
        log.warning("openadr.refused", address=_address(request), path=request.url.path, reason=why)
        await self.desk.park.door.unreadable(
            "oauth", f"{request.method} {request.url.path} from {_address(request)}: {why}", "openadr.vtn"
        )

    async def admitted(self, request: Request, scope: str | None) -> Shown:
        """Who asks, if a token with this scope is shown.

        Raises:
            Trouble: 401 without one, 403 without the scope, 429 after too many wrong ones.
        """
        header = request.headers.get("authorization")
        try:
            shown = self.tokens.whose(header)
        except AccessError as error:
            if header:
                self.listen_to(request)
                await self.wrong(request, str(error))
            raise Trouble(401, str(error)) from error
        request.state.client = shown.client.id
        if scope is not None and scope not in shown.scopes:
            raise Trouble(
                403, f"{shown.client.role} {shown.client.id} may not {request.method} {request.url.path}; it takes {scope}"
            )
        return shown


def parts_of(request: Request) -> VtnParts:
    """The parts of the application that a request came to."""
    parts: VtnParts = request.app.state.parts
    return parts


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"
