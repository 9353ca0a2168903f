"""On every reading of a connection: an overload is answered at once by dispatch, then by the ladder that stands prepared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controllers.dispatch.guard import GuardRule, Ladder, Overload, Watch, arming_of, ladder_of, watched
from controllers.dispatch.snapshot import Snapshot
from controllers.loops.commander import Commander
from controllers.supervisor import Trouble, no_trouble
from vpp.ids import AreaId, ConnectionId
from vpp.park import Connection, Park
from vpp.wire.messages import Arm, GridMeasurement, Reason, Shed

__all__ = ["Guard", "run_guard"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Guard:
    """Watches every connection to the grid.

    Args:
        park: What is in service.
        commander: Who arms and sheds.
        snapshot: The plant as it is now.
        at_once: Brings the next dispatch on.
        rule: When to act.
        trouble: Told when a ladder is used.
        overloads: How often a connection was found beyond a limit.
    """

    park: Park
    commander: Commander
    snapshot: Callable[[], Snapshot]
    at_once: Callable[[], None]
    rule: GuardRule = field(default_factory=GuardRule)
    trouble: Trouble = no_trouble
    overloads: int = 0
    _grid: dict[ConnectionId, Connection] = field(default_factory=dict)
    _watch: dict[ConnectionId, Watch] = field(default_factory=dict)
    _ladders: dict[AreaId, Ladder] = field(default_factory=dict)
    _said_at: dict[ConnectionId, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._grid = {c.id: c for c in self.park.connections if c.is_grid}
        self._ladders = {c.area: ladder_of(self.park, c.area) for c in self._grid.values()}

    def arm_all(self) -> None:
        """Every device learns its reflexes and its place; said anew at every start, because only the newest counts."""
        for asset in self.park.assets:
            reflexes, places = arming_of(self.park, asset, self.rule)
            if reflexes or places:
                stamp = self.commander.stamp()
                arm = Arm(epoch=stamp.epoch, seq=stamp.seq, issued_at=stamp.issued_at, reflexes=reflexes, places=places)
                self.commander.arm(asset.id, arm)

    def measured(self, connection_id: ConnectionId, said: GridMeasurement) -> None:
        """One reading."""
        connection = self._grid.get(connection_id)
        if connection is None:
            return
        before = self._watch.get(connection_id) or Watch(connection_id)
        overload = Overload.of(connection, said.import_mw, self.rule.tolerance_frac)
        if overload.mw == 0.0 and before.since is None and not before.step:
            return
        at = self.commander.now()
        if overload.mw != 0.0:
            self.overloads += 1
            self.at_once()
        wanted = self._wanted(connection, overload) if overload.mw > 0.0 else 0
        now = self._watch[connection_id] = watched(before, overload, wanted, at, self.rule)
        if now.step != before.step:
            log.warning("guard.ladder", connection=connection_id, step=now.step, overload_mw=round(overload.mw, 3))
            if now.step > before.step:
                self.trouble(
                    f"ladder.{connection_id}", f"{connection_id}: {overload.mw:.1f} MW beyond its limit, step {now.step}"
                )
            self._say(connection, now, at)

    def repeat(self, at: datetime) -> None:
        """Says again what stands: a broadcast that was lost must not keep a device out."""
        for connection_id, watch in self._watch.items():
            if watch.step and at - self._said_at[connection_id] >= self.rule.repeat:
                self._say(self._grid[connection_id], watch, at)

    def _wanted(self, connection: Connection, overload: Overload) -> int:
        """The step that is needed, counted from the bottom: what is shed already gives nothing back any more."""
        ladder, seen = self._ladders[connection.area], self.snapshot()
        drawn = []
        for rung in ladder.rungs:
            said = seen.assets.get(rung.asset_id)
            least_mw = getattr(rung.then, "power_mw", 0.0)
            drawn.append(0.0 if said is None else max(said.power_mw - least_mw, 0.0))
        return ladder.step_for(overload.mw, drawn) if ladder.rungs else 0

    def _say(self, connection: Connection, watch: Watch, at: datetime) -> None:
        stamp = self.commander.stamp()
        self._said_at[connection.id] = at
        self.commander.shed(
            Shed(
                epoch=stamp.epoch,
                seq=stamp.seq,
                issued_at=stamp.issued_at,
                ladder=connection.area,
                step=watch.step,
                until=at + self.rule.hold,
                reason=Reason(code="overload", text=f"{connection.id} was beyond its limit"),
            )
        )


async def run_guard(ticks: AsyncIterator[datetime], guard: Guard) -> None:
    """The loop: arm once, then repeat what stands."""
    guard.arm_all()
    async for at in ticks:
        guard.repeat(at)
