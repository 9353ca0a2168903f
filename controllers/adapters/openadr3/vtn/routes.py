"""The paths of the specification."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field, TypeAdapter, ValidationError

from controllers.adapters.openadr3 import words as w
from controllers.adapters.openadr3.times import duration_of, instant_of
from controllers.adapters.openadr3.vtn.access import OauthError, Shown, credentials, may_see
from controllers.adapters.openadr3.vtn.book import Record
from controllers.adapters.openadr3.vtn.context import VtnParts, parts_of
from controllers.adapters.openadr3.vtn.desk import Trouble
from controllers.adapters.openadr3.words import ObjectType
from controllers.api.answer import answer

__all__ = ["problem", "routes"]

_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_PAGE_MAX: Final = 50
_KEY_MAX: Final = 200
_INT_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type and its paths: who reads, who writes, what may be sent, and by which query it is narrowed."""

    path: str
    kind: ObjectType
    read: str
    write: str
    word: TypeAdapter[Any]
    narrow: Mapping[str, str]


#: Query parameter and the field that it is compared with.
_PROGRAM: Final = MappingProxyType({"programID": "programID"})
_KINDS: Final = (
    _Kind("programs", "PROGRAM", "read_targets", "write_programs", TypeAdapter(w.Program), MappingProxyType({})),
    _Kind("events", "EVENT", "read_targets", "write_events", TypeAdapter(w.Event), _PROGRAM),
    _Kind(
        "reports",
        "REPORT",
        "read_ven_objects",
        "write_reports",
        TypeAdapter(w.Report),
        MappingProxyType({"eventID": "eventID", "clientName": "clientName"}),
    ),
    _Kind(
        "subscriptions",
        "SUBSCRIPTION",
        "read_ven_objects",
        "write_subscriptions",
        TypeAdapter(w.Subscription),
        MappingProxyType({"programID": "programID", "clientName": "clientName"}),
    ),
    _Kind(
        "vens",
        "VEN",
        "read_ven_objects",
        "write_vens",
        TypeAdapter(Annotated[w.VenVen | w.BlVen, Field(discriminator="objectType")]),
        MappingProxyType({"venName": "venName"}),
    ),
    _Kind(
        "resources",
        "RESOURCE",
        "read_ven_objects",
        "write_vens",
        TypeAdapter(Annotated[w.VenResource | w.BlResource, Field(discriminator="objectType")]),
        MappingProxyType({"resourceName": "resourceName", "venID": "venID"}),
    ),
)
_IDS: Final = frozenset({"programID", "eventID", "venID"})
_TARGETED: Final = frozenset({"PROGRAM", "EVENT", "VEN", "RESOURCE"})


