"""The shedding ladder (切除阶梯) of an area: who gives power back, how much, how fast, at what cost, and who has given enough.

A ladder belongs to an area with a connection to the grid and carries its name. Its rungs are what can give power back at once
behind that connection, in the area itself and in those that reach the grid through it: the cheapest first, among equals the one
that was shed least this year. An interruptible feeder whose contract has no call or hour left, and an asset
that somebody has taken into their own hand, are left out with the reason. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controllers.dispatch.snapshot import Snapshot
from vpp.events import Override, PinLocal, PinOut
from vpp.ids import AreaId, AssetId
from vpp.park import Asset, Park, areas_behind
from vpp.park.plates import ElectrolyserPlate
from vpp.units import kwh_per_nm3_to_mwh_per_kg
from vpp.wire.messages import Setpoint, Switch, Target

__all__ = [
    "GUARD_KEY",
    "GuardFacts",
    "Ladder",
    "LadderFacts",
    "LeftOut",
    "Rung",
    "RungFacts",
    "Used",
    "in_hand",
    "ladder_facts",
    "ladder_of",
    "ladders_of",
    "used_of",
]

#: Under this name the facts stand in the ledger, as JSON.
GUARD_KEY: Final = "controller.guard"
#: An inverter turns its power within so long. [s]
_INVERTER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Used:
    """How often and how long a device was shed in the park's year.

    Args:
        calls: Times.
        open_h: In all. [h]
    """

    calls: int = 0
    open_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One device on a ladder.

    Args:
        relief_mw: What it gives back at most. [MW]
        cost_cny_per_mwh: What each MWh of it costs.
        then: What it does.
        full_after_s: From the broadcast to all of it. [s]
        used: This year, so far.
        calls_per_year: Most by contract; None without one.
        hours_per_year: Most by contract; None without one. [h]
    """

    asset_id: AssetId
    relief_mw: float
    cost_cny_per_mwh: float
    then: Setpoint
    full_after_s: float = 0.0
    used: Used = field(default_factory=Used)
    calls_per_year: int | None = None
    hours_per_year: float | None = None

    @property
    def then_mw(self) -> float:
        """Where it goes; an open feeder draws nothing. [MW, positive when consuming]."""
        return self.then.power_mw if isinstance(self.then, Target) else 0.0

    @property
    def spent(self) -> str:
        """Why the contract lets it be called no more this year; empty as long as it does."""
        if self.calls_per_year is not None and self.used.calls >= self.calls_per_year:
            return f"all {self.calls_per_year} calls of the year's contract are used"
        if self.hours_per_year is not None and self.used.open_h >= self.hours_per_year:
            return f"all {self.hours_per_year:g} h of the year's contract are used"
        return ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that would stand on the ladder, and why it does not."""

    rung: Rung
    reason: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of an area, the cheapest first; the first one is step 1."""

    area: AreaId
    rungs: tuple[Rung, ...]
    out: tuple[LeftOut, ...] = ()

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

    def same_places(self, other: Ladder | None) -> bool:
        """Whether every device stands on the same step and does the same there."""
        return other is not None and [(r.asset_id, r.then) for r in self.rungs] == [(r.asset_id, r.then) for r in other.rungs]


def ladder_of(
    park: Park, area: AreaId, used: Mapping[AssetId, Used] | None = None, held: Mapping[AssetId, str] | None = None
) -> Ladder:
    """The ladder of an area with a connection to the grid; one without has none.

    Args:
        park: What is in service.
        area: Whose.
        used: What was shed this year already; None for nothing.
        held: Assets that are in somebody's hand, with the reason.
    """
    known, taken = used or {}, held or {}
    behind = {there for c in park.connections if c.is_grid and c.area == area for there in areas_behind(park, c)}
    rungs, out = [], []
    for asset in park.assets:
        rung = _rung(park, asset, known.get(asset.id, Used())) if asset.area in behind else None
        if rung is None:
            continue
        reason = rung.spent or taken.get(asset.id, "")
        if reason:
            out.append(LeftOut(rung, reason))
        else:
            rungs.append(rung)
    rungs.sort(key=lambda rung: (rung.cost_cny_per_mwh, rung.used.calls, rung.asset_id))
    return Ladder(area, tuple(rungs), tuple(sorted(out, key=lambda one: one.rung.asset_id)))


