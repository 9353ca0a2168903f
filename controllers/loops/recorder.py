"""Everything the controller hears and says, on its way into the ledger: gathered on the loop, written by one thread.

The loop never waits for the disk. While a batch is being written the next one grows; each kind of row has a bound, beyond which
the oldest goes first, counted, dated and said. Alarms and what must be remembered are never dropped: there are few of them and
each new word replaces the one before. What could not be written is tried again every second, until the ledger is there again:
a disk that was full, or a database that was away, costs nothing within the bounds and needs no hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Protocol

import structlog

from controllers.loops.batch import AlarmWord, Batch, Loss, Planned, Said
from controllers.store.rows import EventRow, ForecastRow, PlanRow, Reading
from vpp.errors import StoreError
from vpp.ids import AssetId, ConnectionId
from vpp.wire.codec import encode
from vpp.wire.messages import (
    Ack,
    Command,
    ComputeTelemetry,
    ForecastCurrent,
    GridEvent,
    GridMeasurement,
    Message,
    Status,
    Telemetry,
)
from vpp.wire.topics import Channel

__all__ = ["RECORD_EVERY", "Ledger", "Recorder", "run_recorder"]

log = structlog.get_logger(__name__)

#: In one transaction: what a full disk refuses costs no more than this to try again.
_AT_ONCE: Final = 20_000
#: Keys of alarms.
_AWAY, _LOST = "ledger.away", "ledger.lost"
#: A clock that was not ahead for so long is right again.
_QUIET: Final = timedelta(minutes=5)
_LAST_WORD_S: Final = 5.0
_ALWAYS: Final = frozenset({"soc_frac", "buffer_kg"})
_SELDOM: Final = timedelta(minutes=1)


class Ledger(Protocol):
    """The part of the store that is written here; called in the recorder's own thread."""

    @property
    def ahead(self) -> MutableMapping[str, int]:
        """By subject, readings that were dated ahead."""
        ...

    def write_readings(self, rows: Sequence[Reading]) -> None:
        """In bulk."""
        ...

    def save_plan(self, row: PlanRow) -> None:
        """One plan."""
        ...

    def save_forecast(self, row: ForecastRow) -> None:
        """One forecast."""
        ...

    def raise_alarm(self, key: str, *, level: str, text: str, at: datetime) -> int:
        """Raised again it stays one."""
        ...

    def clear_alarm(self, key: str, at: datetime) -> None:
        """It is over."""
        ...

    def remember(self, key: str, value: bytes) -> None:
        """Small state."""
        ...

    def event(self, event_id: str) -> EventRow | None:
        """A call of the grid as it stands."""
        ...

    def ask_event(self, row: EventRow) -> int:
        """A new one, or the next revision of one."""
        ...


