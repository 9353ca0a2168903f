"""Work that does not wait: four tiers, of which three can be slowed down by capping accelerators, each only so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sim_harness.clusters.cap_curve import CapCurve
from sim_harness.clusters.hardware import Hardware
from vpp.park.plates import ComputePlate

__all__ = ["TIERS", "FirmTiers", "Slowed"]

TIERS: Final = 4
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


@dataclass(frozen=True, slots=True)
class _Slice:
    """Power that can be taken from a tier at one price in throughput, as shares of all firm power."""

    price: float
    tier: int
    saving_frac: float


class FirmTiers:
    """How much power caps take from firm work, and what that costs in throughput.

    Power is taken where it costs the least throughput, at equal price from the highest tier; no tier loses more than its contract
    allows, and tier 0 is never touched. Caps on all tiers a little cost far less than a deep one on one of them.

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
        slices = [cut for tier in range(1, TIERS) for cut in self._slices(tier)]
        self._slices_by_price = tuple(sorted(slices, key=lambda cut: (cut.price, -cut.tier)))
        self._saving_frac = sum(cut.saving_frac for cut in slices)

    def saving_mw(self, firm_mw: float) -> float:
        """Most power that caps can take from firm work, in MW."""
        return firm_mw * self._saving_frac

    def saving_below_mw(self, firm_mw: float, price: float) -> float:
        """Power that costs less throughput than this for each unit that is saved, in MW."""
        return firm_mw * sum(cut.saving_frac for cut in self._slices_by_price if cut.price < price)

    def slow(self, firm_mw: float, saving_mw: float) -> Slowed:
        """Take up to `saving_mw` from firm work, the cheapest throughput first."""
        taken = [0.0] * TIERS
        left_mw = min(saving_mw, self.saving_mw(firm_mw))
        for cut in self._slices_by_price:
            if left_mw <= 0.0:
                break
            part_mw = min(left_mw, cut.saving_frac * firm_mw)
            taken[cut.tier] += part_mw
            left_mw -= part_mw
        lost = [self._lost_mw(tier, firm_mw * self.share[tier], taken[tier]) for tier in range(TIERS)]
        return Slowed(firm_mw - sum(taken), sum(lost), tuple(lost))

    def _lost_mw(self, tier: int, tier_mw: float, taken_mw: float) -> float:
        if taken_mw <= 0.0:
            return 0.0
        return tier_mw * (1.0 - self._curves[tier].throughput(1.0 - taken_mw / tier_mw))

    def _slices(self, tier: int) -> Iterator[_Slice]:
        """A tier's savings from no cap down to its least power, at rising prices: the concave hull of its curve."""
        curve, least = self._curves[tier], self._least_power[tier]
        inner = [(p, t) for p, t in zip(curve.power_frac, curve.throughput_frac, strict=True) if least < p < 1.0]
        hull: list[tuple[float, float]] = [(1.0, curve.throughput(1.0))]
        for point in [*reversed(inner), (least, curve.throughput(least))]:
            while len(hull) > 1 and _price(hull[-2], hull[-1]) >= _price(hull[-1], point):
                hull.pop()
            hull.append(point)
        for above, below in zip(hull, hull[1:], strict=False):
            if above[0] > below[0]:
                yield _Slice(_price(above, below), tier, self.share[tier] * (above[0] - below[0]))


def _price(above: tuple[float, float], below: tuple[float, float]) -> float:
    """Throughput lost per power saved between two points of a curve."""
    saved = above[0] - below[0]
    return (above[1] - below[1]) / saved if saved > 0.0 else 0.0
