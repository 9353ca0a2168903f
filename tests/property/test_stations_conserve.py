"""Whatever anybody commands, however little power is left and however long a step is: no law is broken, no limit left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_harness.plants.base import Ambient
from sim_harness.plants.station import Station
from tests.station_runs import STATIONS, worst_residual
from tests.world_builders import START
from vpp.wire.messages import Limit, Setpoint, StackCounts, Switch, Target

COUNT = st.integers(0, 150)
SETPOINTS = st.none() | st.one_of(
    st.builds(lambda mw: Target(power_mw=mw), st.floats(-400.0, 800.0)),
    st.builds(lambda mw: Limit(max_power_mw=mw), st.floats(0.0, 800.0)),
    st.builds(lambda closed: Switch(closed=closed), st.booleans()),
    st.builds(lambda on, standby, mw: StackCounts(on=on, standby=standby, power_mw=mw), COUNT, COUNT, st.floats(0.0, 800.0)),
)
#: A command, the share of its intent that the plant gets (a blackout, now and then), and how long this goes on.
STEPS = st.lists(st.tuples(SETPOINTS, st.sampled_from([1.0, 1.0, 1.0, 0.6, 0.0]), st.integers(1, 6)), min_size=1, max_size=14)


def carry_out(plant: Station, setpoint: Setpoint | None) -> None:
    """Command it; an answer is a power it can be asked about, and a refusal says why."""
    if setpoint is None:
        return
    answer = plant.apply(setpoint, None)
    assert answer.outcome == "accepted" or answer.reason is not None
    assert abs(answer.power_mw) < 1_000.0


@pytest.mark.parametrize("kind", STATIONS)
@settings(max_examples=15, deadline=None)
@given(
    steps=STEPS, dt_s=st.sampled_from([1.0, 10.0, 60.0, 900.0]), temperature_c=st.floats(-30.0, 38.0), seed=st.integers(0, 10_000)
)
def test_no_law_is_broken(
    kind: str, steps: list[tuple[Setpoint | None, float, int]], dt_s: float, temperature_c: float, seed: int
) -> None:
    plant, at = STATIONS[kind](seed), START
    for setpoint, supplied, count in steps:
        carry_out(plant, setpoint)
        for _ in range(count):
            ambient = Ambient(at, dt_s, temperature_c)
            intent = plant.intend(ambient)
            assert intent.low_mw <= intent.power_mw + 1e-9
            assert intent.power_mw <= intent.high_mw + 1e-9
            plant.settle(intent.power_mw * supplied, ambient)
            at += timedelta(seconds=dt_s)
            reading = plant.read()
            assert reading.power_mw == pytest.approx(intent.power_mw * supplied)
            for name in ("soc_frac", "excursion_left_h", "recovery_left_h", "quota_left_mwh", "waiting_mwh", "hours_left_h"):
                assert reading.state.get(name, 0.0) >= -1e-9, name
            assert reading.state.get("soc_frac", 0.0) <= 1.05
    assert worst_residual(plant) < 1e-6
    assert all(value >= -1e-9 for name, value in plant.totals().items() if not name.startswith(("zinc", "delivered")))
