"""The VEN at work: events of an operator's VTN become calls at the one door, and what becomes of them is reported back.

The VTN may be away for as long as it likes: what was called stays called until its own end, and nothing is called twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from pydantic import ValidationError

from controllers.adapters.grid_door import Away, GridDoor, Refused
from controllers.adapters.openadr3 import words as w
from controllers.adapters.openadr3.asks import Reading, Unreadable, read_event
from controllers.adapters.openadr3.follow_up import Look, facts_of, look, planned
from controllers.adapters.openadr3.reports import KNOWN, report_body
from controllers.adapters.openadr3.ven.settings import VenSettings
from controllers.adapters.openadr3.ven.vtn_client import Gone, Said, VtnClient, Wrong

__all__ = ["Follower", "Known", "Memory"]

log = structlog.get_logger(__name__)

_WHO: Final = "openadr.ven"
_OVER: Final = frozenset({"refused", "delivered", "settled", "cancelled"})
#: What is over is remembered so long, so that a VTN that still lists it calls nothing anew.
_KEPT: Final = timedelta(days=7)
#: After its end a call's last readings are there.
_REST: Final = timedelta(minutes=10)
_ID_CHARS: Final = 48
_NAME_CHARS: Final = 128
_PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it was last taken.

    Args:
        modified: The VTN's own stamp of it.
        calls: Names of its calls at the door.
        refused: Why it was not taken; empty where it was.
        wanted: Payload types that are reported.
        baselines: Declared power by meter, a connection's or a cluster's, as of before the call.
        report_id: Of our report there; empty before the first.
        reported: The last report that was taken.
        over: Nothing more happens.
        seen_at: When it last changed here, in park time.
    """

    modified: str
    calls: tuple[str, ...] = ()
    refused: str = ""
    wanted: tuple[str, ...] = ()
    baselines: dict[str, list[tuple[datetime, float]]] = {}
    report_id: str = ""
    reported: bytes = b""
    over: bool = False
    seen_at: datetime


