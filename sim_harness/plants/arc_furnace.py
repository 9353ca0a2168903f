"""Arc furnaces (电弧炉) that share a caster: heats start as they come, or when they are told to, and the day's steel is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.casting import Caster, Furnace, Stage
from sim_harness.plants.station import Station
from vpp.errors import ScenarioError
from vpp.park import Asset
from vpp.park.plates import ArcFurnacePlate
from vpp.units import HOURS_PER_DAY, h_to_s, s_to_h
from vpp.wire.messages import HeatStart, Limit, Reason, Setpoint, Target

__all__ = ["ArcFurnaces"]

#: Production days turn at midnight there; no daylight saving since 1991.
PARK_ZONE: Final = ZoneInfo("Asia/Shanghai")
#: Long steps are cut into pieces in which furnaces and caster see each other.
PIECE_S: Final = 60.0
#: But not into more than so many: a year's run has steps of 15 min and no caps that come and go within them.
MOST_PIECES: Final = 6
#: The latest start for the day's count keeps this much time in hand. Assumption.
DAY_MARGIN: Final = 1.05
_EPS: Final = 1e-9


class ArcFurnaces(Station):
    """All furnaces of one caster and the device in one.

    Without any command a furnace starts as soon as it is free and the caster will be, until the day's heats are started.
    `HeatStart` books the next start of one furnace (`furnace.0`, `furnace.1`); the furnace then waits for it, but not longer than
    the day's count or a running sequence allows. A later `HeatStart` moves a booking; the same one again changes nothing.
    `Target` and `Limit` cap the power: first to the least power of the stages, below that the arc is off in melting for at most
    `hold_max_s` of each heat, after which the heat goes on whatever the cap says. A `Target` at or above full power also drops
    all bookings: the furnaces are back under their local schedule.

    Args:
        asset: Its nameplate.
        start: Beginning of the run (UTC).
        rng: Its own stream.
    """

    def __init__(self, asset: Asset, start: datetime, rng: np.random.Generator) -> None:
        if not isinstance(asset.plate, ArcFurnacePlate):
            raise ScenarioError([f"{asset.id}: kind {asset.kind} is no arc furnace"])
        super().__init__(asset, start, asset.plate.auxiliary_mw)
        self._plate, self._start = asset.plate, start
        self._furnaces = tuple(Furnace(asset.plate, rng) for _ in range(asset.plate.furnaces))
        self._caster = Caster(asset.plate, rng)
        self._cap_mw = math.inf
        local = start.astimezone(PARK_ZONE)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        gone_s = (local - midnight).total_seconds()
        self._day_end_s = h_to_s(HOURS_PER_DAY) - gone_s
        self._due = asset.plate.heats_per_day
        # A run that begins in the middle of a day finds the day's work so far done.
        self._started = math.floor(self._due * gone_s / h_to_s(HOURS_PER_DAY))
        self._time_s = 0.0
        self._advanced_at: datetime | None = None
        self._intended_mw = asset.plate.auxiliary_mw
        self._done = self._late = self._holds = self._forced = 0
        self._energy_mwh = self._auxiliary_mwh = self._finished_mwh = self._unserved_mwh = self._hold_s = self._wait_s = 0.0

    def intend(self, ambient: Ambient) -> Intent:
        """The heats go through the step; its mean power is what they take. Nothing pushes an arc."""
        if ambient.at != self._advanced_at:
            self._advanced_at = ambient.at
            pieces = min(MOST_PIECES, max(1, math.ceil(ambient.dt_s / PIECE_S - _EPS)))
            piece_s = ambient.dt_s / pieces
            taken_mwh = sum(self._run_piece(self._time_s + i * piece_s, piece_s) for i in range(pieces))
            self._time_s += ambient.dt_s
            self._intended_mw = taken_mwh / s_to_h(ambient.dt_s) + self._plate.auxiliary_mw
        return Intent(self._intended_mw, self._intended_mw, self._intended_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Book the step; energy that was not there is still needed by the heats that run."""
        dt_h = s_to_h(ambient.dt_s)
        self._energy_mwh += power_mw * dt_h
        self._auxiliary_mwh += self._plate.auxiliary_mw * dt_h
        missing_mwh = (self._intended_mw - power_mw) * dt_h
        if missing_mwh:
            running = [furnace for furnace in self._furnaces if furnace.is_powered]
            for furnace in running:
                furnace.left_mwh += missing_mwh / len(running)
            self._unserved_mwh += 0.0 if running else missing_mwh
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Heats, energy and holds since the run began; late heats are those not started on their day."""
        return {
            "heats_done": float(self._done),
            "heats_late": float(self._late),
            "heats_forced": float(self._forced),
            "sequences_broken": float(self._caster.broken),
            "energy_mwh": self._energy_mwh,
            "holds": float(self._holds),
            "hold_s": self._hold_s,
            "caster_wait_s": self._wait_s,
        }

    def stock(self) -> Mapping[str, float]:
        """Energy in heats that have begun, and heats still due today."""
        begun_mwh = sum(f.drawn_mwh - f.energy_left_mwh for f in self._furnaces if f.is_powered)
        return {"begun_mwh": begun_mwh, "heats_due": float(max(0, self._due - self._started))}

    def balances(self) -> tuple[Balance, ...]:
        """Energy taken = what the finished heats were drawn to need + what running ones have had + auxiliaries."""
        used_mwh = self._finished_mwh + self.stock()["begun_mwh"] + self._auxiliary_mwh
        return (Balance(f"{self.asset_id}.energy", self._energy_mwh + self._unserved_mwh - used_mwh, self._energy_mwh, "MWh"),)

    def read(self) -> Reading:
        """Stages, what is left, and until when each furnace can still wait."""
        latest_s = self._latest_start_s(self._time_s)
        state = {
            "heats_today": float(self._started),
            "heats_due": float(self._due),
            "heats_done": float(self._done),
            "sequence_heats": float(self._caster.heats),
            "sequence_planned": float(self._caster.planned),
            "caster_free_s": max(0.0, self._caster.free_s - self._time_s),
            "next_latest_start_s": min(max(0.0, latest_s - self._time_s), h_to_s(HOURS_PER_DAY)),
        }
        for i, f in enumerate(self._furnaces):
            state[f"furnace.{i}.stage"] = float(f.stage)
            state[f"furnace.{i}.in_heat_s"] = self._time_s - f.begun_s if f.stage is not Stage.IDLE else 0.0
            state[f"furnace.{i}.energy_left_mwh"] = f.energy_left_mwh
            state[f"furnace.{i}.free_in_s"] = self._free_in_s(f)
            state[f"furnace.{i}.hold_left_s"] = max(0.0, f.hold_left_s)
            if f.booked_s is not None:
                state[f"furnace.{i}.booked_in_s"] = f.booked_s - self._time_s
        return self._reading(state, {"max_power_mw": self._full_mw})

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        """A start for one furnace, or a cap for all; an arc has no ramp."""
        match setpoint:
            case HeatStart():
                return self._book(setpoint)
            case Target():
                self._cap_mw = max(setpoint.power_mw, 0.0)
                if self._cap_mw >= self._full_mw - _EPS:
                    for furnace in self._furnaces:
                        furnace.booked_s = None
            case Limit():
                self._cap_mw = setpoint.max_power_mw
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes heat starts, a target or a limit")
        wanted_mw = self._plate.auxiliary_mw + sum(f.wanted_mw for f in self._furnaces)
        least_mw = self._plate.auxiliary_mw + sum(
            0.0 if f.stage is Stage.MELTING and f.hold_left_s > 0.0 else f.floor_mw for f in self._furnaces
        )
        if self._cap_mw < least_mw - _EPS:
            return Applied("clamped", least_mw, Reason(code="heat_running", text="this heat cannot be held", limit="stage_floor"))
        if isinstance(setpoint, Target) and wanted_mw < self._cap_mw - _EPS and self._cap_mw < self._full_mw - _EPS:
            return Applied("clamped", wanted_mw, Reason(code="cap_only", text="a furnace is capped, never driven", limit="heats"))
        return Applied("accepted", min(wanted_mw, self._cap_mw))

    def safe_power_mw(self) -> float:
        """Full power: left alone, a melt shop makes its steel."""
        return self._full_mw

    @property
    def _full_mw(self) -> float:
        return self._plate.furnaces * self._plate.melting_mw + self._plate.auxiliary_mw

    def _book(self, order: HeatStart) -> Applied:
        word = order.furnace.rsplit(".", 1)[-1]
        if not word.isdigit() or int(word) >= len(self._furnaces):
            known = ", ".join(f"furnace.{i}" for i in range(len(self._furnaces)))
            return Applied("rejected", self._power_mw, Reason(code="no_such_furnace", text=f"there are {known}"))
        furnace = self._furnaces[int(word)]
        at_s = (order.start_at - self._start).total_seconds()
        if at_s <= furnace.taken_s:
            return Applied("accepted", self._power_mw)
        furnace.booked_s = at_s
        latest_s = self._latest_start_s(self._time_s)
        if at_s > latest_s:
            text = f"starts by {(self._start + timedelta(seconds=latest_s)).isoformat()} at the latest"
            return Applied("clamped", self._power_mw, Reason(code="latest_start", text=text, limit="day_or_sequence"))
        return Applied("accepted", self._power_mw)

    def _run_piece(self, at_s: float, dt_s: float) -> float:
        """All furnaces through a short piece of time; energy of their arcs, in MWh."""
        if at_s >= self._day_end_s - _EPS:
            self._turn_day()
        share = self._share_cap(dt_s)
        taken_mwh = 0.0
        for furnace in self._furnaces:
            taken_mwh += self._run_furnace(furnace, at_s, dt_s, share)
        return taken_mwh

    def _run_furnace(self, furnace: Furnace, at_s: float, left_s: float, share: float) -> float:
        taken_mwh, end_s, noise = 0.0, at_s + left_s, furnace.noise(left_s)
        while end_s - at_s > 1e-6:
            if furnace.is_powered:
                power_mw = furnace.floor_mw + share * (furnace.wanted_mw - furnace.floor_mw)
                energy_mwh, used_s = furnace.burn(power_mw * noise, end_s - at_s)
                taken_mwh += energy_mwh
                at_s += used_s
                self._finished_mwh += furnace.drawn_mwh if furnace.stage is Stage.WAITING else 0.0
                noise = 1.0 if furnace.stage is Stage.REFINING else noise
                continue
            next_s = self._next_change_s(furnace, at_s)
            if next_s >= end_s:
                self._wait_s += end_s - at_s if furnace.stage is Stage.WAITING else 0.0
                break
            self._wait_s += next_s - at_s if furnace.stage is Stage.WAITING else 0.0
            at_s = next_s
            self._change(furnace, at_s)
        return taken_mwh

    def _next_change_s(self, furnace: Furnace, at_s: float) -> float:
        if furnace.stage is Stage.WAITING:
            return self._caster.ready_s(at_s)
        if furnace.stage is Stage.TURNAROUND:
            return max(furnace.until_s, at_s)
        if self._started >= self._due:
            return math.inf
        if furnace.booked_s is None:
            ready_s, _ = self._caster.after(self._taps_s(at_s))
            return max(at_s, ready_s - furnace.lead_s)
        return max(at_s, min(furnace.booked_s, self._latest_start_s(at_s)))

    def _change(self, furnace: Furnace, at_s: float) -> None:
        if furnace.stage is Stage.WAITING:
            self._caster.take(at_s)
            self._done += 1
            furnace.stage = Stage.TURNAROUND
            furnace.until_s = at_s + max(0.0, self._plate.tap_to_tap_s - self._plate.power_on_s)
        elif furnace.stage is Stage.TURNAROUND:
            furnace.stage = Stage.IDLE
        else:
            self._forced += furnace.booked_s is not None and at_s < furnace.booked_s - _EPS
            self._started += 1
            furnace.begin(at_s)

    def _taps_s(self, at_s: float) -> list[float]:
        return [f.tap_s(at_s) for f in self._furnaces if f.is_powered or f.stage is Stage.WAITING]

    def _latest_start_s(self, at_s: float) -> float:
        """Until when the next heat can wait: the day's count must stay possible and a young sequence must go on."""
        left = self._due - self._started
        if left <= 0:
            return math.inf
        plate = self._plate
        day_s = self._day_end_s - (plate.tap_to_tap_s + (left - 1) * self._caster.pace_s) * DAY_MARGIN
        ready_s, heats = self._caster.after(self._taps_s(at_s))
        # A sequence whose gap can no longer be kept is broken already and forces nobody.
        if 0 < heats < plate.sequence_heats_min and at_s + plate.power_on_s <= ready_s + plate.sequence_gap_s:
            # Half of the gap is kept for what the heat may take longer than usual.
            day_s = min(day_s, ready_s + plate.sequence_gap_s / 2.0 - plate.power_on_s)
        return day_s

    def _free_in_s(self, furnace: Furnace) -> float:
        if furnace.stage is Stage.IDLE:
            return 0.0
        if furnace.stage is Stage.TURNAROUND:
            return max(0.0, furnace.until_s - self._time_s)
        tap_s = self._caster.ready_s(furnace.tap_s(self._time_s))
        return tap_s - self._time_s + max(0.0, self._plate.tap_to_tap_s - self._plate.power_on_s)

    def _turn_day(self) -> None:
        missing = max(0, self._due - self._started)
        self._late += missing
        self._started = 0
        self._due = self._plate.heats_per_day + missing
        self._day_end_s += h_to_s(HOURS_PER_DAY)

    def _share_cap(self, dt_s: float) -> float:
        """Where between floor (0) and full stage power (1) the furnaces run under the cap; below the floor arcs are held."""
        if self._cap_mw >= self._full_mw:
            for furnace in self._furnaces:
                furnace.holding = False
            return 1.0
        room_mw = self._cap_mw - self._plate.auxiliary_mw
        burning = [f for f in self._furnaces if f.is_powered]
        floor_mw, wanted_mw = sum(f.floor_mw for f in burning), sum(f.wanted_mw for f in burning)
        for furnace in sorted(burning, key=lambda f: -f.floor_mw):
            hold = floor_mw > room_mw + _EPS and furnace.stage is Stage.MELTING and furnace.hold_left_s >= dt_s
            self._holds += hold and not furnace.holding
            furnace.holding = hold
            if hold:
                self._hold_s += dt_s
                floor_mw -= furnace.floor_mw
                wanted_mw -= furnace.wanted_mw
        if wanted_mw <= floor_mw + _EPS:
            return 1.0 if wanted_mw <= room_mw else 0.0
        return min(1.0, max(0.0, (room_mw - floor_mw) / (wanted_mw - floor_mw)))