def _rung(park: Park, asset: Asset, used: Used) -> Rung | None:
    plate = asset.plate
    match asset.kind:
        case "battery":
            target = Target(power_mw=-plate.power_mw)
            return Rung(asset.id, 2.0 * plate.power_mw, plate.wear_cny_per_mwh, target, _INVERTER_S, used)
        case "electrolyser":
            whole_mw, down_s = plate.stacks * plate.stack_mw, plate.max_load_frac / plate.ramp_frac_per_s
            return Rung(asset.id, whole_mw, _worth_cny_per_mwh(park, plate), Target(power_mw=0.0), down_s, used)
        case "feeder":
            then, most = Switch(closed=False), (plate.calls_per_year, plate.hours_per_year)
            return Rung(asset.id, plate.power_mw, plate.call_cny_per_mwh, then, plate.breaker_s, used, *most)
        case _:
            return None


def _worth_cny_per_mwh(park: Park, plate: ElectrolyserPlate) -> float:
    """What a MWh becomes as hydrogen, where the stacks make the most of it."""
    return park.prices.hydrogen_cny_per_kg / kwh_per_nm3_to_mwh_per_kg(min(plate.specific_kwh_per_nm3))


def ladders_of(
    park: Park, used: Mapping[AssetId, Used] | None = None, held: Mapping[AssetId, str] | None = None
) -> dict[AreaId, Ladder]:
    """Every ladder of a park; see `ladder_of`."""
    return {area: ladder_of(park, area, used, held) for area in dict.fromkeys(c.area for c in park.connections if c.is_grid)}


def used_of(park: Park, seen: Snapshot, counted: Mapping[AssetId, Used]) -> Mapping[AssetId, Used]:
    """What was used this year: as counted here, and for feeders as their own relay tells, whichever is more.

    A feeder that somebody else has opened, as its own grid company may, has used up its contract all the same.
    """
    found = dict(counted)
    for asset in park.assets_of("feeder"):
        said = seen.assets.get(asset.id)
        if said is None:
            continue
        known = counted.get(asset.id, Used())
        calls = asset.plate.calls_per_year - round(said.state.get("calls_left", asset.plate.calls_per_year))
        open_h = asset.plate.hours_per_year - said.state.get("hours_left_h", asset.plate.hours_per_year)
        found[asset.id] = Used(max(known.calls, calls), max(known.open_h, open_h))
    return found


def in_hand(overrides: Iterable[Override], at: datetime) -> Mapping[AssetId, str]:
    """Assets that no broadcast must move now, with the reason: somebody works on them, or runs them from their own room."""
    words = {PinOut: "maintenance", PinLocal: "in its own control room"}
    return {o.asset_id: words[type(o.pin)] for o in overrides if type(o.pin) in words and o.in_force(at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RungFacts:
    """A rung as it is told; see `Rung`.

    Args:
        step: Its place; 0 for one that is left out.
        then_mw: Where the rung leaves it. [MW, positive when consuming]
        reason: Why it is left out; empty for the others.
    """

    step: int
    asset_id: str
    relief_mw: float
    then_mw: float
    cost_cny_per_mwh: float
    full_after_s: float
    calls: int
    open_h: float
    calls_per_year: int | None = None
    hours_per_year: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderFacts:
    """A ladder as it is armed in the devices.

    Args:
        area: Whose.
        connections: That it protects.
        armed_at: When its devices last learnt their places; None before the first time.
        step: That stands now; 0 at rest.
        reason: Why it stands; empty at rest.
        rungs: In their order, those that are left out last.
        until: Until when a device may stand on a step that it was told; None before the first, or as an older version noted it.
    """

    area: str
    connections: tuple[str, ...]
    armed_at: datetime | None
    step: int
    reason: str
    rungs: tuple[RungFacts, ...]
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """All ladders, and what was used: what the controller leaves for whoever asks, and for the one after it.

    Args:
        year: In park time, that `used` counts.
        used: By asset, as counted here.
        ladders: One an area with a connection to the grid.
    """

    year: int
    used: Mapping[str, Used]
    ladders: tuple[LadderFacts, ...]


def ladder_facts(ladder: Ladder) -> tuple[RungFacts, ...]:
    """Its rungs as they are told."""
    placed = [(step, rung, "") for step, rung in enumerate(ladder.rungs, start=1)]
    placed += [(0, one.rung, one.reason) for one in ladder.out]
    return tuple(
        RungFacts(
            step=step,
            asset_id=rung.asset_id,
            relief_mw=rung.relief_mw,
            then_mw=rung.then_mw,
            cost_cny_per_mwh=rung.cost_cny_per_mwh,
            full_after_s=rung.full_after_s,
            calls=rung.used.calls,
            open_h=rung.used.open_h,
            calls_per_year=rung.calls_per_year,
            hours_per_year=rung.hours_per_year,
            reason=reason,
        )
        for step, rung, reason in placed
    )
