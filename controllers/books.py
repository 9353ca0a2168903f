"""The controller's books: opened before it begins, kept while it runs, and read by whoever takes over from it."""

from __future__ import annotations

import secrets
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog
from sqlalchemy.engine import make_url

from controllers.bus.base import Bus
from controllers.clock import Clock
from controllers.dispatch.guidance import Guidance
from controllers.dispatch.ladder import GUARD_KEY, GuardFacts
from controllers.loops.asks import LOOK_EVERY, AskDesk, listen, run_asks
from controllers.loops.batch import Said
from controllers.loops.bell import Bell
from controllers.loops.offers import OFFER_KEY
from controllers.loops.plan import Made
from controllers.loops.promises import LOOK_EVERY as PROMISES_EVERY
from controllers.loops.promises import PromiseDesk, failing, run_promises
from controllers.loops.recorder import RECORD_EVERY, Recorder, run_recorder
from controllers.loops.registers import PeakFacts
from controllers.loops.settle import run_settle
from controllers.loops.ticks import Wakes, between, woken
from controllers.loops.watchman import Watchman
from controllers.planner.publish import plan_facts
from controllers.service import Controller, Remembered
from controllers.settings import Settings
from controllers.store import PlanRow, Store, open_store
from controllers.supervisor import Loop
from vpp.errors import StoreError
from vpp.ids import AssetId
from vpp.wire.messages import Command

__all__ = ["HEALTH", "Books", "Opened", "open_books"]

log = structlog.get_logger(__name__)

#: Beside the database, and the same word in it: its loss is noticed, also when somebody else has made a new one since.
_MARK: Final = "ledger.id"
_LEDGER_ID: Final = "ledger.id"
_EPOCH, _GUIDANCE, _PEAKS, _OPEN = "controller.epoch", "controller.guidance", "controller.peaks", "controller.open_commands"
#: What SQLite says of a file that is none, or no longer.
_BROKEN: Final = ("not a database", "malformed", "corrupt")
#: Under this name the controller's health stands in the ledger, as JSON.
HEALTH: Final = "controller.health"
_SETTLE_EVERY: Final = timedelta(minutes=1)
_PEAKS_EVERY: Final = timedelta(seconds=15)
#: A plan older than this says nothing about now.
_GUIDANCE_FOR: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Opened:
    """A store, and what was found wrong with the one before.

    Args:
        store: To write into.
        loss: In words; empty if nothing was lost.
    """

    store: Store
    loss: str = ""


def open_books(settings: Settings, stamp: str) -> Opened:
    """Opens the ledger; one that is lost or broken is replaced by an empty one, because devices must not wait for it.

    Args:
        settings: Of the service.
        stamp: For the name under which a broken file is put aside.

    Raises:
        StoreError: There is no way to have any.
    """
    path, mark = _file_of(settings.store_url), settings.state_dir / _MARK
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    known, loss = mark.read_bytes() if mark.exists() else b"", ""
    try:
        store = open_store(settings.store_url)
        found = store.recall(_LEDGER_ID)
    except StoreError as error:
        if path is None or not path.exists() or not any(word in str(error) for word in _BROKEN):
            # A full disk, a lock that lasts or a foreign table is no reason to put away what people have asked for.
            raise
        aside = path.with_name(f"{path.name}.broken-{stamp}")
        log.exception("store.broken", put_aside=aside.name)
        _put_aside(path, aside)
        store, found = open_store(settings.store_url), None
        loss = f"the database could not be read ({error}); it was put aside as {aside.name}, an empty one is in use"
    if known and found != known and not loss:
        loss = "the database was lost or is another one: history and open orders of people are not in it"
    if found is None:
        found = secrets.token_hex(8).encode()
        store.remember(_LEDGER_ID, found)
    if found != known:
        mark.write_bytes(found)
    return Opened(store, loss)


def _file_of(url: str) -> Path | None:
    where = make_url(url)
    named = where.get_backend_name() == "sqlite" and where.database not in (None, "", ":memory:")
    return Path(str(where.database)) if named else None


def _put_aside(path: Path, aside: Path) -> None:
    shutil.move(path, aside)
    for tail in ("-wal", "-shm"):
        beside = path.with_name(path.name + tail)
        if beside.exists():
            shutil.move(beside, aside.with_name(aside.name + tail))


