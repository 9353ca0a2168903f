"""What the grid gateway measures, and what the park intends and expects, for anyone to follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from vpp.wire.messages.base import Issued, Message, Reason, WireStruct, edge_faults
from vpp.wire.messages.fields import Count, Fraction, Id, Instant, Mw, Positive, Quality, Quantity

Edges: TypeAlias = Annotated[tuple[Instant, ...], Meta(min_length=2)]
Seven: TypeAlias = Annotated[tuple[Quantity, ...], Meta(min_length=7, max_length=7)]
#: What a person or the grid may ask of the controller through the ledger.
AskKind: TypeAlias = Literal["override", "event"]
SevenLevels: TypeAlias = Annotated[tuple[Fraction, ...], Meta(min_length=7, max_length=7)]


class GridMeasurement(Message, frozen=True, kw_only=True):
    """What the meter of a connection says.

    Args:
        measured_at: `t` on the wire.
        frequency_hz: None where the gateway has none.
        import_mw: From the grid into the park; negative is export. [MW]
        voltage_kv: None where the gateway has none.
        quality: Of `import_mw`.
    """

    measured_at: Instant = field(name="t")
    frequency_hz: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    import_mw: Mw
    voltage_kv: Positive | None = None
    quality: Quality = "good"


class PlannedPower(WireStruct, frozen=True, kw_only=True):
    """The power of one asset or connection over the plan's intervals, shape (T,); a connection's import is positive."""

    id: Id
    power_mw: tuple[Mw, ...]


class PlanCurrent(Issued, frozen=True, kw_only=True):
    """What the park intends.

    Args:
        plan_id: Named by every command that follows from it.
        edges: T + 1 instants, rising.
        assets: Each over the T intervals.
        connections: Each over the T intervals.
        gap_frac: Relative gap at which the solve ended; None where none applies, as for a rule set.
        source: As in `mpc`, `last_plan`, `rules`: what made the plan.
        unmet: What it does not meet, and by how much.
    """

    plan_id: str
    edges: Edges
    assets: tuple[PlannedPower, ...]
    connections: tuple[PlannedPower, ...]
    gap_frac: Positive | None = None
    source: str
    unmet: tuple[Reason, ...] = ()

    def faults(self) -> Iterator[str]:
        """Edges that do not rise, or series of another length."""
        yield from edge_faults("$.edges", self.edges)
        for name, group in (("assets", self.assets), ("connections", self.connections)):
            for i, series in enumerate(group):
                if len(series.power_mw) != len(self.edges) - 1:
                    yield f"$.{name}[{i}].power_mw: {len(series.power_mw)} values for {len(self.edges) - 1} intervals"


class ForecastSeries(WireStruct, frozen=True, kw_only=True):
    """Quantiles of one quantity.

    Args:
        id: Asset, area or connection.
        quantity: Name with unit, as in `available_frac` of a farm, `load_mw` of an area.
        values: Shape (T, 7), each row rising.
    """

    id: Id
    quantity: str
    values: tuple[Seven, ...]


class ForecastCurrent(Issued, frozen=True, kw_only=True):
    """What the park expects. Round values to what matters before sending: 256 kB is the limit.

    Args:
        edges: T + 1 instants, rising.
        levels: The seven quantile levels, rising.
        series: One for each farm and load.
        stale: Whether it has aged into persistence or climatology.
    """

    edges: Edges
    levels: SevenLevels
    series: tuple[ForecastSeries, ...]
    stale: bool = False

    def faults(self) -> Iterator[str]:
        """Edges or levels that do not rise, series of another length, quantiles that cross."""
        yield from edge_faults("$.edges", self.edges)
        if any(right <= left for left, right in zip(self.levels, self.levels[1:], strict=False)):
            yield "$.levels: must rise"
        for i, series in enumerate(self.series):
            if len(series.values) != len(self.edges) - 1:
                yield f"$.series[{i}].values: {len(series.values)} rows for {len(self.edges) - 1} intervals"
            crossed = [t for t, row in enumerate(series.values) if list(row) != sorted(row)]
            if crossed:
                yield f"$.series[{i}].values[{crossed[0]}]: quantiles cross"


class Ask(Message, frozen=True, kw_only=True):
    """The doorbell: something new stands in the ledger; what, is read there, and a lost bell costs seconds, never an order.

    Args:
        kind: What is new; also the tail of the topic.
        number: Of its row in the ledger.
        asked_at: When it was written there.
    """

    kind: AskKind
    number: Count
    asked_at: Instant
