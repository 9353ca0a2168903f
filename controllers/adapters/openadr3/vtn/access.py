"""Who comes to the VTN: OAuth2 client credentials (RFC 6749), tokens, scopes, and what of the objects a client may see."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

import jwt

from controllers.adapters.openadr3.vtn.book import ObjectBook, Record
from controllers.adapters.openadr3.vtn.settings import Client, sha256_of
from vpp.errors import AccessError

__all__ = ["SCOPES", "OauthError", "Shown", "TokenMaker", "credentials", "may_see"]

_READ_OWN: Final = frozenset({"read_targets", "read_ven_objects"})
#: By role, as the specification's securitySchemes have them.
SCOPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "bl": _READ_OWN | {"read_all", "write_programs", "write_events", "write_subscriptions", "write_vens"},
        "ven": _READ_OWN | {"write_reports", "write_subscriptions", "write_vens"},
    }
)
_AUDIENCE: Final = "vpp.openadr"
_ALGORITHM: Final = "HS256"
_MUST: Final = ("aud", "sub", "scope", "key", "jti", "exp")
_NOBODY: Final = "0" * 64


class OauthError(Exception):
    """A token request that is not granted, in the words of RFC 6749 section 5.2."""

    def __init__(self, code: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.code, self.detail, self.status = code, detail, status


@dataclass(frozen=True, slots=True)
class Shown:
    """A client with a token in hand.

    Args:
        client: Who.
        scopes: What the token is good for.
    """

    client: Client
    scopes: frozenset[str]

    @property
    def is_ven(self) -> bool:
        """Whether it sees only what is meant for it."""
        return self.client.role == "ven"


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """Gives tokens for secrets, and says whose a token is.

    Args:
        secret: To sign with.
        clients: By id.
        now: Real time.
        life_s: Of a token. [s]
    """

    secret: bytes
    clients: Mapping[str, Client]
    now: Callable[[], datetime]
    life_s: int
    algorithm: str = field(default=_ALGORITHM)

    def grant(self, client_id: str, client_secret: str, scope: str | None) -> dict[str, Any]:
        """The answer of the token endpoint.

        Raises:
            OauthError: The secret is wrong, or nobody has that id; the answer does not tell which.
        """
        client = self.clients.get(client_id)
        known = client.secret_sha256 if client is not None else _NOBODY
        if not hmac.compare_digest(known, sha256_of(client_secret)) or client is None:
            raise OauthError("invalid_client", "client id or secret are not right", 401)
        granted = SCOPES[client.role]
        if scope is not None and scope.strip():
            # RFC 6749 section 3.3: the server may grant less than was asked for, and then says what.
            granted = granted & set(scope.split()) or granted
        claims = {
            "aud": _AUDIENCE,
            "sub": client.id,
            "scope": " ".join(sorted(granted)),
            "key": known[:16],
            "jti": secrets.token_hex(8),
            "exp": int(self.now().timestamp()) + self.life_s,
        }
        token = jwt.encode(claims, self.secret, algorithm=self.algorithm)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.life_s, "scope": claims["scope"]}

    def whose(self, header: str | None) -> Shown:
        """Whose token an `Authorization` header shows.

        Raises:
            AccessError: There is none, or it opens nothing.
        """
        scheme, _, text = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise AccessError("show a token: Authorization: Bearer ...")
        try:
            options: Any = {"require": list(_MUST), "verify_exp": False}
            claims: dict[str, Any] = jwt.decode(
                text.strip(), self.secret, algorithms=[self.algorithm], audience=_AUDIENCE, options=options
            )
            ends_s = float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise AccessError("this token is not ours or was changed on the way") from error
        if self.now().timestamp() >= ends_s:
            raise AccessError("this token has expired; get a new one")
        client = self.clients.get(str(claims["sub"]))
        if client is None or not hmac.compare_digest(client.secret_sha256[:16], str(claims["key"])):
            raise AccessError("the client of this token is not known any more, or has a new secret")
        return Shown(client, SCOPES[client.role] & set(str(claims["scope"]).split()))


def credentials(header: str | None, body: bytes) -> tuple[str, str, str | None]:
    """Client id, secret and scope of a token request: credentials as HTTP Basic or in the body, never two different ones.

    Raises:
        OauthError: The request is not one.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20, errors="strict")
    except ValueError as error:
        raise OauthError("invalid_request", "the body is no form") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OauthError("invalid_request", "a parameter is given twice")
    if "grant_type" not in form:
        raise OauthError("invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise OauthError("unsupported_grant_type", "only client_credentials is supported")
    found = [pair for pair in (_basic(header), _in_body(form)) if pair is not None]
    if not found:
        raise OauthError("invalid_client", "client_id and client_secret are missing", 401)
    if any(pair != found[0] for pair in found):
        raise OauthError("invalid_request", "header and body name different credentials")
    return (*found[0], form.get("scope"))


def _in_body(form: Mapping[str, str]) -> tuple[str, str] | None:
    if not form.get("client_secret"):
        return None
    return form.get("client_id", ""), form["client_secret"]


def _basic(header: str | None) -> tuple[str, str] | None:
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, found, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OauthError("invalid_request", "the Authorization header is no HTTP Basic") from error
    if not found:
        raise OauthError("invalid_request", "the Authorization header is no HTTP Basic")
    # RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
    return unquote_plus(name), unquote_plus(password)


def may_see(shown: Shown, record: Record, book: ObjectBook) -> bool:
    """Whether a client may read an object, or be told of it.

    A VEN reads its own VEN, resources, reports and subscriptions; of programs and events those without targets and those with one
    of its targets. Calls on the park itself (what stands in a program nobody owns) are no business of a VEN.
    """
    if not shown.is_ven:
        return True
    if record.kind not in ("PROGRAM", "EVENT"):
        return record.owner == shown.client.id
    mine = targets_of(shown.client.id, book)
    if record.kind == "PROGRAM":
        return bool(record.owner) and _matches(record, mine)
    program = book.get("PROGRAM", str(record.body.get("programID")))
    return program is not None and bool(program.owner) and _matches(program, mine) and _matches(record, mine)


def targets_of(client_id: str, book: ObjectBook) -> frozenset[str]:
    """All targets of a client's VENs and their resources."""
    mine = [one for kind in ("VEN", "RESOURCE") for one in book.all(kind) if one.owner == client_id]
    return frozenset(target for one in mine for target in one.body.get("targets") or ())


def _matches(record: Record, mine: frozenset[str]) -> bool:
    targets = record.body.get("targets") or ()
    return not targets or bool(mine.intersection(targets))
