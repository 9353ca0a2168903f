"""Plans and forecasts as they were made, and small state of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, and_, delete, insert, select

from controllers.store import schema as t
from controllers.store.asks import Transactions
from controllers.store.rows import ForecastRow, PlanRow

__all__ = ["Journal", "Memories"]


class Memories(Transactions):
    """Small state that outlives the process."""

    def remember(self, key: str, value: bytes) -> None:
        """Keeps a value under a name; on disk when it returns."""
        with self._begin() as connection:
            connection.execute(delete(t.MEMORY).where(t.MEMORY.c.key == key))
            connection.execute(insert(t.MEMORY).values(key=key, value=value))

    def recall(self, key: str) -> bytes | None:
        """What is kept under a name; None for nothing."""
        with self._begin() as connection:
            found = connection.scalar(select(t.MEMORY.c.value).where(t.MEMORY.c.key == key))
        return None if found is None else bytes(found)


class Journal(Transactions):
    """Plans and forecasts; each word is kept as it was received, so that it can be asked what was known at a time."""

    def save_plan(self, row: PlanRow) -> None:
        """Keeps a plan; one of the same name that came later goes before it, and both stay."""
        self._keep(t.PLANS, asdict(row) | {"received_at": row.received_at or row.made_at})

    def plans(self, start: datetime, end: datetime, known_at: datetime | None = None) -> tuple[PlanRow, ...]:
        """Those made in a span, newest first, each in its last words; as they were known at a time, or are now."""
        at = t.PLANS.c.made_at
        wanted = _known(t.PLANS, known_at).where(at >= start, at < end).order_by(at.desc(), t.PLANS.c.received_at.desc())
        found: dict[str, PlanRow] = {}
        with self._begin() as connection:
            for row in connection.execute(wanted).mappings():
                found.setdefault(row["plan_id"], PlanRow(**row))
        return tuple(found.values())

    def plan(self, plan_id: str, known_at: datetime | None = None) -> PlanRow | None:
        """The one of that name; as it was known at a time, or is now."""
        wanted = _known(t.PLANS, known_at).where(t.PLANS.c.plan_id == plan_id).order_by(t.PLANS.c.received_at.desc())
        with self._begin() as connection:
            row = connection.execute(wanted.limit(1)).mappings().first()
        return None if row is None else PlanRow(**row)

    def newest_plan(self, known_at: datetime) -> PlanRow | None:
        """The plan by which one would have gone at a time: the newest that was known by then."""
        newest = (t.PLANS.c.made_at.desc(), t.PLANS.c.received_at.desc())
        with self._begin() as connection:
            row = connection.execute(_known(t.PLANS, known_at).order_by(*newest).limit(1)).mappings().first()
        return None if row is None else PlanRow(**row)

    def save_forecast(self, row: ForecastRow) -> None:
        """Keeps a forecast; one of the same moment that came later goes before it, and both stay."""
        self._keep(t.FORECASTS, asdict(row) | {"received_at": row.received_at or row.issued_at})

    def forecast(self, issued_before: datetime, known_at: datetime | None = None) -> ForecastRow | None:
        """The last one issued by then, in its last words; as it was known at a time, or is now."""
        at = t.FORECASTS.c.issued_at
        wanted = _known(t.FORECASTS, known_at).where(at <= issued_before)
        with self._begin() as connection:
            newest = wanted.order_by(at.desc(), t.FORECASTS.c.received_at.desc()).limit(1)
            row = connection.execute(newest).mappings().first()
        return None if row is None else ForecastRow(**row)

    def _keep(self, table: Table, values: Mapping[str, Any]) -> None:
        """Written twice, as after a failure half way, it is there once."""
        same = and_(*(column == values[column.name] for column in table.primary_key))
        with self._begin() as connection:
            connection.execute(delete(table).where(same))
            connection.execute(insert(table).values(**values))


def _known(table: Table, at: datetime | None) -> Select[Any]:
    return select(table) if at is None else select(table).where(table.c.received_at <= at)
