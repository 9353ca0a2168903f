"""What farms could have given and loads drew, out of the ledger: quarter hours with the moment at which they were known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Engine, and_, func, select, type_coerce
from sqlalchemy.exc import SQLAlchemyError

from controllers.store import schema as t
from controllers.store.engine import engine_of
from forecasting.history import STEP
from vpp.errors import ForecastError, StoreError
from vpp.ids import AssetId
from vpp.series import Series, StampArray, to_stamp
from vpp.units import FloatArray, IntArray

__all__ = ["LedgerPower"]

_QUANTITY: Final = "available_mw"
_STEP_US: Final = STEP // timedelta(microseconds=1)
_MINUTE_US: Final = timedelta(minutes=1) // timedelta(microseconds=1)
_MINUTES: Final = STEP / timedelta(minutes=1)
#: A quarter of which less was measured says too little. [share of its minutes]
_LEAST_SHARE: Final = 1.0 / 3.0
#: A register that does not say when it was known was written by the settlement, which waits for stragglers.
_SETTLED_AFTER_US: Final = timedelta(minutes=5) // timedelta(microseconds=1)
#: The newest quarter hours may have no register yet; as far back as this they are made out of readings.
_TAIL: Final = timedelta(hours=2)


@dataclass(slots=True)
class LedgerPower:
    """Reads and never writes.

    Args:
        engine: On the ledger.
    """

    engine: Engine

    @classmethod
    def at(cls, url: str) -> LedgerPower:
        """A hand on the ledger at a URL; it makes none and changes none.

        Raises:
            StoreError: There is none.
        """
        return cls(engine_of(url))

    def available(
        self,
        farm: AssetId,
        capacity_mw: float,
        *,
        known_at: datetime,
        start: datetime,
        end: datetime,
        quantity: str = _QUANTITY,
    ) -> Series:
        """Available power, or another quantity, in `[start, end)` as a share of capacity, as it was known at an instant.

        Whole quarter hours only: registers, and behind the last of them what readings say so far.

        Raises:
            ForecastError: The ledger cannot be read.
        """
        until = min(end, known_at)
        try:
            at, received, mean, share = self._registers(farm, quantity, start, until)
            known = received <= t.micros_of(known_at)
            at, received, mean, share = at[known], received[known], mean[known], share[known]
            begin = start if at.size == 0 else _instant(int(at[-1]) + _STEP_US)
            tail = self._readings((farm, quantity), max(begin, _floor(until) - _TAIL, start), _floor(until), known_at)
        except (SQLAlchemyError, StoreError) as error:
            raise ForecastError(f"ledger: power of {farm} cannot be read: {_short(error)}") from error
        at, received, mean, share = (np.concatenate(pair) for pair in zip((at, received, mean, share), tail, strict=True))
        value = np.where(share >= _LEAST_SHARE, np.clip(mean / capacity_mw, 0.0, 1.0), np.nan)
        return Series("available_frac", _stamps(at), _stamps(received), value)

    def first_at(self, farms: Iterable[AssetId]) -> datetime | None:
        """The first quarter hour that any of some farms has a register of; None without any.

        Raises:
            ForecastError: The ledger cannot be read.
        """
        row = t.REGISTERS.c
        first = select(_micros(func.min(row.start)))
        try:
            with self.engine.connect() as connection:
                asked = [first.where(row.subject == farm, row.quantity == _QUANTITY) for farm in farms]
                found = [connection.execute(one).scalar() for one in asked]
        except SQLAlchemyError as error:
            raise ForecastError(f"ledger: {_short(error)}") from error
        return min((_instant(micros) for micros in found if micros is not None), default=None)

    def _registers(
        self, farm: AssetId, quantity: str, start: datetime, end: datetime
    ) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        row = t.REGISTERS.c
        mine = and_(row.subject == farm, row.quantity == quantity, row.start >= start, row.start < end)
        columns = _micros(row.start), row.mean, row.measured_share, _micros(row.received_at)
        wanted = select(*columns).where(mine).order_by(row.start)
        with self.engine.connect() as connection:
            rows = connection.execute(wanted).all()
        at, mean, share, known = zip(*rows, strict=True) if rows else ((), (), (), ())
        begin = np.array(at, dtype=np.int64)
        received = [begun + _STEP_US + _SETTLED_AFTER_US if one is None else one for begun, one in zip(at, known, strict=True)]
        # A quarter is not over before its end, whenever its last reading came.
        received_at = np.maximum(np.array(received, dtype=np.int64), begin + _STEP_US)
        return begin, received_at, np.array(mean, dtype=np.float64), np.array(share, dtype=np.float64)

    def _readings(
        self, series: tuple[AssetId, str], start: datetime, end: datetime, known_at: datetime
    ) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Means of minutes over quarters, as the registers are made."""
        empty: Any = np.array([], dtype=np.int64), np.array([], dtype=np.int64), np.array([]), np.array([])
        if start >= end:
            return empty  # type: ignore[no-any-return]  # four empty columns
        row, (farm, quantity) = t.READINGS.c, series
        mine = and_(row.subject == farm, row.quantity == quantity, row.measured_at >= start, row.measured_at < end)
        wanted = select(_micros(row.measured_at), _micros(row.received_at), row.value).where(mine, row.received_at <= known_at)
        with self.engine.connect() as connection:
            rows = connection.execute(wanted).all()
        if not rows:
            return empty  # type: ignore[no-any-return]
        told, received, value = (np.array(column) for column in zip(*rows, strict=True))
        minutes, place = np.unique(told // _MINUTE_US, return_inverse=True)
        minute_mean = np.bincount(place, value) / np.bincount(place)
        quarters, of_minute = np.unique(minutes * _MINUTE_US // _STEP_US, return_inverse=True)
        count = np.bincount(of_minute)
        last = np.zeros(quarters.size, dtype=np.int64)
        np.maximum.at(last, of_minute[place], received)
        begin = quarters * _STEP_US
        return begin, np.maximum(last, begin + _STEP_US), np.bincount(of_minute, minute_mean) / count, count / _MINUTES


def _micros(column: ColumnElement[Any]) -> ColumnElement[int]:
    return type_coerce(column, BigInteger)


def _floor(at: datetime) -> datetime:
    return _instant(t.micros_of(at) // _STEP_US * _STEP_US)


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _stamps(micros: IntArray) -> StampArray:
    return np.asarray(to_stamp(_instant(0)) + micros.astype("timedelta64[us]"), dtype="datetime64[us]")


def _short(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
