"""What a power cap does to accelerators: throughput against power, measured, and what that means for a whole node.

SOURCE of the fits: the cap sweep published with P. Colangelo et al., "Turning AI Data Centers into Grid-Interactive Assets"
(arXiv 2507.00909), project ai-emerald/emerald-ai-demo-may-2025, `gpu_power_cap_sweep.csv`, Apache-2.0: eight workloads on GPUs of
the A100 class, caps of 100-400 W. Per kind of workload `throughput = 1 - a (1 - power)^b` was fitted by least squares to
all its points, power as a share of the workload's own uncapped draw. Residual (root mean square): 0.022-0.023 in each kind.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpp.park.plates import ComputePlate

__all__ = ["FINE_TUNING", "GPU_KW_PEAK", "INFERENCE", "LEAST_POWER_FRAC", "PRE_TRAINING", "CapCurve", "CapFit", "node_curve"]

#: An accelerator of the node in DESIGN section 11 (8 GPUs, 8.4 kW measured, 10.2 kW rated): 700 W by its data sheet.
GPU_KW_PEAK: Final = 0.7
#: The lowest cap of the sweep, 100 W; below it nothing was measured.
LEAST_POWER_FRAC: Final = 0.272


@dataclass(frozen=True, slots=True)
class CapCurve:
    """Throughput against power, both as shares of uncapped work, as a rising polyline; flat outside its points.

    Args:
        power_frac: Rising.
        throughput_frac: Rising.
    """

    power_frac: tuple[float, ...]
    throughput_frac: tuple[float, ...]

    def throughput(self, power_frac: float) -> float:
        """What is done at a power."""
        return _interpolate(power_frac, self.power_frac, self.throughput_frac)

    def power(self, throughput_frac: float) -> float:
        """What has to be drawn for a throughput; never less than the lowest measured cap."""
        return _interpolate(throughput_frac, self.throughput_frac, self.power_frac)

    @property
    def best(self) -> tuple[float, float]:
        """Where a unit of power does the most: that power, and the throughput for each unit of it."""
        pairs = zip(self.power_frac, self.throughput_frac, strict=True)
        per_power, power = max((t / p, p) for p, t in pairs if p > 0.0)
        return power, per_power

    @property
    def least_frac(self) -> float:
        """Power at the lowest measured cap."""
        return self.power_frac[0]


@dataclass(frozen=True, slots=True)
class CapFit:
    """`throughput = 1 - a (1 - power)^b` of one kind of workload."""

    a: float
    b: float

    def throughput(self, power_frac: float) -> float:
        """Share of uncapped throughput at a share of uncapped power."""
        lost_frac: float = self.a * (1.0 - min(power_frac, 1.0)) ** self.b
        return max(0.0, 1.0 - lost_frac)

    def curve(self, points: int = 16) -> CapCurve:
        """As a polyline from the lowest measured cap to no cap."""
        step = (1.0 - LEAST_POWER_FRAC) / (points - 1)
        power = tuple(LEAST_POWER_FRAC + i * step for i in range(points - 1)) + (1.0,)
        return CapCurve(power, tuple(self.throughput(p) for p in power))


FINE_TUNING: Final = CapFit(1.752, 2.430)
INFERENCE: Final = CapFit(1.697, 2.557)
PRE_TRAINING: Final = CapFit(1.383, 1.749)


def node_curve(plate: ComputePlate, gpu_share_frac: float) -> CapCurve:
    """The plate's curve of the accelerators, carried over to what a busy node draws above idle.

    A cap takes power from the accelerators alone. The rest of the node (host, fans, losses of the supply) follows the work that
    is still done: assumption.

    Args:
        plate: Holds the measured points.
        gpu_share_frac: Accelerators' share of the node's power above idle.
    """
    pairs = zip(plate.cap_power_frac, plate.cap_throughput_frac, strict=True)
    power = tuple(gpu_share_frac * p + (1.0 - gpu_share_frac) * t for p, t in pairs)
    return CapCurve(power, tuple(plate.cap_throughput_frac))


def _interpolate(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Value of a rising curve; flat outside it."""
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    right = bisect_left(xs, x)
    left = right - 1
    return ys[left] + (ys[right] - ys[left]) * (x - xs[left]) / (xs[right] - xs[left])
