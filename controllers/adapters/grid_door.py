"""The one door for calls of the grid, as an adapter uses it: the service's own REST API, in the name of whoever really calls.

A protocol brings words, never a second way in: validation, audit and life cycle of a call are those of `POST /v1/events`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import httpx
import msgspec

from controllers.api.ledger_facts import EventFacts, EventList, Measurements, PlanFacts
from controllers.api.live_state import LiveState
from controllers.api.offer import Offer
from controllers.api.problem import Problem
from controllers.api.roles import Caller, Role
from controllers.api.tokens import mint
from controllers.clock import Clock, WallClock
from controllers.token_secret import token_secret
from vpp.events import EventKind

__all__ = ["STANDING", "Away", "Called", "GridCall", "GridDoor", "Refused", "Taken", "door_of"]

T = TypeVar("T")

_TIMEOUT_S: Final = 10.0
_TOKEN_LIFE: Final = timedelta(minutes=15)
#: A token is not shown in the last minute of its life.
_TOKEN_REST: Final = timedelta(minutes=1)
#: Callers whose tokens are kept.
_TOKENS_MAX: Final = 500
#: States of a call that is not over.
STANDING: Final = ("received", "assessed", "accepted", "running")


@dataclass(frozen=True, slots=True)
class GridCall:
    """A call of the grid in the words of `POST /v1/events`.

    Args:
        event_id: The same call keeps its name, however often it comes.
        connection: Where.
        kind: See `vpp.events.EventKind`.
        target_mw: Import to keep, negative for export. [MW]
        start: From when. (UTC)
        end: Until when. (UTC)
        priority: The lower goes first.
        note: For people.
        asset: The computing cluster at whose own meter it is counted; None for the connection's.
    """

    event_id: str
    connection: str
    kind: EventKind
    target_mw: float
    start: datetime
    end: datetime
    priority: int = 0
    note: str = ""
    asset: str | None = None

    @property
    def meter(self) -> str:
        """Whose reading it is about."""
        return self.asset or self.connection

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        at_meter = {} if self.asset is None else {"asset": self.asset}
        return at_meter | {
            "event_id": self.event_id,
            "connection": self.connection,
            "kind": self.kind,
            "target_mw": self.target_mw,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "priority": self.priority,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """The service has it; whether it can be kept is in the event's state."""

    event: EventFacts


