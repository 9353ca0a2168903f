"""The qualification test on a running park: its steps called over the API, one after the other, and their proofs fetched."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from urllib.parse import quote

import msgspec

from controllers.cli_service import AskError, Service
from controllers.flexibility.table import OfferCell, OfferTable
from controllers.proof import Proof
from controllers.proof.qualification import Qualification, TestStep

__all__ = ["LiveTest", "called"]

_BAD_INPUT: Final = 2
#: A step is called so long before it begins: the park judges it and plans for it.
_LEAD: Final = timedelta(seconds=30)
#: The offer's word for each kind of step.
_DIRECTIONS: Final = {"peak": "give", "valley": "take"}
_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LiveTest:
    """What a test on a running park needs to know.

    Args:
        service: The API.
        connection: Whose import is called.
        declared_mw: Less import, more import. [MW]
        confidence: How surely calls are to be kept.
        may_read: Whether the role may read plans and meters; the grid's may only read the offer.
        look_s: How often it is looked whether a step is over. [s by the clock on the wall]
    """

    service: Service
    connection: str
    declared_mw: tuple[float, float]
    confidence: float
    may_read: bool
    look_s: float = 2.0

    @classmethod
    def of(
        cls,
        service: Service,
        test: Qualification,
        connection: str | None,
        declared_mw: tuple[float | None, float | None],
        confidence: float,
    ) -> LiveTest:
        """Asks the service for what was not said.

        Raises:
            AskError: It does not answer, the role may not call, there is nothing to test, or nothing to declare.
        """
        rights = service.ask("GET", "/v1/whoami")["rights"]
        if "call" not in rights:
            raise AskError("the role may not call; take a token of role admin, or of role grid", _BAD_INPUT)
        may_read = "read" in rights
        where = connection or (_largest(service) if may_read else _only(service))
        offer = _cells(service, where)
        up_mw, down_mw = (
            said if said is not None else _offered_mw(offer, test, kind, confidence)
            for said, kind in zip(declared_mw, _DIRECTIONS, strict=True)
        )
        return cls(service, where, (up_mw, down_mw), confidence, may_read)

    def expected_mw(self, start: datetime, end: datetime) -> float:
        """Import without the step: the plan's mean over it, else what is planned now, else what the meter reads. [MW]."""
        found = self._planned_mw(start, end) if self.may_read else None
        return self._now_mw() if found is None else found

    def load_mw(self) -> float | None:
        """What consumers draw now, of all areas; None where the role may not read it. [MW]."""
        if not self.may_read:
            return None
        return float(sum(area["consumption_mw"] for area in self.service.ask("GET", "/v1/live")["areas"]))

    def _planned_mw(self, start: datetime, end: datetime) -> float | None:
        try:
            plan = self.service.ask("GET", "/v1/plans/current")
        except AskError:
            return None
        edges = [datetime.fromisoformat(edge) for edge in plan["edges"]]
        flow = next((one["power_mw"] for one in plan["connections"] if one["id"] == self.connection), None)
        if flow is None or not edges[0] <= start < edges[-1]:
            return None
        shares = [(min(b, end) - max(a, start)).total_seconds() for a, b in pairwise(edges)]
        known = [(share, mw) for share, mw in zip(shares, flow, strict=True) if share > 0.0]
        return float(sum(share * mw for share, mw in known) / sum(share for share, _ in known))

    def _now_mw(self) -> float:
        for one in self.service.ask("GET", "/v1/flexibility")["connections"]:
            if one["connection"] == self.connection:
                found = one["import_mw"] if one["planned_mw"] is None else one["planned_mw"]
                if found is None:
                    raise AskError(f"{self.connection}: no plan, and its meter is silent; a test without both shows nothing")
                return float(found)
        raise AskError(f"{self.connection}: no such connection", _BAD_INPUT)


