"""What protects connections and frequency when clearing is not enough: when the shedding ladder is climbed, and what is armed.

Every device knows its place on its area's ladder beforehand (`controllers.dispatch.ladder`), so that one broadcast is enough:
for an overload that clearing could not end, and at once for an emergency call of the grid. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controllers.dispatch.ladder import Ladder, Rung, ladder_of, ladders_of
from vpp.events import Event
from vpp.ids import AssetId, ConnectionId
from vpp.park import Asset, Connection, Park
from vpp.wire.messages import LadderPlace, Reflex, Switch, Target

__all__ = [
    "Emergency",
    "GuardRule",
    "Ladder",
    "Overload",
    "Rung",
    "Watch",
    "arming_of",
    "emergency_on",
    "ladder_of",
    "places_on",
    "watched",
]

#: Quantities of a reading that reflexes look at.
_FREQUENCY: Final = "frequency_hz"
NOMINAL_HZ: Final = 50.0


@dataclass(frozen=True, slots=True)
class GuardRule:
    """When the guard acts.

    Args:
        tolerance_frac: Share of a limit by which it may be passed: meters have noise.
        patience: Clearing is given this long to end an overload, before the ladder is used; so long is also waited before it is
            climbed further, because what was shed must first be seen at the meter.
        near_mw: By so much the target of an emergency may be missed: meters have noise. [MW]
        hold: A step of the ladder stands this long after it was last needed; what was shed is then given back rung by rung.
        repeat: A broadcast is said again so often while it stands.
        reflex_hz: Batteries act this far from nominal frequency, electrolysers and feeders further out. [Hz]
        reflex_hold_s: A reflex holds this long. [s]
    """

    tolerance_frac: float = 0.01
    near_mw: float = 1.0
    patience: timedelta = timedelta(seconds=3)
    hold: timedelta = timedelta(seconds=60)
    repeat: timedelta = timedelta(seconds=2)
    reflex_hz: tuple[float, float, float] = (0.2, 0.5, 0.8)
    reflex_hold_s: float = 30.0


def arming_of(
    park: Park, asset: Asset, rule: GuardRule, places: Mapping[AssetId, tuple[LadderPlace, ...]] | None = None
) -> tuple[tuple[Reflex, ...], tuple[LadderPlace, ...]]:
    """What is armed at a device: its reflexes on frequency and its places on ladders; both empty for most kinds.

    Args:
        park: What is in service.
        asset: Which.
        rule: When reflexes act.
        places: Of all devices; None for those of a year in which nobody was shed yet.
    """
    known = places_on(ladders_of(park).values()) if places is None else places
    return _reflexes(asset, rule), known.get(asset.id, ())


def places_on(ladders: Iterable[Ladder]) -> Mapping[AssetId, tuple[LadderPlace, ...]]:
    """Every device's places; one behind two connections to the grid stands on two ladders."""
    found: dict[AssetId, tuple[LadderPlace, ...]] = {}
    for ladder in ladders:
        for step, rung in enumerate(ladder.rungs, start=1):
            place = LadderPlace(ladder=ladder.area, step=step, then=rung.then)
            found[rung.asset_id] = (*found.get(rung.asset_id, ()), place)
    return found


def _reflexes(asset: Asset, rule: GuardRule) -> tuple[Reflex, ...]:
    near, far, last = rule.reflex_hz
    match asset.kind:
        case "battery":
            power_mw = asset.plate.power_mw
            return (
                Reflex(quantity=_FREQUENCY, below=NOMINAL_HZ - near, hold_s=rule.reflex_hold_s, then=Target(power_mw=-power_mw)),
                Reflex(quantity=_FREQUENCY, above=NOMINAL_HZ + near, hold_s=rule.reflex_hold_s, then=Target(power_mw=power_mw)),
            )
        case "electrolyser":
            return (Reflex(quantity=_FREQUENCY, below=NOMINAL_HZ - far, hold_s=rule.reflex_hold_s, then=Target(power_mw=0.0)),)
        case "feeder":
            return (Reflex(quantity=_FREQUENCY, below=NOMINAL_HZ - last, hold_s=rule.reflex_hold_s, then=Switch(closed=False)),)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Overload:
    """By how much a connection is beyond a limit: positive for import, negative for export, zero inside. [MW]."""

    mw: float

    @classmethod
    def of(cls, connection: Connection, import_mw: float, tolerance_frac: float) -> Overload:
        """Beyond the limit by more than its tolerance, or not at all."""
        over = import_mw - connection.import_limit_mw
        under = -import_mw - connection.export_limit_mw
        if over > tolerance_frac * connection.import_limit_mw:
            return cls(over)
        if under > tolerance_frac * connection.export_limit_mw:
            return cls(-under)
        return cls(0.0)


@dataclass(frozen=True, slots=True)
class Emergency:
    """What the grid's emergency calls that bind now ask of a connection together.

    Args:
        at_most_mw: Import to keep at most. [MW]
        until: The end of the last of them.
        event_id: Of the one that asks for least.
    """

    at_most_mw: float
    until: datetime
    event_id: str

    def overload(self, import_mw: float, near_mw: float) -> Overload:
        """Beyond the target by more than noise, or not at all."""
        over_mw = import_mw - self.at_most_mw
        return Overload(over_mw if over_mw > near_mw else 0.0)


def emergency_on(events: Iterable[Event], connection: ConnectionId, at: datetime) -> Emergency | None:
    """Emergencies in force on a connection; None without any. One at a cluster's own meter says nothing of the connection's."""
    mine = (e for e in events if e.kind == "emergency" and e.connection == connection and e.asset_id is None)
    binding = [event for event in mine if event.in_force(at)]
    if not binding:
        return None
    least = min(binding, key=lambda event: (event.target_mw, event.event_id))
    return Emergency(least.target_mw, max(event.end for event in binding), least.event_id)


@dataclass(frozen=True, slots=True)
class Watch:
    """What the guard remembers of one connection.

    Args:
        connection: Which.
        since: Since when it is overloaded; None inside its limits.
        step: Of the ladder, now; 0 at rest.
        needed_at: When the step was last needed.
        climbed_at: When it was last raised.
    """

    connection: ConnectionId
    since: datetime | None = None
    step: int = 0
    needed_at: datetime | None = None
    climbed_at: datetime | None = None


def watched(  # noqa: PLR0913  a reading, and the two things that change how it is taken
    watch: Watch,
    overload: Overload,
    wanted_step: int,
    at: datetime,
    rule: GuardRule,
    *,
    emergency: bool = False,
    may_give_back: bool = True,
) -> Watch:
    """The next state of a watch after a reading.

    Args:
        watch: Before.
        overload: As it reads.
        wanted_step: Of the ladder, to end an overload of import from where it is now.
        at: When.
        rule: When to act.
        emergency: Whether the grid calls for it: then nobody waits for clearing.
        may_give_back: Whether what the highest rung would take again has room.
    """
    since = (watch.since or at) if overload.mw != 0.0 else None
    watch = replace(watch, since=since)
    if overload.mw > 0.0 and since is not None and (emergency or at - since >= rule.patience):
        settling = watch.climbed_at is not None and at - watch.climbed_at < rule.patience
        if wanted_step <= watch.step or (settling and watch.step):
            return replace(watch, needed_at=at)
        return replace(watch, step=wanted_step, needed_at=at, climbed_at=at)
    if watch.step and watch.needed_at is not None and at - watch.needed_at >= rule.hold and may_give_back:
        # One rung at a time: what was shed must not all come back at once.
        return replace(watch, step=watch.step - 1, needed_at=at)
    return watch