class Recorder:
    """An `Ear` and a `Mouth` that keep everything.

    Args:
        ledger: Where it goes.
        now: Park time, for when a word was received.
        save_said: Writes commands and acks.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], save_said: Callable[[Sequence[Said]], None]) -> None:
        self._ledger, self._now, self._save_said = ledger, now, save_said
        self._loss = Loss()
        self._batch = Batch(self._loss)
        self._called: dict[str, tuple[int, bool]] = {}
        self._last_read: dict[tuple[str, str], datetime] = {}
        self._writing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._lost_before = 0
        #: Readings that were dated ahead, by subject, and when there were last more of them.
        self._ahead: dict[str, tuple[int, datetime]] = {}
        #: Writes that failed; rows written.
        self.failures = 0
        self.written = 0
        #: Why the last write failed; empty as long as writing works.
        self.trouble = ""

    # What is heard.

    def telemetry(self, asset_id: AssetId, said: Telemetry) -> None:
        """Power, what is available, and every quantity of the state."""
        self._read(asset_id, "power_mw", said.measured_at, said.power_mw)
        if said.available_mw is not None:
            self._read(asset_id, "available_mw", said.measured_at, said.available_mw)
        for quantity, value in said.state.items():
            self._seldom(asset_id, quantity, said.measured_at, value)

    def cluster(self, cluster: AssetId, said: ComputeTelemetry) -> None:
        """Power and the scheduler's own quantities."""
        self._read(cluster, "power_mw", said.measured_at, said.power_mw)
        for quantity, value in said.state.items():
            self._seldom(cluster, quantity, said.measured_at, value)

    def measured(self, connection: ConnectionId, said: GridMeasurement) -> None:
        """Import, frequency, voltage."""
        # Its parts by direction, because a quarter hour may hold both, and their means do not cancel.
        self._read(connection, "import_mw", said.measured_at, max(said.import_mw, 0.0))
        self._read(connection, "export_mw", said.measured_at, max(-said.import_mw, 0.0))
        if said.frequency_hz is not None:
            self._read(connection, "frequency_hz", said.measured_at, said.frequency_hz)
        if said.voltage_kv is not None:
            self._read(connection, "voltage_kv", said.measured_at, said.voltage_kv)

    def status(self, asset_id: AssetId, said: Status) -> None:
        """Whether it listens."""
        self._read(asset_id, "online", self._now(), float(said.online and said.mode == "remote"))

    def acknowledged(self, asset_id: AssetId, said: Ack) -> None:
        """Every ack, also one that is doubled: the ledger says what was heard."""
        self._batch.note(Said(asset_id, said, self._now()))

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        """Calls that come over the bus stand beside those by REST; what is said again of the same revision is no news."""
        word = (said.revision, said.cancelled)
        if self._called.get(said.event_id) == word:
            return
        self._called[said.event_id] = word
        self._batch.events[said.event_id] = EventRow(
            event_id=said.event_id,
            connection=connection,
            asset=said.asset,
            kind=said.kind,
            target_mw=said.target_mw,
            start=said.start,
            end=said.end,
            priority=said.priority,
            confidence=said.confidence,
            who="grid",
            asked_at=said.issued_at,
            revision=said.revision,
            state="cancelled" if said.cancelled else "received",
            changed_at=self._now(),
        )

    # What is said.

    def sent(self, asset_id: AssetId, command: Command) -> None:
        """Every command with its reason."""
        self._batch.note(Said(asset_id, command, command.issued_at))

    def published(self, channel: Channel, message: Message) -> None:
        """Forecasts; plans come with more than what is published."""
        if channel is Channel.FORECAST_CURRENT and isinstance(message, ForecastCurrent):
            row = ForecastRow(issued_at=message.issued_at, message=encode(message), received_at=self._now())
            self._batch.forecast(row)

    def plan(self, plan_id: str, row: Callable[[], PlanRow]) -> None:
        """A plan; it is spelt out in the writing thread."""
        self._batch.plan(Planned(self._now(), row))

    def alarm(self, key: str, text: str | None) -> None:
        """Raises an alarm, or clears it with None."""
        self._batch.alarm(key, AlarmWord(text, self._now()))

    def remember(self, key: str, value: Callable[[], bytes]) -> None:
        """Small state that outlives the process; spelt out in the writing thread."""
        self._batch.memory[key] = value

    # How it is written.

    @property
    def writing(self) -> asyncio.Future[None] | None:
        """The batch that is being written, or was last; None before the first."""
        return self._writing

    @property
    def lost(self) -> int:
        """Rows that were dropped because the ledger was away for too long."""
        return self._lost_before + sum(self._loss.counts.values())

    def hand_over(self) -> None:
        """Gives what has gathered to the writing thread, if that is free."""
        if len(self._batch) and (self._writing is None or self._writing.done()):
            batch, self._batch = self._batch, Batch(self._loss)
            self._writing = asyncio.ensure_future(self._written(batch))

    async def last_word(self) -> None:
        """Writes what is left, as far as it can be done in a moment."""
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                while len(self._batch) or (self._writing is not None and not self._writing.done()):
                    self.hand_over()
                    if self._writing is not None:
                        await asyncio.shield(self._writing)
                    if self.trouble:
                        break
        except TimeoutError:
            log.warning("recorder.slow", patience_s=_LAST_WORD_S)
        if len(self._batch):
            log.error("recorder.unwritten", rows=len(self._batch), reason=self.trouble)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _written(self, batch: Batch) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, batch)
        except StoreError as error:
            self.failures += 1
            if not self.trouble:
                log.error("recorder.failed", reason=str(error), rows=len(batch))  # noqa: TRY400  one line says it all
                self.alarm(_AWAY, f"the ledger cannot be written ({error}); what is heard is kept in memory, within a bound")
            self.trouble = str(error)
            self._batch = self._batch.after(batch)
        else:
            if self.trouble:
                log.info("recorder.writes_again", lost=dict(self._loss.counts))
                self.alarm(_AWAY, None)
            self.trouble = ""
            self._tell_clocks()
            if self._loss.counts:
                self._tell_loss()

    def _tell_loss(self) -> None:
        """It is over, and stands until somebody has seen it."""
        self.alarm(_LOST, f"not in the ledger, because it could not be written for too long: {self._loss}")
        self.alarm(_LOST, None)
        self._lost_before = self.lost
        self._loss = self._batch.loss = Loss()

    def _tell_clocks(self) -> None:
        """An alarm as long as a device dates its readings ahead."""
        now = self._now()
        for subject, n in tuple(self._ledger.ahead.items()):
            key, (known, at) = f"clock.{subject}", self._ahead.get(subject, (0, now))
            if n != known:
                self._ahead[subject] = n, now
                self.alarm(key, f"the clock of {subject} is ahead; its readings count when they are received")
            elif now - at > _QUIET:
                del self._ahead[subject], self._ledger.ahead[subject]
                self.alarm(key, None)

    def _write(self, batch: Batch) -> None:
        """In the thread; what is written is taken out, so that after a failure half way only the rest is tried again.

        Readings come last: they are the most, and what people and the next controller need does not wait for them.
        """
        before = len(batch)
        try:
            self._write_words(batch)
            self._write_rows(batch)
        finally:
            self.written += before - len(batch)

    def _write_words(self, batch: Batch) -> None:
        ledger = self._ledger
        for key, value in tuple(batch.memory.items()):
            ledger.remember(key, value())
            del batch.memory[key]
        for event_id, row in tuple(batch.events.items()):
            known = ledger.event(row.event_id)
            if known is None or known.revision < row.revision or (row.state == "cancelled" and known.state != row.state):
                ledger.ask_event(row)
            del batch.events[event_id]
        for key, words in tuple(batch.alarms.items()):
            while words:
                word = words[0]
                if word.text is None:
                    ledger.clear_alarm(key, word.at)
                else:
                    ledger.raise_alarm(key, level="alarm", text=word.text, at=word.at)
                words.popleft()
            del batch.alarms[key]

    def _write_rows(self, batch: Batch) -> None:
        if batch.said:
            self._save_said(tuple(batch.said))
            batch.said.clear()
        while batch.forecasts:
            self._ledger.save_forecast(batch.forecasts[0])
            batch.forecasts.popleft()
        while batch.plans:
            self._ledger.save_plan(batch.plans[0].row())
            batch.plans.popleft()
        while batch.readings:
            chunk = tuple(islice(batch.readings, _AT_ONCE))
            self._ledger.write_readings(chunk)
            for _ in chunk:
                batch.readings.popleft()

    def _read(self, subject: str, quantity: str, measured_at: datetime, value: float) -> None:
        row = Reading(subject=subject, quantity=quantity, measured_at=measured_at, received_at=self._now(), value=value)
        self._batch.read(row)

    def _seldom(self, subject: str, quantity: str, measured_at: datetime, value: float) -> None:
        """States move slowly and are many: each once a minute, but for what is stored."""
        last = self._last_read.get((subject, quantity))
        if quantity in _ALWAYS or last is None or abs(measured_at - last) >= _SELDOM:
            self._last_read[subject, quantity] = measured_at
            self._read(subject, quantity, measured_at, value)


async def run_recorder(ticks: AsyncIterator[datetime], recorder: Recorder, every_tick: Callable[[datetime], None]) -> None:
    """The loop: hand over, again and again.

    Args:
        ticks: When.
        recorder: What has gathered.
        every_tick: Called before, for what is looked at rather than heard.
    """
    async for at in ticks:
        every_tick(at)
        recorder.hand_over()


#: Readings of a second come together.
RECORD_EVERY: Final = timedelta(seconds=1)
