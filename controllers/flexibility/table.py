"""An offer as it is kept, sent and shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

__all__ = ["MeterOffer", "OfferCell", "OfferTable", "Promise"]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What is held with one confidence.

    Args:
        confidence: 0.5, 0.9 or 0.99.
        power_mw: Less import (give) or more (take) than expected without a call, mean over the window. [MW, never negative]
        import_mw: Net import that is held: at most for give, at least for take. [MW]
        cost_cny: What holding it costs more than not holding it, in the expected course of wind and sun. [CNY]
        cost_cny_per_mwh: The same for each MWh of `power_mw`; null where nothing is offered. [CNY/MWh]
    """

    confidence: float
    power_mw: float
    import_mw: float
    cost_cny: float
    cost_cny_per_mwh: float | None


class OfferCell(msgspec.Struct, frozen=True, kw_only=True):
    """One window.

    Args:
        direction: give (削减, import at most) or take (填谷, import at least).
        start: From when.
        duration_h: How long. [h]
        expected_import_mw: Without a call, mean over the window and over the courses. [MW]
        promises: By rising confidence.
    """

    direction: str
    start: datetime
    duration_h: float
    expected_import_mw: float
    promises: tuple[Promise, ...]

    def at(self, confidence: float) -> Promise:
        """The promise of at least a confidence; the surest where none is that sure."""
        return next((p for p in self.promises if p.confidence >= confidence - 1e-9), self.promises[-1])


class MeterOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One connection to the grid, or all of them together.

    Args:
        connection: Its id, or `park`.
        response_s: By direction, until 90 % of what is offered from now on for an hour is there; null where a quarter of an hour
            is not enough. [s]
        ramp_mw_per_min: By direction, what the first minute brings of it. [MW/min]
        cells: By direction, start and duration.
    """

    connection: str
    response_s: dict[str, float | None]
    ramp_mw_per_min: dict[str, float]
    cells: tuple[OfferCell, ...]

    def now(self, direction: str, duration_h: float) -> OfferCell | None:
        """The window that starts first, of a duration."""
        mine = [c for c in self.cells if c.direction == direction and c.duration_h == duration_h]
        return min(mine, key=lambda c: c.start, default=None)


class OfferTable(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Args:
        at: Of which moment.
        courses: How many courses of wind and sun it stands on.
        confidences: Of the promises.
        worth_cny_per_mwh: What costs more than this is not offered. [CNY/MWh]
        events: Calls that stood then and are deducted, by name.
        learnt_from: What the correction was learnt from; empty for none.
        meters: One each.
    """

    at: datetime
    courses: int
    confidences: tuple[float, ...]
    worth_cny_per_mwh: float
    events: tuple[str, ...]
    learnt_from: str
    meters: tuple[MeterOffer, ...]

    def meter(self, connection: str) -> MeterOffer | None:
        """The one of a connection."""
        return next((m for m in self.meters if m.connection == connection), None)

    def only(self, connection: str | None) -> OfferTable:
        """Of one connection; all of it for None."""
        if connection is None:
            return self
        return msgspec.structs.replace(self, meters=tuple(m for m in self.meters if m.connection == connection))

    def rows(self) -> Iterator[tuple[MeterOffer, OfferCell]]:
        """Every window with whose it is."""
        for meter in self.meters:
            for cell in meter.cells:
                yield meter, cell
