"""What people and the grid ask, written in one transaction each: row, order of arrival and audit, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from controllers.store import schema as t
from controllers.store.chain import END, ChainEnd, Entry, check_chain, hash_of
from controllers.store.rows import AlarmRow, AskRow, AuditRow, EventRow, OverrideRow, PromiseRow
from vpp.errors import StoreError

__all__ = ["Alarms", "Asks", "Audits", "Transactions"]

_OPEN_STATES: Final = ("received", "assessed", "accepted", "running")
_AUDIT_MOST: Final = 5_000


class Transactions:
    """The hand on the database.

    Args:
        engine: Of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """One transaction; what the database has against it is a StoreError of one line."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"store: {type(cause).__name__}: {' '.join(str(cause).split())[:200]}") from error


class Audits(Transactions):
    """Who asked for what."""

    def audit(self, row: AuditRow) -> None:
        """Writes a line of its own; those of overrides and events are written with them."""
        with self._begin() as connection:
            _noted(connection, row)

    def audits(self, start: datetime, end: datetime) -> tuple[AuditRow, ...]:
        """Lines of a span, newest first, some thousands at most."""
        at = t.AUDIT.c.at
        columns = [t.AUDIT.c[field.name] for field in fields(AuditRow)]
        wanted = select(*columns).where(at >= start, at < end).order_by(t.AUDIT.c.number.desc()).limit(_AUDIT_MOST)
        with self._begin() as connection:
            return tuple(AuditRow(**row) for row in connection.execute(wanted).mappings())

    def chain_end(self) -> ChainEnd:
        """Of the audit, as it stands beside it."""
        with self._begin() as connection:
            return end_of_chain(connection)

    def chain_faults(self, kept: ChainEnd | None = None) -> Iterator[str]:
        """What is wrong with the audit's chain, one line for each fault.

        Args:
            kept: An end of the chain that was copied earlier; None: as it stands beside the chain.
        """
        with self._begin() as connection:
            end = end_of_chain(connection) if kept is None else kept
            rows = connection.execution_options(stream_results=True).execute(select(t.AUDIT).order_by(t.AUDIT.c.number))
            entries = (Entry(row["number"], words_of(dict(row)), row["previous"], row["hash"]) for row in rows.mappings())
            yield from check_chain(entries, end, newest=kept is None)


class Asks(Transactions):
    """Overrides and events, and the order in which they came."""

    def ask_override(self, row: OverrideRow) -> int:
        """Writes an override and returns its number; a release also ends all that holds its asset."""
        with self._begin() as connection:
            number = _inserted(connection, t.OVERRIDES, asdict(row))
            if row.kind == "release":
                held = _standing(row.asked_at).where(t.OVERRIDES.c.asset_id == row.asset_id, t.OVERRIDES.c.number != number)
                numbers = [found.number for found in connection.execute(held)]
                _close(connection, [*numbers, number], row.who, row.asked_at)
                for one in numbers:
                    _arrived(connection, "override", one)
            _arrived(connection, "override", number)
            _noted(connection, _audit(row.who, "override.ask", row.asset_id, f"{number}: {row.kind}: {row.why}", row.asked_at))
        return number

    def overrides_open(self, at: datetime) -> tuple[OverrideRow, ...]:
        """Those that stand or are still to come, oldest first."""
        with self._begin() as connection:
            rows = connection.execute(_standing(at).order_by(t.OVERRIDES.c.number)).mappings()
            return tuple(OverrideRow(**row) for row in rows if row["kind"] != "release")

    def override(self, number: int) -> OverrideRow | None:
        """One, whether it stands or not."""
        with self._begin() as connection:
            row = connection.execute(select(t.OVERRIDES).where(t.OVERRIDES.c.number == number)).mappings().first()
        return None if row is None else OverrideRow(**row)

    def close_override(self, number: int, by: str, at: datetime) -> None:
        """Ends one; ended twice the first one's name stays."""
        with self._begin() as connection:
            if _close(connection, [number], by, at):
                _arrived(connection, "override", number)
                _noted(connection, _audit(by, "override.close", str(number), "ended by hand", at))

    def ask_event(self, row: EventRow, seen: EventRow | None = None) -> int:
        """Writes an event, or the next revision of one, and returns its number, which stays.

        Args:
            row: The event.
            seen: As it was read, if it is to be written only where nobody has changed it since.
        """
        values = _without(asdict(row), "number")
        with self._begin() as connection:
            number = connection.scalar(select(t.EVENTS.c.number).where(t.EVENTS.c.event_id == row.event_id))
            if number is None:
                number = _inserted(connection, t.EVENTS, values)
            elif not connection.execute(update(t.EVENTS).where(_as_seen(number, seen)).values(**values)).rowcount:
                return int(number)
            _arrived(connection, "event", number)
            place = "" if row.asset is None else f" at the meter of {row.asset}"
            said = f"revision {row.revision}: {row.kind} {row.target_mw:g} MW{place}, {row.state}"
            _noted(connection, _audit(row.who, "event.ask", row.event_id, said, row.changed_at))
        return int(number)

    def events(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EventRow, ...]:
        """Those that touch a span, oldest first; all of them without one."""
        wanted = select(t.EVENTS).order_by(t.EVENTS.c.number)
        wanted = wanted if start is None else wanted.where(t.EVENTS.c.end > start)
        wanted = wanted if end is None else wanted.where(t.EVENTS.c.start < end)
        with self._begin() as connection:
            return tuple(EventRow(**row) for row in connection.execute(wanted).mappings())

    def events_open(self) -> tuple[EventRow, ...]:
        """Those that are neither over nor refused, oldest first."""
        wanted = select(t.EVENTS).where(t.EVENTS.c.state.in_(_OPEN_STATES)).order_by(t.EVENTS.c.number)
        with self._begin() as connection:
            return tuple(EventRow(**row) for row in connection.execute(wanted).mappings())

    def event(self, event_id: str) -> EventRow | None:
        """The one of that name."""
        with self._begin() as connection:
            row = connection.execute(select(t.EVENTS).where(t.EVENTS.c.event_id == event_id)).mappings().first()
        return None if row is None else EventRow(**row)

    def set_event_state(
        self,
        number: int,
        state: str,
        reason: str,
        at: datetime,
        promised: PromiseRow | None = None,
        *,
        seen: EventRow | None = None,
    ) -> None:
        """What the controller makes of it, with what it promises; not an ask, because it is who answers.

        A promise belongs to one revision: where the caller has changed the event since, nothing is written.

        Args:
            number: Of the event.
            state: From now on.
            reason: In words.
            at: Now.
            promised: To one revision.
            seen: As it was read, if it is to be written only where nobody has changed or taken back the event since.
        """
        with self._begin() as connection:
            change = update(t.EVENTS).where(_as_seen(number, seen))
            more: dict[str, Any] = {}
            if promised is not None:
                more = _without(asdict(promised), "revision")
                change = change.where(t.EVENTS.c.revision == promised.revision)
            if not connection.execute(change.values(state=state, reason=reason, changed_at=at, **more)).rowcount:
                return
            _noted(connection, _audit("controller", "event.state", str(number), f"{state}: {reason}", at))

    def set_event_possible(self, row: EventRow, possible_mw: float | None, reason: str, at: datetime) -> None:
        """What can be held now of a call that was accepted; of one that has changed since, or is over, nothing is written.

        Args:
            row: As it was read.
            possible_mw: Import that can be held, where that is less than was promised; None where all of it can. [MW]
            reason: In words.
            at: Now.
        """
        same = and_(t.EVENTS.c.number == row.number, t.EVENTS.c.revision == row.revision)
        with self._begin() as connection:
            change = update(t.EVENTS).where(same, t.EVENTS.c.state.in_(("accepted", "running")))
            if connection.execute(change.values(possible_mw=possible_mw, reason=reason)).rowcount:
                _noted(connection, _audit("controller", "event.possible", row.event_id, reason, at))

    def asks_after(self, number: int) -> tuple[AskRow, ...]:
        """What has come since, in order of arrival; the controller remembers the last number it has seen."""
        with self._begin() as connection:
            rows = connection.execute(select(t.ASKS).where(t.ASKS.c.number > number).order_by(t.ASKS.c.number)).mappings()
            return tuple(AskRow(**row) for row in rows)

    def last_ask(self) -> int:
        """The number of the newest ask; 0 for none."""
        with self._begin() as connection:
            return int(connection.scalar(select(func.max(t.ASKS.c.number))) or 0)


