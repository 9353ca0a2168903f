"""Batches in sequences: what moves is when each begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vpp.assets.base import EnergyReach
from vpp.errors import PlanError
from vpp.units import FloatArray, IntArray

__all__ = ["Heats"]


@dataclass(frozen=True, slots=True)
class Heats:
    """Heats in the order in which they are tapped within each casting sequence; times in hours after now, shape (heats,).

    Args:
        earliest_start_h: When each may begin. [h]
        latest_tap_h: When each must be tapped. [h]
        duration_h: From start to tap. [h]
        energy_mwh: Energy of each. [MWh]
        sequence: The casting sequence of each, not falling.
        tap_gap_min_h: Least time between the taps of neighbours in a sequence: what the caster needs for one. [h]
        tap_gap_max_h: Most: the caster runs dry and the sequence breaks. [h]
    """

    earliest_start_h: FloatArray
    latest_tap_h: FloatArray
    duration_h: FloatArray
    energy_mwh: FloatArray
    sequence: IntArray
    tap_gap_min_h: float
    tap_gap_max_h: float

    def tightened(self) -> Heats:
        """The same heats with windows that the gaps allow: every instant left belongs to some schedule that keeps all rules.

        One pass forth and one back suffice, as the heats of a sequence form a chain.

        Raises:
            PlanError: A window becomes empty: no schedule keeps all rules.
        """
        tap_low, tap_high = self.earliest_start_h + self.duration_h, self.latest_tap_h.copy()
        linked = self.sequence[1:] == self.sequence[:-1]
        n = tap_low.shape[0]
        for k, other in [(k, k - 1) for k in range(1, n)]:
            if linked[other]:
                tap_low[k] = max(tap_low[k], tap_low[other] + self.tap_gap_min_h)
                tap_high[k] = min(tap_high[k], tap_high[other] + self.tap_gap_max_h)
        for k, other in [(k, k + 1) for k in range(n - 2, -1, -1)]:
            if linked[k]:
                tap_low[k] = max(tap_low[k], tap_low[other] - self.tap_gap_max_h)
                tap_high[k] = min(tap_high[k], tap_high[other] - self.tap_gap_min_h)
        empty = np.flatnonzero(tap_low > tap_high + 1e-9)
        if empty.size:
            k = int(empty[0])
            raise PlanError(f"heat {k}: earliest tap {tap_low[k]} h is after its latest {tap_high[k]} h; move its sequence")
        return replace(self, earliest_start_h=tap_low - self.duration_h, latest_tap_h=tap_high)

    def faults(self, start_h: FloatArray) -> tuple[str, ...]:
        """Every rule that a schedule breaks, in words; none if it can be run."""
        tap_h = start_h + self.duration_h
        found = [
            f"heat {k} starts at {start_h[k]} h, before {self.earliest_start_h[k]} h"
            for k in np.flatnonzero(start_h < self.earliest_start_h - 1e-9)
        ]
        found += [
            f"heat {k} is tapped at {tap_h[k]} h, after {self.latest_tap_h[k]} h"
            for k in np.flatnonzero(tap_h > self.latest_tap_h + 1e-9)
        ]
        gap_h = np.diff(tap_h)
        linked = self.sequence[1:] == self.sequence[:-1]
        outside = (gap_h < self.tap_gap_min_h - 1e-9) | (gap_h > self.tap_gap_max_h + 1e-9)
        found += [
            f"heats {k} and {k + 1} are tapped {gap_h[k]} h apart, allowed are {self.tap_gap_min_h} to {self.tap_gap_max_h} h"
            for k in np.flatnonzero(linked & outside)
        ]
        return tuple(found)

    def reach(self, horizons_h: FloatArray) -> EnergyReach:
        """Energy within each horizon if all heats begin as late or as early as they may, shape (1, horizons).

        Energy runs evenly over a heat here; stages are the furnace's own affair.
        """
        latest_start_h = self.latest_tap_h - self.duration_h
        bounds = []
        for start_h in (latest_start_h, self.earliest_start_h):
            done_frac = (horizons_h[np.newaxis, :] - start_h[:, np.newaxis]) / self.duration_h[:, np.newaxis]
            bounds.append(np.sum(self.energy_mwh[:, np.newaxis] * np.clip(done_frac, 0.0, 1.0), axis=0)[np.newaxis, :])
        return EnergyReach(bounds[0], bounds[1])