def called(live: LiveTest, test: Qualification, say: Callable[[str], None]) -> list[Proof]:
    """Calls one step after the other, each against what is declared for it; proofs are asked for when all are over.

    A test that is broken off takes its running step back.

    Args:
        live: Where, and what is declared.
        test: The steps.
        say: Told what is called, and what becomes of it.

    Raises:
        AskError: The service does not answer, or refuses what is asked of it.
    """
    service = live.service
    began = service.now("/v1/events") + _LEAD
    names: list[str] = []
    try:
        for step in test.steps:
            name = f"qualify.{began:%Y%m%dT%H%M%S}.{step.id}"
            names.append(name)
            _call(live, step, name, began + timedelta(hours=step.start_h), say)
    except (AskError, KeyboardInterrupt):
        # It may not have been called yet, or be over.
        with contextlib.suppress(AskError):
            service.ask("DELETE", _path(names[-1]))
        raise
    return [msgspec.convert(service.ask("GET", f"{_path(name)}/proof"), type=Proof) for name in names]


def _call(live: LiveTest, step: TestStep, name: str, start: datetime, say: Callable[[str], None]) -> None:
    service, end = live.service, start + timedelta(hours=step.duration_h)
    _wait(live, start - _LEAD)
    change_mw = (live.declared_mw[1] if step.kind == "valley" else -live.declared_mw[0]) * step.share_frac
    expected_mw = live.expected_mw(start, end)
    body = {
        "event_id": name,
        "connection": live.connection,
        "kind": step.kind,
        "target_mw": round(expected_mw + change_mw, 3),
        "start": max(start, service.now("/v1/events") + timedelta(seconds=1)).isoformat(),
        "end": end.isoformat(),
        "confidence": live.confidence,
        "note": f"qualification test: {step.about}",
    }
    service.ask("POST", "/v1/events", body)
    say(f"{name}: {step.kind} {change_mw:+.1f} MW to {body['target_mw']:.1f} MW, {start:%H:%M:%S} to {end:%H:%M:%S} UTC")
    _wait(live, end)
    became = service.ask("GET", _path(name))
    say(f"{name}: {became['state']}{': ' if became['reason'] else ''}{became['reason']}")


def _path(name: str) -> str:
    return f"/v1/events/{quote(name, safe='')}"


def _wait(live: LiveTest, until: datetime) -> None:
    """Until park time is there; it may run faster than ours."""
    while live.service.now("/v1/events") < until:
        time.sleep(live.look_s)


def _largest(service: Service) -> str:
    grid = [one for one in service.ask("GET", "/v1/live")["connections"] if one["to"] == "grid"]
    if not grid:
        raise AskError("the park has no connection to the grid; there is nothing to test", _BAD_INPUT)
    return str(max(grid, key=lambda one: one["import_limit_mw"])["id"])


def _only(service: Service) -> str:
    names = [str(one["connection"]) for one in service.ask("GET", "/v1/flexibility")["connections"]]
    if len(names) != 1:
        raise AskError(f"--connection: say which one is tested: {', '.join(names) or 'the park has none'}", _BAD_INPUT)
    return names[0]


def _cells(service: Service, connection: str) -> tuple[OfferCell, ...]:
    """The offer at one meter; nothing before there is one."""
    promise = service.ask("GET", "/v1/flexibility")["promise"]
    meter = None if promise is None else msgspec.convert(promise, type=OfferTable).meter(connection)
    return () if meter is None else meter.cells


def _offered_mw(cells: Sequence[OfferCell], test: Qualification, kind: str, confidence: float) -> float:
    """The most of which every step of a kind is offered its share, at any start over the test: a careful declaration. [MW]."""
    known = [cell for cell in cells if cell.direction == _DIRECTIONS[kind]]
    option = "--up-mw" if kind == "peak" else "--down-mw"
    steps = [step for step in test.steps if step.kind == kind]
    if steps and not known:
        raise AskError(f"{option}: say what the park declares; there is no offer yet to take it from", _BAD_INPUT)
    until = min((cell.start for cell in known), default=_NEVER) + timedelta(hours=test.length_h)
    early = [cell for cell in known if cell.start <= until]
    offered = 0.0
    for n, step in enumerate(steps):
        length_h = min((c.duration_h for c in early if c.duration_h >= step.duration_h), default=early[-1].duration_h)
        least = min(c.at(confidence).power_mw for c in early if c.duration_h == length_h) / step.share_frac
        offered = least if n == 0 else min(offered, least)
    if steps and offered <= 0.0:
        raise AskError(
            f"{option}: say what the park declares; at {100 * confidence:g} % it offers nothing throughout", _BAD_INPUT
        )
    return offered
