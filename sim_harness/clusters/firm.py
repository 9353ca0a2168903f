"""Work that does not wait: four tiers, of which three can be slowed down by capping accelerators, each only so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpp.park.plates import ComputePlate

__all__ = ["FirmTiers", "Slowed"]

#: A cap bites the tiers in this order; tier 0 is never touched.
CAP_ORDER: Final = (3, 2, 1)


@dataclass(frozen=True, slots=True)
class Slowed:
    """Firm work under a cap.

    Args:
        power_mw: What it still draws. [MW]
        lost_mw: Throughput lost, as the power that would have done it. [MW]
    """

    power_mw: float
    lost_mw: float


class FirmTiers:
    """How much power caps take from firm work, and what that costs in throughput.

    Args:
        plate: Shares and limits of the tiers, and the measured curve of throughput against power.
    """

    def __init__(self, plate: ComputePlate) -> None:
        total = sum(plate.tier_frac) or 1.0
        self.share = tuple(share / total for share in plate.tier_frac)
        self._power, self._throughput = plate.cap_power_frac, plate.cap_throughput_frac
        # Below the lowest measured cap nothing is known, so no tier goes there.
        self._least_power = tuple(
            1.0 if tier == 0 or loss <= 0.0 else max(self._power[0], _interpolate(1.0 - loss, self._throughput, self._power))
            for tier, loss in enumerate(plate.tier_loss_frac)
        )
        self._saving_frac = sum(self.share[tier] * (1.0 - self._least_power[tier]) for tier in CAP_ORDER)

    def saving_mw(self, firm_mw: float) -> float:
        """Most power that caps can take from firm work, in MW."""
        return firm_mw * self._saving_frac

    def slow(self, firm_mw: float, saving_mw: float) -> Slowed:
        """Take up to `saving_mw` from firm work, tier by tier."""
        power_mw, lost_mw = firm_mw, 0.0
        for tier in CAP_ORDER:
            if saving_mw <= 0.0:
                break
            tier_mw = firm_mw * self.share[tier]
            saved_mw = min(saving_mw, tier_mw * (1.0 - self._least_power[tier]))
            if saved_mw > 0.0:
                lost_mw += tier_mw * (1.0 - _interpolate(1.0 - saved_mw / tier_mw, self._power, self._throughput))
                power_mw -= saved_mw
                saving_mw -= saved_mw
        return Slowed(power_mw, lost_mw)


def _interpolate(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Value of a rising curve; flat outside it."""
    if x <= xs[0]:
        return ys[0]
    for left, right, low, high in zip(xs, xs[1:], ys, ys[1:], strict=False):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]
