"""Plans and forecasts as they were made, and small state of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, insert, select

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
    """Plans and forecasts."""

    def save_plan(self, row: PlanRow) -> None:
        """Keeps a plan; one of the same name is replaced."""
        self._replace(t.PLANS, "plan_id", asdict(row))

    def plans(self, start: datetime, end: datetime) -> tuple[PlanRow, ...]:
        """Those made in a span, newest first."""
        at = t.PLANS.c.made_at
        with self._begin() as connection:
            rows = connection.execute(select(t.PLANS).where(at >= start, at < end).order_by(at.desc())).mappings()
            return tuple(PlanRow(**row) for row in rows)

    def plan(self, plan_id: str) -> PlanRow | None:
        """The one of that name."""
        with self._begin() as connection:
            row = connection.execute(select(t.PLANS).where(t.PLANS.c.plan_id == plan_id)).mappings().first()
        return None if row is None else PlanRow(**row)

    def save_forecast(self, row: ForecastRow) -> None:
        """Keeps a forecast; one of the same moment is replaced."""
        self._replace(t.FORECASTS, "issued_at", asdict(row))

    def forecast(self, issued_before: datetime) -> ForecastRow | None:
        """The last one issued by then."""
        at = t.FORECASTS.c.issued_at
        wanted = select(t.FORECASTS).where(at <= issued_before).order_by(at.desc()).limit(1)
        with self._begin() as connection:
            row = connection.execute(wanted).mappings().first()
        return None if row is None else ForecastRow(**row)

    def _replace(self, table: Table, key: str, values: Mapping[str, Any]) -> None:
        with self._begin() as connection:
            connection.execute(delete(table).where(table.c[key] == values[key]))
            connection.execute(insert(table).values(**values))
