"""Every message of the wire contract, as frozen structures."""

from __future__ import annotations

from vpp.wire.messages.asset import (
    Ack,
    Arm,
    Command,
    FallbackPoint,
    FallbackProfile,
    HeatStart,
    LadderPlace,
    Limit,
    Reflex,
    Setpoint,
    Shed,
    StackCounts,
    Status,
    Switch,
    Target,
    Telemetry,
)
from vpp.wire.messages.base import Issued, Message, Reason
from vpp.wire.messages.compute import (
    AcceptedInterval,
    Backlog,
    BacklogItem,
    ComputeShift,
    ComputeTelemetry,
    ShiftEvent,
    ShiftInterval,
    ShiftResponse,
)
from vpp.wire.messages.fields import Mode, Outcome, Quality
from vpp.wire.messages.grid import GridEvent, GridEventAnswer, GridEventKind, GridPrice
from vpp.wire.messages.park import ForecastCurrent, ForecastSeries, GridMeasurement, PlanCurrent, PlannedPower

__all__ = [
    "AcceptedInterval",
    "Ack",
    "Arm",
    "Backlog",
    "BacklogItem",
    "Command",
    "ComputeShift",
    "ComputeTelemetry",
    "FallbackPoint",
    "FallbackProfile",
    "ForecastCurrent",
    "ForecastSeries",
    "GridEvent",
    "GridEventAnswer",
    "GridEventKind",
    "GridMeasurement",
    "GridPrice",
    "HeatStart",
    "Issued",
    "LadderPlace",
    "Limit",
    "Message",
    "Mode",
    "Outcome",
    "PlanCurrent",
    "PlannedPower",
    "Quality",
    "Reason",
    "Reflex",
    "Setpoint",
    "Shed",
    "ShiftEvent",
    "ShiftInterval",
    "ShiftResponse",
    "StackCounts",
    "Status",
    "Switch",
    "Target",
    "Telemetry",
]
