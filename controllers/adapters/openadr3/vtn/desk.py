"""What the VTN does with an object: who may write it, what it needs to exist, and what else goes with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from controllers.adapters.grid_door import Away
from controllers.adapters.openadr3 import words as w
from controllers.adapters.openadr3.vtn.access import Shown, may_see
from controllers.adapters.openadr3.vtn.book import ObjectBook, Record, new_id, stamp
from controllers.adapters.openadr3.vtn.notify import Notifier, callback_fault
from controllers.adapters.openadr3.vtn.park_side import ParkSide
from controllers.adapters.openadr3.vtn.settings import VtnSettings
from controllers.adapters.openadr3.words import ObjectType, Operation

__all__ = ["PARK", "Desk", "Trouble"]

#: Whoever owns what the VTN itself has made.
PARK: Final = ""

Word: TypeAlias = w.Program | w.Event | w.Report | w.Subscription | w.VenVen | w.BlVen | w.VenResource | w.BlResource


class Trouble(Exception):  # noqa: N818  it is an answer, not a fault of ours
    """A request that is not granted: status, and one line."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(slots=True)
class Desk:
    """All that is written goes over this desk, one write at a time.

    Args:
        settings: Of the VTN.
        book: Where objects are.
        park: What stands behind the park's own program.
        notifier: Tells subscribers.
        now: Real time, for stamps.
    """

    settings: VtnSettings
    book: ObjectBook
    park: ParkSide
    notifier: Notifier
    now: Callable[[], datetime]
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def begin(self) -> None:
        """Makes the park's program where it is missing, and takes back calls whose caller never got an answer."""
        if self._named("PROGRAM", "programName", self.settings.park_program) is None:
            body = {
                "programName": self.settings.park_program,
                "payloadDescriptors": [
                    {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KW"}
                    for kind in ("IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT")
                ],
            }
            await self._put(self._fresh("PROGRAM", PARK, body))
        for record in self.book.all("EVENT"):
            if record.pending:
                await self.park.withdraw(record)
                await asyncio.to_thread(self.book.drop, record)

    async def create(self, shown: Shown, kind: ObjectType, word: Word, key: str = "") -> Record:
        """Writes a new object.

        Raises:
            Trouble: It is not granted.
        """
        async with self._writing:
            owner, body = self._admit(shown, kind, word, None)
            mark = _mark(shown, kind, body, key)
            again = next((one for one in self.book.all(kind) if mark and one.key == mark and not one.over), None)
            if again is not None:
                # A repeated request, as after a lost answer, makes nothing twice.
                return again
            self._limit(shown, kind)
            record = msgspec.structs.replace(self._fresh(kind, owner, body), key=mark)
            if isinstance(word, w.Event) and self._calls_the_park(shown, word):
                record = await self._called(shown, record, word, None)
            await self._put(record)
            self._tell(record, "CREATE")
            return record

    async def update(self, shown: Shown, record: Record, word: Word) -> Record:
        """Writes an object anew.

        Raises:
            Trouble: It is not granted.
        """
        async with self._writing:
            record = self._still(record)
            self._own(shown, record)
            owner, body = self._admit(shown, record.kind, word, record)
            changed = msgspec.structs.replace(record, owner=owner, body=body, modified=stamp(self.now()), key="")
            if isinstance(word, w.Event) and self._calls_the_park(shown, word):
                changed = await self._called(shown, changed, word, record)
            elif record.calls:
                # It has moved to another program: the park is not called any more.
                fault = await self.park.withdraw(record)
                if fault is not None:
                    raise Trouble(503, fault)
                changed = msgspec.structs.replace(changed, calls=())
            await self._put(changed)
            self._tell(changed, "UPDATE")
            return changed

    async def delete(self, shown: Shown, record: Record) -> None:
        """Forgets an object and what cannot be without it.

        Raises:
            Trouble: It is not granted.
        """
        async with self._writing:
            record = self._still(record)
            self._own(shown, record)
            gone = [record, *self._hangs_on(record)]
            for one in gone:
                if one.calls:
                    fault = await self.park.withdraw(one)
                    if fault is not None:
                        raise Trouble(503, fault)
            subscribers = {one.id: list(self._subscribers(one)) for one in gone}
            await asyncio.to_thread(self.book.drop, *gone)
            for one in gone:
                self.notifier.tell(subscribers[one.id], one, "DELETE")

    async def report(self) -> None:
        """Once: what became of the park's calls, as a report on each event."""
        mine = [event for event in self.book.all("EVENT") if event.calls and not event.over and not event.pending]
        seen = await self.park.look() if mine else None
        if seen is None:
            return
        for event in mine:
            body, over = await self.park.told(event, seen)
            async with self._writing:
                if self.book.get("EVENT", event.id) is not event:
                    continue
                if body is not None:
                    await self._reported(event, body)
                if over:
                    await self._put(msgspec.structs.replace(event, over=True))

    async def _reported(self, event: Record, body: dict[str, Any]) -> None:
        known = next((r for r in self.book.all("REPORT") if r.owner == PARK_CLIENT and r.body["eventID"] == event.id), None)
        if known is None:
            fresh = self._fresh("REPORT", PARK_CLIENT, body)
            await self._put(fresh)
            self._tell(fresh, "CREATE")
        elif known.body != body:
            changed = msgspec.structs.replace(known, body=body, modified=stamp(self.now()))
            await self._put(changed)
            self._tell(changed, "UPDATE")

    def _calls_the_park(self, shown: Shown, word: w.Event) -> bool:
        program = self.book.get("PROGRAM", word.programID)
        if program is None or program.owner != PARK:
            return False
        if not shown.client.may_call:
            raise Trouble(403, f"{shown.client.id} may not call the park; may_call in the settings says who may")
        return True

    async def _called(self, shown: Shown, record: Record, word: w.Event, before: Record | None) -> Record:
        """The event with its calls at the door; written first, so that a crash between leaves no call that nobody knows."""
        asked = await self.park.read(record, word, f"openadr.{shown.client.id}")
        if isinstance(asked, Away):
            raise Trouble(503, asked.reason)
        if isinstance(asked, str):
            raise Trouble(400, asked)
        old = before.calls if before is not None else ()
        names = tuple(call.event_id for call in asked.calls)
        if before is None:
            record = msgspec.structs.replace(record, calls=names, pending=True)
            await self._put(record)
        fault = await self.park.call(record, asked.calls, old)
        if fault is not None:
            if before is None:
                await asyncio.to_thread(self.book.drop, record)
            raise Trouble(*fault)
        baselines = {**asked.baselines, **(before.baselines if before is not None else {})}
        return msgspec.structs.replace(record, calls=names, pending=False, over=False, baselines=baselines)

    def _admit(self, shown: Shown, kind: ObjectType, word: Word, known: Record | None) -> tuple[str, dict[str, Any]]:
        """Owner and body of an object, if everything it leans on is there."""
        body = word.sent()
        body.pop("objectType", None)
        body.pop("clientID", None)
        me = shown.client.id if known is None else known.owner
        match word:
            case w.Program():
                self._unique(kind, "programName", word.programName, known)
            case w.Event():
                self._there(shown, "PROGRAM", word.programID, owned=True)
            case w.Report():
                self._there(shown, "EVENT", word.eventID)
            case w.Subscription():
                if word.programID is not None:
                    self._there(shown, "PROGRAM", word.programID)
                for one in word.objectOperations:
                    fault = callback_fault(one.callbackUrl, self.settings.callbacks)
                    if fault is not None:
                        raise Trouble(400, f"objectOperations.callbackUrl: {one.callbackUrl[:80]} {fault}")
            case w.VenVen() | w.BlVen():
                self._unique(kind, "venName", word.venName, known)
                me = self._provisioned(shown, word, body, known) or me
            case w.VenResource() | w.BlResource():
                ven = self._there(shown, "VEN", word.venID, status=404)
                self._unique(kind, "resourceName", word.resourceName, known, within=word.venID)
                self._provisioned(shown, word, body, known)
                me = ven.owner
        return me, body

    def _provisioned(
        self, shown: Shown, word: w.VenVen | w.BlVen | w.VenResource | w.BlResource, body: dict[str, Any], known: Record | None
    ) -> str | None:
        """The client an object is made for; a VEN neither gives itself targets nor speaks for others."""
        if isinstance(word, w.BlVen | w.BlResource):
            if shown.is_ven:
                raise Trouble(403, "objectType: only business logic provisions targets and clientID; a VEN sends VEN_..._REQUEST")
            return word.clientID
        if known is not None and "targets" in known.body:
            body["targets"] = known.body["targets"]
        return None

    def _there(self, shown: Shown, kind: ObjectType, object_id: str, *, owned: bool = False, status: int = 409) -> Record:
        found = self.book.get(kind, object_id)
        if found is None or not may_see(shown, found, self.book):
            raise Trouble(status, f"{kind.lower()} {object_id[:80]}: there is none")
        if owned and found.owner not in (PARK, shown.client.id):
            raise Trouble(403, f"{kind.lower()} {object_id} is of {found.owner}; events are made by whoever made their program")
        return found

    def _unique(self, kind: ObjectType, name: str, value: str, known: Record | None, within: str | None = None) -> None:
        found = self._named(kind, name, value, within)
        if found is not None and (known is None or found.id != known.id):
            raise Trouble(409, f"{name} {value[:80]!r}: there is one of that name already")

    def _named(self, kind: ObjectType, name: str, value: str, within: str | None = None) -> Record | None:
        rows = (r for r in self.book.all(kind) if r.body.get(name) == value)
        return next((r for r in rows if within is None or r.body.get("venID") == within), None)

    def _still(self, record: Record) -> Record:
        """The object as it is now that it is our turn; another request may have been before us."""
        found = self.book.get(record.kind, record.id)
        if found is None:
            raise Trouble(404, f"{record.kind.lower()} {record.id}: there is none")
        return found

    def _own(self, shown: Shown, record: Record) -> None:
        mine = record.owner == shown.client.id or (not shown.is_ven and record.kind in ("VEN", "RESOURCE"))
        if not mine:
            raise Trouble(403, f"{record.kind.lower()} {record.id} is not of {shown.client.id}")

    def _limit(self, shown: Shown, kind: ObjectType) -> None:
        mine = sum(one.owner == shown.client.id for one in self.book.all(kind))
        if mine >= self.settings.objects_max:
            raise Trouble(403, f"{shown.client.id} has {mine} objects of this type; more are not kept, delete some")

    def _hangs_on(self, record: Record) -> Iterator[Record]:
        link = {"PROGRAM": ("EVENT", "SUBSCRIPTION"), "VEN": ("RESOURCE",)}.get(record.kind, ())
        name = "programID" if record.kind == "PROGRAM" else "venID"
        for kind in link:
            yield from (one for one in self.book.all(kind) if one.body.get(name) == record.id)  # type: ignore[arg-type]

    def _fresh(self, kind: ObjectType, owner: str, body: dict[str, Any]) -> Record:
        at = stamp(self.now())
        return Record(kind=kind, id=new_id(), owner=owner, created=at, modified=at, body=body)

    async def _put(self, record: Record) -> None:
        await asyncio.to_thread(self.book.put, record)

    def _tell(self, record: Record, operation: Operation) -> None:
        self.notifier.tell(list(self._subscribers(record)), record, operation)

    def _subscribers(self, record: Record) -> Iterator[Record]:
        """Subscriptions of clients that may read the object at all."""
        clients = {client.id: client for client in self.settings.clients}
        for one in self.book.all("SUBSCRIPTION"):
            client = clients.get(one.owner)
            if client is not None and may_see(Shown(client, frozenset()), record, self.book):
                yield one


#: In whose name the park's own reports stand.
PARK_CLIENT: Final = "park"


def _mark(shown: Shown, kind: ObjectType, body: dict[str, Any], key: str) -> str:
    """By what a repeated request is known: the key it brings, or its whole content where it has a name of its own."""
    if key:
        return f"{shown.client.id}:{kind}:{key}"
    if (kind == "EVENT" and body.get("eventName")) or (kind == "REPORT" and body.get("reportName")):
        said = msgspec.json.encode(body, order="sorted")
        return f"{shown.client.id}:{kind}:{hashlib.sha256(said).hexdigest()}"
    return ""