def _as_seen(number: int, seen: EventRow | None) -> ColumnElement[bool]:
    """An event, if it still is what was read: it has one writer in each process, and they do not wait for each other."""
    here = t.EVENTS.c.number == number
    return here if seen is None else and_(here, t.EVENTS.c.revision == seen.revision, t.EVENTS.c.state == seen.state)


class Alarms(Transactions):
    """What should not be, until it is over and somebody has seen it."""

    def raise_alarm(self, key: str, *, level: str, text: str, at: datetime) -> int:
        """Raises one; raised again before it is cleared it stays the same, with the newest words."""
        standing = and_(t.ALARMS.c.key == key, t.ALARMS.c.cleared_at.is_(None))
        with self._begin() as connection:
            number = connection.scalar(select(t.ALARMS.c.number).where(standing))
            if number is None:
                return _inserted(connection, t.ALARMS, {"key": key, "level": level, "text": text, "raised_at": at})
            connection.execute(update(t.ALARMS).where(t.ALARMS.c.number == number).values(level=level, text=text))
        return int(number)

    def acknowledge_alarm(self, number: int, by: str, at: datetime, note: str = "") -> None:
        """Somebody has seen it; the first one's name stays."""
        with self._begin() as connection:
            unseen = and_(t.ALARMS.c.number == number, t.ALARMS.c.acknowledged_at.is_(None))
            changed = connection.execute(update(t.ALARMS).where(unseen).values(acknowledged_at=at, acknowledged_by=by))
            if changed.rowcount:
                _noted(connection, _audit(by, "alarm.acknowledge", str(number), note, at))

    def clear_alarm(self, key: str, at: datetime) -> None:
        """It is over; it stays open until somebody has seen it."""
        standing = and_(t.ALARMS.c.key == key, t.ALARMS.c.cleared_at.is_(None))
        with self._begin() as connection:
            connection.execute(update(t.ALARMS).where(standing).values(cleared_at=at))

    def alarms_open(self) -> tuple[AlarmRow, ...]:
        """Those that stand, or that nobody has seen, oldest first."""
        unfinished = or_(t.ALARMS.c.cleared_at.is_(None), t.ALARMS.c.acknowledged_at.is_(None))
        with self._begin() as connection:
            rows = connection.execute(select(t.ALARMS).where(unfinished).order_by(t.ALARMS.c.number)).mappings()
            return tuple(AlarmRow(**row) for row in rows)


