"""Work that does not wait: four tiers, of which three can be slowed down by capping accelerators, each only so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sim_harness.clusters.cap_curve import CapCurve
from sim_harness.clusters.hardware import Hardware
from vpp.park.plates import ComputePlate

__all__ = ["TIERS", "FirmTiers", "Slowed"]

TIERS: Final = 4
#: A cap bites the tiers in this order; tier 0 is never touched.
CAP_ORDER: Final = (3, 2, 1)
_NOBODY: Final = (0.0,) * TIERS


@dataclass(frozen=True, slots=True)
class Slowed:
    """Firm work under a cap.

    Args:
        power_mw: What it still draws. [MW]
        lost_mw: Throughput lost, as the power that would have done it. [MW]
        lost_by_tier_mw: The same, tier by tier. [MW]
    """

    power_mw: float
    lost_mw: float
    lost_by_tier_mw: tuple[float, ...] = _NOBODY


class FirmTiers:
    """How much power caps take from firm work, and what that costs in throughput.

    Args:
        plate: Shares and limits of the tiers, and the measured curve of throughput against power.
        curves: One a tier where their workloads differ; None for the nodes' own curve in all.
    """

    def __init__(self, plate: ComputePlate, curves: Sequence[CapCurve] | None = None) -> None:
        total = sum(plate.tier_frac) or 1.0
        self.share = tuple(share / total for share in plate.tier_frac)
        self._curves = tuple(curves) if curves is not None else (Hardware.of_plate(plate).curve,) * TIERS
        # Below the lowest measured cap nothing is known, so no tier goes there.
        self._least_power = tuple(
            1.0 if tier == 0 or loss <= 0.0 else self._curves[tier].power(1.0 - loss)
            for tier, loss in enumerate(plate.tier_loss_frac)
        )
        self._saving_frac = sum(self.share[tier] * (1.0 - self._least_power[tier]) for tier in CAP_ORDER)

    def saving_mw(self, firm_mw: float) -> float:
        """Most power that caps can take from firm work, in MW."""
        return firm_mw * self._saving_frac

    def slow(self, firm_mw: float, saving_mw: float) -> Slowed:
        """Take up to `saving_mw` from firm work, tier by tier."""
        power_mw, lost = firm_mw, [0.0] * TIERS
        for tier in CAP_ORDER:
            if saving_mw <= 0.0:
                break
            tier_mw = firm_mw * self.share[tier]
            saved_mw = min(saving_mw, tier_mw * (1.0 - self._least_power[tier]))
            if saved_mw > 0.0:
                lost[tier] = tier_mw * (1.0 - self._curves[tier].throughput(1.0 - saved_mw / tier_mw))
                power_mw -= saved_mw
                saving_mw -= saved_mw
        return Slowed(power_mw, sum(lost), tuple(lost))
