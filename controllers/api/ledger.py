"""The store as the API sees it: rows in, answers out; every method may wait for the disk and belongs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from controllers.alarm_words import alarm_zh
from controllers.api.bodies import EventBody, LocalBody, MaintenanceBody, PinBody
from controllers.api.ledger_facts import (
    AlarmFacts,
    AuditFacts,
    CommandFacts,
    Cost,
    EventFacts,
    ForecastFacts,
    Measurement,
    OverrideFacts,
    PlanFacts,
    PlanHead,
    PlanRow,
    Released,
)
from controllers.flexibility.table import OfferTable
from controllers.store import AlarmRow, AuditRow, EventRow, OverrideRow, Store
from controllers.store import PlanRow as KeptPlan
from vpp.errors import StoreError
from vpp.wire.codec import decode, encode
from vpp.wire.messages import Ack, Backlog, Command, ForecastCurrent, PlanCurrent, Reason

__all__ = ["Ledger"]

#: Where the controller notes how its loops fare.
_HEALTH: Final = "controller.health"
#: Where it leaves its last offer.
_OFFER: Final = "flexibility.current"

#: Of a plan's facts, what is answered under a name of its own.
_NAMED: Final = frozenset(
    {"plan_id", "park", "source", "gap_frac", "edges", "assets", "connections", "unmet", "binding", "cost_items_cny"}
)


class Ledger:
    """What stands in the store, as answers.

    Args:
        store: Open.
        names: Chinese names of assets and connections, by id.
    """

    def __init__(self, store: Store, names: Mapping[str, str] | None = None) -> None:
        self.store, self._names = store, names or {}

    def check(self) -> None:
        """Asks for a sign of life.

        Raises:
            StoreError: There is none.
        """
        self.store.recall("api.keys")

    def audit(self, who: str, action: str, subject: str, outcome: str, detail: str, at: datetime) -> None:
        """Writes a line."""
        self.store.audit(AuditRow(at=at, who=who, action=action, subject=subject, outcome=outcome, detail=detail))

    def audits(self, start: datetime, end: datetime) -> tuple[AuditFacts, ...]:
        """Lines of a span, newest first."""
        return tuple(AuditFacts(**asdict(row)) for row in self.store.audits(start, end))

    # Overrides

    def overrides_open(self, at: datetime) -> tuple[OverrideFacts, ...]:
        """Those that stand or are still to come."""
        return tuple(_override(row) for row in self.store.overrides_open(at))

    def held(self, at: datetime) -> dict[str, str]:
        """Assets that are in somebody's hand now, with the reason."""
        rows = [row for row in self.store.overrides_open(at) if row.start <= at]
        return {row.asset_id: f"override {row.number}: {row.kind}" for row in rows}

    def ask_override(self, body: LocalBody | PinBody | MaintenanceBody, by: str, at: datetime) -> OverrideFacts:
        """Writes one."""
        row = OverrideRow(
            asset_id=body.asset_id,
            kind=body.kind,
            power_mw=body.power_mw if isinstance(body, PinBody) else None,
            start=body.start or at,
            end=body.end,
            who=by,
            why=body.why,
            asked_at=at,
        )
        return _override(replace(row, number=self.store.ask_override(row)))

    def release(self, asset_id: str, by: str, why: str, at: datetime) -> Released:
        """Ends all that holds an asset."""
        held = tuple(row.number for row in self.store.overrides_open(at) if row.asset_id == asset_id)
        row = OverrideRow(asset_id=asset_id, kind="release", start=at, end=at, who=by, why=why, asked_at=at)
        return Released(asset_id=asset_id, number=self.store.ask_override(row), released=held)

    def close_override(self, row: OverrideFacts, by: str, at: datetime) -> OverrideFacts:
        """Ends one."""
        self.store.close_override(row.number, by, at)
        return msgspec.structs.replace(row, closed_at=at, closed_by=by)

    # Events

    def events(self) -> tuple[EventFacts, ...]:
        """All of them, oldest first."""
        return tuple(_event(row) for row in self.store.events())

    def events_open(self) -> tuple[EventFacts, ...]:
        """Those that are not over."""
        return tuple(_event(row) for row in self.store.events_open())

    def event(self, event_id: str) -> EventFacts | None:
        """The one of that name."""
        row = self.store.event(event_id)
        return None if row is None else _event(row)

    def ask_event(self, body: EventBody, by: str, at: datetime) -> EventFacts:
        """Writes a new one."""
        row = EventRow(**body.model_dump(), who=by, asked_at=at, changed_at=at)
        return _event(replace(row, number=self.store.ask_event(row)))

    def amend_event(self, known: EventFacts, body: EventBody, by: str, at: datetime) -> EventFacts:
        """Writes the next revision, which is to be judged anew."""
        row = EventRow(
            **body.model_dump(), number=known.number, who=by, asked_at=known.asked_at, revision=known.revision + 1, changed_at=at
        )
        self.store.ask_event(row)
        return _event(row)

    def cancel_event(self, known: EventFacts, by: str, at: datetime) -> EventFacts:
        """Writes that the caller has taken it back."""
        values = {name: getattr(known, name) for name in known.__struct_fields__ if name != "by"}
        values |= {"revision": known.revision + 1, "state": "cancelled", "reason": f"taken back by {by}", "changed_at": at}
        row = EventRow(**values, who=by)
        self.store.ask_event(row)
        return _event(row)

    def offer_table(self) -> OfferTable | None:
        """The last offer that the controller has made; None before the first."""
        kept = self.store.recall(_OFFER)
        try:
            return None if kept is None else msgspec.json.decode(kept, type=OfferTable)
        except msgspec.DecodeError:  # of another version: the next one comes within a quarter of an hour
            return None

    # Alarms

    def alarms_open(self) -> tuple[AlarmFacts, ...]:
        """Those that stand, or that nobody has seen."""
        return tuple(self._alarm(row) for row in self.store.alarms_open())

    def acknowledge(self, row: AlarmFacts, by: str, note: str, at: datetime) -> AlarmFacts:
        """Somebody has seen it."""
        if row.acknowledged_at is not None:
            return row
        self.store.acknowledge_alarm(row.number, by, at, note)
        return msgspec.structs.replace(row, acknowledged_at=at, acknowledged_by=by)

    def _alarm(self, row: AlarmRow) -> AlarmFacts:
        return AlarmFacts(**asdict(row), text_zh=alarm_zh(row.key, row.text, self._names))

    # Records

    def series(
        self, subjects: Sequence[str], quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Measurement, ...]:
        """What was measured, null where nothing was."""
        found = []
        times, means = self.store.many_series(subjects, quantity, start, end, step)
        for subject, values in zip(subjects, means.tolist(), strict=True):
            known = [None if value != value else value for value in values]
            found.append(Measurement(subject=subject, quantity=quantity, times=list(times), values=known))
        return tuple(found)

    def commands(self, asset_id: str, start: datetime, end: datetime) -> tuple[CommandFacts, ...]:
        """What was said to an asset and what it answered, oldest first."""
        found: dict[tuple[int, int], CommandFacts] = {}
        for row in self.store.said(asset_id, start, end):
            key = row.epoch, row.seq
            if row.word == "command":
                found[key] = CommandFacts(at=row.at, command=decode(Command, "command", row.message))
            elif key in found:
                ack = decode(Ack, "ack", row.message)
                found[key] = msgspec.structs.replace(found[key], acked_at=row.at, ack=ack)
        return tuple(found.values())

    def controller_health(self) -> dict[str, Any]:
        """How the controller's loops fare, as it last noted it; nothing before the first note."""
        kept = self.store.recall(_HEALTH)
        try:
            return {} if kept is None else msgspec.json.decode(kept, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise StoreError(f"{_HEALTH}: cannot be read: {error}") from error

    def forecast(self, issued_before: datetime) -> ForecastFacts | None:
        """The last one issued by then."""
        row = self.store.forecast(issued_before)
        if row is None:
            return None
        said = decode(ForecastCurrent, "forecast", row.message)
        return ForecastFacts(issued_at=said.issued_at, edges=said.edges, levels=said.levels, series=said.series, stale=said.stale)

    def plans(self, start: datetime, end: datetime) -> tuple[PlanHead, ...]:
        """Those made in a span, newest first, in one line each."""
        return tuple(
            PlanHead(
                plan_id=row.plan_id,
                made_at=row.made_at,
                source=row.source,
                gap_frac=row.gap_frac,
                cost_cny=row.cost_cny,
                unmet=len(_facts(row).get("unmet", ())),
            )
            for row in self.store.plans(start, end)
        )

    def plan(self, plan_id: str) -> PlanFacts | None:
        """One, explained."""
        row = self.store.plan(plan_id)
        return None if row is None else _plan(row)

    def explained(self, said: PlanCurrent) -> PlanFacts:
        """The published plan, with all that the ledger knows of it."""
        kept = self.plan(said.plan_id)
        if kept is not None:
            return kept
        return PlanFacts(
            plan_id=said.plan_id,
            made_at=said.issued_at,
            source=said.source,
            gap_frac=said.gap_frac,
            edges=said.edges,
            assets=tuple(PlanRow(id=row.id, power_mw=list(row.power_mw)) for row in said.assets),
            connections=tuple(PlanRow(id=row.id, power_mw=list(row.power_mw)) for row in said.connections),
            unmet=said.unmet,
        )

    def keep_backlog(self, said: Backlog, by: str, at: datetime) -> None:
        """Keeps the last report of a cluster, and notes who reported."""
        self.store.remember(f"api.backlog.{said.cluster}", encode(said))
        energy_mwh = sum(item.energy_mwh or 0.0 for item in said.items)
        self.audit(by, "compute.backlog", said.cluster, "done", f"{len(said.items)} items, {energy_mwh:.3f} MWh", at)


def _override(row: OverrideRow) -> OverrideFacts:
    values = asdict(row)
    return OverrideFacts(by=values.pop("who"), **values)


def _event(row: EventRow) -> EventFacts:
    values = asdict(row)
    return EventFacts(by=values.pop("who"), **values)


def _facts(row: KeptPlan) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = msgspec.json.decode(row.facts, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise StoreError(f"plan {row.plan_id}: its facts cannot be read: {error}") from error
    return facts


def _plan(row: KeptPlan) -> PlanFacts:
    """What `controllers.planner.publish.plan_facts` wrote down."""
    facts = _facts(row)
    costs = sorted(facts.get("cost_items_cny", {}).items(), key=lambda item: -abs(item[1]))
    return PlanFacts(
        plan_id=row.plan_id,
        made_at=row.made_at,
        source=row.source,
        gap_frac=row.gap_frac,
        edges=tuple(datetime.fromisoformat(edge) for edge in facts.get("edges", ())),
        assets=tuple(PlanRow(id=name, power_mw=said["power_mw"]) for name, said in facts.get("assets", {}).items()),
        connections=tuple(PlanRow(id=name, power_mw=_net(said)) for name, said in facts.get("connections", {}).items()),
        unmet=tuple(_reason(one) for one in facts.get("unmet", ())),
        binding=tuple(facts.get("binding", ())),
        cost_items=tuple(Cost(item=name, cost_cny=amount) for name, amount in costs),
        more={key: value for key, value in facts.items() if key not in _NAMED},
    )


def _net(said: Mapping[str, list[float]]) -> list[float]:
    return [into - out for into, out in zip(said["import_mw"], said["export_mw"], strict=True)]


def _reason(one: Mapping[str, Any]) -> Reason:
    text = f"{one['where']}: {one['what']} {one['amount']:g}: {one['reason']}"
    return Reason(code="unmet", text=text[:400])