def _standing(at: datetime) -> Any:
    end = t.OVERRIDES.c.end
    return select(t.OVERRIDES).where(t.OVERRIDES.c.closed_at.is_(None), or_(end.is_(None), end > at))


def _close(connection: Connection, numbers: list[int], by: str, at: datetime) -> int:
    standing = and_(t.OVERRIDES.c.number.in_(numbers), t.OVERRIDES.c.closed_at.is_(None))
    return connection.execute(update(t.OVERRIDES).where(standing).values(closed_at=at, closed_by=by)).rowcount


def _inserted(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    key = connection.execute(insert(table).values(**_without(values, "number"))).inserted_primary_key
    return int(key[0]) if key is not None else 0


def _arrived(connection: Connection, kind: str, number: int) -> None:
    connection.execute(insert(t.ASKS).values(kind=kind, row=number))


def _audit(who: str, action: str, subject: str, detail: str, at: datetime) -> AuditRow:
    return AuditRow(at=at, who=who, action=action, subject=subject, outcome="done", detail=detail)


def _noted(connection: Connection, row: AuditRow) -> None:
    """Puts a line behind the end of the chain; the end is taken first, so that two who write at once follow one another."""
    shortened = replace(row, who=row.who[:120], action=row.action[:120], subject=row.subject[:200], detail=row.detail[:1000])
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(t.MEMORY).values(key=END, value=str(ChainEnd()).encode())
    connection.execute(first.on_conflict_do_update(index_elements=["key"], set_={"value": t.MEMORY.c.value}))
    end = end_of_chain(connection)
    values = asdict(shortened) | {"number": end.number + 1, "previous": end.hash}
    values["hash"] = hash_of(values["number"], words_of(values), end.hash)
    connection.execute(insert(t.AUDIT).values(**values))
    after = str(ChainEnd(values["number"], values["hash"])).encode()
    connection.execute(update(t.MEMORY).where(t.MEMORY.c.key == END).values(value=after))


def end_of_chain(connection: Connection) -> ChainEnd:
    """As it stands beside the chain."""
    kept = connection.scalar(select(t.MEMORY.c.value).where(t.MEMORY.c.key == END))
    return ChainEnd() if kept is None else ChainEnd.parse(bytes(kept).decode())


def words_of(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a line of the audit is hashed, in this order."""
    at: datetime = values["at"]
    return (t.micros_of(at), values["who"], values["action"], values["subject"], values["outcome"], values["detail"])


def _without(values: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in dict(values).items() if key != name}
