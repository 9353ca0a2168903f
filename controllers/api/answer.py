"""Answers: structures of ours, encoded by msgspec in one go, and described in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import Response

from controllers.api.problem import PROBLEM_TYPE, Problem

__all__ = ["Raw", "answer", "answers", "answer_kinds"]

_REF: Final = "#/components/schemas/{name}"
_KINDS: Final[dict[str, type]] = {"Problem": Problem}
_ENCODER: Final = msgspec.json.Encoder()


class Raw(Response):
    """Bytes that are JSON already."""

    media_type = "application/json"


def answer(what: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The answer; FastAPI's own way through plain dicts costs tens of milliseconds for a thousand assets."""
    return Raw(_ENCODER.encode(what), status, headers)


def answers(kind: type, status: int = 200, said: str = "as asked", **refusals: str) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for its description.

    Args:
        kind: The structure, or a frozen dataclass.
        status: With which status.
        said: What that means.
        refusals: Further ones, as in `_409="the event is over"`; 401, 403, 422 and 429 are there anyway.
    """
    _KINDS[kind.__name__] = kind
    schema = {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
    found: dict[int | str, dict[str, Any]] = {status: {"description": said, "content": schema}}
    known = {"_401": "no key or token, or one that opens nothing", "_403": "the role does not allow it"} | refusals
    for name, words in known.items():
        found[int(name.removeprefix("_"))] = refusal(words)
    return found


def refusal(words: str) -> dict[str, Any]:
    """A refusal's description."""
    return {"description": words, "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}}


def answer_kinds() -> dict[str, Any]:
    """Schemas of everything that is answered, by name."""
    _, schemas = msgspec.json.schema_components(list(_KINDS.values()), ref_template=_REF)
    return dict(sorted(schemas.items()))
