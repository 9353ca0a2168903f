import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_harness.grid import AreaBalancer, Topology
from sim_harness.plants.base import Intent, PushOrder
from tests.world_builders import BASE, asset, connection, park

#: a and c hang on the grid, b behind a, d behind b; i is an island with j behind it.
AREAS = ("a", "b", "c", "d", "i", "j")
_power = st.floats(0.0, 500.0, allow_subnormal=False)


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    order = draw(st.sampled_from(PushOrder))
    match order:
        case PushOrder.GRID_FORMING:
            low, high = -draw(_power), draw(_power)
            return Intent(draw(st.floats(low, high)), low, high, order)
        case PushOrder.FAST_LOAD:
            low, mid, high = sorted(draw(st.tuples(_power, _power, _power)))
            return Intent(mid, low, high, order)
        case PushOrder.CURTAILMENT:
            most = draw(_power)
            return Intent(draw(st.floats(-most, 0.0)), -most, 0.0, order)
        case PushOrder.SHEDDING:
            demand = draw(_power)
            return Intent(demand, 0.0, demand, order)
        case _:
            firm = draw(st.floats(-500.0, 500.0))
            return Intent(firm, firm, firm, order)


def topology(limits: tuple[float, float, float, float]) -> Topology:
    assets = [asset(f"base.{area}", "base_load", BASE, area) for area in AREAS]
    ties = (
        connection("grid.a", "a", export_mw=limits[0]),
        connection("grid.c", "c", export_mw=limits[1]),
        connection("tie.b", "b", to="a", export_mw=limits[2]),
        connection("tie.d", "d", to="b", export_mw=limits[3]),
        connection("tie.j", "j", to="i", export_mw=limits[3]),
    )
    return Topology.of_park(park(assets, ties, AREAS))


_plants = st.lists(st.tuples(st.integers(0, len(AREAS) - 1), intents()), min_size=1, max_size=18)
_limits = st.tuples(_power, _power, _power, _power)


@settings(max_examples=300, deadline=None)
@given(plants=_plants, limits=_limits)
def test_whatever_plants_intend_every_area_balances_and_no_island_imports(
    plants: list[tuple[int, Intent]], limits: tuple[float, float, float, float]
) -> None:
    tree = topology(limits)
    verdict = AreaBalancer(tree, [area for area, _ in plants]).balance([intent for _, intent in plants])
    net = np.zeros(len(AREAS))
    for (area, _), power_mw in zip(plants, verdict.power_mw, strict=True):
        net[area] += power_mw
    for branch, flow_mw in zip(tree.branches, verdict.import_mw, strict=True):
        net[branch.area] -= flow_mw
        if branch.parent is not None:
            net[branch.parent] += flow_mw
    assert np.max(np.abs(net)) < 1e-9


@settings(max_examples=300, deadline=None)
@given(plants=_plants, limits=_limits)
def test_no_export_limit_is_ever_exceeded(plants: list[tuple[int, Intent]], limits: tuple[float, float, float, float]) -> None:
    tree = topology(limits)
    verdict = AreaBalancer(tree, [area for area, _ in plants]).balance([intent for _, intent in plants])
    for branch, flow_mw in zip(tree.branches, verdict.import_mw, strict=True):
        assert flow_mw >= -branch.connection.export_limit_mw - 1e-9


@settings(max_examples=300, deadline=None)
@given(plants=_plants, limits=_limits)
def test_who_can_be_pushed_enough_is_never_forced(
    plants: list[tuple[int, Intent]], limits: tuple[float, float, float, float]
) -> None:
    tree = topology(limits)
    verdict = AreaBalancer(tree, [area for area, _ in plants]).balance([intent for _, intent in plants])
    for (area, intent), power_mw in zip(plants, verdict.power_mw, strict=True):
        if power_mw < intent.low_mw - 1e-9:
            assert verdict.unserved_mw[area] > 0.0
        if power_mw > intent.high_mw + 1e-9:
            assert verdict.tripped_mw[area] > 0.0