def routes() -> APIRouter:
    """All paths, without the prefix of a version."""
    router = APIRouter()
    for kind in _KINDS:
        router.add_api_route(f"/{kind.path}", _search(kind), methods=["GET"])
        router.add_api_route(f"/{kind.path}", _create(kind), methods=["POST"])
        router.add_api_route(f"/{kind.path}/{{object_id}}", _one(kind), methods=["GET"])
        router.add_api_route(f"/{kind.path}/{{object_id}}", _update(kind), methods=["PUT"])
        router.add_api_route(f"/{kind.path}/{{object_id}}", _delete(kind), methods=["DELETE"])
    router.add_api_route("/auth/server", _server, methods=["GET"])
    router.add_api_route("/auth/token", _token, methods=["POST"])
    router.add_api_route("/notifiers", _notifiers, methods=["GET"])
    router.add_api_route("/notifiers/mqtt/topics/{rest:path}", _topics, methods=["GET"])
    return router


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal as the specification has it; `application/json`, like everything there."""
    titles = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
    titles |= {405: "Method Not Allowed", 413: "Too Long", 429: "Too Many Requests", 503: "Service Unavailable"}
    body = {"type": "about:blank", "title": titles.get(status, "Refused"), "status": status, "detail": " ".join(detail.split())}
    return answer(body, status, headers)


Handler = Callable[[Request], Awaitable[Response]]


def _search(kind: _Kind) -> Handler:
    async def search(request: Request) -> Response:
        parts = parts_of(request)
        shown = await parts.admitted(request, kind.read)
        found = [one for one in parts.desk.book.all(kind.kind) if may_see(shown, one, parts.desk.book) and not one.pending]
        for keep in _filters(kind, request, parts):
            found = [one for one in found if keep(one)]
        skip, limit = _number(request, "skip", 0, _INT_MAX), _number(request, "limit", _PAGE_MAX, _PAGE_MAX)
        return answer([one.shown() for one in found[skip : skip + limit]])

    return search


def _create(kind: _Kind) -> Handler:
    async def create(request: Request) -> Response:
        parts = parts_of(request)
        shown = await parts.admitted(request, kind.write)
        word = _read(kind, await request.body())
        key = request.headers.get("idempotency-key", "")[:_KEY_MAX]
        record = await parts.desk.create(shown, kind.kind, word, key)
        return answer(record.shown(), 201, {"Location": str(request.url.path).rstrip("/") + f"/{record.id}"})

    return create


def _one(kind: _Kind) -> Handler:
    async def one(request: Request) -> Response:
        parts = parts_of(request)
        shown = await parts.admitted(request, kind.read)
        return answer(_found(parts, shown, kind, request).shown())

    return one


def _update(kind: _Kind) -> Handler:
    async def update(request: Request) -> Response:
        parts = parts_of(request)
        shown = await parts.admitted(request, kind.write)
        record = _found(parts, shown, kind, request)
        changed = await parts.desk.update(shown, record, _read(kind, await request.body()))
        return answer(changed.shown())

    return update


def _delete(kind: _Kind) -> Handler:
    async def delete(request: Request) -> Response:
        parts = parts_of(request)
        shown = await parts.admitted(request, kind.write)
        record = _found(parts, shown, kind, request)
        await parts.desk.delete(shown, record)
        return answer(record.shown())

    return delete


async def _server(request: Request) -> Response:
    return answer({"tokenURL": f"{parts_of(request).public_url}/auth/token"})


async def _token(request: Request) -> Response:
    parts = parts_of(request)
    try:
        name, secret, scope = credentials(request.headers.get("authorization"), await request.body())
        parts.listen_to(request)
        return answer(parts.tokens.grant(name, secret, scope), 200, {"Cache-Control": "no-store"})
    except OauthError as error:
        if error.status == 401:
            await parts.wrong(request, error.detail)
        titles = {"type": "about:blank", "title": error.code, "status": error.status, "detail": error.detail}
        headers = {"WWW-Authenticate": 'Basic realm="openadr"'} if error.status == 401 else None
        return answer({"error": error.code, "error_description": error.detail, **titles}, error.status, headers)


async def _notifiers(request: Request) -> Response:
    await parts_of(request).admitted(request, None)
    return answer({"WEBHOOK": True})


async def _topics(request: Request) -> Response:
    await parts_of(request).admitted(request, None)
    raise Trouble(404, "this server notifies by webhooks; it has no MQTT binding")


def _read(kind: _Kind, raw: bytes) -> Any:
    """The object in a body.

    Raises:
        Trouble: It is none, with all faults in one line.
    """
    try:
        return kind.word.validate_json(raw)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_context=False, include_input=False)
        faults = [f"{'.'.join(str(p) for p in row['loc'])}: {row['msg'].removeprefix('Value error, ')}" for row in rows[:5]]
        more = f" (and {len(rows) - 5} more)" if len(rows) > 5 else ""
        raise Trouble(400, "; ".join(faults) + more) from error
    except RecursionError as error:
        raise Trouble(400, "nested too deeply") from error


def _found(parts: VtnParts, shown: Shown, kind: _Kind, request: Request) -> Record:
    """The object of a path; one that may not be seen is answered like one that is not there."""
    object_id = request.path_params["object_id"]
    if not _ID.fullmatch(object_id):
        raise Trouble(400, f"{object_id[:80]!r}: no object id; letters, digits, _ and -")
    found = parts.desk.book.get(kind.kind, object_id)
    if found is None or found.pending or not may_see(shown, found, parts.desk.book):
        raise Trouble(404, f"{kind.path}/{object_id}: there is none")
    return found


def _filters(kind: _Kind, request: Request, parts: VtnParts) -> list[Callable[[Record], bool]]:
    found: list[Callable[[Record], bool]] = []
    for name, field in kind.narrow.items():
        value = request.query_params.get(name)
        if value is None:
            continue
        if not (_ID.fullmatch(value) if name in _IDS else 1 <= len(value) <= 128):
            raise Trouble(400, f"query {name}: {value[:80]!r} is none")
        found.append(lambda one, field=field, value=value: one.body.get(field) == value)  # type: ignore[misc]
    targets = request.query_params.getlist("targets")
    if targets and kind.kind in _TARGETED:
        if not all(1 <= len(one) <= 128 for one in targets):
            raise Trouble(400, "query targets: a target has 1 to 128 characters")
        found.append(lambda one: bool(set(targets) & set(one.body.get("targets") or ())))
    if kind.kind == "REPORT" and "programID" in request.query_params:
        found.append(_of_program(request, parts))
    if kind.kind == "SUBSCRIPTION" and "objects" in request.query_params:
        objects = set(request.query_params.getlist("objects"))
        if unknown := objects - {row.kind for row in _KINDS}:
            raise Trouble(400, f"query objects: {sorted(unknown)[0][:80]!r}: no such type")
        found.append(lambda one: any(objects & set(row["objects"]) for row in one.body["objectOperations"]))
    if kind.kind == "EVENT" and "active" in request.query_params:
        found += _active(request, parts)
    return found


def _of_program(request: Request, parts: VtnParts) -> Callable[[Record], bool]:
    program = request.query_params["programID"]
    if not _ID.fullmatch(program):
        raise Trouble(400, f"query programID: {program[:80]!r} is none")

    def of(one: Record) -> bool:
        event = parts.desk.book.get("EVENT", one.body["eventID"])
        return event is not None and event.body["programID"] == program

    return of


def _active(request: Request, parts: VtnParts) -> list[Callable[[Record], bool]]:
    text = request.query_params["active"]
    if text not in ("true", "false"):
        raise Trouble(400, f"query active: {text[:80]!r}: is true or false")
    return [lambda one: not _has_transpired(one, parts)] if text == "true" else []


def _has_transpired(event: Record, parts: VtnParts) -> bool:
    """Whether all of an event is past; one without a time is not."""
    word, now = w.Event.model_validate(event.body), parts.now()
    try:
        cursor = instant_of(word.intervalPeriod.start, now) if word.intervalPeriod and word.intervalPeriod.start else None
        ends = []
        for interval in word.intervals or ():
            own = interval.intervalPeriod
            cursor = instant_of(own.start, now) if own and own.start else cursor
            length = (own and own.duration) or (word.intervalPeriod and word.intervalPeriod.duration)
            if cursor is None or not length:
                return False
            cursor = cursor + duration_of(length)
            ends.append(cursor)
        if cursor is not None and not ends and word.duration is not None:
            ends.append(cursor + duration_of(word.duration))
    except (ValueError, OverflowError):
        return False
    return bool(ends) and max(ends) <= now


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or int(text) > most:
        raise Trouble(400, f"query {name}: {text[:40]!r}: a whole number from 0 to {most}")
    return int(text)
