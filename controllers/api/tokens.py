"""Tokens: JWT signed with HS256, short of life, bound to one service by its secret, that can be taken back before they end."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
import msgspec

from controllers.api.keys import KeyBook, Memory
from controllers.api.roles import Caller, Role
from vpp.errors import AccessError

__all__ = ["TokenDesk", "mint"]

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "vpp"
_AUDIENCE: Final = "vpp.api"
_KEPT_UNDER: Final = "api.tokens_revoked"
_MUST: Final = ("iss", "aud", "sub", "role", "jti", "iat", "exp")
#: Clocks of two machines may differ by so much.
_SKEW_S: Final = 5.0


def mint(secret: bytes, caller: Caller, at: datetime, life: timedelta, key_id: str | None = None) -> str:
    """A token; whoever holds the secret can make one, as the command on the service's own machine does.

    Args:
        secret: See `controllers.token_secret`.
        caller: Whose it is.
        at: Now (UTC).
        life: How long it lives.
        key_id: The key it was got by; when that is revoked, so is this.
    """
    claims: dict[str, Any] = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": caller.name,
        "role": caller.role.value,
        "jti": secrets.token_hex(8),
        "iat": int(at.timestamp()),
        "exp": int((at + life).timestamp()),
    }
    claims |= {"cluster": caller.cluster} if caller.cluster is not None else {}
    claims |= {"key": key_id} if key_id is not None else {}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


class TokenDesk:
    """Makes tokens, and knows whose they are.

    Args:
        secret: To sign with.
        keys: Tokens got by a key end with it.
        memory: Where those are kept that were taken back.
    """

    def __init__(self, secret: bytes, keys: KeyBook, memory: Memory) -> None:
        self._secret, self._keys, self._memory = secret, keys, memory
        self._lock = threading.Lock()
        kept = memory.recall(_KEPT_UNDER)
        self._revoked: dict[str, float] = msgspec.json.decode(kept, type=dict[str, float]) if kept else {}

    def issue(self, caller: Caller, at: datetime, life: timedelta) -> tuple[str, datetime]:
        """A token for someone, and when it ends: never after the key it is got by."""
        kind, _, key_id = caller.credential.partition(":")
        if caller.until_s is not None:
            life = min(life, timedelta(seconds=max(0.0, caller.until_s - at.timestamp())))
        text = mint(self._secret, caller, at, life, key_id if kind == "key" else None)
        return text, at + life

    def caller(self, text: str, at: datetime) -> Caller:
        """Whose token this is.

        Raises:
            AccessError: It is not ours, over, not yet valid, or was taken back.
        """
        claims = self._claims(text)
        now_s = at.timestamp()
        if now_s >= claims["exp"]:
            raise AccessError("this token has expired; get a new one by POST /v1/token")
        if claims["iat"] > now_s + _SKEW_S:
            raise AccessError("this token is from the future; compare the clocks")
        if claims["jti"] in self._revoked:
            raise AccessError("this token was taken back")
        key_id = claims.get("key")
        if key_id is not None:
            record = self._keys.get(key_id)
            if record is None or not record.holds(at):
                raise AccessError("the key behind this token was revoked or has expired")
        credential = f"token:{claims['jti']}"
        return Caller(str(claims["sub"]), Role(claims["role"]), claims.get("cluster"), credential, float(claims["exp"]))

    def take_back(self, caller: Caller, at: datetime) -> None:
        """Ends a token before its time; who shows it again is refused. Forgotten when it would have ended anyway."""
        jti = caller.credential.removeprefix("token:")
        with self._lock:
            alive = {one: until for one, until in self._revoked.items() if until > at.timestamp()}
            alive[jti] = caller.until_s or 0.0
            self._memory.remember(_KEPT_UNDER, msgspec.json.encode(alive))
            self._revoked = alive

    def _claims(self, text: str) -> dict[str, Any]:
        try:
            # Times are judged by the clock that is passed in, not by the library's own.
            claims: dict[str, Any] = jwt.decode(
                text,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options={"require": list(_MUST), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidAudienceError as error:
            raise AccessError("this token is for another service") from error
        except jwt.InvalidTokenError as error:
            raise AccessError("this token is not ours or was changed on the way") from error
        if claims["role"] not in {role.value for role in Role} or not all(isinstance(claims[k], int) for k in ("iat", "exp")):
            raise AccessError("this token is malformed")
        return claims
