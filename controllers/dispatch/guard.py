"""What protects connections and frequency when clearing is not enough: a shedding ladder prepared in advance, and armed reflexes.

A ladder belongs to an area with a connection of its own. Its rungs are what can give power back at once, the cheapest first:
batteries, electrolysers, interruptible feeders. Every device knows its place beforehand, so that one broadcast is enough. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park import Asset, Connection, Park
from vpp.park.plates import ElectrolyserPlate
from vpp.units import kwh_per_nm3_to_mwh_per_kg
from vpp.wire.messages import LadderPlace, Reflex, Setpoint, Switch, Target

__all__ = ["GuardRule", "Ladder", "Overload", "Rung", "Watch", "arming_of", "ladder_of", "watched"]

#: Quantities of a reading that reflexes look at.
_FREQUENCY: Final = "frequency_hz"
NOMINAL_HZ: Final = 50.0


@dataclass(frozen=True, slots=True)
class GuardRule:
    """When the guard acts.

    Args:
        tolerance_frac: Share of a limit by which it may be passed: meters have noise.
        patience: Clearing is given this long to end an overload, before the ladder is used.
        hold: A step of the ladder stands this long after it was last needed; what was shed is then given back rung by rung.
        repeat: A broadcast is said again so often while it stands.
        reflex_hz: Batteries act this far from nominal frequency, electrolysers and feeders further out. [Hz]
        reflex_hold_s: A reflex holds this long. [s]
    """

    tolerance_frac: float = 0.01
    patience: timedelta = timedelta(seconds=3)
    hold: timedelta = timedelta(seconds=60)
    repeat: timedelta = timedelta(seconds=2)
    reflex_hz: tuple[float, float, float] = (0.2, 0.5, 0.8)
    reflex_hold_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One device on a ladder.

    Args:
        relief_mw: What it gives back at most. [MW]
        cost_cny_per_mwh: What each MWh of it costs.
        then: What it does.
    """

    asset_id: AssetId
    relief_mw: float
    cost_cny_per_mwh: float
    then: Setpoint


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of an area, the cheapest first; the first one is step 1."""

    area: AreaId
    rungs: tuple[Rung, ...]

    def step_for(self, relief_mw: float, drawn_mw: Iterable[float]) -> int:
        """The lowest step that gives back so much.

        Args:
            relief_mw: Wanted. [MW]
            drawn_mw: What each rung can give back as things are, in the order of the rungs; not negative. [MW]
        """
        given = 0.0
        for step, mw in enumerate(drawn_mw, start=1):
            given += mw
            if given >= relief_mw:
                return step
        return len(self.rungs)


def ladder_of(park: Park, area: AreaId) -> Ladder:
    """The ladder of an area by what shedding costs."""
    rungs = [rung for asset in park.assets if asset.area == area and (rung := _rung(park, asset)) is not None]
    return Ladder(area, tuple(sorted(rungs, key=lambda rung: (rung.cost_cny_per_mwh, rung.asset_id))))


def _rung(park: Park, asset: Asset) -> Rung | None:
    plate = asset.plate
    match asset.kind:
        case "battery":
            return Rung(asset.id, 2.0 * plate.power_mw, plate.wear_cny_per_mwh, Target(power_mw=-plate.power_mw))
        case "electrolyser":
            return Rung(asset.id, plate.stacks * plate.stack_mw, _worth_cny_per_mwh(park, plate), Target(power_mw=0.0))
        case "feeder":
            return Rung(asset.id, plate.power_mw, plate.call_cny_per_mwh, Switch(closed=False))
        case _:
            return None


def _worth_cny_per_mwh(park: Park, plate: ElectrolyserPlate) -> float:
    """What a MWh becomes as hydrogen, where the stacks make the most of it."""
    return park.prices.hydrogen_cny_per_kg / kwh_per_nm3_to_mwh_per_kg(min(plate.specific_kwh_per_nm3))


def arming_of(park: Park, asset: Asset, rule: GuardRule) -> tuple[tuple[Reflex, ...], tuple[LadderPlace, ...]]:
    """What is armed at a device: its reflexes on frequency and its place on its area's ladder; both empty for most kinds."""
    ladder = ladder_of(park, asset.area)
    places = tuple(
        LadderPlace(ladder=ladder.area, step=step, then=rung.then)
        for step, rung in enumerate(ladder.rungs, start=1)
        if rung.asset_id == asset.id
    )
    return _reflexes(asset, rule), places


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
class Watch:
    """What the guard remembers of one connection.

    Args:
        connection: Which.
        since: Since when it is overloaded; None inside its limits.
        step: Of the ladder, now; 0 at rest.
        needed_at: When the step was last needed.
    """

    connection: ConnectionId
    since: datetime | None = None
    step: int = 0
    needed_at: datetime | None = None


def watched(watch: Watch, overload: Overload, wanted_step: int, at: datetime, rule: GuardRule) -> Watch:
    """The next state of a watch after a reading.

    Args:
        watch: Before.
        overload: As it reads.
        wanted_step: Of the ladder, to end an overload of import from where it is now.
        at: When.
        rule: When to act.
    """
    since = (watch.since or at) if overload.mw != 0.0 else None
    watch = replace(watch, since=since)
    if overload.mw > 0.0 and since is not None and at - since >= rule.patience:
        return replace(watch, step=max(watch.step, wanted_step), needed_at=at)
    if watch.step and watch.needed_at is not None and at - watch.needed_at >= rule.hold:
        # One rung at a time: what was shed must not all come back at once.
        return replace(watch, step=watch.step - 1, needed_at=at)
    return watch
