"""What a device must be able to do for an edge: say how it is, take a setpoint, name its safe power."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from vpp.errors import AssetError
from vpp.wire.messages import Mode, Outcome, Quality, Reason, Setpoint

__all__ = ["Applied", "Device", "Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the device says of itself at one moment.

    Args:
        measured_at: On the device's clock, aware UTC.
        power_mw: At its meter; NaN when the meter is silent. [MW, positive when consuming]
        available_mw: What it could generate now; None where that has no meaning. [MW, never negative]
        state: Further quantities by name with unit; NaN or left out when not known.
        mode: `remote` follows commands.
        limits: By name with unit, as in `max_power_mw`.
        quality: Of `power_mw`.
    """

    measured_at: datetime
    power_mw: float
    available_mw: float | None = None
    state: Mapping[str, float] = field(default_factory=dict)
    mode: Mode = "remote"
    limits: Mapping[str, float] = field(default_factory=dict)
    quality: Quality = "good"


@dataclass(frozen=True, slots=True)
class Applied:
    """What the device made of a setpoint.

    Args:
        outcome: `clamped`: followed as far as it can; `rejected`: nothing changed.
        power_mw: The power it now goes to. [MW, positive when consuming]
        reason: Why; required unless accepted.

    Raises:
        AssetError: A refusal that does not say why.
    """

    outcome: Outcome
    power_mw: float
    reason: Reason | None = None

    def __post_init__(self) -> None:
        if self.outcome != "accepted" and self.reason is None:
            raise AssetError(f"outcome {self.outcome!r} without a reason; a device that does not follow says why")


class Device(Protocol):
    """One device, whatever protocol it speaks on its other side."""

    @property
    def asset_id(self) -> str:
        """As in topics."""
        ...

    def read(self) -> Reading:
        """How it is now."""
        ...

    def apply(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """Follows a setpoint from now on; a kind it does not know is rejected, not raised.

        The same heat asked for twice is one heat.

        Args:
            setpoint: One of the five.
            ramp_mw_per_min: How fast; None: as fast as it can.
        """
        ...

    def safe_power_mw(self) -> float:
        """Where it goes when nobody commands it, from the state it is in; in MW, positive when consuming."""
        ...
