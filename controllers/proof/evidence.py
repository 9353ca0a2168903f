"""What a proof stands on: the call, the meters, the declared schedule, what devices confirmed; wherever that was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from controllers.baselines import Registers
from vpp.units import FloatArray

__all__ = ["AFTER", "BEFORE", "AssetEvidence", "Call", "Evidence", "Steps"]

#: Around an event so much is looked at: what was there before it, and what came back after it.
BEFORE: Final = timedelta(hours=1)
AFTER: Final = timedelta(hours=2)
#: Kinds that ask for more import; all others ask for less.
_ABSORBING: Final = frozenset({"valley", "export_limit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the grid, as it was asked and answered.

    Args:
        event_id: The caller's own name of it.
        kind: As in `vpp.events.EventKind`.
        connection: Where.
        asset: The cluster at whose own meter it is counted, whose power is then meant where import is said; None for the
            connection's.
        target_mw: Import to keep, negative for export. [MW]
        start: From when (UTC).
        end: Until when (UTC).
        asked_at: When it was received (UTC).
        state: Of its life.
        reason: Why it is in that state.
        by: Who called.
        priority: The lower goes first.
        promised_mw: Change that was promised; None where nobody said less than what was asked. [MW]
        held_mw: Import that is held for it: the target, or what can be held of it; None where nobody promised anything. [MW]
        promised_response_s: Within so long; None where nobody said. [s]
    """

    event_id: str
    kind: str
    connection: str
    asset: str | None = None
    target_mw: float
    start: datetime
    end: datetime
    asked_at: datetime
    state: str = ""
    reason: str = ""
    by: str = ""
    priority: int = 0
    promised_mw: float | None = None
    held_mw: float | None = None
    promised_response_s: float | None = None

    @property
    def meter(self) -> str:
        """Whose meter delivers."""
        return self.asset or self.connection

    def overlaps(self, other: Call) -> bool:
        """Whether what one delivers may be what the other does: one meter, or a cluster's and that of the connection above it."""
        return self.connection == other.connection and (None in (self.asset, other.asset) or self.asset == other.asset)

    @property
    def as_promised(self) -> Call:
        """The same call with the import that was promised as its target."""
        return self if self.held_mw is None else replace(self, target_mw=self.held_mw)

    @property
    def sign(self) -> float:
        """+1 where less import is asked for, -1 where more is: every change below is counted in the direction of the call."""
        return -1.0 if self.kind in _ABSORBING else 1.0


@dataclass(frozen=True, slots=True)
class Steps:
    """Means over equal steps.

    Args:
        start: Of the first (UTC).
        step_s: Length of each. [s]
        values: Shape (n,); NaN where nothing is known.
    """

    start: datetime
    step_s: float
    values: FloatArray

    @property
    def step(self) -> timedelta:
        """Length of each."""
        return timedelta(seconds=self.step_s)

    @property
    def starts(self) -> tuple[datetime, ...]:
        """Of each."""
        return tuple(self.start + k * self.step for k in range(len(self.values)))

    def window(self, start: datetime, end: datetime) -> FloatArray:
        """Values of the steps that begin in `[start, end)`; NaN for those beyond what is known."""
        first = -((self.start - start) // self.step)
        n = max(0, -((start - end) // self.step))
        found = np.full(n, np.nan)
        low, high = max(first, 0), min(first + n, len(self.values))
        if low < high:
            found[low - first : high - first] = self.values[low:high]
        return found

    def mean(self, start: datetime, end: datetime) -> float | None:
        """Mean of what is known in `[start, end)`; None where nothing is."""
        known = self.window(start, end)
        known = known[np.isfinite(known)]
        return float(known.mean()) if known.size else None

    def coarser(self, step: timedelta) -> Steps:
        """Means over longer steps, each of what is known of it; this one's `start` stays.

        Args:
            step: A multiple of this one's.
        """
        size = max(1, round(step / self.step))
        n = -(-len(self.values) // size)
        padded = np.full(n * size, np.nan)
        padded[: len(self.values)] = self.values
        rows = padded.reshape(n, size)
        known = np.isfinite(rows)
        sums, counts = np.where(known, rows, 0.0).sum(axis=1), known.sum(axis=1)
        means: FloatArray = np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)
        return Steps(self.start, self.step_s * size, means)

    def filled(self, earlier: Steps | None) -> Steps:
        """With what another on the same steps knows where this one knows nothing."""
        if earlier is None or (earlier.start, earlier.step_s, len(earlier.values)) != (self.start, self.step_s, len(self.values)):
            return self
        return replace(self, values=np.where(np.isfinite(self.values), self.values, earlier.values))

    def at_steps_of(self, other: Steps) -> FloatArray:
        """This one's value for each step of a finer one, by where the finer one begins."""
        offset_s = (other.start - self.start).total_seconds()
        known = np.floor((offset_s + np.arange(len(other.values)) * other.step_s) / self.step_s + 1e-9).astype(np.int64)
        inside = (known >= 0) & (known < len(self.values))
        found: FloatArray = np.full(len(other.values), np.nan)
        found[inside] = self.values[known[inside]]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetEvidence:
    """One asset behind the connection.

    Args:
        asset_id: Which.
        kind: As in the park file.
        name_zh: Its Chinese name.
        metered: At its own meter, positive when consuming. [MW]
        planned: What it is held against: as declared before the call; all NaN without a plan. [MW]
        acked: Powers that it confirmed, with when, in order. [MW]
        reference: What `planned` is: `declared`, or `twin` for the same world without the call.
    """

    asset_id: str
    kind: str
    name_zh: str
    metered: Steps
    planned: Steps
    acked: Sequence[tuple[datetime, float]] = ()
    reference: str = "declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything about one event.

    Args:
        park: Its id.
        park_name_zh: Its Chinese name.
        time_zone: In which people there read the clock.
        made_at: When this was gathered (UTC).
        call: The event.
        fine: Import at the connection, or power at the called cluster's meter, as finely as it is known, from `BEFORE` the event
            until `AFTER` it. [MW]
        registers: Import in quarter hours, from weeks before until after it, with the days that were called.
        declared: Import as the plan known before the call had it; None without one. [MW]
        past_declared: Of earlier days at the same hours: declared and metered mean import of each quarter, shape (n, 2). [MW]
        twin: Import of the same world without the call, on the steps of `fine`; None outside a simulation. [MW]
        assets: Behind the connection; of a call at a cluster's meter that cluster alone.
        sums_up: Whether these assets are all that the connection's meter sees.
        others: Further calls in the weeks around it, refused and cancelled ones left out.
        neighbours: Of a call at a cluster's meter, the park's other clusters, to which work could have been moved.
    """

    park: str
    park_name_zh: str
    time_zone: str
    made_at: datetime
    call: Call
    fine: Steps
    registers: Registers
    declared: Steps | None = None
    past_declared: FloatArray | None = None
    twin: Steps | None = None
    assets: tuple[AssetEvidence, ...] = ()
    sums_up: bool = True
    others: tuple[Call, ...] = ()
    neighbours: tuple[AssetEvidence, ...] = ()
