"""A refusal as it is answered: one clear line, and a code for machines (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

__all__ = ["PROBLEM_TYPE", "Fault", "Problem", "Refusal", "fault_of", "problem_response"]

PROBLEM_TYPE: Final = "application/problem+json"
_MAX_VALUE_CHARS: Final = 60


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request.

    Args:
        where: The field, as in `body.power_mw`.
        value: What it was, shortened.
        rule: What would be right.
    """

    where: str
    value: str
    rule: str

    def line(self) -> str:
        """The same in one line."""
        return ": ".join(part for part in (self.where, self.value, self.rule) if part)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every refusal is answered with.

    Args:
        code: For machines, as in `power_beyond_plate`.
        status: The HTTP status.
        detail: One line for a person: what, where, what would be right.
        faults: All of them, where a request has several.
    """

    code: str
    status: int
    detail: str
    faults: tuple[Fault, ...] = ()


class Refusal(Exception):  # noqa: N818  it is an answer, not a fault of ours
    """A request that is not granted.

    Args:
        status: The HTTP status.
        code: For machines.
        detail: One line for a person.
        faults: All of them, where there are several.
        headers: To send along.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, faults: Sequence[Fault] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(code=code, status=status, detail=" ".join(detail.split()), faults=tuple(faults))
        self.headers = headers


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The answer."""
    return Response(msgspec.json.encode(problem), problem.status, headers=headers, media_type=PROBLEM_TYPE)


async def on_refusal(request: Request, error: Exception) -> Response:
    """Handler of `Refusal`."""
    assert isinstance(error, Refusal)
    return problem_response(error.problem, error.headers)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Handler of what pydantic finds: all faults, the first of them as the line."""
    assert isinstance(error, RequestValidationError)
    faults = tuple(fault_of(dict(one)) for one in error.errors())
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return problem_response(Problem(code="invalid", status=422, detail=f"{faults[0].line()}{more}", faults=faults))


async def on_http(request: Request, error: Exception) -> Response:
    """Handler of what the framework itself refuses: no such route, wrong method, body too long."""
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_long"}
    detail = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
    code = codes.get(error.status_code, "refused")
    return problem_response(Problem(code=code, status=error.status_code, detail=detail), dict(error.headers or {}))


def fault_of(error: dict[str, object], before: tuple[object, ...] = ()) -> Fault:
    """What pydantic found, as one of ours.

    Args:
        error: One of `ValidationError.errors()`.
        before: Where the validated part lies in the request.
    """
    loc = error["loc"]
    where = ".".join(str(part) for part in (*before, *(loc if isinstance(loc, tuple) else (loc,))))
    rule = str(error["msg"]).removeprefix("Value error, ")
    rule = {"extra_forbidden": "no such field", "missing": "is missing"}.get(str(error["type"]), rule)
    value = "" if error["type"] == "missing" else repr(error.get("input"))
    short = value if len(value) <= _MAX_VALUE_CHARS else value[:_MAX_VALUE_CHARS] + "…"
    return Fault(where=where, value=short, rule=rule[:1].lower() + rule[1:])
