"""Frequency of the synchronous area around the park: one machine, one load, and what restores them.

An aggregated system-frequency-response model in MW: a rotating mass with load damping, primary response with dead band, dead
time, valve and reheater, and automatic generation control (AGC) with a ramp limit. The park's own import moves it, a lost unit
makes it dip, and a background of small imbalances that nobody models one by one lies over it by seed.

Source:
    Anderson, Mirheydar: A low-order system frequency response model, IEEE Trans. Power Systems 5(3), 1990 (structure, turbine);
    dead band and limit of primary response as in GB/T 40595-2021 and GB/T 30370-2022 (+-0.033 Hz, at least 6 % of rating).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from scipy.linalg import expm

from sim_harness.plants.drift import Drift, seeded
from vpp.units import FloatArray, s_to_h

__all__ = ["NOMINAL_HZ", "GridFrequency", "SystemArea"]

NOMINAL_HZ: Final = 50.0
#: A governor does not see more detail than this; five of them make a second, fifty a control step of ten. [s]
_SUBSTEP_S: Final = 0.2
#: How often a step in which governors work is looked at, to see whether they have come to rest. [s]
_LOOK_S: Final = 10.0

_Step: TypeAlias = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class SystemArea:
    """The area around the park, as one machine: Northeast China with Inner Mongolia East. All values are assumptions.

    Args:
        load_mw: Load of the area; about the year's mean of a grid whose peak is above 80 GW. [MW]
        stored_mws: Kinetic energy of all running machines: 4 s on 45 GVA synchronous. [MW s]
        damping_frac: Relative change of load for a relative change of frequency; textbooks give 1 to 2.
        governed_mw: Running capacity under primary control. [MW]
        droop_frac: Relative frequency for a full change of that capacity; 4-5 % for Chinese thermal units.
        dead_band_hz: Inside it governors rest, each way. [Hz]
        governor_limit_frac: Share of the governed capacity that primary response may move.
        dead_time_s: Between frequency and valve. [s]
        valve_s: Time constant of valve and servo. [s]
        reheat_s: Time constant of the reheater. [s]
        high_pressure_frac: Power before the reheater.
        agc_s: Time constant in which AGC takes over. [s]
        agc_mw_per_s: How fast AGC may move: 2 % of load a minute. [MW/s]
        noise_hz: Standard deviation of the background. [Hz]
        noise_memory_s: Over which the background is forgotten (to 1/e). [s]
    """

    load_mw: float = 60_000.0
    stored_mws: float = 180_000.0
    damping_frac: float = 1.5
    governed_mw: float = 36_000.0
    droop_frac: float = 0.05
    dead_band_hz: float = 0.033
    governor_limit_frac: float = 0.06
    dead_time_s: float = 1.0
    valve_s: float = 0.3
    reheat_s: float = 8.0
    high_pressure_frac: float = 0.3
    agc_s: float = 120.0
    agc_mw_per_s: float = 20.0
    noise_hz: float = 0.016
    noise_memory_s: float = 45.0

    @cached_property
    def damping_mw_per_hz(self) -> float:
        """Load that falls with each hertz."""
        return self.damping_frac * self.load_mw / NOMINAL_HZ

    @cached_property
    def governor_mw_per_hz(self) -> float:
        """Primary response outside the dead band."""
        return self.governed_mw / (self.droop_frac * NOMINAL_HZ)

    @cached_property
    def mass_mws_per_hz(self) -> float:
        """Imbalance in MW that turns the frequency by 1 Hz/s: twice the stored energy over the nominal frequency."""
        return 2.0 * self.stored_mws / NOMINAL_HZ

    @cached_property
    def agc_mw_per_hz_s(self) -> float:
        """What AGC integrates: the area's whole stiffness over its time constant."""
        return (self.damping_mw_per_hz + self.governor_mw_per_hz) / self.agc_s

    def primary_mw(self, deviation_hz: float) -> float:
        """What governors ask of their valves at a deviation: nothing inside the dead band, droop outside, at most the limit."""
        band = self.dead_band_hz
        if -band <= deviation_hz <= band:
            return 0.0
        outside = deviation_hz - band if deviation_hz > 0.0 else deviation_hz + band
        limit = self.governor_limit_frac * self.governed_mw
        return min(max(-self.governor_mw_per_hz * outside, -limit), limit)


