"""The park at this moment, as it is answered: structures that are encoded in one go."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from vpp.wire.messages import Outcome, Quality, Reason, Setpoint

__all__ = ["AreaLive", "AssetLive", "AssetMode", "CommandLive", "ConnectionLive", "LiveState"]


class AssetMode(StrEnum):
    """Whether an asset can be counted on, and if not, why."""

    REMOTE = "remote"
    LOCAL = "local"
    FAULT = "fault"
    OFFLINE = "offline"
    SILENT = "silent"
    AWAITED = "awaited"


class CommandLive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last command to an asset or one of its parts, and what became of it.

    Args:
        part: Of the asset, as in `furnace.0`; empty for the whole.
        setpoint: What it shall do.
        issued_at: When it was sent.
        until: When it runs out if nobody renews it.
        plan_id: The plan behind it.
        reason: Why.
        outcome: What the device answered; missing as long as it has not.
        power_mw: The power it said it goes to. [MW, positive when consuming]
        answer: Why it was clamped or rejected.
        delay_s: From issue to answer, by the clocks of both. [s]
    """

    part: str = ""
    setpoint: Setpoint
    issued_at: datetime
    until: datetime
    plan_id: str
    reason: Reason
    outcome: Outcome | None = None
    power_mw: float | None = None
    answer: Reason | None = None
    delay_s: float | None = None


class AssetLive(msgspec.Struct, frozen=True, kw_only=True):
    """One asset.

    Args:
        id: Its identity.
        kind: As in the park file.
        area: Where it stands.
        mode: See `AssetMode`.
        power_mw: At its meter; null as long as it was not heard. [MW, positive when consuming]
        available_mw: What it could generate; null where that is not meant. [MW]
        planned_mw: What the current plan has for this moment; null without one. [MW]
        quality: Of the power.
        measured_at: On its own clock.
        state: Further quantities by name with unit.
        limits: What it says it can do, by name with unit.
        commands: The last to each of its parts.
    """

    id: str
    kind: str
    area: str
    mode: AssetMode = AssetMode.AWAITED
    power_mw: float | None = None
    available_mw: float | None = None
    planned_mw: float | None = None
    quality: Quality | None = None
    measured_at: datetime | None = None
    state: dict[str, float] = msgspec.field(default_factory=dict)
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    commands: tuple[CommandLive, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it follows commands now, as far as anybody knows."""
        return self.mode is AssetMode.REMOTE


class ConnectionLive(msgspec.Struct, frozen=True, kw_only=True):
    """One connection; import flows into `area`, negative is export.

    Args:
        id: Its identity.
        area: Whose.
        to: The other end: `grid` or an area.
        import_mw: Measured; null as long as nothing was heard or it is old. [MW]
        planned_mw: What the current plan has for this moment. [MW]
        import_limit_mw: Most that may flow in. [MW]
        export_limit_mw: Most that may flow out. [MW]
        frequency_hz: Of the grid there.
        voltage_kv: Of the grid there.
        measured_at: On the gateway's clock.
    """

    id: str
    area: str
    to: str
    import_mw: float | None
    planned_mw: float | None
    import_limit_mw: float
    export_limit_mw: float
    frequency_hz: float | None
    voltage_kv: float | None
    measured_at: datetime | None


class AreaLive(msgspec.Struct, frozen=True, kw_only=True):
    """One supply area, summed over what was heard.

    Args:
        id: Its identity.
        generation_mw: Of wind, sun and units, and what stores give back. [MW]
        consumption_mw: Of loads, and what stores take. [MW]
        available_mw: What wind and sun could generate. [MW]
        unheard: Assets whose power is not known and not in the sums.
    """

    id: str
    generation_mw: float
    consumption_mw: float
    available_mw: float
    unheard: tuple[str, ...]


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole park.

    Args:
        park: Its id.
        at: The moment, in park time (UTC).
        connected: Whether the bus is there; if not, all below stands still.
        controller_heard_at: When the controller last said anything.
        plan_id: The current plan; null without one.
        areas: In the order of the park file.
        connections: Likewise.
        assets: Likewise.
    """

    park: str
    at: datetime
    connected: bool
    controller_heard_at: datetime | None
    plan_id: str | None
    areas: tuple[AreaLive, ...]
    connections: tuple[ConnectionLive, ...]
    assets: tuple[AssetLive, ...]