@dataclass(slots=True)
class Books:
    """What one controller writes down.

    Args:
        opened: The store.
        clock: Park time.
    """

    opened: Opened
    clock: Clock
    recorder: Recorder = field(init=False)
    ask_wakes: Wakes = field(default_factory=lambda: Wakes(Bell(), gather_s=0.02, apart_s=0.2))
    promise_wakes: Wakes = field(default_factory=lambda: Wakes(Bell(), gather_s=1.0, apart_s=20.0))
    _promises: PromiseDesk | None = None
    _last_guidance: Guidance | None = None
    _had_open: bool = False
    _peaks_at: datetime | None = None

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.opened.store, self.clock.now, self._save_said)

    def remembered(self) -> Remembered:
        """What the controller before this one has left."""
        store, at = self.opened.store, self.clock.now()
        last_epoch = int(store.recall(_EPOCH) or b"0")
        guidance: Guidance | None = None
        told = store.recall(_GUIDANCE)
        if told is not None:
            try:
                said_at, guidance = msgspec.json.decode(told, type=tuple[datetime, Guidance])
            except msgspec.DecodeError as error:  # of another version
                log.warning("guidance.unread", reason=str(error))
            else:
                guidance = guidance if timedelta(0) <= at - said_at <= _GUIDANCE_FOR else None
        return Remembered(last_epoch, guidance)

    def attach(self, controller: Controller, bus: Bus) -> tuple[Loop, ...]:
        """Hears and notes all that a controller hears and says from now on; returns the loops that do it.

        The epoch is on disk before the first word is said under it.
        """
        store = self.opened.store
        store.remember(_EPOCH, str(controller.commander.epoch).encode())
        peaks = store.recall(_PEAKS)
        if peaks is not None:
            controller.peaks.restore(msgspec.json.decode(peaks, type=PeakFacts))
        self._hand_on_guard(controller)
        controller.inbox.ear = controller.commander.mouth = self.recorder
        controller.trouble = self.recorder.alarm
        if controller.planner is not None:
            controller.planner.on_made = self._note_plan
        if self.opened.loss:
            log.error("store.lost", text=self.opened.loss)
            self.recorder.alarm("store.lost", self.opened.loss)
        listen(bus, controller.park.id, self.ask_wakes)
        desk = AskDesk(controller.park, store, controller.inbox, controller.replan, self.clock.now, self.recorder.alarm)
        self._hand_on_offers(controller, desk)
        watchman = Watchman(controller, bus, self.recorder)

        def every_tick(at: datetime) -> None:
            self._note_state(controller, at)
            watchman.look(at)

        def watched(name: str, ticks: AsyncIterator[datetime], budget_s: float) -> AsyncIterator[datetime]:
            return controller.supervisor.watched(ticks, name, budget_s)

        async def record() -> None:
            await run_recorder(watched("recorder", between(self.clock, RECORD_EVERY), 1.0), self.recorder, every_tick)

        async def ask() -> None:
            await run_asks(watched("asks", woken(self.clock, LOOK_EVERY, self.ask_wakes), 60.0), desk)

        async def resend() -> None:
            self._resend(controller)

        async def settle() -> None:
            ticks = watched("settle", self.clock.every(_SETTLE_EVERY), 600.0)
            await run_settle(ticks, store, controller.park, controller.trouble)

        loops = (Loop("recorder", record), Loop("asks", ask), Loop("resend", resend), Loop("settle", settle))
        return (*loops, *self._watch_promises(controller))

    def _hand_on_guard(self, controller: Controller) -> None:
        """Who was shed how often this year, and which ladders stand, from the guard before to this one, and on from it."""
        armed = self.opened.store.recall(GUARD_KEY)
        if armed is not None:
            try:
                controller.guard.restore(msgspec.json.decode(armed, type=GuardFacts))
            except msgspec.DecodeError as error:  # of another version
                log.warning("guard.unread", reason=str(error))
        controller.guard.noted = lambda facts: self.recorder.remember(GUARD_KEY, _encoder(facts))

    def _hand_on_offers(self, controller: Controller, desk: AskDesk) -> None:
        """Calls are judged by what can be promised, and the offer is there for whoever asks."""
        offers = controller.offers
        if offers is not None:
            desk.judge, desk.tell, desk.again = offers.judge, controller.answered, self.ask_wakes.bell.ring
            offers.on_table = lambda table: self.recorder.remember(OFFER_KEY, _encoder(table))

    def _watch_promises(self, controller: Controller) -> tuple[Loop, ...]:
        """Calls that were accepted are judged again by every plan; no loop where nothing is promised."""
        offers = controller.offers
        if offers is None:
            return ()
        desk = self._promises = PromiseDesk(
            self.opened.store,
            offers.again,
            controller.answered,
            failing=lambda at: failing(controller.inbox.snapshot(at)),
            ring=self.promise_wakes.bell.ring,
        )
        controller.also_watch.append(desk.alarms)

        async def promise() -> None:
            ticks = woken(self.clock, PROMISES_EVERY, self.promise_wakes)
            await run_promises(controller.supervisor.watched(ticks, "promises", 900.0), desk)

        return (Loop("promises", promise),)

    async def close(self) -> None:
        """The last word, then the store."""
        await self.recorder.last_word()
        self.opened.store.close()

    def _resend(self, controller: Controller) -> None:
        """Commands of the one before that nobody confirmed, under our own number, as long as their lease would still run."""
        told = self.opened.store.recall(_OPEN)
        if told is None:
            return
        at = self.clock.now()
        for asset_id, command in msgspec.json.decode(told, type=list[tuple[AssetId, Command]]):
            if command.epoch < controller.commander.epoch and at - command.issued_at < timedelta(seconds=command.lease_s):
                log.info("command.resent", asset_id=asset_id, issued_at=command.issued_at.isoformat())
                controller.commander.resend(asset_id, command)

    def _note_state(self, controller: Controller, at: datetime) -> None:
        guidance = controller.guidance.value
        if guidance is not None and guidance is not self._last_guidance:
            self._last_guidance = guidance
            self.recorder.remember(_GUIDANCE, _encoder((at, guidance)))
        waiting = controller.commander.open_commands()
        if waiting or self._had_open:
            self._had_open = bool(waiting)
            self.recorder.remember(_OPEN, _encoder(waiting))
        if self._peaks_at is None or at - self._peaks_at >= _PEAKS_EVERY:
            self._peaks_at = at
            self.recorder.remember(_PEAKS, _encoder(controller.peaks.facts()))
            self.recorder.remember(HEALTH, _encoder(self._health(controller)))

    def _health(self, controller: Controller) -> dict[str, object]:
        """How the loops fare, for whoever asks from another process."""
        late_s, delays_s = controller.dispatch_wakes.late_s, controller.commander.counters.ack_delay_s
        return {
            "at": self.clock.now().isoformat(),
            "loops": {name: asdict(health) for name, health in controller.supervisor.health.items()},
            "dispatch_late_p99_s": _p99(late_s),
            "dispatch_brought_on": controller.dispatch_wakes.brought_on,
            "ack_p99_s": _p99(delays_s),
            "commands": controller.commander.counters.sent,
            "outcomes": dict(controller.commander.counters.outcomes),
            "overloads": controller.guard.overloads,
            "forecast": dict(controller.forecast_facts()),
            "rows_written": self.recorder.written,
            "rows_lost": self.recorder.lost,
            "readings_unfit": self.opened.store.unfit,
            "readings_ahead": sum(self.opened.store.ahead.values()),
        }

    def _note_plan(self, made: Made) -> None:
        at = self.clock.now()

        def row() -> PlanRow:
            result = made.result
            return PlanRow(
                plan_id=made.plan_id,
                made_at=at,
                source="mpc",
                gap_frac=max(result.gap_cny, 0.0) / max(abs(result.objective_cny), 1.0),
                cost_cny=result.objective_cny,
                facts=msgspec.json.encode(plan_facts(made.problem, result)),
            )

        self.recorder.plan(made.plan_id, row)
        if self._promises is not None:
            self._promises.planned()

    def _save_said(self, rows: Sequence[Said]) -> None:
        """Commands and acks, where the ledger has a place for them."""
        save = getattr(self.opened.store, "save_said", None)
        if save is not None:
            save(rows)


def _p99(values: Sequence[float] | deque[float]) -> float | None:
    return round(float(np.percentile(values, 99)), 6) if values else None


def _encoder(value: object) -> Callable[[], bytes]:
    return lambda: msgspec.json.encode(value)
