"""Whatever is commanded and however the island pushes: nothing is lost, and no machine leaves its limits."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sim_harness.plants.base import Ambient, Plant
from tests.plant_runs import MANY_STACKS, Desk, ammonia, electrolyser, furnaces
from tests.world_builders import CLUSTER, FURNACES, LOOP, START
from vpp.wire.messages import HeatStart, Limit, Setpoint, StackCounts, Target

STEP_S = st.sampled_from([1.0, 10.0, 60.0, 300.0, 900.0])
PUSH = st.floats(0.0, 1.0)
COUNT = st.integers(0, 150)
POWER_MW = st.floats(0.0, 800.0)
STACK_SETPOINTS = st.none() | st.one_of(
    st.builds(lambda on, standby, mw: StackCounts(on=on, standby=standby, power_mw=mw), COUNT, COUNT, POWER_MW),
    st.builds(lambda mw: Target(power_mw=mw), POWER_MW),
    st.builds(lambda mw: Limit(max_power_mw=mw), POWER_MW),
)
FURNACE_SETPOINTS = st.none() | st.one_of(
    st.builds(
        lambda i, minutes: HeatStart(furnace=f"furnace.{i}", start_at=START + timedelta(minutes=minutes)),
        st.integers(0, 2),
        st.integers(0, 600),
    ),
    st.builds(lambda mw: Target(power_mw=mw), st.floats(0.0, 200.0)),
    st.builds(lambda mw: Limit(max_power_mw=mw), st.floats(0.0, 200.0)),
)


def check(plant: Plant) -> None:
    for balance in plant.balances():
        assert abs(balance.residual) <= 1e-6 * max(balance.size, 1.0), balance


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(STEP_S, STACK_SETPOINTS, PUSH, st.booleans()), min_size=1, max_size=40),
    seed=st.integers(0, 1000),
    level_frac=st.floats(0.0, 1.0),
)
def test_electrolysis_and_ammonia_lose_no_hydrogen_stack_or_energy(
    steps: list[tuple[float, Setpoint | None, float, bool]], seed: int, level_frac: float
) -> None:
    loop = ammonia(level_frac)
    stacks = electrolyser(node=loop, seed=seed)
    at = START
    for dt_s, setpoint, push, blackout in steps:
        if setpoint is not None:
            applied = stacks.apply(setpoint, None)
            assert applied.outcome == "accepted" or applied.reason is not None
        ambient = Ambient(at, dt_s, 5.0)
        intent, own = stacks.intend(ambient), loop.intend(ambient)
        assert 0.0 <= intent.low_mw <= intent.power_mw + 1e-9 <= intent.high_mw + 2e-9
        power_mw = push * intent.low_mw if blackout else intent.low_mw + push * (intent.high_mw - intent.low_mw)
        stacks.settle(power_mw, ambient)
        loop.settle(own.power_mw, ambient)
        state = stacks.read().state
        assert 0.0 <= state["load_frac"] <= MANY_STACKS.max_load_frac + 1e-9
        assert min(state["stacks_on"], state["stacks_standby"], state["stacks_starting"], state["stacks_off"]) >= 0.0
        assert -1e-9 <= loop.stock()["hydrogen_kg"] <= LOOP.buffer_kg + 1e-6
        at += timedelta(seconds=dt_s)
    check(stacks)
    check(loop)
    made_kg, taken_kg = stacks.totals()["hydrogen_kg"], loop.totals()["hydrogen_in_kg"]
    assert abs(made_kg - taken_kg) <= 1e-6 * max(made_kg, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(STEP_S, FURNACE_SETPOINTS, PUSH, st.booleans()), min_size=1, max_size=60), seed=st.integers(0, 1000)
)
def test_furnaces_lose_no_energy_and_keep_their_holds(steps: list[tuple[float, Setpoint | None, float, bool]], seed: int) -> None:
    plant, at = furnaces(seed=seed), START
    for dt_s, setpoint, push, blackout in steps:
        if setpoint is not None:
            plant.apply(setpoint, None)
        ambient = Ambient(at, dt_s, 5.0)
        intent = plant.intend(ambient)
        assert FURNACES.auxiliary_mw - 1e-9 <= intent.power_mw <= 1.15 * 2 * FURNACES.melting_mw + FURNACES.auxiliary_mw
        plant.settle(push * intent.power_mw if blackout else intent.power_mw, ambient)
        at += timedelta(seconds=dt_s)
        state = plant.read().state
        assert all(state[f"furnace.{i}.hold_left_s"] >= 0.0 for i in range(2))
    check(plant)


@settings(max_examples=40, deadline=None)
@given(
    orders=st.lists(st.tuples(st.floats(0.0, 45.0), st.floats(0.0, 45.0), st.integers(0, 3)), min_size=1, max_size=12),
    dt_s=st.sampled_from([60.0, 300.0, 900.0]),
    temperature_c=st.floats(-30.0, 38.0),
    seed=st.integers(0, 1000),
)
def test_a_cluster_loses_no_work_and_keeps_its_promises(
    orders: list[tuple[float, float, int]], dt_s: float, temperature_c: float, seed: int
) -> None:
    desk = Desk(dt_s=dt_s, seed=seed, temperature_c=temperature_c)
    # Before its first step a scheduler does not know the weather that its cooling works against.
    desk.run.step()
    for target_mw, cap_mw, hours in orders:
        answer = desk.send(target_mw, cap_mw=cap_mw)
        kept_mw = max([cap_mw, *(i.power_mw for i in answer.intervals)])
        desk.run.power_mw.clear()
        desk.run.hours(hours)
        # Firm work wanders a little around what the scheduler expected when it answered.
        assert max(desk.run.power_mw, default=0.0) <= max(kept_mw, cap_mw) * 1.06 + 1e-6
        assert max(desk.run.power_mw, default=0.0) <= CLUSTER.rated_mw + 1e-6
    assert desk.cluster.totals()["tier0_curtailed_mwh"] == 0.0
    check(desk.cluster)
