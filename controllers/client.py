"""What a data-centre scheduler imports: it follows the compute-shift signal and reports its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from controllers.bus.base import Bus
from controllers.edge.edge import Timepiece
from vpp.errors import WireError
from vpp.wire.codec import decode, encode
from vpp.wire.messages import (
    AcceptedInterval,
    Backlog,
    BacklogAnswer,
    BacklogItem,
    ComputeShift,
    ComputeTelemetry,
    ShiftInterval,
    ShiftResponse,
)
from vpp.wire.topics import Channel, topic_of

__all__ = ["OnRefused", "OnShift", "SchedulerClient"]

#: Called with each new signal; short and synchronous, as every handler of a bus.
OnShift: TypeAlias = Callable[[ComputeShift], None]
#: Called with what of a backlog does not count.
OnRefused: TypeAlias = Callable[[BacklogAnswer], None]


class SchedulerClient:
    """One cluster's side of the park.

    The compute-shift signal is the only channel that commands a cluster: this client listens to nothing else.

    Args:
        bus: Towards the park.
        park: Id of the park.
        cluster: Id of the cluster.
        clock: The scheduler's own.
        fallback_cap_mw: The cap without any signal, as contracted: a cluster does not jump uncapped when the park
            falls silent. [MW]
        on_shift: Called with each new signal.
        on_refused: Called when items of the backlog are refused, or all count again.
    """

    def __init__(  # noqa: PLR0913  whom it serves and whom it calls, each by its name
        self,
        bus: Bus,
        park: str,
        cluster: str,
        clock: Timepiece,
        *,
        fallback_cap_mw: float,
        on_shift: OnShift | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._bus, self._cluster, self._clock = bus, cluster, clock
        self._fallback_cap_mw, self._on_shift, self._on_refused = fallback_cap_mw, on_shift, on_refused
        self._shift: ComputeShift | None = None
        self._held: ShiftInterval | None = None
        self._backlog = topic_of(park, Channel.COMPUTE_BACKLOG, cluster)
        self._response = topic_of(park, Channel.COMPUTE_RESPONSE, cluster)
        self._telemetry = topic_of(park, Channel.COMPUTE_TELEMETRY, cluster)
        bus.subscribe(topic_of(park, Channel.COMPUTE_SHIFT, cluster), self._on_message, qos=1)
        if on_refused is not None:
            bus.subscribe(topic_of(park, Channel.COMPUTE_BACKLOG_ANSWER, cluster), self._on_answer, qos=1)

    @property
    def shift(self) -> ComputeShift | None:
        """The newest signal, also when it is no longer valid."""
        return self._shift

    @property
    def is_valid(self) -> bool:
        """Whether there is a signal that the park still renews."""
        return self._shift is not None and self._clock.now() < self._shift.valid_until

    def interval_now(self) -> ShiftInterval | None:
        """The interval that holds this moment; None outside the signal's horizon."""
        now, held = self._clock.now(), self._held
        if held is None or not held.start <= now < held.end:
            intervals = self._shift.intervals if self._shift is not None else ()
            self._held = held = next((i for i in intervals if i.start <= now < i.end), None)
        return held

    def cap_now_mw(self) -> float:
        """The cap to keep at this moment, in MW.

        The signal's own while it is valid, and never more than its schedule says for this interval; after that the schedule's;
        outside the schedule the contracted one.
        """
        interval = self.interval_now()
        if self._shift is not None and self.is_valid:
            # A call of the grid may begin between two signals.
            return self._shift.cap_now_mw if interval is None else min(self._shift.cap_now_mw, interval.cap_mw)
        return interval.cap_mw if interval is not None else self._fallback_cap_mw

    def report_backlog(self, items: tuple[BacklogItem, ...], *, fast_band_mw: float = 0.0) -> None:
        """Says all deferrable work there is; replaces what was said before.

        Raises:
            WireError: An item breaks the contract; nothing is sent.
        """
        backlog = Backlog(cluster=self._cluster, reported_at=self._clock.now(), fast_band_mw=fast_band_mw, items=items)
        self._bus.post(self._backlog, encode(backlog), qos=1, retain=True)

    def respond(
        self,
        revision: int,
        accepted: Literal["all", "part", "none"],
        *,
        instead: tuple[AcceptedInterval, ...] = (),
        note: str = "",
    ) -> None:
        """Says what of a revision is taken on.

        Args:
            revision: Of the signal.
            accepted: `part` names in `instead` the intervals that differ.
            instead: What it will do there.
            note: Why, for a person.

        Raises:
            WireError: The parts do not fit the answer; nothing is sent.
        """
        response = ShiftResponse(
            cluster=self._cluster,
            revision=revision,
            responded_at=self._clock.now(),
            accepted=accepted,
            intervals=instead,
            note=note,
        )
        self._bus.post(self._response, encode(response), qos=1)

    def report_power(
        self, power_mw: float, *, throughput_frac: float | None = None, state: Mapping[str, float] | None = None
    ) -> None:
        """Says what the cluster takes now and how fast it works, with the cap it keeps.

        Args:
            power_mw: At the cluster's own meter, cooling included. [MW]
            throughput_frac: Against the uncapped rate of the jobs that run; None where not known.
            state: Further quantities by name with unit.

        Raises:
            WireError: A value breaks the contract; nothing is sent.
        """
        telemetry = ComputeTelemetry(
            cluster=self._cluster,
            measured_at=self._clock.now(),
            power_mw=power_mw,
            throughput_frac=throughput_frac,
            cap_mw=self.cap_now_mw(),
            applied_revision=self._shift.revision if self._shift is not None else 0,
            state=dict(state) if state is not None else {},
        )
        self._bus.post(self._telemetry, encode(telemetry))

    def _on_message(self, topic: str, payload: bytes) -> None:
        shift = decode(ComputeShift, topic, payload)
        if shift.cluster != self._cluster:
            raise WireError(f"{topic}: $.cluster: {shift.cluster!r} is not the cluster of the topic")
        if not self._is_newer(shift):
            return
        self._shift, self._held = shift, None
        if self._on_shift is not None:
            self._on_shift(shift)

    def _on_answer(self, topic: str, payload: bytes) -> None:
        if self._on_refused is not None:
            self._on_refused(decode(BacklogAnswer, topic, payload))

    def _is_newer(self, shift: ComputeShift) -> bool:
        """A greater pair; or, when the signal held has run out, another leader's that was issued later.

        The second so that a controller that lost its database, and with it its epoch, does not lose the cluster.
        """
        held = self._shift
        if held is None or shift.order > held.order:
            return True
        return not self.is_valid and shift.epoch != held.epoch and shift.issued_at > held.issued_at
