"""A fault as people write it in a scenario file, and what may be written for which kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from vpp.park import Park

__all__ = ["KINDS", "FaultEntry", "FaultKind", "KindRule", "entry_faults", "targets_of"]

FaultKind: TypeAlias = Literal[
    "lost",
    "late",
    "doubled",
    "reordered",
    "malformed",
    "broker_restart",
    "silent_device",
    "lying_meter",
    "stuck_sensor",
    "clock_skew",
    "refused_command",
    "forecast_missing",
    "forecast_wrong",
    "plant_trip",
]
Target: TypeAlias = Literal["message", "device", "meter", "asset", "farm", "nothing"]

_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class KindRule:
    """What a kind of fault acts on and how strongly where the scenario does not say.

    Args:
        target: `message` topics, `device` any asset but a cluster, `meter` those and connections, `asset` any, `farm` wind farms.
        duration_h: Mean length of one that is drawn. [h]
        keys: Numbers that it takes, with their defaults.
    """

    target: Target
    duration_h: float
    keys: Mapping[str, float]


#: Every kind; lengths and strengths are assumptions that a scenario may change.
KINDS: Final[Mapping[str, KindRule]] = {
    "lost": KindRule("message", 0.25, {"share_frac": 0.5}),
    "late": KindRule("message", 0.25, {"share_frac": 0.5, "delay_s": 30.0}),
    "doubled": KindRule("message", 0.25, {"share_frac": 0.5}),
    "reordered": KindRule("message", 0.25, {"share_frac": 0.5}),
    "malformed": KindRule("message", 0.25, {"share_frac": 0.2}),
    "broker_restart": KindRule("nothing", 0.02, {}),
    "silent_device": KindRule("asset", 0.5, {}),
    "lying_meter": KindRule("meter", 1.0, {"factor": 1.5}),
    "stuck_sensor": KindRule("meter", 1.0, {}),
    "clock_skew": KindRule("asset", 1.0, {"skew_s": 90.0}),
    "refused_command": KindRule("device", 0.5, {}),
    "forecast_missing": KindRule("farm", 12.0, {}),
    "forecast_wrong": KindRule("farm", 12.0, {"factor": 0.5}),
    "plant_trip": KindRule("device", 1.0, {}),
}
_NUMBERS: Final = ("share_frac", "delay_s", "factor", "skew_s")


class FaultEntry(BaseModel):
    """One line of `faults:`: a fault at a time, or faults drawn by seed at a rate.

    Args:
        kind: See `KINDS`.
        asset: Which; with a rate and without a name it is drawn among those it can befall; without one a forecast fails for all.
        connection: Which, for a meter.
        topic: Filter below the park's root, as in `asset/+/telemetry`, for messages; all of them where left out.
        start_h: After the scenario's start. [h]
        duration_h: How long; the mean length for one with a rate. [h]
        rate_per_day: How often on average, instead of `start_h`.
        share_frac: Of the messages it may take, how many it takes (0..1).
        delay_s: How late. [s]
        factor: What a lying meter, or the wind of a wrong run, is multiplied by.
        skew_s: How far a clock is ahead; negative is behind. [s]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    asset: str | None = None
    connection: str | None = None
    topic: Annotated[str, Field(min_length=1)] | None = None
    start_h: Annotated[_Number, Field(ge=0)] | None = None
    duration_h: Annotated[_Number, Field(gt=0)] | None = None
    rate_per_day: Annotated[_Number, Field(gt=0, le=10_000)] | None = None
    share_frac: Annotated[_Number, Field(gt=0, le=1)] | None = None
    delay_s: Annotated[_Number, Field(gt=0)] | None = None
    factor: Annotated[_Number, Field(ge=0, le=100)] | None = None
    skew_s: _Number | None = None

    def number(self, name: str) -> float:
        """A strength as written, or the kind's own; 0 where the kind has none."""
        written: float | None = getattr(self, name)
        return written if written is not None else KINDS[self.kind].keys.get(name, 0.0)


def targets_of(kind: str, park: Park) -> tuple[str, ...]:
    """Ids of the assets that a kind of fault can befall; none for messages and the broker."""
    match KINDS[kind].target:
        case "asset":
            return tuple(a.id for a in park.assets)
        case "device" | "meter":
            return tuple(a.id for a in park.assets if a.kind != "compute")
        case "farm":
            return tuple(a.id for a in park.assets_of("wind"))
        case _:
            return ()


def entry_faults(where: str, entry: FaultEntry, park: Park) -> Iterator[str]:
    """One line for each rule that an entry breaks.

    Args:
        where: File and key, as in `storm.yaml: faults.3`.
        entry: As read.
        park: Which has or has not what it names.
    """
    rule = KINDS[entry.kind]
    if (entry.start_h is None) == (entry.rate_per_day is None):
        yield f"{where}: {entry.kind} needs start_h or rate_per_day, one of the two"
    placed = entry.asset is not None or entry.connection is not None
    if entry.start_h is not None and rule.target in ("asset", "device", "meter") and not placed:
        yield f"{where}: {entry.kind} with start_h needs asset" + (" or connection" if rule.target == "meter" else "")
    if entry.start_h is not None and entry.duration_h is None:
        yield f"{where}: {entry.kind} with start_h needs duration_h, in hours"
    for name in _NUMBERS:
        if getattr(entry, name) is not None and name not in rule.keys:
            takes = ", ".join(rule.keys) or "no number"
            yield f"{where}.{name}: {entry.kind} takes {takes}"
    yield from _target_faults(where, entry, park, rule)


def _target_faults(where: str, entry: FaultEntry, park: Park, rule: KindRule) -> Iterator[str]:
    if entry.topic is not None and rule.target != "message":
        yield f"{where}.topic: {entry.kind} takes no topic; messages do"
    if entry.connection is not None:
        if rule.target != "meter":
            yield f"{where}.connection: {entry.kind} takes no connection; a meter does"
        elif entry.connection not in {c.id for c in park.connections}:
            yield f"{where}.connection: {entry.connection!r}: no such connection in {park.id} on {park.at}"
        if entry.asset is not None:
            yield f"{where}: names an asset and a connection; one fault has one place"
    if entry.asset is None:
        return
    can = targets_of(entry.kind, park)
    if entry.asset not in {a.id for a in park.assets}:
        yield f"{where}.asset: {entry.asset!r}: no such asset in {park.id} on {park.at}"
    elif rule.target == "message":
        yield f"{where}.asset: {entry.kind} takes a topic, as in asset/{entry.asset}/telemetry"
    elif entry.asset not in can:
        may = {"nothing": "takes no asset", "farm": "befalls wind farms", "device": "befalls no computing cluster"}
        yield f"{where}.asset: {entry.asset!r}: {entry.kind} {may.get(rule.target, 'befalls no computing cluster')}"


assert set(KINDS) == set(get_args(FaultKind))  # noqa: S101  a kind without a rule would fail at its first use only