class Memory:
    """Events that are known, in a file that is there whole or not at all.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.events: dict[str, Known] = msgspec.json.decode(path.read_bytes(), type=dict[str, Known]) if path.exists() else {}

    def keep(self, event_id: str, known: Known | None) -> None:
        """Remembers one, or forgets it; on disk when it returns."""
        if known is None:
            self.events.pop(event_id, None)
        else:
            self.events[event_id] = known
        draft = self._path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(self.events))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


@dataclass(slots=True)
class Follower:
    """Follows one VTN.

    Args:
        settings: How.
        vtn: Whom.
        door: To the service.
        memory: What is known.
        callback_url: Where the VTN may knock; None for nowhere.
        callback_token: What it shows then.
        wake: Set when it has knocked.
    """

    settings: VenSettings
    vtn: VtnClient
    door: GridDoor
    memory: Memory
    callback_url: str | None = None
    callback_token: str | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _registered: bool = False
    _failures: int = 0
    _reported_s: float | None = None

    async def run(self) -> None:
        """Until cancelled: polls, listens for the knock, reports."""
        while True:
            fault = await self.look()
            pause_s = self.settings.poll_s
            if fault is not None:
                self._failures += 1
                pause_s = max(_PAUSES_S[min(self._failures, len(_PAUSES_S)) - 1], fault.retry_s)
                log.warning("openadr.vtn_away", reason=fault.reason, failures=self._failures, pause_s=pause_s)
            elif self._failures:
                log.info("openadr.vtn_back", failures=self._failures)
                self._failures = 0
            try:
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the knock.
                async with asyncio.timeout(pause_s):
                    await self.wake.wait()
            except TimeoutError:
                continue
            self.wake.clear()

    async def look(self) -> Gone | None:
        """Once: registers where needed, takes what is new, reports what is due; what is missing for it, if anything."""
        if not self._registered:
            fault = await self._register()
            if fault is not None:
                return fault
            self._registered = True
        programs = await self.vtn.get_all("/programs")
        events = await self.vtn.get_all("/events")
        if not isinstance(programs, Said) or not isinstance(events, Said):
            return _as_gone(programs if not isinstance(programs, Said) else events)
        live = await self.door.live(_WHO)
        if isinstance(live, Refused | Away):
            return Gone(f"the park does not answer: {live.reason}")
        await self._take(_by_id(programs.body), _by_id(events.body), live.at)
        now_s = self.vtn.monotonic_s()
        if self._reported_s is None or now_s - self._reported_s >= self.settings.report_s:
            self._reported_s = now_s
            return await self._report()
        return None

    async def _register(self) -> Gone | None:
        found = await self.vtn.get_all("/vens", venName=self.settings.ven_name)
        if not isinstance(found, Said):
            return _as_gone(found)
        mine = [one for one in found.body if isinstance(one, dict) and one.get("venName") == self.settings.ven_name]
        if not mine:
            words = {"objectType": "VEN_VEN_REQUEST", "venName": self.settings.ven_name}
            made = await self.vtn.ask("POST", "/vens", body=words)
            if not isinstance(made, Said):
                return _as_gone(made)
        return await self._subscribe()

    async def _subscribe(self) -> Gone | None:
        """A subscription of ours that says the same stays; one that says something else is changed."""
        if self.callback_url is None:
            return None
        place = {"objects": ["EVENT", "PROGRAM"], "operations": ["CREATE", "UPDATE", "DELETE"], "callbackUrl": self.callback_url}
        body: dict[str, Any] = {
            "clientName": self.settings.ven_name,
            "objectOperations": [{**place, "bearerToken": self.callback_token}],
        }
        found = await self.vtn.get_all("/subscriptions", clientName=self.settings.ven_name)
        if not isinstance(found, Said):
            return _as_gone(found)
        mine = next((one for one in found.body if isinstance(one, dict) and one.get("clientName") == body["clientName"]), None)
        if mine is None:
            answer = await self.vtn.ask("POST", "/subscriptions", body=body)
        elif mine.get("objectOperations") != body["objectOperations"]:
            answer = await self.vtn.ask("PUT", f"/subscriptions/{mine['id']}", body=body)
        else:
            return None
        if isinstance(answer, Wrong):
            # Polling does without; a VTN need not like our address.
            log.warning("openadr.not_subscribed", reason=answer.detail)
        return answer if isinstance(answer, Gone) else None

    async def _take(self, programs: Mapping[str, Any], events: Mapping[str, Any], at: datetime) -> None:
        for event_id, raw in events.items():
            known = self.memory.events.get(event_id)
            modified = str(raw.get("modificationDateTime"))
            if known is not None and (known.modified == modified or known.over):
                continue
            program = programs.get(str(raw.get("programID")))
            if self._is_followed(program):
                await self._judge(event_id, raw, program, at)
        for event_id, known in list(self.memory.events.items()):
            if event_id not in events and not known.over:
                await self._withdraw(event_id, known, at)
            elif known.over and known.seen_at < at - _KEPT and event_id not in events:
                self.memory.keep(event_id, None)

    def _is_followed(self, program: Any) -> bool:
        names = self.settings.programs
        return not names or (isinstance(program, dict) and program.get("programName") in names)

    async def _judge(self, event_id: str, raw: Any, program: Any, at: datetime) -> None:
        """Takes an event or refuses it, once for each of its versions; the door's own refusals are audited there."""
        before = self.memory.events.get(event_id)
        fresh = Known(modified=str(raw.get("modificationDateTime")), calls=before.calls if before else (), seen_at=at)
        if before is not None:
            fresh = msgspec.structs.replace(fresh, report_id=before.report_id, wanted=before.wanted, baselines=before.baselines)
        read = self._read(event_id, raw, program, at)
        if isinstance(read, Unreadable):
            if await self.door.unreadable(self._name(event_id), str(read), _WHO):
                self._refuse(event_id, fresh, str(read))
            return
        plan = await self.door.plan(_WHO)
        spans = {call.meter: (call.start, max(c.end for c in read.calls)) for call in read.calls}
        baselines = {} if isinstance(plan, Refused | Away) else planned(plan, spans)
        names = tuple(call.event_id for call in read.calls)
        # After a crash before the event is remembered the same calls are made again, under the same names.
        fault = await self.door.call_all(read.calls, _WHO, fresh.calls)
        if isinstance(fault, Refused):
            self._refuse(event_id, fresh, fault.reason)
        if fault is not None:
            return
        if not await self._cancelled([name for name in fresh.calls if name not in names]):
            return
        wanted = tuple(str(one["payloadType"]) for one in raw.get("reportDescriptors") or ()) or KNOWN
        told = before.baselines if before is not None else {}
        self.memory.keep(event_id, msgspec.structs.replace(fresh, calls=names, wanted=wanted, baselines={**baselines, **told}))
        log.info("openadr.event_taken", event_id=event_id, calls=len(names), signals=len(read.signals))

    def _read(self, event_id: str, raw: Any, program: Any, at: datetime) -> Reading | Unreadable:
        try:
            word = w.Event.model_validate_json(msgspec.json.encode(raw))
            described = None if program is None else w.Program.model_validate_json(msgspec.json.encode(program))
        except ValidationError as error:
            rows = error.errors(include_url=False, include_context=False, include_input=False)[:3]
            return Unreadable(tuple(f"{'.'.join(str(p) for p in row['loc'])}: {row['msg']}" for row in rows))
        return read_event(self._name(event_id), word, described, self.settings.agreements, at)

    def _name(self, event_id: str) -> str:
        """Names of calls are shorter than ids there may be."""
        if len(event_id) <= _ID_CHARS:
            return f"oadr3.{event_id}"
        return f"oadr3.{hashlib.sha256(event_id.encode()).hexdigest()[:_ID_CHARS]}"

    def _refuse(self, event_id: str, fresh: Known, why: str) -> None:
        """A change that is refused leaves what was taken before as it is, as it does at the door."""
        log.warning("openadr.event_refused", event_id=event_id, reason=why)
        self.memory.keep(event_id, msgspec.structs.replace(fresh, refused=why))

    async def _withdraw(self, event_id: str, known: Known, at: datetime) -> None:
        """The VTN has taken an event back."""
        if await self._cancelled(known.calls):
            log.info("openadr.event_gone", event_id=event_id)
            self.memory.keep(event_id, msgspec.structs.replace(known, over=True, seen_at=at))

    async def _cancelled(self, names: tuple[str, ...] | list[str]) -> bool:
        for name in names:
            if isinstance(await self.door.cancel(name, _WHO), Away):
                return False
        return True

    async def _report(self) -> Gone | None:
        if all(known.over for known in self.memory.events.values()):
            return None
        seen = await look(self.door, _WHO)
        if isinstance(seen, Away):
            return Gone(f"the park does not answer: {seen.reason}")
        for event_id, known in list(self.memory.events.items()):
            if known.over:
                continue
            body, over = await self._body(event_id, known, seen)
            if body is None:
                continue
            if msgspec.json.encode(body) != known.reported:
                place = f"/reports/{known.report_id}" if known.report_id else "/reports"
                answer = await self.vtn.ask("PUT" if known.report_id else "POST", place, body=body)
                if isinstance(answer, Gone):
                    return answer
                if isinstance(answer, Wrong):
                    log.warning("openadr.report_refused", event_id=event_id, reason=answer.detail)
                    # Gone there: the next one is a new one.
                    known = msgspec.structs.replace(known, report_id="")
                else:
                    report_id = (
                        str(answer.body.get("id") or known.report_id) if isinstance(answer.body, dict) else known.report_id
                    )
                    known = msgspec.structs.replace(known, report_id=report_id, reported=msgspec.json.encode(body))
            self.memory.keep(event_id, msgspec.structs.replace(known, over=over, seen_at=seen.at))
        return None

    async def _body(self, event_id: str, known: Known, seen: Look) -> tuple[dict[str, Any] | None, bool]:
        """A report, and whether it is the last one; there is no other word in the protocol for "no, because"."""
        if not known.calls:
            state = {"type": "OPERATING_STATE", "values": ["IDLE_OPTED_OUT" if known.refused else "NORMAL"]}
            name = f"refused: {known.refused}" if known.refused else "noted"
            resource = {"resourceName": self.settings.ven_name, "intervals": [{"id": 0, "payloads": [state]}]}
            body = {
                "eventID": event_id,
                "clientName": self.settings.ven_name,
                "reportName": name[:_NAME_CHARS],
                "resources": [resource],
            }
            return body, True
        found = [seen.events[name] for name in known.calls if name in seen.events]
        if not found:
            return None, False
        facts = await facts_of(self.door, known.calls, known.baselines, seen, _WHO)
        over = all(event.state in _OVER for event in found) or all(event.end + _REST < seen.at for event in found)
        body = report_body(event_id, self.settings.ven_name, known.wanted, facts)
        if known.refused:
            body["reportName"] = f"refused: {known.refused}"[:_NAME_CHARS]
        return body, over


def _as_gone(answer: Said | Wrong | Gone) -> Gone:
    return answer if isinstance(answer, Gone) else Gone(answer.detail if isinstance(answer, Wrong) else "")


def _by_id(rows: list[Any]) -> dict[str, Any]:
    return {str(one["id"]): one for one in rows if isinstance(one, dict) and one.get("id")}
