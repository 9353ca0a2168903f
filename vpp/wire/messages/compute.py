"""Between the park and a data-centre scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, field

from vpp.wire.messages.base import Dated, Issued, Message, Reason
from vpp.wire.messages.fields import (
    Count,
    EventId,
    Fraction,
    Id,
    Instant,
    MagnitudeMw,
    Positive,
    Quantity,
    Seconds,
    Text,
)


class ShiftInterval(Dated, frozen=True, kw_only=True):
    """One interval of the compute-shift signal.

    Args:
        start: Inside.
        end: No longer inside.
        cap_mw: The promise the scheduler keeps: never more at the cluster's meter.
        target_mw: What it is asked for.
        floor_mw: What the park guarantees to deliver.
        green_share_frac: Share of green power expected.
        carbon_kg_per_mwh: Emissions of a further MWh.
        price_cny_per_mwh: Price of a further MWh.
        confidence_frac: How sure the park is that the target will stand.
    """

    start: Instant
    end: Instant
    cap_mw: MagnitudeMw
    target_mw: MagnitudeMw
    floor_mw: MagnitudeMw
    green_share_frac: Fraction
    carbon_kg_per_mwh: Positive
    price_cny_per_mwh: Quantity
    confidence_frac: Fraction


class ShiftEvent(Dated, frozen=True, kw_only=True):
    """The event that makes a cap fall inside the next hours."""

    event_id: EventId
    start: Instant
    end: Instant
    reason: Reason


class Placement(Dated, frozen=True, kw_only=True):
    """Work that may run anywhere, to go from one cluster to another; which jobs, the two schedulers decide.

    Args:
        job_class: Its name in both clusters.
        direction: `send` it to the peer, or `take` it from there.
        peer: The other cluster.
        energy_mwh: At the sender's meter. [MWh]
        until: Later it is no longer asked for.
    """

    job_class: Annotated[str, Meta(min_length=1, max_length=80)]
    direction: Literal["send", "take"]
    peer: Id
    energy_mwh: Positive
    until: Instant


class ComputeShift(Issued, frozen=True, kw_only=True):
    """The compute-shift signal: the only channel that commands a cluster.

    Args:
        cluster: For whom.
        revision: Counts the schedules; a response names it.
        valid_until: When `cap_now_mw` ends if no new signal comes; then the intervals' caps hold.
        cap_now_mw: The cap at this moment.
        intervals: One after another without gaps, 48 h ahead.
        event: Set while a grid event lowers the caps.
        placements: Work to send to other clusters and to take from them, once for each revision.
    """

    cluster: Id
    revision: Count
    valid_until: Instant
    cap_now_mw: MagnitudeMw
    intervals: tuple[ShiftInterval, ...]
    event: ShiftEvent | None = None
    placements: tuple[Placement, ...] = ()

    def faults(self) -> Iterator[str]:
        """Intervals that overlap, leave a gap or run backwards; floor, target and cap out of order."""
        previous = None
        for i, interval in enumerate(self.intervals):
            if interval.end <= interval.start:
                yield f"$.intervals[{i}].end: does not come after start"
            if previous is not None and interval.start != previous.end:
                yield f"$.intervals[{i}].start: is not the end of the one before"
            if not interval.floor_mw <= interval.target_mw <= interval.cap_mw:
                yield f"$.intervals[{i}]: needs floor_mw <= target_mw <= cap_mw"
            previous = interval


class BacklogItem(Dated, frozen=True, kw_only=True):
    """Deferrable work of one class.

    Args:
        job_class: The scheduler's own name for it.
        energy_mwh: Work left as energy at the cluster's meter; this or `gpu_h`, never both. [MWh]
        gpu_h: Work left in GPU-hours. [h]
        release: Not before.
        deadline: Done by then.
        max_mw: Most power it can take at once.
        tier: 0 is never touched, 1 to 3 as contracted.
        preemptible: Whether it can pause at a checkpoint.
        checkpoint_s: Time between checkpoints; None where there are none. [s]
    """

    job_class: Annotated[str, Meta(min_length=1, max_length=80)]
    energy_mwh: Positive | None = None
    gpu_h: Positive | None = None
    release: Instant
    deadline: Instant
    max_mw: MagnitudeMw
    tier: Annotated[int, Meta(ge=0, le=3)]
    preemptible: bool
    checkpoint_s: Seconds | None = None


class Backlog(Message, frozen=True, kw_only=True):
    """All deferrable work of a cluster; retained, each replaces the one before.

    Args:
        cluster: Whose.
        reported_at: On the scheduler's clock.
        fast_band_mw: Band within which its power may be modulated in seconds; 0 offers none.
        items: The work; empty says that there is none.
    """

    cluster: Id
    reported_at: Instant
    fast_band_mw: MagnitudeMw
    items: tuple[BacklogItem, ...]

    def faults(self) -> Iterator[str]:
        """Work in both measures or none, or a deadline before the release."""
        for i, item in enumerate(self.items):
            if (item.energy_mwh is None) == (item.gpu_h is None):
                yield f"$.items[{i}]: needs one of energy_mwh and gpu_h"
            if item.deadline <= item.release:
                yield f"$.items[{i}].deadline: does not come after release"


class RefusedItem(Dated, frozen=True, kw_only=True):
    """One item of a backlog that does not count, and why.

    Args:
        item: Its place in the list, from 0.
        where: The field; empty for the item as a whole.
        rule: What it breaks.
    """

    item: Count
    where: Text
    rule: Text


class BacklogAnswer(Message, frozen=True, kw_only=True):
    """What of a backlog counts; retained, each replaces the one before.

    Args:
        cluster: Whose backlog.
        reported_at: As the backlog says: which one this answers.
        accepted_items: So many count.
        refused_items: So many do not.
        reasons: Why, the first of them.
    """

    cluster: Id
    reported_at: Instant
    accepted_items: Count
    refused_items: Count
    reasons: tuple[RefusedItem, ...] = ()


class AcceptedInterval(Dated, frozen=True, kw_only=True):
    """The power a scheduler takes on for one interval where it differs from the target."""

    start: Instant
    end: Instant
    power_mw: MagnitudeMw


class ShiftResponse(Message, frozen=True, kw_only=True):
    """What of a revision the scheduler accepts.

    Args:
        cluster: Who answers.
        revision: Of the signal.
        responded_at: On the scheduler's clock.
        accepted: `part` lists the intervals that differ.
        intervals: What it will do instead, for `part`.
        note: Why, for a person.
    """

    cluster: Id
    revision: Count
    responded_at: Instant
    accepted: Literal["all", "part", "none"]
    intervals: tuple[AcceptedInterval, ...] = ()
    note: Text = ""

    def faults(self) -> Iterator[str]:
        """A partial answer that does not say which part."""
        if (self.accepted == "part") != bool(self.intervals):
            yield "$.intervals: are listed for accepted = part, and only then"


class ComputeTelemetry(Message, frozen=True, kw_only=True):
    """What the cluster takes and does.

    Args:
        cluster: Whose.
        measured_at: `t` on the wire.
        power_mw: At the cluster's own meter, cooling included.
        throughput_frac: Work rate against the uncapped rate of the jobs that run.
        cap_mw: The cap it keeps now; None where it keeps none.
        applied_revision: Revision it follows, 0 for none.
        state: Further quantities by name with unit.
    """

    cluster: Id
    measured_at: Instant = field(name="t")
    power_mw: MagnitudeMw
    throughput_frac: Fraction | None = None
    cap_mw: MagnitudeMw | None = None
    applied_revision: Count = 0
    state: dict[str, Quantity] = field(default_factory=dict)