@dataclass(frozen=True, slots=True)
class Refused:
    """It will not be taken, and why."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """The service did not answer, or could not write; the same may be tried again."""

    reason: str


Called: TypeAlias = Taken | Refused | Away


@dataclass(slots=True)
class GridDoor:
    """The way into the running service.

    Args:
        client: With the service's address as its base.
        secret: Tokens are made with it, as by the command on the service's own machine.
        clock: Real time, by which tokens end.
    """

    client: httpx.AsyncClient
    secret: bytes
    clock: Clock = field(default_factory=WallClock)
    _tokens: dict[tuple[str, Role], tuple[str, datetime]] = field(default_factory=dict)

    async def call(self, asked: GridCall, who: str) -> Called:
        """Calls, or changes a call that was made before under the same name.

        Args:
            asked: What.
            who: The name in the audit.
        """
        answer = await self._asked("POST", "/v1/events", who, EventFacts, asked.body())
        if isinstance(answer, EventFacts):
            return Taken(answer)
        if isinstance(answer, Refused) and answer.code == "event_differs":
            return await self._amended(asked, who)
        return answer

    async def call_all(self, calls: Sequence[GridCall], who: str, standing: Collection[str] = ()) -> Refused | Away | None:
        """Makes several calls, or none: where one is not taken, those before it are as they were.

        Args:
            calls: What.
            who: The name in the audit.
            standing: Names of calls that stand already and are changed by this.
        """
        before: dict[str, EventFacts] = {}
        for name in {call.event_id for call in calls} & set(standing):
            known = await self.event(name, who)
            if isinstance(known, EventFacts):
                before[name] = known
        made: list[str] = []
        for one in calls:
            stands = before.get(one.event_id)
            answer = await (self.call(one, who) if stands is None else self._changed(stands, one, who))
            if isinstance(answer, Taken):
                made.append(one.event_id)
                continue
            for name in made:
                await (self.call(_as_call(before[name]), who) if name in before else self.cancel(name, who))
            return answer
        return None

    async def _amended(self, asked: GridCall, who: str) -> Called:
        known = await self.event(asked.event_id, who)
        if isinstance(known, Refused | Away):
            return known
        return await self._changed(known, asked, who)

    async def _changed(self, known: EventFacts, asked: GridCall, who: str) -> Called:
        """What differs from a call that stands, by PATCH."""
        if (known.connection, known.asset, known.kind) != (asked.connection, asked.asset, asked.kind):
            place = known.asset or known.connection
            return Refused("event_differs", f"{asked.event_id}: is a {known.kind} on {place}; cancel it and call anew")
        wanted = asked.body()
        present = {
            "target_mw": known.target_mw,
            "start": known.start.isoformat(),
            "end": known.end.isoformat(),
            "priority": known.priority,
        }
        changed = {key: wanted[key] for key, value in present.items() if wanted[key] != value}
        if not changed:
            return Taken(known)
        answer = await self._asked("PATCH", f"/v1/events/{asked.event_id}", who, EventFacts, changed)
        return Taken(answer) if isinstance(answer, EventFacts) else answer

    async def cancel(self, event_id: str, who: str) -> Called:
        """Takes a call back."""
        answer = await self._asked("DELETE", f"/v1/events/{event_id}", who, EventFacts)
        return Taken(answer) if isinstance(answer, EventFacts) else answer

    async def event(self, event_id: str, who: str) -> EventFacts | Refused | Away:
        """One call as it stands."""
        return await self._asked("GET", f"/v1/events/{event_id}", who, EventFacts)

    async def events(self, who: str, states: Collection[str] = ()) -> EventList | Refused | Away:
        """Calls in one of some states, as in `STANDING`; all of them without any."""
        words = httpx.QueryParams([("state", state) for state in states])
        return await self._asked("GET", f"/v1/events?{words}", who, EventList)

    async def offer(self, who: str) -> Offer | Refused | Away:
        """What could be called now."""
        return await self._asked("GET", "/v1/flexibility", who, Offer)

    async def live(self, who: str) -> LiveState | Refused | Away:
        """The park at this moment."""
        return await self._asked("GET", "/v1/live", who, LiveState, role=Role.VIEWER)

    async def plan(self, who: str) -> PlanFacts | Refused | Away:
        """The plan in force."""
        return await self._asked("GET", "/v1/plans/current", who, PlanFacts, role=Role.VIEWER)

    async def read(self, meter: tuple[str, str], span: tuple[datetime, datetime], step: timedelta, who: str) -> Any:
        """A meter as `(subject, quantity)` in means over steps, `Measurements`, or why there is none."""
        start, end = span
        words = {"subject": meter[0], "quantity": meter[1], "step_s": str(step.total_seconds())}
        words |= {"start": start.isoformat(), "end": end.isoformat()}
        return await self._asked("GET", f"/v1/measurements?{httpx.QueryParams(words)}", who, Measurements, role=Role.VIEWER)

    async def unreadable(self, event_id: str, why: str, who: str) -> bool:
        """Leaves a line in the audit about a call that cannot even be put into words; False where it could not be written."""
        body = {"event_id": event_id[:120] or "-", "why": why[:900]}
        return not isinstance(await self._asked("POST", "/v1/events/refused", who, dict, body), Refused | Away)

    async def _asked(  # noqa: PLR0913  a request is these
        self, method: str, path: str, who: str, kind: type[T], body: dict[str, Any] | None = None, role: Role = Role.GRID
    ) -> T | Refused | Away:
        headers = {"Authorization": f"Bearer {self._token(who, role)}"}
        try:
            answer = await self.client.request(method, path, json=body, headers=headers, timeout=_TIMEOUT_S)
            if answer.is_success:
                return msgspec.json.decode(answer.content, type=kind)
            problem = msgspec.json.decode(answer.content, type=Problem)
        except httpx.HTTPError as error:
            return Away(f"the service does not answer: {type(error).__name__} {error}".strip())
        except msgspec.MsgspecError as error:
            return Away(f"the service answers what nobody understands: {error}")
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Away(problem.detail)
        return Refused(problem.code, problem.detail)

    def _token(self, who: str, role: Role) -> str:
        now = self.clock.now()
        text, until = self._tokens.get((who, role), ("", now))
        if until - now <= _TOKEN_REST:
            if len(self._tokens) >= _TOKENS_MAX:
                self._tokens.clear()
            text = mint(self.secret, Caller(who, role), now, _TOKEN_LIFE)
            self._tokens[who, role] = (text, now + _TOKEN_LIFE)
        return text


def _as_call(event: EventFacts) -> GridCall:
    kind: EventKind = event.kind  # type: ignore[assignment]  # the API knows no other
    span = event.start, event.end
    return GridCall(event.event_id, event.connection, kind, event.target_mw, *span, event.priority, event.note, event.asset)


def door_of(api_url: str, state_dir: Path, make: Callable[..., httpx.AsyncClient] = httpx.AsyncClient) -> GridDoor:
    """A door to the service that keeps its own in a folder.

    Raises:
        SettingsError: The secret of the service cannot be read.
    """
    # Proxies of the environment are for the world outside, not for the service next door.
    return GridDoor(make(base_url=api_url, trust_env=False), token_secret(state_dir))
