"""A computing cluster (智算集群): work that may wait, work that may be capped, and work that is never touched.

All power is at the cluster's own meter: cooling is inside it, storage beside it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpp.assets.base import EnergyAccount, EnergyReach, PowerBand, StateBounds, accepted, columns
from vpp.assets.curves import interpolate_rows
from vpp.assets.deferrable import Work
from vpp.park.plates import ComputePlate
from vpp.units import FloatArray

__all__ = ["COMPUTE", "Compute", "ComputeColumns", "ComputeState"]


@dataclass(frozen=True, slots=True)
class _Own:
    rated_mw: FloatArray
    pue_frac: FloatArray
    idle_frac: FloatArray
    mean_use_frac: FloatArray
    deferrable_frac: FloatArray
    tier_frac: FloatArray
    tier_loss_frac: FloatArray
    cap_power_frac: FloatArray
    cap_throughput_frac: FloatArray


@dataclass(frozen=True, slots=True)
class ComputeColumns:
    """Plates, shape (assets,) each but for tiers (assets, 4), the cap curve (assets, points) and classes (assets, classes).

    Classes are ordered by slack, the shortest first; a cluster with fewer classes than the widest has empty ones at the end.
    """

    rated_mw: FloatArray
    pue_frac: FloatArray
    idle_frac: FloatArray
    mean_use_frac: FloatArray
    deferrable_frac: FloatArray
    tier_frac: FloatArray
    tier_loss_frac: FloatArray
    cap_power_frac: FloatArray
    cap_throughput_frac: FloatArray
    class_share_frac: FloatArray
    class_slack_h: FloatArray

    @property
    def idle_mw(self) -> FloatArray:
        """What the cluster draws with every accelerator idle."""
        return self.idle_frac * self.rated_mw


@dataclass(frozen=True, slots=True)
class ComputeState:
    """Shape (assets,), or (assets, classes) for the deferrable work.

    Args:
        power_mw: Power of the last step. [MW]
        firm_mw: From outside: power of running work that may not wait, above idle. [MW]
        fast_band_mw: From outside: the part of it that the scheduler offers to cap within seconds. [MW]
        waiting_mwh: Deferrable work released and not served. [MWh]
        arriving_mw: From outside: deferrable work released per hour. [MW]
        due_mw: From outside: what must be served now lest a deadline be missed. [MW]
    """

    power_mw: FloatArray
    firm_mw: FloatArray
    fast_band_mw: FloatArray
    waiting_mwh: FloatArray
    arriving_mw: FloatArray
    due_mw: FloatArray


@dataclass(frozen=True, slots=True)
class Compute:
    """Power is idle, plus firm work less what caps take, plus deferrable work served.

    A step splits exactly while power covers firm and due work and what is due fits into the meter's rating. Below that, due work
    takes its power from firm work, by the mean of the step.
    """

    name: str = "compute"
    splits_exactly: bool = False

    def plate(self, plates: Sequence[ComputePlate]) -> ComputeColumns:
        """The records of a park as arrays."""
        own = columns(_Own, plates)
        width = max((len(plate.job_classes) for plate in plates), default=1)
        share, slack = np.zeros((len(plates), width)), np.full((len(plates), width), np.inf)
        for i, plate in enumerate(plates):
            for j, job_class in enumerate(sorted(plate.job_classes, key=lambda c: c.slack_h)):
                share[i, j], slack[i, j] = job_class.share_frac, job_class.slack_h
        return ComputeColumns(
            own.rated_mw,
            own.pue_frac,
            own.idle_frac,
            own.mean_use_frac,
            own.deferrable_frac,
            own.tier_frac,
            own.tier_loss_frac,
            own.cap_power_frac,
            own.cap_throughput_frac,
            class_share_frac=share,
            class_slack_h=slack,
        )

    def initial(self, plate: ComputeColumns) -> ComputeState:
        """Mean use, the deferrable part arriving steadily with an hour of it waiting, all that tiers allow offered."""
        busy_mw = np.maximum(0.0, plate.mean_use_frac * plate.rated_mw - plate.idle_mw)
        firm_mw = busy_mw * (1.0 - plate.deferrable_frac)
        arriving_mw = (busy_mw * plate.deferrable_frac)[:, np.newaxis] * plate.class_share_frac
        return ComputeState(
            power_mw=plate.idle_mw + firm_mw + np.sum(arriving_mw, axis=1),
            firm_mw=firm_mw,
            fast_band_mw=self.cappable_mw(plate, firm_mw),
            waiting_mwh=arriving_mw * 1.0,
            arriving_mw=arriving_mw,
            due_mw=np.zeros_like(arriving_mw),
        )

    def bounds(self, plate: ComputeColumns) -> StateBounds[ComputeState]:
        """Power up to the meter's rating; a queue has no upper limit, only a price."""
        zero, none = np.zeros_like(plate.rated_mw), np.zeros_like(plate.class_share_frac)
        above_idle_mw, most = plate.rated_mw - plate.idle_mw, np.full_like(none, np.inf)
        return StateBounds(
            ComputeState(zero, zero, zero, none, none, none),
            ComputeState(plate.rated_mw, above_idle_mw, above_idle_mw, most, most, most),
        )

    def cappable_mw(self, plate: ComputeColumns, firm_mw: FloatArray) -> FloatArray:
        """Most that caps can take from firm work, each tier losing no more throughput than it may, shape (assets,).

        The curve is read backwards: the least power at which a tier keeps `1 - loss` of its throughput. A tier that may lose
        nothing is not touched, whatever the curve says.
        """
        taken_frac = np.zeros_like(firm_mw)
        for tier in range(plate.tier_frac.shape[1]):  # over the four tiers
            loss_frac = plate.tier_loss_frac[:, tier]
            power_frac = interpolate_rows(plate.cap_throughput_frac, plate.cap_power_frac, 1.0 - loss_frac)
            # Below the lowest measured cap nothing is known, so nothing is promised.
            power_frac = np.clip(power_frac, plate.cap_power_frac[:, 0], 1.0)
            taken_frac = taken_frac + np.where(loss_frac > 0.0, plate.tier_frac[:, tier] * (1.0 - power_frac), 0.0)
        return firm_mw * np.minimum(taken_frac, 1.0)

    def feasible(self, plate: ComputeColumns, state: ComputeState, step_h: float) -> PowerBand:
        """From capped firm work and what is due to all work there is, within the meter's rating."""
        work, room_mw = _work(state), _room_mw(plate, state)
        base_mw = plate.idle_mw + _firm_mw(plate, state)
        low_mw = base_mw - self._offered_mw(plate, state) + np.minimum(work.least_mw(step_h), room_mw)
        return PowerBand(low_mw, np.maximum(low_mw, base_mw + np.minimum(work.most_mw(step_h), room_mw)))

    def step(self, plate: ComputeColumns, state: ComputeState, power_mw: FloatArray, step_h: float) -> ComputeState:
        """What waits afterwards; work is served before firm work is uncapped only where it is due."""
        power_mw = accepted(self.name, self.feasible(plate, state, step_h), power_mw)
        served_mw = self._served_mw(plate, state, power_mw, step_h)
        return replace(state, power_mw=power_mw, waiting_mwh=_work(state).after(served_mw, step_h))

    def account(self, plate: ComputeColumns, before: ComputeState, power_mw: FloatArray, step_h: float) -> EnergyAccount:
        """Used is what reaches the machines; the rest of the meter's energy is cooling and conversion."""
        used_mwh = power_mw / plate.pue_frac * step_h
        return EnergyAccount(power_mw * step_h, np.zeros_like(power_mw), used_mwh, (plate.pue_frac - 1.0) * used_mwh)

    def safe_power_mw(self, plate: ComputeColumns, state: ComputeState) -> FloatArray:
        """Firm work under the caps that were offered, and what is due: a cluster does not jump when nobody caps it any more."""
        served_mw = np.where(state.waiting_mwh > 0.0, state.due_mw, np.minimum(state.due_mw, state.arriving_mw))
        due_mw = np.minimum(np.sum(served_mw, axis=1), _room_mw(plate, state))
        safe_mw: FloatArray = plate.idle_mw + _firm_mw(plate, state) - self._offered_mw(plate, state) + due_mw
        return safe_mw

    def reach(self, plate: ComputeColumns, state: ComputeState, horizons_h: FloatArray) -> EnergyReach:
        """Firm work capped all the time and only due work served, or all work served as it comes."""
        least, most = _work(state).reach_mwh(_room_mw(plate, state), horizons_h)
        base_mw = plate.idle_mw + _firm_mw(plate, state)
        capped_mw = base_mw - self._offered_mw(plate, state)
        return EnergyReach(capped_mw[:, np.newaxis] * horizons_h + least, base_mw[:, np.newaxis] * horizons_h + most)

    def _offered_mw(self, plate: ComputeColumns, state: ComputeState) -> FloatArray:
        return np.minimum(state.fast_band_mw, self.cappable_mw(plate, _firm_mw(plate, state)))

    def _served_mw(self, plate: ComputeColumns, state: ComputeState, power_mw: FloatArray, step_h: float) -> FloatArray:
        above_mw = power_mw - plate.idle_mw - _firm_mw(plate, state)
        return np.maximum(above_mw, np.minimum(_work(state).least_mw(step_h), _room_mw(plate, state)))


def _work(state: ComputeState) -> Work:
    return Work(state.waiting_mwh, state.arriving_mw, state.due_mw)


def _firm_mw(plate: ComputeColumns, state: ComputeState) -> FloatArray:
    """Firm work within the meter's rating."""
    return np.minimum(state.firm_mw, plate.rated_mw - plate.idle_mw)


def _room_mw(plate: ComputeColumns, state: ComputeState) -> FloatArray:
    """What the meter's rating leaves for deferrable work."""
    return plate.rated_mw - plate.idle_mw - _firm_mw(plate, state)


COMPUTE: Final = Compute()