class GridFrequency:
    """Steps of any length; inside, the exact solution of the linear parts.

    While governors rest, one matrix product passes a whole control step; else the step is cut finely. Deterministic by seed.

    Args:
        area: The system around.
        seed: Of the run; None for no background.
        import_mw: What the park draws with the area in balance; what it draws in the first step if not given. [MW]
    """

    def __init__(self, area: SystemArea | None = None, seed: int | None = None, import_mw: float | None = None) -> None:
        self.area = area or SystemArea()
        self._noise = (
            None
            if seed is None
            else Drift(self.area.noise_hz, s_to_h(self.area.noise_memory_s), seeded(seed, "grid.frequency.background"))
        )
        self._balanced_mw = import_mw
        self._lost_mw = 0.0
        # Deviation [Hz], power behind the valve and behind the reheater [MW], AGC [MW].
        self._state = (0.0, 0.0, 0.0, 0.0)
        self._asked = deque([0.0] * max(1, round(self.area.dead_time_s / _SUBSTEP_S)))
        self._quiet_of: dict[float, tuple[_Step, tuple[float, ...]]] = {}
        self._fine = self._fine_step()
        self.frequency_hz = NOMINAL_HZ + (0.0 if self._noise is None else self._noise.value)
        #: Lowest and highest since the run began, inside steps too. [Hz]
        self.lowest_hz = self.highest_hz = self.frequency_hz

    def lose(self, generation_mw: float) -> None:
        """A unit of this power trips now; primary response and AGC replace it."""
        self._lost_mw += generation_mw

    def step(self, dt_s: float, import_mw: float) -> float:
        """Let `dt_s` seconds pass in which the park drew `import_mw`; returns the frequency at their end. [Hz]."""
        if self._balanced_mw is None:
            self._balanced_mw = import_mw
        missing_mw = self._lost_mw + import_mw - self._balanced_mw
        least = most = self._state[0]
        left_s = dt_s
        # A long step is cut finely only until governors rest: after that nothing in it can wake them.
        while left_s > 0.0:
            quiet = self._rests(missing_mw)
            piece_s = left_s if quiet else min(left_s, _LOOK_S)
            low, high = self._pass_quietly(piece_s, missing_mw) if quiet else self._pass_finely(piece_s, missing_mw)
            least, most, left_s = min(least, low), max(most, high), left_s - piece_s
        noise_hz = 0.0 if self._noise is None else self._noise.step(dt_s)
        self.frequency_hz = NOMINAL_HZ + self._state[0] + noise_hz
        self.lowest_hz = min(self.lowest_hz, NOMINAL_HZ + least + noise_hz)
        self.highest_hz = max(self.highest_hz, NOMINAL_HZ + most + noise_hz)
        return self.frequency_hz

    def _rests(self, missing_mw: float) -> bool:
        """Whether no governor can wake within the step: bounded imbalance over damping bounds the deviation."""
        deviation, valve, reheat, agc = self._state
        band = self.area.dead_band_hz
        driving_mw = abs(agc - missing_mw) + max(abs(valve), abs(reheat))
        return abs(deviation) < band and driving_mw < band * self.area.damping_mw_per_hz and not any(self._asked)

    def _pass_quietly(self, dt_s: float, missing_mw: float) -> tuple[float, float]:
        found = self._quiet_of.get(dt_s)
        if found is None:
            found = self._quiet_of[dt_s] = self._quiet_step(dt_s)
        rows, drive = found
        d, v, r, a = self._state
        # Written out: four numbers are slower as an array.
        self._state = (
            rows[0][0] * d + rows[0][1] * v + rows[0][2] * r + rows[0][3] * a - drive[0] * missing_mw,
            rows[1][1] * v,
            rows[2][1] * v + rows[2][2] * r,
            rows[3][0] * d + rows[3][1] * v + rows[3][2] * r + rows[3][3] * a - drive[3] * missing_mw,
        )
        now = self._state[0]
        return (d, now) if d < now else (now, d)

    def _pass_finely(self, dt_s: float, missing_mw: float) -> tuple[float, float]:
        area, asked = self.area, self._asked
        (dd, dv, dr, dp, du), (vv, vu), (rv, rr, ru) = self._fine
        d, v, r, a = self._state
        gain, most_rate = area.agc_mw_per_hz_s, area.agc_mw_per_s
        least = most = d
        for _ in range(max(1, round(dt_s / _SUBSTEP_S))):
            asked.append(area.primary_mw(d))
            u = asked.popleft()
            a += min(max(-gain * d, -most_rate), most_rate) * _SUBSTEP_S
            d = dd * d + dv * v + dr * r + dp * (a - missing_mw) + du * u
            r = rv * v + rr * r + ru * u
            v = vv * v + vu * u
            least, most = min(least, d), max(most, d)
        self._state = (d, v, r, a)
        return least, most

    def _dynamics(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of deviation, valve, reheater and AGC: the matrix, and the columns of net power and of what governors ask."""
        area = self.area
        mass, first = area.mass_mws_per_hz, area.high_pressure_frac
        matrix = np.array(
            [
                [-area.damping_mw_per_hz / mass, first / mass, (1.0 - first) / mass, 1.0 / mass],
                [0.0, -1.0 / area.valve_s, 0.0, 0.0],
                [0.0, 1.0 / area.reheat_s, -1.0 / area.reheat_s, 0.0],
                [-area.agc_mw_per_hz_s, 0.0, 0.0, 0.0],
            ]
        )
        return matrix, np.array([1.0 / mass, 0.0, 0.0, 0.0]), np.array([0.0, 1.0 / area.valve_s, 0.0, 0.0])

    def _quiet_step(self, dt_s: float) -> tuple[_Step, tuple[float, ...]]:
        matrix, power, _ = self._dynamics()
        over, driven = _held(matrix, power[:, None], dt_s)
        return tuple(map(tuple, over.tolist())), tuple(driven[:, 0].tolist())

    def _fine_step(self) -> _Step:
        """Coefficients over a substep, AGC and governors' request held."""
        matrix, power, asked = self._dynamics()
        over, driven = _held(matrix[:3, :3], np.column_stack([power, asked])[:3], _SUBSTEP_S)
        d, v, r = over.tolist()
        (dp, du), (_, vu), (_, ru) = driven.tolist()
        return (d[0], d[1], d[2], dp, du), (v[1], vu), (r[1], r[2], ru)


def _held(matrix: FloatArray, inputs: FloatArray, dt_s: float) -> tuple[FloatArray, FloatArray]:
    """Exact step of a linear system whose inputs are held: van Loan's block exponential."""
    n, m = inputs.shape
    block = np.zeros((n + m, n + m))
    block[:n, :n], block[:n, n:] = matrix, inputs
    whole: FloatArray = expm(block * dt_s)
    return whole[:n, :n], whole[:n, n:]
