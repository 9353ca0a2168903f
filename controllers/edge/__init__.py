"""What stands beside a device: lease, sequence, fallback, telemetry."""

from __future__ import annotations

from controllers.edge.device import Applied, Device, Reading
from controllers.edge.edge import Edge, EdgeCounters, EdgeSettings, Timepiece, offline_will
from controllers.edge.lease import Lease, LeaseRules, Order, Phase, Verdict

__all__ = [
    "Applied",
    "Device",
    "Edge",
    "EdgeCounters",
    "EdgeSettings",
    "Lease",
    "LeaseRules",
    "Order",
    "Phase",
    "Reading",
    "Timepiece",
    "Verdict",
    "offline_will",
]
