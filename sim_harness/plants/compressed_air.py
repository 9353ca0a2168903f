"""Compressed-air storage (压缩空气储能): two machines on one cavern, each with a start that takes minutes and may fail.

The cavern's window counts as content 0 to 1. Air that was pressed in fast is warm and stands higher for some hours, air that was
let out fast is cold and stands lower: the window closes earlier than the content says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np

from controllers.edge.device import Applied, Reading
from sim_harness.plants.answers import accepted, clamped, rejected_kind
from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.plants.glide import glide, ramp_mw_per_s
from sim_harness.plants.station import Station
from vpp.park.plates import CompressedAirPlate
from vpp.park.schema import Asset
from vpp.units import MINUTES_PER_HOUR, h_to_s, s_to_h
from vpp.wire.messages import Limit, Setpoint, Target

__all__ = ["CompressedAir"]

#: A start takes its time +-10 % and fails now and then; a machine that failed is looked at before it is tried again. Assumptions.
START_SPREAD: Final = 0.1
START_FAILS: Final = 0.03
LOCKED_S: Final = 900.0
#: Turning gear, fans and oil while a machine starts, of its rating. Assumption.
START_DRAW_FRAC: Final = 0.01
#: Once it runs, a machine takes load at this share of its rating a minute. Assumption.
RAMP_FRAC_PER_MIN: Final = 0.3
#: Efficiency: losses at part load, compression against a fuller cavern, throttling from a fuller one. Assumptions.
PART_LOAD_LOSS: Final = 0.12
COMPRESSION_SLOPE: Final = 0.06
THROTTLE_SLOPE: Final = 0.04
#: The cavern: pressures of its window, how far a full charge warms it (as content), and how fast that goes. Assumptions.
LOW_BAR: Final = 60.0
HIGH_BAR: Final = 100.0
WARM_PER_CONTENT: Final = 0.06
WARM_TIME_H: Final = 3.0
#: A machine that the cavern has stopped is not started again before this share of the window is free. Assumption.
FREE_AGAIN: Final = 0.05
#: A target below this share of the minimum power means rest. Assumption.
REST_BELOW: Final = 0.5
_EPS_MW: Final = 1e-9


class CompressedAir(Station):
    """Compressor, expander and cavern.

    A `Target` chooses the machine by its sign and its power by its size; between rest and minimum power there is nothing. A
    `Limit` alone lets it rest, or caps what runs.

    Args:
        asset: With a compressed-air plate.
        start: First instant (UTC).
        rng: Its own stream: starts.
        soc_frac: Content at the start; None: the middle of the plate's band.
    """

    def __init__(self, asset: Asset, start: datetime, rng: np.random.Generator, soc_frac: float | None = None) -> None:
        plate: CompressedAirPlate = asset.plate
        super().__init__(asset, start)
        self._plate, self._rng = plate, rng
        first = 0.5 * (plate.soc_min_frac + plate.soc_max_frac) if soc_frac is None else soc_frac
        self._stored_mwh = self._first_mwh = first * plate.energy_mwh
        self._one_way = math.sqrt(plate.round_trip_frac)
        self._min_mw = plate.min_power_frac * plate.power_mw
        self._own_rate = self._rate = RAMP_FRAC_PER_MIN * plate.power_mw * MINUTES_PER_HOUR / h_to_s(1.0)
        self._warm = 0.0
        self._wanted_mw = 0.0
        self._cap_mw = plate.power_mw
        self._machine, self._start_left_s, self._fails, self._locked_s = 0, 0.0, False, 0.0
        self._level_mw = self._machine_mw = self._draw_mw = self._run_s = 0.0
        self._ends, self._shut = False, 0
        self._charged_mwh = self._discharged_mwh = self._lost_mwh = self._auxiliary_mwh = self._metered_mwh = 0.0
        self._starts = self._failed = 0

    @property
    def soc_frac(self) -> float:
        """True content, 0..1 of the window."""
        return self._stored_mwh / self._plate.energy_mwh

    def intend(self, ambient: Ambient) -> Intent:
        """A start runs down, a machine takes load, or the cavern ends it."""
        plate, dt_s = self._plate, ambient.dt_s
        self._locked_s = max(0.0, self._locked_s - dt_s)
        self._choose_machine()
        self._machine_mw = self._draw_mw = self._run_s = 0.0
        self._ends = False
        if self._machine:
            waits_s = min(dt_s, self._start_left_s)
            self._start_left_s -= waits_s
            self._draw_mw = START_DRAW_FRAC * plate.power_mw * waits_s / dt_s
            run_s = dt_s - waits_s
            if run_s > 0.0 and self._fails:
                self._failed += 1
                self._machine, self._fails, self._locked_s, run_s = 0, False, LOCKED_S, 0.0
            if run_s > 0.0:
                self._run(run_s, dt_s)
        power_mw = self._machine_mw + self._draw_mw
        return Intent(power_mw, power_mw, power_mw, PushOrder.NEVER)

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        """Press air in or let it out; a machine that a blackout cuts stands still."""
        plate, dt_h = self._plate, s_to_h(ambient.dt_s)
        wanted_mw = self._machine_mw + self._draw_mw
        draw_mw = self._draw_mw
        if abs(power_mw - wanted_mw) > _EPS_MW:
            draw_mw = min(draw_mw, max(0.0, power_mw))
            self._machine, self._level_mw = 0, 0.0
        elif self._ends:
            self._shut, self._machine, self._level_mw = self._machine, 0, 0.0
        machine_mw = power_mw - draw_mw
        moved_mwh = 0.0
        if machine_mw and self._run_s:
            run_frac = s_to_h(self._run_s) / dt_h
            load = min(1.0, abs(machine_mw) / run_frac / plate.power_mw)
            energy_mwh = abs(machine_mw) * dt_h
            if machine_mw > 0.0:
                moved_mwh = energy_mwh * self._charge_efficiency(load)
                self._charged_mwh += energy_mwh
                self._lost_mwh += energy_mwh * (1.0 - self._charge_efficiency(load))
            else:
                moved_mwh = -energy_mwh / self._discharge_efficiency(load)
                self._discharged_mwh += energy_mwh
                self._lost_mwh += energy_mwh * (1.0 / self._discharge_efficiency(load) - 1.0)
        self._stored_mwh += moved_mwh
        self._warm = self._warm * math.exp(-dt_h / WARM_TIME_H) + WARM_PER_CONTENT * moved_mwh / plate.energy_mwh
        self._auxiliary_mwh += draw_mw * dt_h
        self._metered_mwh += power_mw * dt_h
        self._metered(power_mw, ambient)

    def totals(self) -> Mapping[str, float]:
        """Energy at the machines, losses, starts and failed starts since the run began."""
        return {
            "charged_mwh": self._charged_mwh,
            "discharged_mwh": self._discharged_mwh,
            "lost_mwh": self._lost_mwh,
            "auxiliary_mwh": self._auxiliary_mwh,
            "starts": float(self._starts),
            "failed_starts": float(self._failed),
            "cycles": self._discharged_mwh / self._plate.energy_mwh,
        }

    def stock(self) -> Mapping[str, float]:
        """`stored_mwh` in the cavern, true."""
        return {"stored_mwh": self._stored_mwh}

    def balances(self) -> tuple[Balance, ...]:
        """What the meter saw is stored, lost in the machines, or spent on starts."""
        residual = self._metered_mwh - (self._stored_mwh - self._first_mwh) - self._lost_mwh - self._auxiliary_mwh
        size = self._charged_mwh + self._discharged_mwh + self._auxiliary_mwh
        return (Balance(f"{self.asset_id}.energy", residual, size, "MWh"),)

    def read(self) -> Reading:
        """Content, machine and cavern under the names the planner knows."""
        soc = self.soc_frac
        state = {
            "soc_frac": soc,
            "mode": float(self._machine),
            "start_left_h": s_to_h(self._start_left_s) if self._machine else 0.0,
            "locked_h": s_to_h(self._locked_s),
            "cavern_bar": LOW_BAR + (HIGH_BAR - LOW_BAR) * (soc + self._warm),
        }
        return self._reading(state, {"max_power_mw": self._plate.power_mw, "min_power_mw": self._min_mw})

    def safe_power_mw(self) -> float:
        """Rest."""
        return 0.0

    def _obey(self, setpoint: Setpoint, ramp_mw_per_min: float | None) -> Applied:
        rating_mw = self._plate.power_mw
        match setpoint:
            case Target(power_mw=asked_mw):
                self._wanted_mw, self._cap_mw = asked_mw, rating_mw
            case Limit(max_power_mw=cap_mw):
                asked_mw = 0.0
                self._cap_mw, self._wanted_mw = cap_mw, 0.0
            case _:
                return rejected_kind(self._power_mw, setpoint, "it takes a target or a limit")
        self._rate = ramp_mw_per_s(self._own_rate, ramp_mw_per_min)
        given_mw = self._given_mw()
        if given_mw < 0.0 and not self._is_free(-1):
            return clamped(0.0, "cavern_low", "the cavern is at the low end of its pressure window")
        if given_mw > 0.0 and not self._is_free(1):
            return clamped(0.0, "cavern_high", "the cavern is at the high end of its pressure window")
        if given_mw and self._locked_s > 0.0:
            return clamped(0.0, "start_failed", f"a start has failed; ready again in {self._locked_s:.0f} s")
        if abs(given_mw - asked_mw) > _EPS_MW:
            code = "rating" if abs(asked_mw) > rating_mw else "min_power"
            return clamped(given_mw, code, f"runs between {self._min_mw:g} and {rating_mw:g} MW, or rests")
        return accepted(given_mw)

    def _given_mw(self) -> float:
        """The power that the wanted one means for the machines."""
        size_mw = min(abs(self._wanted_mw), self._cap_mw, self._plate.power_mw)
        if size_mw < REST_BELOW * self._min_mw or size_mw <= _EPS_MW:
            return 0.0
        return math.copysign(max(size_mw, self._min_mw), self._wanted_mw)

    def _choose_machine(self) -> None:
        given_mw = self._given_mw()
        wanted = 0 if given_mw == 0.0 else (1 if given_mw > 0.0 else -1)
        if wanted == self._machine:
            return
        self._machine, self._level_mw, self._start_left_s = 0, 0.0, 0.0
        if not wanted or self._locked_s > 0.0 or not self._is_free(wanted):
            return
        self._machine, self._starts, self._shut = wanted, self._starts + 1, 0
        self._start_left_s = self._plate.start_s * (1.0 + START_SPREAD * float(self._rng.uniform(-1.0, 1.0)))
        self._fails = bool(self._rng.random() < START_FAILS)

    def _is_free(self, direction: int) -> bool:
        """Whether the window has room for a machine; one that it has stopped waits until there is more than a trifle."""
        free_mwh = self._room_mwh() if direction > 0 else self._content_mwh()
        return free_mwh > (FREE_AGAIN * self._plate.energy_mwh if direction == self._shut else 0.0)

    def _run(self, run_s: float, dt_s: float) -> None:
        """The running part of a step: load from the minimum by the ramp, as far as the cavern allows."""
        size_mw = abs(self._given_mw())
        self._level_mw, mean_mw = glide(max(self._level_mw, self._min_mw), size_mw, self._rate, run_s)
        load, run_h = mean_mw / self._plate.power_mw, s_to_h(run_s)
        if self._machine > 0:
            most_mwh = self._room_mwh() / self._charge_efficiency(load)
        else:
            most_mwh = self._content_mwh() * self._discharge_efficiency(load)
        energy_mwh = mean_mw * run_h
        self._run_s = run_s
        if energy_mwh >= most_mwh:
            # The cavern's end stops the machine within the step; it ran at its load until then.
            self._ends, self._run_s = True, run_s * most_mwh / energy_mwh if energy_mwh else 0.0
            energy_mwh = most_mwh
        self._machine_mw = self._machine * energy_mwh / s_to_h(dt_s)

    def _room_mwh(self) -> float:
        plate = self._plate
        room = (plate.soc_max_frac - self.soc_frac - max(0.0, self._warm)) * plate.energy_mwh
        # Below a minute at minimum power nobody starts a compressor.
        return room if room > self._min_mw * 1.0 / MINUTES_PER_HOUR else 0.0

    def _content_mwh(self) -> float:
        plate = self._plate
        content = (self.soc_frac + min(0.0, self._warm) - plate.soc_min_frac) * plate.energy_mwh
        return content if content > self._min_mw * 1.0 / MINUTES_PER_HOUR else 0.0

    def _charge_efficiency(self, load: float) -> float:
        part = 1.0 - PART_LOAD_LOSS * (1.0 - load) ** 2
        return self._one_way * part * (1.0 - COMPRESSION_SLOPE * (2.0 * self.soc_frac - 1.0))

    def _discharge_efficiency(self, load: float) -> float:
        part = 1.0 - PART_LOAD_LOSS * (1.0 - load) ** 2
        return self._one_way * part * (1.0 - THROTTLE_SLOPE * (2.0 * self.soc_frac - 1.0))
