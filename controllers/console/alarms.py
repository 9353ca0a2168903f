"""What holds now and should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from controllers.console.frame import Alarm, AssetFrame, BoardFrame
from controllers.console.palette import Level, Mode
from controllers.console.text import age
from vpp.park import Park

__all__ = ["standing_alarms"]

#: Commands to slow assets are renewed after half of two minutes: a controller this quiet is gone.
_CONTROLLER_SILENT: Final = timedelta(minutes=2)
#: Two plans in a row were lost.
_PLAN_OLD: Final = timedelta(minutes=35)
#: Share of a connection's limit from which it is worth a line.
_NEAR_LIMIT_FRAC: Final = 0.98
_GRAVITY: Final = tuple(Level)


def standing_alarms(frame: BoardFrame, park: Park, import_mw: Mapping[str, float]) -> tuple[Alarm, ...]:
    """All that a frame shows to be wrong, the gravest first."""
    found = [
        *_of_controller(frame),
        *(alarm for asset in frame.assets for alarm in _of_asset(asset, frame)),
        *_of_connections(park, import_mw),
        *_of_plan(frame),
    ]
    return tuple(sorted(found, key=lambda alarm: _GRAVITY.index(alarm.level)))


def _of_controller(frame: BoardFrame) -> Iterator[Alarm]:
    heard_at = frame.controller.heard_at
    if not frame.broker.connected:
        yield Alarm(Level.ALARM, "no connection to the broker: what is shown here stands still")
    if heard_at is None:
        yield Alarm(Level.NOTE, "no controller has been heard yet")
    elif frame.at - heard_at > _CONTROLLER_SILENT:
        yield Alarm(Level.ALARM, f"the controller is silent since {_clock(frame, heard_at)}: devices follow their fallback")
    if frame.broker.malformed:
        yield Alarm(Level.WARNING, f"{frame.broker.malformed} malformed messages were dropped")


def _of_asset(asset: AssetFrame, frame: BoardFrame) -> Iterator[Alarm]:
    name = f"{asset.asset.id} {asset.asset.name_zh}"
    last = "never heard" if asset.heard_at is None else f"last heard {_clock(frame, asset.heard_at)}"
    match asset.mode:
        case Mode.SILENT:
            yield Alarm(Level.ALARM, f"{name} is silent, {last}")
        case Mode.OFFLINE:
            yield Alarm(Level.ALARM, f"{name} is offline, {last}")
        case Mode.FAULT:
            yield Alarm(Level.ALARM, f"{name} reports a fault and follows nothing")
        case Mode.LOCAL:
            yield Alarm(Level.WARNING, f"{name} is in local control")
        case Mode.AWAITED if frame.controller.heard_at is not None:
            yield Alarm(Level.WARNING, f"{name} has not been heard yet")
        case _:
            pass


def _of_connections(park: Park, import_mw: Mapping[str, float]) -> Iterator[Alarm]:
    for connection in park.connections:
        flow_mw = import_mw.get(connection.id)
        if flow_mw is None:
            continue
        limit_mw, word = (connection.import_limit_mw, "imports") if flow_mw > 0.0 else (connection.export_limit_mw, "exports")
        if abs(flow_mw) > limit_mw * _NEAR_LIMIT_FRAC and flow_mw:
            over = abs(flow_mw) > limit_mw
            said = f"{connection.id} {connection.name_zh} {word} {abs(flow_mw):,.0f} of at most {limit_mw:,.0f} MW"
            yield Alarm(Level.ALARM if over else Level.WARNING, said)


def _of_plan(frame: BoardFrame) -> Iterator[Alarm]:
    plan, forecast = frame.plan, frame.forecast
    if plan is not None:
        if frame.at - plan.issued_at > _PLAN_OLD:
            old = age((frame.at - plan.issued_at).total_seconds())
            yield Alarm(Level.WARNING, f"the published plan is {old} old")
        for unmet in plan.unmet:
            yield Alarm(Level.WARNING, f"the plan cannot meet {unmet.text or unmet.code}")
    if forecast is not None and forecast.stale:
        yield Alarm(Level.WARNING, "the forecast has aged into persistence or climatology")


def _clock(frame: BoardFrame, at: datetime) -> str:
    return f"{at.astimezone(frame.zone):%H:%M:%S}"
