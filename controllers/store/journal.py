"""Plans and forecasts as they were made, readings and quarter hours as they were measured, and small state of the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Table, delete, func, insert, select

from controllers.store import schema as t
from controllers.store.asks import Transactions
from controllers.store.rows import ForecastRow, PlanRow, Reading, RegisterRow
from vpp.units import FloatArray

__all__ = ["Journal", "Memories", "Readings"]


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


class Readings(Transactions):
    """What was measured."""

    def write_readings(self, rows: Iterable[Reading]) -> None:
        """Writes readings; of one moment the last word stands."""
        given = [asdict(row) for row in rows]
        if given:
            with self._begin() as connection:
                connection.execute(insert(t.READINGS).prefix_with("OR REPLACE", dialect="sqlite"), given)

    def write_registers(self, rows: Iterable[RegisterRow]) -> None:
        """Writes quarter hours; of one quarter the last word stands."""
        given = [asdict(row) for row in rows]
        if given:
            with self._begin() as connection:
                connection.execute(insert(t.REGISTERS).prefix_with("OR REPLACE", dialect="sqlite"), given)

    def registers(self, start: datetime, end: datetime) -> tuple[RegisterRow, ...]:
        """Rows whose quarter begins in the span."""
        at = t.REGISTERS.c.start
        with self._begin() as connection:
            rows = connection.execute(select(t.REGISTERS).where(at >= start, at < end).order_by(at)).mappings()
            return tuple(RegisterRow(**row) for row in rows)

    def latest(self) -> Mapping[tuple[str, str], Reading]:
        """The last of each subject and quantity."""
        table = t.READINGS
        newest = select(table.c.subject, table.c.quantity, func.max(table.c.measured_at).label("at"))
        newest_of = newest.group_by(table.c.subject, table.c.quantity).subquery()
        same = (table.c.subject == newest_of.c.subject) & (table.c.quantity == newest_of.c.quantity)
        wanted = select(table).join(newest_of, same & (table.c.measured_at == newest_of.c.at))
        with self._begin() as connection:
            rows = [Reading(**row) for row in connection.execute(wanted).mappings()]
        return {(row.subject, row.quantity): row for row in rows}

    def series(
        self, subject: str, quantity: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[tuple[datetime, ...], FloatArray]:
        """Means over steps that begin at `start`; NaN where nothing was measured.

        Returns:
            Starts of the steps and their means, both (n,).
        """
        steps = max(0, -(-(end - start) // step))
        sums, counts = np.zeros(steps), np.zeros(steps)
        at = t.READINGS.c.measured_at
        wanted = select(at, t.READINGS.c.value).where(
            t.READINGS.c.subject == subject, t.READINGS.c.quantity == quantity, at >= start, at < end
        )
        with self._begin() as connection:
            for measured_at, value in connection.execute(wanted):
                k = (measured_at - start) // step
                sums[k] += value
                counts[k] += 1.0
        means: FloatArray = np.divide(sums, counts, out=np.full(steps, np.nan), where=counts > 0.0)
        return tuple(start + k * step for k in range(steps)), means
