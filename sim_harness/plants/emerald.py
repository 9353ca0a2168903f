"""The test bed of the Phoenix field demonstration: 256 GPUs, six jobs in three tiers, for the same event on our side.

SOURCE: P. Colangelo et al., "Turning AI Data Centers into Grid-Interactive Assets" (arXiv 2507.00909), public project
ai-emerald/emerald-ai-demo-may-2025, Apache-2.0: jobs and tiers from `emerald_phoenix_event_performance.csv`, uncapped draw per
GPU and throughput under caps from `gpu_power_cap_sweep.csv`. The published names say 32 and 48 GPUs for the inference jobs; the
other three jobs share 128 GPUs, split here (64, 24, 40) so that the published shares of throughput weigh up to the published
mean, 0.909 against 0.9096: inferred, not published. Power is that of the GPUs alone, as in the record: no PUE, no idle share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from sim_harness.clusters.cap_curve import FINE_TUNING, INFERENCE, LEAST_POWER_FRAC, PRE_TRAINING, CapCurve, CapFit
from sim_harness.plants.compute import ComputeCluster, FirmMix
from vpp.ids import AreaId, AssetId, BusId
from vpp.park import Asset
from vpp.park.plates import ComputePlate, JobClass
from vpp.units import KW_PER_MW

__all__ = ["EMERALD_JOBS", "RECORDED", "EmeraldJob", "Recorded", "emerald_cluster", "emerald_plate"]

_W_PER_KW: Final = KW_PER_MW
_POINTS: Final = 24


@dataclass(frozen=True, slots=True)
class EmeraldJob:
    """One job of the demonstration.

    Args:
        name: As published, without its suffix.
        gpus: How many it holds.
        gpu_w: What each draws uncapped. [W]
        tier: 1 may lose 10 % of throughput, 2 30 %, 3 50 %.
        fit: Throughput against power of its kind.
    """

    name: str
    gpus: int
    gpu_w: float
    tier: int
    fit: CapFit

    @property
    def power_mw(self) -> float:
        """Uncapped draw."""
        return self.gpus * self.gpu_w / _W_PER_KW / KW_PER_MW


EMERALD_JOBS: Final = (
    EmeraldJob("ft_llama_8b_p3", 64, 343.4, 2, FINE_TUNING),
    EmeraldJob("infer_llama_8b_32g", 32, 368.4, 3, INFERENCE),
    EmeraldJob("infer_llama_8b_48g (1)", 48, 368.4, 1, INFERENCE),
    EmeraldJob("infer_llama_8b_48g (2)", 48, 368.4, 2, INFERENCE),
    EmeraldJob("pt_mpt_13b_sm", 24, 376.8, 3, PRE_TRAINING),
    EmeraldJob("pt_mpt_7b_fast", 40, 387.8, 3, PRE_TRAINING),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The public record of the event, from `emerald_phoenix_event_power.csv` and the published performance.

    Args:
        before_kw: Mean of the hour before.
        event_kw: Mean inside the event of three hours.
        lowest_kw: Lowest minute.
        ramp_min: Until it was down.
        throughput_frac: Weighted over the jobs.
    """

    before_kw: float
    event_kw: float
    lowest_kw: float
    ramp_min: float
    throughput_frac: float


RECORDED: Final = Recorded(before_kw=92.8, event_kw=64.0, lowest_kw=46.6, ramp_min=12.0, throughput_frac=0.9096)


def emerald_plate() -> ComputePlate:
    """The test bed as a nameplate: GPU power only, all of it firm work in tiers 1 to 3."""
    total_mw = sum(job.power_mw for job in EMERALD_JOBS)
    share = [sum(job.power_mw for job in EMERALD_JOBS if job.tier == tier) / total_mw for tier in range(4)]
    mean = _mixed(EMERALD_JOBS)
    nothing = JobClass(name="none", share_frac=1.0, slack_h=1.0, delay_cny_per_mwh=0.0, miss_cny_per_mwh=0.0)
    return ComputePlate(
        rated_mw=total_mw,
        it_mw=total_mw,
        pue_frac=1.0,
        idle_frac=0.0,
        mean_use_frac=1.0,
        deferrable_frac=0.0,
        job_classes=(nothing,),
        tier_frac=(share[0], share[1], share[2], share[3]),
        tier_loss_frac=(0.0, 0.1, 0.3, 0.5),
        throughput_cny_per_mwh=0.0,
        checkpoint_s=0.0,
        cap_power_frac=mean.power_frac,
        cap_throughput_frac=mean.throughput_frac,
    )


def emerald_cluster(start: datetime, cluster: str = "compute.emerald", area: str = "phoenix") -> ComputeCluster:
    """The test bed as a plant; connect a client to it and send it caps.

    Args:
        start: Beginning of the run (UTC).
        cluster: Its id.
        area: The supply area it stands in.
    """
    asset = Asset(
        id=AssetId(cluster),
        kind="compute",
        area=AreaId(area),
        buses=(BusId("lv"),),
        name="Emerald test bed",
        name_zh="Emerald 测试集群",
        in_service_from=date(2025, 5, 1),
        in_service_until=None,
        plate=emerald_plate(),
    )
    curves = tuple(_mixed(tuple(job for job in EMERALD_JOBS if job.tier == tier) or EMERALD_JOBS) for tier in range(4))
    return ComputeCluster(asset, start, np.random.default_rng(0), firm=FirmMix(curves))


def _mixed(jobs: tuple[EmeraldJob, ...]) -> CapCurve:
    """Jobs under the same cap in share of their power: throughput weighed by their uncapped draw."""
    power = tuple(np.linspace(LEAST_POWER_FRAC, 1.0, _POINTS).tolist())
    total_mw = sum(job.power_mw for job in jobs)
    throughput = tuple(sum(job.power_mw * job.fit.throughput(p) for job in jobs) / total_mw for p in power)
    return CapCurve(power, throughput)
