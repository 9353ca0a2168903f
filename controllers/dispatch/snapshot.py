"""The plant as it was reported, frozen at one instant; a loop sees one of these and it cannot change under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from forecasting.arrival_outlook import ArrivalOutlook
from vpp.events import Event, Override
from vpp.ids import AssetId, ConnectionId
from vpp.spot import SpotPrices

__all__ = ["ClusterReport", "Reported", "Snapshot", "Work"]


@dataclass(frozen=True, slots=True)
class Reported:
    """What one device last said.

    Args:
        measured_at: On the device's clock.
        power_mw: At its meter, positive when consuming. [MW]
        available_mw: What it could generate; None where not meant. [MW]
        state: Further quantities by name.
        online: Whether its edge listens and follows commands.
        confirmed_mw: Power it acknowledged it goes to; None before the first ack.
        follows: Whether it took the last command; one that refuses is not counted on, but asked again.
    """

    measured_at: datetime
    power_mw: float
    available_mw: float | None
    state: Mapping[str, float]
    online: bool
    confirmed_mw: float | None = None
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """Deferrable work of one class as its scheduler reports it."""

    job_class: str
    energy_mwh: float
    release: datetime
    deadline: datetime
    max_mw: float


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What a cluster's scheduler last said, and what is expected to come to it; None where only its plate is known."""

    measured_at: datetime
    power_mw: float
    state: Mapping[str, float]
    work: tuple[Work, ...]
    fast_band_mw: float
    arriving: ArrivalOutlook | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known of the plant at one instant.

    Args:
        at: When it was taken (UTC).
        assets: Fresh reports only; a silent device is not here.
        clusters: Fresh reports of computing clusters.
        import_mw: Measured at each connection; negative is export. [MW]
        silent: Devices that have spoken before and are overdue.
        events: Calls of the grid that bind now or later, neither refused nor cancelled.
        spot: Published spot prices, by connection to the grid; empty where the tariff has the hours' prices.
        overrides: What people have decided that binds now or later.
        recovering: Calls to cut that ended a short while ago; they bind nothing, but what was shed comes back slowly.
        before_mw: What was drawn just before a call that runs or recovers, by event, where it was measured. [MW]
    """

    at: datetime
    assets: Mapping[AssetId, Reported]
    clusters: Mapping[AssetId, ClusterReport]
    import_mw: Mapping[ConnectionId, float]
    silent: frozenset[AssetId] = field(default_factory=frozenset)
    events: tuple[Event, ...] = ()
    spot: Mapping[ConnectionId, SpotPrices] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    recovering: tuple[Event, ...] = ()
    before_mw: Mapping[str, float] = field(default_factory=dict)
