from __future__ import annotations

import numpy as np
import pytest

from controllers.client import SchedulerClient
from sim_harness.plants.emerald import EMERALD_JOBS, RECORDED, emerald_cluster, emerald_plate
from tests.plant_runs import CLUSTER_ID, PARK, Desk
from tests.world_builders import START

KW = 1e3


def test_bed() -> Desk:
    desk = Desk(emerald_plate(), dt_s=10.0)
    cluster = emerald_cluster(START, CLUSTER_ID)
    client = SchedulerClient(
        desk.bus, PARK, CLUSTER_ID, desk.run.time, fallback_cap_mw=desk.plate.rated_mw, on_shift=cluster.on_shift
    )
    cluster.connect(client)
    desk.cluster, desk.run.plants = cluster, (cluster,)
    return desk


test_bed.__test__ = False  # type: ignore[attr-defined]  # a builder, named as the field test names it


def test_the_test_bed_draws_what_the_record_shows_before_the_event() -> None:
    desk = test_bed()
    desk.run.hours(1)
    assert sum(job.gpus for job in EMERALD_JOBS) == 256
    assert np.mean(desk.run.power_mw) * KW == pytest.approx(RECORDED.before_kw, rel=0.02)


def test_a_quarter_less_for_three_hours_is_kept_without_ramp_or_undershoot() -> None:
    desk = test_bed()
    desk.run.hours(1)
    before_mw, at = desk.run.power_mw[-1], dict(desk.cluster.totals())
    answer = desk.send(0.75 * before_mw, cap_mw=0.75 * before_mw, hours=3)
    desk.run.power_mw.clear()
    desk.run.hours(3)
    assert answer.accepted == "all"
    assert desk.run.power_mw == pytest.approx([0.75 * before_mw] * len(desk.run.power_mw), rel=1e-9)
    now = desk.cluster.totals()
    lost, done = (now[k] - at[k] for k in ("lost_throughput_mwh", "firm_done_mwh"))
    assert done / (done + lost) >= 0.88  # the target where a quarter is counted on GPU power
    for tier, allowed in enumerate(desk.plate.tier_loss_frac):
        taken = now[f"lost_throughput_mwh.tier{tier}"] - at[f"lost_throughput_mwh.tier{tier}"]
        assert taken <= allowed * desk.plate.tier_frac[tier] * (done + lost) + 1e-9
