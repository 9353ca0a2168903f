"""Keys, and the short tokens that are got by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from fastapi import APIRouter, Request, Response

from controllers.api.answer import Raw, answer, answers
from controllers.api.bodies import KeyBody, TokenBody
from controllers.api.context import parts_of
from controllers.api.gate import MayKeepToken, MayManageKeys
from controllers.api.keys import KeyBook, KeyRecord
from controllers.api.problem import Refusal
from controllers.api.roles import RIGHTS, Caller, Role
from vpp.errors import AccessError

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["access"])


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A token; show it as `Authorization: Bearer ...`."""

    token: str
    expires_at: datetime
    role: Role
    cluster: str | None


class WhoFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the service sees, and which service it is.

    Args:
        name: As the audit has it.
        role: What they come as.
        cluster: The only one a scheduler speaks for.
        rights: What the role may do.
        expires_at: When the key or token ends.
        park: Id of the park.
        time_zone: In which its people read the clock.
    """

    name: str
    role: Role
    cluster: str | None
    rights: tuple[str, ...]
    expires_at: datetime | None
    park: str
    time_zone: str


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; of the secret only a hash is kept, and that is not shown either."""

    id: str
    name: str
    role: Role
    cluster: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """Every key that was ever made."""

    keys: tuple[KeyFacts, ...]


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; `key` is shown this once and kept nowhere."""

    key: str
    facts: KeyFacts


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """It is done."""

    done: bool = True


@router.get("/whoami", responses=answers(WhoFacts), response_class=Raw)
async def whoami(request: Request, caller: MayKeepToken) -> Response:
    """Who the key or token says you are, and what you may do."""
    parts = parts_of(request)
    until = None if caller.until_s is None else datetime.fromtimestamp(caller.until_s, UTC)
    return answer(
        WhoFacts(
            name=caller.name,
            role=caller.role,
            cluster=caller.cluster,
            rights=tuple(sorted(right.value for right in RIGHTS[caller.role])),
            expires_at=until,
            park=parts.park.id,
            time_zone=str(parts.settings.zone_of(parts.park)),
        )
    )


@router.post("/token", status_code=201, responses=answers(TokenFacts, 201, "a token"), response_class=Raw)
async def token(request: Request, caller: MayKeepToken, body: TokenBody | None = None) -> Response:
    """A short token for a key; a token cannot prolong itself."""
    parts = parts_of(request)
    if caller.credential.startswith("token:"):
        raise Refusal(403, "forbidden", "a token is got by a key; one that prolongs itself would never end")
    asked_s = body.life_s if body is not None else None
    life = timedelta(seconds=min(asked_s or parts.settings.api.token_life_s, parts.settings.api.token_life_s))
    text, until = parts.door.tokens.issue(caller, parts.door.now(), life)
    await parts.audited(caller.name, "token.issue", caller.credential, f"{caller.role} until {until.isoformat()}")
    return answer(TokenFacts(token=text, expires_at=until, role=caller.role, cluster=caller.cluster), 201)


@router.delete("/token", responses=answers(Done, 200, "it opens nothing any more"), response_class=Raw)
async def take_back(request: Request, caller: MayKeepToken) -> Response:
    """Ends the token that is shown; whoever shows it again is refused."""
    parts = parts_of(request)
    if not caller.credential.startswith("token:"):
        raise Refusal(422, "invalid", "this is a key; an admin revokes it by DELETE /v1/keys/{id}")
    await parts.in_thread(parts.door.tokens.take_back, caller, parts.door.now())
    await parts.audited(caller.name, "token.revoke", caller.credential, "taken back by its owner")
    return answer(Done())


@router.get("/keys", responses=answers(KeyList), response_class=Raw)
async def keys(request: Request, _caller: MayManageKeys) -> Response:
    """Every key, without secrets."""
    return answer(KeyList(keys=tuple(_facts(record) for record in parts_of(request).door.keys.all())))


@router.post("/keys", status_code=201, responses=answers(NewKey, 201, "a key, shown this once"), response_class=Raw)
async def create(request: Request, caller: MayManageKeys, body: KeyBody) -> Response:
    """Makes a key of 256 random bits."""
    parts = parts_of(request)
    cluster = body.cluster
    if cluster is not None and cluster not in {a.id for a in parts.park.assets_of("compute")}:
        raise Refusal(422, "invalid", f"body.cluster: {cluster!r}: no such cluster in {parts.park.id}")
    at = parts.door.now()
    if body.expires_at is not None and body.expires_at <= at:
        raise Refusal(422, "absurd", f"body.expires_at: {body.expires_at.isoformat()}: is past, it is {at.isoformat()}")
    text, record = await parts.in_thread(_create, parts.door.keys, body, caller, at)
    await parts.audited(caller.name, "key.create", record.id, f"{record.role} for {record.name}")
    return answer(NewKey(key=text, facts=_facts(record)), 201)


@router.delete("/keys/{key_id}", responses=answers(KeyFacts, _404="no such key"), response_class=Raw)
async def revoke(request: Request, caller: MayManageKeys, key_id: str) -> Response:
    """Revokes a key, and every token that was got by it."""
    parts = parts_of(request)
    record = await parts.in_thread(parts.door.keys.revoke, key_id, parts.door.now())
    if record is None:
        raise Refusal(404, "unknown_key", f"{key_id}: no such key; GET /v1/keys lists them")
    await parts.audited(caller.name, "key.revoke", record.id, f"{record.role} of {record.name}")
    return answer(_facts(record))


def _create(book: KeyBook, body: KeyBody, caller: Caller, at: datetime) -> tuple[str, KeyRecord]:
    """Writes the key, or says what does not fit."""
    try:
        return book.create(body.name, body.role, by=caller.name, at=at, cluster=body.cluster, expires_at=body.expires_at)
    except AccessError as error:
        raise Refusal(422, "invalid", f"body: {error}") from error


def _facts(record: KeyRecord) -> KeyFacts:
    return KeyFacts(
        id=record.id,
        name=record.name,
        role=record.role,
        cluster=record.cluster,
        created_at=record.created_at,
        created_by=record.created_by,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
    )
