"""What planning and dispatch may ask of an asset kind: arrays go in and come out, nothing is mutated.

Every array has one row a machine of the kind, shape (assets,), unless it says otherwise. A single asset's view is derived: arrays
of length one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np

from vpp.errors import AssetError
from vpp.units import FloatArray

__all__ = [
    "AssetKind",
    "EnergyAccount",
    "EnergyReach",
    "PowerBand",
    "StateBounds",
    "accepted",
    "columns",
    "state_from_facts",
]

#: What rounding may do to a power that was inside its band, relative to one megawatt or the power itself.
POWER_TOLERANCE: Final = 1e-9

PlateT = TypeVar("PlateT")
StateT = TypeVar("StateT")
ColumnsT = TypeVar("ColumnsT")


@dataclass(frozen=True, slots=True)
class PowerBand:
    """Constant powers that a machine can hold over the coming step, positive when consuming.

    Args:
        low_mw: Least power, shape (assets,). [MW]
        high_mw: Greatest power, shape (assets,), never below `low_mw`. [MW]
    """

    low_mw: FloatArray
    high_mw: FloatArray

    def clip(self, asked_mw: FloatArray) -> FloatArray:
        """The nearest power inside the band."""
        return np.clip(asked_mw, self.low_mw, self.high_mw)


@dataclass(frozen=True, slots=True)
class EnergyReach:
    """Least and most energy a machine can take within each horizon from now, all else free in between.

    Args:
        low_mwh: Shape (assets, horizons); negative where the machine can deliver. [MWh]
        high_mwh: Shape (assets, horizons). [MWh]
    """

    low_mwh: FloatArray
    high_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class EnergyAccount:
    """Where the energy of a step went; `taken_mwh = stored_mwh + used_mwh + lost_mwh` to rounding.

    Each part is computed from its own physics, so that the sum is a check and not a definition.
    """

    taken_mwh: FloatArray
    stored_mwh: FloatArray
    used_mwh: FloatArray
    lost_mwh: FloatArray


@dataclass(frozen=True, slots=True)
class StateBounds(Generic[StateT]):
    """Limits that no state may leave, as two states; infinite where nothing limits a quantity."""

    low: StateT
    high: StateT


class AssetKind(Protocol[PlateT, StateT]):
    """One kind of machine, for all its machines at once.

    `PlateT` and `StateT` are frozen dataclasses of float arrays, shape (assets,), or (assets, columns) for curves and classes.
    The state's field names are the keys of the telemetry's `state{}`.
    """

    @property
    def name(self) -> str:
        """The kind as written in a park file, as in `battery`."""
        ...

    @property
    def splits_exactly(self) -> bool:
        """Whether one step equals many short ones under the same power."""
        ...

    def plate(self, plates: Sequence[Any]) -> PlateT:
        """The records of a park as arrays."""
        ...

    def initial(self, plate: PlateT) -> StateT:
        """A plausible state to start from: half full, idle, warm."""
        ...

    def bounds(self, plate: PlateT) -> StateBounds[StateT]:
        """What limits each quantity of the state, inputs from outside included."""
        ...

    def feasible(self, plate: PlateT, state: StateT, step_h: float) -> PowerBand:
        """Mean powers each machine can keep over the coming step, its limits, ramps and stores respected.

        A machine that runs in steps (a breaker, a heat, a start) meets a mean by the time it spends in each of them.
        """
        ...

    def step(self, plate: PlateT, state: StateT, power_mw: FloatArray, step_h: float) -> StateT:
        """The state after a step at a feasible power.

        Raises:
            AssetError: A power is outside `feasible`; clip first.
        """
        ...

    def account(self, plate: PlateT, before: StateT, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Where the energy of that step goes."""
        ...

    def safe_power_mw(self, plate: PlateT, state: StateT) -> FloatArray:
        """The power a machine goes to when nobody commands it."""
        ...

    def reach(self, plate: PlateT, state: StateT, horizons_h: FloatArray) -> EnergyReach:
        """Bounds on the energy over `[0, h]` for each horizon: never inside what a feasible schedule does.

        Schedules may cut time into any steps and may use the kind's own commands (counts, switches, heats); what comes from
        outside (weather, demand, arrivals) stays as the state says.
        """
        ...


def accepted(kind: str, band: PowerBand, power_mw: FloatArray) -> FloatArray:
    """The power itself, rid of rounding at the edges of its band.

    Raises:
        AssetError: A power is missing, outside its band, or of another shape.
    """
    if power_mw.shape != band.low_mw.shape:
        raise AssetError(f"{kind}: {power_mw.shape} powers for {band.low_mw.shape} machines")
    slack_mw = POWER_TOLERANCE * (1.0 + np.abs(power_mw))
    # Written so that NaN counts as outside.
    inside = (power_mw >= band.low_mw - slack_mw) & (power_mw <= band.high_mw + slack_mw)
    if not bool(np.all(inside)):
        i = int(np.argmin(inside))
        raise AssetError(
            f"{kind}[{i}]: power_mw {power_mw[i]} is outside [{band.low_mw[i]}, {band.high_mw[i]}]; clip to feasible first"
        )
    return band.clip(power_mw)


def columns(shape: type[ColumnsT], records: Sequence[Any]) -> ColumnsT:
    """Records as arrays: each field of `shape` gathers the attribute of the same name.

    Args:
        shape: A dataclass of float arrays.
        records: Plates of one kind; booleans and counts become floats, tuples become rows, short rows repeat their last value.
    """
    gathered = {
        f.name: _gather([getattr(record, f.name) for record in records])
        for f in fields(shape)  # type: ignore[arg-type]  # a TypeVar cannot say "dataclass"
    }
    return shape(**gathered)


def _gather(values: Sequence[Any]) -> FloatArray:
    if values and isinstance(values[0], tuple):
        width = max(len(row) for row in values)
        values = [row + row[-1:] * (width - len(row)) for row in values]
    return np.array(values, dtype=np.float64)


def state_from_facts(shape: type[ColumnsT], facts: Sequence[Mapping[str, float]], otherwise: ColumnsT) -> ColumnsT:
    """Telemetry `state{}` of several machines as arrays; what a machine does not tell is taken from `otherwise`.

    Raises:
        AssetError: The number of machines differs.
    """
    gathered: dict[str, FloatArray] = {}
    for f in fields(shape):  # type: ignore[arg-type]  # a TypeVar cannot say "dataclass"
        known: FloatArray = getattr(otherwise, f.name)
        if known.shape[0] != len(facts):
            raise AssetError(f"{f.name}: telemetry of {len(facts)} machines against {known.shape[0]} plates")
        if known.ndim == 1:
            gathered[f.name] = np.array([float(told.get(f.name, k)) for told, k in zip(facts, known, strict=True)])
        else:
            gathered[f.name] = np.array(
                [[float(told.get(f"{f.name}.{j}", k)) for j, k in enumerate(row)] for told, row in zip(facts, known, strict=True)]
            )
    return shape(**gathered)
