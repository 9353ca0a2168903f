"""On every reading of a connection, and on every emergency call: what stands prepared in the devices is told by one broadcast.

An overload is given to dispatch first and to the ladder where that does not end it; an emergency call goes to the ladder at once,
and dispatch then finds cheaper ways to keep the target, rung by rung. Ladders are armed anew when they change, as when a feeder's
contract is used up, but never while one stands: places must not move under a broadcast.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

import structlog

from controllers.dispatch.guard import Emergency, GuardRule, Ladder, Overload, Watch, arming_of, emergency_on, places_on, watched
from controllers.dispatch.ladder import GuardFacts, LadderFacts, Rung, Used, in_hand, ladder_facts, ladders_of, used_of
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander
from controllers.supervisor import Trouble, no_trouble
from vpp.events import Event
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park import Asset, Connection, Park
from vpp.units import hours
from vpp.wire.messages import Arm, GridMeasurement, Reason, Shed

__all__ = ["Guard", "run_guard"]

log = structlog.get_logger(__name__)

#: Ladders are looked at for changes so often.
_ARM_EVERY: Final = timedelta(seconds=10)


@dataclass(slots=True)
class Guard:
    """Watches every connection to the grid.

    Args:
        park: What is in service.
        commander: Who arms and sheds.
        snapshot: The plant as it is now.
        at_once: Brings the next dispatch on.
        rule: When to act.
        events: Calls of the grid that bind now or later.
        trouble: Told when a ladder is used.
        noted: Told what is armed and used, whenever that has changed.
        overloads: How often a connection was found beyond a limit.
    """

    park: Park
    commander: Commander
    snapshot: Callable[[], Snapshot]
    at_once: Callable[[], None]
    rule: GuardRule = field(default_factory=GuardRule)
    events: Callable[[datetime], tuple[Event, ...]] = lambda _: ()
    trouble: Trouble = no_trouble
    noted: Callable[[GuardFacts], None] = lambda _: None
    overloads: int = 0
    _grid: dict[ConnectionId, Connection] = field(default_factory=dict)
    _watch: dict[ConnectionId, Watch] = field(default_factory=dict)
    _ladders: dict[AreaId, Ladder] = field(default_factory=dict)
    _armed_at: dict[AreaId, datetime] = field(default_factory=dict)
    _said: dict[ConnectionId, tuple[datetime, Shed]] = field(default_factory=dict)
    #: The latest end of any step said: a device that has missed a release stands until then.
    _until: dict[AreaId, datetime] = field(default_factory=dict)
    #: What each rung that is shed drew before.
    _gave_mw: dict[AssetId, float] = field(default_factory=dict)
    _used: dict[AssetId, Used] = field(default_factory=dict)
    _year: int = 0
    _looked_at: datetime | None = None
    _counted_at: datetime | None = None
    _unnoted: bool = False

    def __post_init__(self) -> None:
        self._grid = {c.id: c for c in self.park.connections if c.is_grid}
        self._ladders = ladders_of(self.park)
        self._year = self._year_of(self.commander.now())

    def restore(self, facts: GuardFacts) -> None:
        """What the guard before this one had used, and where its ladders stood: they are left like its own.

        A ladder that it had released is released again, as long as some device may not have heard it.
        """
        at = self.commander.now()
        if facts.year == self._year:
            self._used = {AssetId(name): used for name, used in facts.used.items()}
        for told in facts.ladders:
            for name in told.connections[:1]:
                connection = self._grid.get(ConnectionId(name))
                if connection is not None and told.until is not None:
                    self._until[connection.area] = told.until
                    self._watch[connection.id] = Watch(connection.id)
                if connection is not None and told.step:
                    order = [AssetId(rung.asset_id) for rung in told.rungs if rung.step]
                    known = {rung.asset_id: rung for rung in self._ladders[connection.area].rungs}
                    # In the order in which they were armed, which is the one that the broadcast means.
                    self._ladders[connection.area] = Ladder(connection.area, tuple(known[i] for i in order if i in known))
                    self._watch[connection.id] = Watch(connection.id, step=told.step, needed_at=at, climbed_at=at)

    def arm_all(self) -> None:
        """Every device learns its reflexes and its place; said anew at every start, because only the newest counts."""
        at = self.commander.now()
        self._ladders |= {area: ladder for area, ladder in self._made(at).items() if not self._stands(area)}
        self._arm(self.park.assets)
        self._armed_at = dict.fromkeys(self._ladders, at)
        self._note()

    def measured(self, connection_id: ConnectionId, said: GridMeasurement) -> None:
        """One reading."""
        connection = self._grid.get(connection_id)
        if connection is not None:
            at = self.commander.now()
            self._attend(connection, said.import_mw, emergency_on(self.events(at), connection_id, at), at)

    def called(self) -> None:
        """The grid has called, changed or taken back something: an emergency is answered before this returns."""
        at = self.commander.now()
        for connection in self._grid.values():
            emergency = emergency_on(self.events(at), connection.id, at)
            import_mw = self.snapshot().import_mw.get(connection.id) if emergency is not None else None
            # Where nothing was read yet the first reading is waited for: nobody is put out on a guess.
            if import_mw is not None:
                self._attend(connection, import_mw, emergency, at)

    def repeat(self, at: datetime) -> None:
        """Says again what stands or was released, as a broadcast may be lost; sees emergencies begin, counts hours, arms anew."""
        self.called()
        if self._unnoted:
            self._note()
        for connection_id, watch in self._watch.items():
            connection = self._grid[connection_id]
            if self._is_due(connection, watch, at):
                self._say(connection, watch, at)
        self._count_hours(at)
        if self._looked_at is None or at - self._looked_at >= _ARM_EVERY:
            self._looked_at = at
            self._arm_changes(at)

    def facts(self) -> GuardFacts:
        """What is armed, what stands and what was used."""
        return GuardFacts(
            year=self._year,
            used={str(name): used for name, used in self._used.items()},
            ladders=tuple(self._ladder_facts(a) for a in self._ladders),
        )

    def _attend(self, connection: Connection, import_mw: float, emergency: Emergency | None, at: datetime) -> None:
        before = self._watch.get(connection.id) or Watch(connection.id)
        overload = Overload.of(connection, import_mw, self.rule.tolerance_frac)
        called = overload if emergency is None else emergency.overload(import_mw, self.rule.near_mw)
        if called.mw > overload.mw >= 0.0:
            overload = called
        if overload.mw == 0.0 and before.since is None and not before.step:
            return
        if overload.mw != 0.0:
            self.overloads += emergency is None
            self.at_once()
        wanted = self._wanted(connection, overload) if overload.mw > 0.0 else 0
        most_mw = connection.import_limit_mw if emergency is None else min(emergency.at_most_mw, connection.import_limit_mw)
        # What limits it says whether it may come back: an emergency's target, or the connection itself.
        fits = before.step == 0 or most_mw - import_mw >= self._would_take_mw(connection, before.step)
        now = watched(before, overload, wanted, at, self.rule, emergency=emergency is not None, may_give_back=fits)
        self._watch[connection.id] = now
        if now.step != before.step:
            log.warning("guard.ladder", connection=connection.id, step=now.step, overload_mw=round(overload.mw, 3))
            # The broadcast goes first, the bookkeeping after it.
            self._say(connection, now, at, emergency)
            if now.step > before.step:
                self._climbed(connection, before.step, now.step)
                why = f"{overload.mw:.1f} MW beyond its limit" if emergency is None else f"{overload.mw:.1f} MW above the target"
                self.trouble(f"ladder.{connection.id}", f"{connection.id}: {why}, step {now.step}")
            # Written down at the next tick: what is said goes out as soon as this returns.
            self._unnoted = True

    def _climbed(self, connection: Connection, low: int, high: int) -> None:
        """Counts who was shed, with what each drew."""
        rungs = self._ladders[connection.area].rungs[low:high]
        self._gave_mw |= dict(zip((r.asset_id for r in rungs), self._drawn_mw(rungs), strict=True))
        for rung in rungs:
            used = self._used.get(rung.asset_id, Used())
            self._used[rung.asset_id] = Used(used.calls + 1, used.open_h)

    def _wanted(self, connection: Connection, overload: Overload) -> int:
        """The step that is needed, counted from the bottom: what is shed already gives nothing back any more."""
        ladder = self._ladders[connection.area]
        return ladder.step_for(overload.mw, self._drawn_mw(ladder.rungs)) if ladder.rungs else 0

    def _drawn_mw(self, rungs: tuple[Rung, ...]) -> list[float]:
        """What each rung gives back as things are; nothing where it was not heard."""
        seen, drawn = self.snapshot(), []
        for rung in rungs:
            said = seen.assets.get(rung.asset_id)
            drawn.append(0.0 if said is None else max(said.power_mw - rung.then_mw, 0.0))
        return drawn

    def _would_take_mw(self, connection: Connection, step: int) -> float:
        """Import that the highest rung that is shed brings back: up to what it is told by now, else what it drew before."""
        rungs = self._ladders[connection.area].rungs
        if step > len(rungs):
            return 0.0
        asset_id = rungs[step - 1].asset_id
        told_mw, said = self.commander.told_mw(asset_id), self.snapshot().assets.get(asset_id)
        if told_mw is None or said is None:
            return self._gave_mw.get(asset_id, rungs[step - 1].relief_mw)
        return max(told_mw - said.power_mw, 0.0)

    def _say(self, connection: Connection, watch: Watch, at: datetime, emergency: Emergency | None = None) -> None:
        """One broadcast. An emergency's stands to its end, whatever becomes of the controller; a lower one releases it."""
        emergency = emergency or emergency_on(self.events(at), connection.id, at)
        stamp, until = self.commander.stamp(), at + self.rule.hold
        reason = Reason(code="overload", text=f"{connection.id} was beyond its limit")
        if emergency is not None:
            until = max(until, emergency.until)
            reason = Reason(code="emergency", text=f"{connection.id}: {emergency.event_id} asks for {emergency.at_most_mw:g} MW")
        shed = Shed(
            epoch=stamp.epoch,
            seq=stamp.seq,
            issued_at=stamp.issued_at,
            ladder=connection.area,
            step=watch.step,
            until=until,
            reason=reason,
        )
        if watch.step and until > self._until.get(connection.area, at):
            self._until[connection.area] = until
            # A mere hold moves on with every repetition, and is over before a successor would release what it finds standing.
            self._unnoted |= until > at + self.rule.hold
        self._said[connection.id] = at, shed
        self.commander.shed(shed)

    def _is_due(self, connection: Connection, watch: Watch, at: datetime) -> bool:
        """Whether to say it again: a step while it stands, a release until no step said before it can hold anybody any more."""
        if not watch.step and (self._stands(connection.area) or at >= self._until.get(connection.area, at)):
            return False
        return connection.id not in self._said or at - self._said[connection.id][0] >= self.rule.repeat

    def _stands(self, area: AreaId) -> bool:
        return any(self._grid[i].area == area and watch.step for i, watch in self._watch.items())

    def _made(self, at: datetime) -> dict[AreaId, Ladder]:
        seen = self.snapshot()
        used, held = used_of(self.park, seen, self._used), in_hand(seen.overrides, at)
        return ladders_of(self.park, used, held)

    def _arm_changes(self, at: datetime) -> None:
        if self._year_of(at) != self._year:
            self._year, self._used = self._year_of(at), {}
        changed = False
        for area, ladder in self._made(at).items():
            before = self._ladders[area]
            if self._stands(area) or ladder == before:
                continue
            self._ladders[area], changed = ladder, True
            if not ladder.same_places(before):
                log.info("guard.armed", area=area, rungs=len(ladder.rungs), out=len(ladder.out))
                self._armed_at[area] = at
                moved = {rung.asset_id for rung in chain(ladder.rungs, before.rungs)}
                self._arm(asset for asset in self.park.assets if asset.id in moved)
        if changed:
            self._note()

    def _arm(self, assets: Iterable[Asset]) -> None:
        known = places_on(self._ladders.values())
        for asset in assets:
            reflexes, places = arming_of(self.park, asset, self.rule, known)
            if reflexes or places:
                stamp = self.commander.stamp()
                arm = Arm(epoch=stamp.epoch, seq=stamp.seq, issued_at=stamp.issued_at, reflexes=reflexes, places=places)
                self.commander.arm(asset.id, arm)

    def _count_hours(self, at: datetime) -> None:
        before, self._counted_at = self._counted_at, at
        if before is None:
            return
        for connection_id, watch in self._watch.items():
            for rung in self._ladders[self._grid[connection_id].area].rungs[: watch.step]:
                used = self._used.get(rung.asset_id, Used())
                self._used[rung.asset_id] = Used(used.calls, used.open_h + hours(at - before))

    def _year_of(self, at: datetime) -> int:
        return at.astimezone(self.park.zone).year

    def _note(self) -> None:
        self._unnoted = False
        self.noted(self.facts())

    def _ladder_facts(self, area: AreaId) -> LadderFacts:
        mine = [i for i, connection in self._grid.items() if connection.area == area]
        step = max((self._watch[i].step for i in mine if i in self._watch), default=0)
        reasons = [self._said[i][1].reason.text for i in mine if i in self._said]
        return LadderFacts(
            area=area,
            connections=tuple(mine),
            armed_at=self._armed_at.get(area),
            step=step,
            reason=reasons[0] if step and reasons else "",
            rungs=ladder_facts(self._ladders[area]),
            until=self._until.get(area),
        )


async def run_guard(ticks: AsyncIterator[datetime], guard: Guard) -> None:
    """The loop: arm once, then repeat what stands or was released."""
    guard.arm_all()
    async for at in ticks:
        guard.repeat(at)
