"""A park that speaks: real messages over a local bus, for tests of the terminal view."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from controllers.bus.local import LocalBus
from controllers.console import Board, BoardFrame, Screen
from vpp.park import Park, load
from vpp.wire import messages as m
from vpp.wire.codec import encode
from vpp.wire.topics import Channel, topic_of

__all__ = ["NOW", "Talk", "shown", "two_areas"]

#: 10:15 in the park.
NOW = datetime(2030, 10, 7, 2, 15, tzinfo=UTC)
_ROOT = Path(__file__).resolve().parents[1]
_POWER_MW = {
    "wind.envision": -412.0,
    "pv.envision": -120.0,
    "bess.envision": 35.0,
    "h2.envision": 430.0,
    "nh3.envision": 28.0,
    "base.island": 5.0,
    "wind.hongshan": -33.0,
    "bess.hongshan": -12.0,
    "pv.roofs_hongshan": -6.0,
    "eaf.yuanlian": 104.0,
    "base.hongshan": 111.0,
}
_STATE = {
    "bess.envision": {"soc_frac": 0.63},
    "bess.hongshan": {"soc_frac": 0.41},
    "h2.envision": {"stacks_on": 88.0, "stacks_standby": 12.0},
    "nh3.envision": {"buffer_kg": 60_000.0},
    "eaf.yuanlian": {"heats_today": 14.0, "heats_due": 38.0},
}
_AVAILABLE_MW = {"wind.envision": 520.0, "pv.envision": 120.0, "wind.hongshan": 33.0, "pv.roofs_hongshan": 6.0}


@cache
def two_areas() -> Park:
    """The small park of the seeds."""
    return load(_ROOT / "seeds" / "parks" / "two_areas.yaml", at=date(2030, 10, 1))


class Talk:
    """What devices and controller say, with a board that listens."""

    def __init__(self, park: Park | None = None) -> None:
        self.park = park or two_areas()
        self.bus = LocalBus()
        self.board = Board(self.park, self.bus)
        self._seq = 0

    def frame(self, at: datetime = NOW) -> BoardFrame:
        return self.board.frame(at)

    def post(self, channel: Channel, message: m.Message, subject: str = "") -> None:
        self.bus.post(topic_of(self.park.id, channel, subject), encode(message))

    def telemetry(self, asset_id: str, power_mw: float, at: datetime = NOW, **more: Any) -> None:
        said = m.Telemetry(measured_at=at, power_mw=power_mw, **more)
        self.post(Channel.ASSET_TELEMETRY, said, asset_id)

    def status(self, asset_id: str, *, online: bool = True, mode: m.Mode = "remote", at: datetime | None = NOW) -> None:
        self.post(Channel.ASSET_STATUS, m.Status(online=online, mode=mode, changed_at=at), asset_id)

    def command(self, asset_id: str, setpoint: m.Setpoint, at: datetime = NOW, **more: Any) -> m.Command:
        self._seq += 1
        told = m.Command(
            epoch=1,
            seq=self._seq,
            issued_at=at,
            command=setpoint,
            lease_s=more.pop("lease_s", 15.0),
            fallback=m.FallbackProfile(safe_after_s=0.0, safe_ramp_mw_per_min=1.0),
            plan_id=more.pop("plan_id", "plan.20301007T020000"),
            reason=more.pop("reason", m.Reason(code="mpc", price_cny_per_mwh=312.0)),
        )
        self.post(Channel.ASSET_COMMAND, told, asset_id)
        return told

    def ack(self, asset_id: str, told: m.Command, outcome: m.Outcome = "accepted", why: m.Reason | None = None) -> None:
        acked_at = told.issued_at + timedelta(milliseconds=8)
        answer = m.Ack(epoch=told.epoch, seq=told.seq, acked_at=acked_at, outcome=outcome, power_mw=0.0, reason=why)
        self.post(Channel.ASSET_ACK, answer, asset_id)

    def devices(self, at: datetime = NOW, but: frozenset[str] = frozenset()) -> None:
        """Every device says what it does; those in `but` say nothing."""
        for asset_id, power_mw in _POWER_MW.items():
            if asset_id not in but:
                self.status(asset_id, at=at)
                state = _STATE.get(asset_id, {})
                self.telemetry(asset_id, power_mw, at, available_mw=_AVAILABLE_MW.get(asset_id), state=state)
        cluster = m.ComputeTelemetry(cluster="compute.aidc", measured_at=at, power_mw=34.0, applied_revision=3)
        self.post(Channel.COMPUTE_TELEMETRY, cluster, "compute.aidc")
        self.post(Channel.GRID_MEASUREMENT, m.GridMeasurement(measured_at=at, import_mw=164.0), "grid.hongshan")

    def orders(self) -> None:
        """Every steered asset is told something, and takes it."""
        setpoints: tuple[tuple[str, m.Setpoint], ...] = (
            ("wind.envision", m.Limit(max_power_mw=412.0)),
            ("pv.envision", m.Limit(max_power_mw=330.0)),
            ("bess.envision", m.Target(power_mw=35.0)),
            ("h2.envision", m.StackCounts(on=88, standby=12, power_mw=430.0)),
            ("nh3.envision", m.Target(power_mw=28.0)),
            ("bess.hongshan", m.Target(power_mw=-12.0)),
            ("eaf.yuanlian", m.HeatStart(furnace="furnace.0", start_at=NOW + timedelta(hours=20))),
            ("eaf.yuanlian", m.HeatStart(furnace="furnace.1", start_at=NOW + timedelta(minutes=10))),
        )
        for asset_id, setpoint in setpoints:
            self.ack(asset_id, self.command(asset_id, setpoint))

    def plan(self, at: datetime = NOW, unmet: tuple[m.Reason, ...] = ()) -> None:
        edges = tuple(at + timedelta(minutes=15 * i) for i in range(97))
        assets = tuple(m.PlannedPower(id=i, power_mw=(p,) * 96) for i, p in _POWER_MW.items())
        flows = (m.PlannedPower(id="grid.hongshan", power_mw=(150.0,) * 96),)
        said = m.PlanCurrent(
            epoch=1,
            seq=1,
            issued_at=at,
            plan_id="plan.20301007T020000",
            edges=edges,
            assets=assets,
            connections=flows,
            gap_frac=0.004,
            source="mpc",
            unmet=unmet,
        )
        self.post(Channel.PLAN_CURRENT, said)

    def forecast(self, at: datetime = NOW) -> None:
        edges = tuple(at + timedelta(minutes=15 * i) for i in range(97))
        rows = tuple(tuple(min(1.0, 0.1 * k + 0.004 * t) for k in range(7)) for t in range(96))
        series = tuple(m.ForecastSeries(id=i, quantity="available_frac", values=rows) for i in _AVAILABLE_MW)
        levels = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
        self.post(
            Channel.FORECAST_CURRENT, m.ForecastCurrent(epoch=1, seq=1, issued_at=at, edges=edges, levels=levels, series=series)
        )

    def shift(self) -> None:
        interval = m.ShiftInterval(
            start=NOW,
            end=NOW + timedelta(hours=48),
            cap_mw=38.0,
            target_mw=30.0,
            floor_mw=10.0,
            green_share_frac=0.83,
            carbon_kg_per_mwh=90.0,
            price_cny_per_mwh=216.0,
            confidence_frac=0.8,
        )
        signal = m.ComputeShift(
            epoch=1,
            seq=2,
            issued_at=NOW,
            cluster="compute.aidc",
            revision=3,
            valid_until=NOW + timedelta(minutes=45),
            cap_now_mw=38.0,
            intervals=(interval,),
        )
        self.post(Channel.COMPUTE_SHIFT, signal, "compute.aidc")
        work = m.BacklogItem(
            job_class="slack_24h",
            energy_mwh=142.0,
            release=NOW,
            deadline=NOW + timedelta(hours=24),
            max_mw=20.0,
            tier=3,
            preemptible=True,
        )
        backlog = m.Backlog(cluster="compute.aidc", reported_at=NOW, fast_band_mw=2.0, items=(work,))
        self.post(Channel.COMPUTE_BACKLOG, backlog, "compute.aidc")

    def everything(self) -> None:
        """A park in full swing."""
        for minutes in range(12 * 60, 0, -30):
            self.devices(NOW - timedelta(minutes=minutes))
        self.devices()
        self.plan()
        self.forecast()
        self.shift()
        self.orders()


def shown(frame: BoardFrame, width: int = 140, height: int = 45) -> list[str]:
    """The screen as lines of text."""
    out = io.StringIO()
    Console(file=out, width=width, height=height).print(Screen(frame))
    return out.getvalue().rstrip("\n").split("\n")
