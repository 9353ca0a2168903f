"""What assets can do together: never less than a feasible schedule, tight where brute force can tell, merged without loss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tests.builders import COMMANDS, EXAMPLE_PLATES, battery, ev_charging, example_asset, random_state
from vpp.assets import ASSET_KINDS, PowerBand
from vpp.assets.battery import BATTERY, BatteryState
from vpp.assets.ev_charging import EV_CHARGING, EvChargingState
from vpp.errors import PlanError
from vpp.flexibility import Fleet, Tubes, aggregate, merge, split_by_deadline
from vpp.flexibility.aggregate import sustained
from vpp.ids import AreaId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

SEEDS = st.integers(0, 2**32 - 1)
NORTH, SOUTH = AreaId("north"), AreaId("south")
BEHIND = {ConnectionId("grid.main"): [NORTH, SOUTH], ConnectionId("tie.south"): [SOUTH]}


def _fleet(rng: np.random.Generator) -> Fleet:
    """Two of each kind, one in each area, in any states."""
    assets = [example_asset(kind, n, area) for kind in EXAMPLE_PLATES for n, area in enumerate((NORTH, SOUTH))]
    fleet = Fleet.of(assets, BEHIND)
    return fleet.with_states({g.kind.name: random_state(g.kind, g.plate, rng) for g in fleet.groups})


def _shares(low_mw: FloatArray, high_mw: FloatArray, total_mw: float) -> FloatArray:
    """Powers inside their bands that sum to a total as nearly as they can."""
    room = np.sum(high_mw - low_mw)
    share = np.clip((total_mw - np.sum(low_mw)) / room, 0.0, 1.0) if room > 0.0 else 0.0
    powers: FloatArray = low_mw + share * (high_mw - low_mw)
    return powers


def _one_kept_power(fleet: Fleet, steps_h: list[float], rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Try to keep one constant power; the (power, least, most) of every step, all members and commands free."""
    states = {g.kind.name: g.state for g in fleet.groups}
    asked_mw: float | None = None
    done = []
    for step_h in steps_h:
        for name, command in COMMANDS.items():
            group = next(g for g in fleet.groups if g.kind.name == name)
            states[name] = command(group.plate, states[name], rng)
        bands = {g.kind.name: g.kind.feasible(g.plate, states[g.kind.name], step_h) for g in fleet.groups}
        low = np.concatenate([band.low_mw for band in bands.values()])
        high = np.concatenate([band.high_mw for band in bands.values()])
        if asked_mw is None:
            asked_mw = float(rng.choice([np.sum(low), np.sum(high), rng.uniform(np.sum(low), np.sum(high))]))
        powers = _shares(low, high, asked_mw)
        done.append((float(np.sum(powers)), asked_mw, step_h))
        at = 0
        for group in fleet.groups:
            name, n = group.kind.name, len(group.ids)
            states[name] = group.kind.step(group.plate, states[name], bands[name].clip(powers[at : at + n]), step_h)
            at += n
    return done


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_a_power_that_was_kept_is_inside_what_can_be_sustained(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet = _fleet(rng)
    # Quarter hours, the first one perhaps in minutes: a power is kept if every quarter hour keeps it.
    steps_h = ([1 / 60] * 15 if rng.uniform() < 0.3 else [0.25]) + [0.25] * 15
    answer = aggregate(fleet, step_h=steps_h[0])
    elapsed_h, kept = 0.0, True
    for power_mw, asked_mw, step_h in _one_kept_power(fleet, steps_h, rng):
        kept = kept and abs(power_mw - asked_mw) < 1e-6
        elapsed_h += step_h
        for h in np.flatnonzero(answer.horizons_h <= elapsed_h + 1e-9) if kept else []:
            assert power_mw <= answer.connections.sustained_high_mw[0, h] + 1e-5
            assert power_mw >= answer.connections.sustained_low_mw[0, h] - 1e-5


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_area_sums_equal_a_loop_over_single_assets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet = _fleet(rng)
    answer = aggregate(fleet, step_h=0.25)
    expected: dict[AreaId, list[float]] = {NORTH: [0.0, 0.0], SOUTH: [0.0, 0.0]}
    for group in fleet.groups:
        for i, area in enumerate(group.area):
            plate, state = _row(group.plate, i), _row(group.state, i)
            band = group.kind.feasible(plate, state, 0.25)
            expected[fleet.areas[area]][0] += band.low_mw[0]
            expected[fleet.areas[area]][1] += band.high_mw[0]
    for row, area in enumerate(fleet.areas):
        assert answer.areas.low_mw[row] == pytest.approx(expected[area][0])
        assert answer.areas.high_mw[row] == pytest.approx(expected[area][1])


def _row(columns: Any, i: int) -> Any:
    return type(columns)(*(getattr(columns, name)[i : i + 1] for name in columns.__dataclass_fields__))


def test_an_area_counts_in_every_connection_it_is_behind() -> None:
    fleet = Fleet.of([example_asset("base_load", 0, NORTH), example_asset("base_load", 1, SOUTH)], BEHIND)
    answer = aggregate(fleet, step_h=0.25)
    np.testing.assert_allclose(answer.connections.high_mw, [220.0, 110.0])


def _lp_most_mw(batteries: Any, state: BatteryState, ev: Any, ev_state: EvChargingState, steps_h: FloatArray) -> float:
    """Greatest power that stores and a charging queue can keep, by linear programming over fine steps: brute force."""
    n_b, n_t = batteries.power_mw.size, steps_h.size
    n_v = ev.power_mw.size
    # Variables: P, then charge, discharge of each battery and power of each queue, by step.
    width = 1 + n_t * (2 * n_b + n_v)
    charge = lambda b, t: 1 + t * (2 * n_b + n_v) + b  # noqa: E731  # an index, not a function worth a name
    a_eq, b_eq, a_ub, b_ub = [], [], [], []
    bounds: list[tuple[float | None, float | None]] = [(None, None)] + [(0.0, None)] * (width - 1)
    e = batteries.one_way_frac
    for t in range(n_t):
        row = np.zeros(width)
        row[0] = 1.0
        for b in range(n_b):
            row[charge(b, t)], row[charge(b, t) + n_b] = -1.0, 1.0
            limit = np.zeros(width)
            limit[charge(b, t)] = 1.0 / (batteries.power_mw[b] - batteries.auxiliary_mw[b])
            limit[charge(b, t) + n_b] = 1.0 / (batteries.power_mw[b] + batteries.auxiliary_mw[b])
            a_ub.append(limit)
            b_ub.append(1.0)
            level = np.zeros(width)
            for s in range(t + 1):
                level[charge(b, s)] = e[b] * steps_h[s] / batteries.energy_mwh[b]
                level[charge(b, s) + n_b] = -steps_h[s] / e[b] / batteries.energy_mwh[b]
            a_ub += [level, -level]
            b_ub += [batteries.soc_max_frac[b] - state.soc_frac[b], state.soc_frac[b] - batteries.soc_min_frac[b]]
        for v in range(n_v):
            j = charge(0, t) + 2 * n_b + v
            row[j] = -1.0
            bounds[j] = (0.0, float(ev.power_mw[v]))
            served = np.zeros(width)
            for s in range(t + 1):
                served[charge(0, s) + 2 * n_b + v] = steps_h[s]
            a_ub.append(served)
            b_ub.append(ev_state.waiting_mwh[v] + ev_state.arriving_mw[v] * np.sum(steps_h[: t + 1]))
        a_eq.append(row)
        b_eq.append(float(np.sum(batteries.auxiliary_mw)))
    cost = np.zeros(width)
    cost[0] = -1.0
    found = linprog(cost, A_ub=np.array(a_ub), b_ub=b_ub, A_eq=np.array(a_eq), b_eq=b_eq, bounds=bounds)
    assert found.status == 0
    return float(found.x[0])


@settings(max_examples=30, deadline=None)
@given(
    soc=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=2),
    waiting=st.floats(0.0, 30.0),
    arriving=st.floats(0.0, 8.0),
    hours=st.sampled_from([0.25, 1.0, 2.0, 4.0]),
)
def test_the_bound_is_met_by_brute_force_on_stores_and_a_queue(
    soc: list[float], waiting: float, arriving: float, hours: float
) -> None:
    plates = BATTERY.plate([battery(), battery(power_mw=40.0, energy_mwh=40.0, round_trip_frac=0.7, auxiliary_frac=0.02)])
    state = BatteryState(np.array(soc))
    ev = EV_CHARGING.plate([ev_charging(power_mw=10.0)])
    ev_state = EvChargingState(np.array([waiting]), np.array([arriving]), np.array([0.0]))
    # The bound looks at the edges that the brute force looks at.
    tau_h = np.linspace(0.0, hours, 9)[1:]
    reaches = [BATTERY.reach(plates, state, tau_h), EV_CHARGING.reach(ev, ev_state, tau_h)]
    low = np.sum([np.sum(r.low_mwh, axis=0) for r in reaches], axis=0)[np.newaxis, :]
    high = np.sum([np.sum(r.high_mwh, axis=0) for r in reaches], axis=0)[np.newaxis, :]
    _, bound_mw = sustained(low, high, tau_h, np.array([hours]))
    best_mw = _lp_most_mw(plates, state, ev, ev_state, np.full(8, hours / 8))
    assert best_mw <= bound_mw[0, 0] + 1e-6
    assert bound_mw[0, 0] == pytest.approx(best_mw, rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(soc=st.lists(st.floats(0.05, 0.95), min_size=3, max_size=3), hours=st.sampled_from([0.25, 1.0, 2.0, 4.0]))
def test_what_stores_can_deliver_is_found_exactly(soc: list[float], hours: float) -> None:
    plates = BATTERY.plate([battery(), battery(power_mw=100.0), battery(energy_mwh=15.0)])
    state = BatteryState(np.array(soc))
    tau_h = np.unique(np.append(np.linspace(0.0, hours, 17)[1:], hours))
    reach = BATTERY.reach(plates, state, tau_h)
    low, _ = sustained(np.sum(reach.low_mwh, axis=0)[None], np.sum(reach.high_mwh, axis=0)[None], tau_h, np.array([hours]))
    # Brute force: keep the bound, always discharging first what would last longest.
    for _ in tau_h:
        step_h = hours / tau_h.size
        band = BATTERY.feasible(plates, state, step_h)
        lasting = np.argsort(-BATTERY.content_mwh(plates, state) / plates.power_mw)
        powers, left = plates.auxiliary_mw.copy(), low[0, 0] - np.sum(plates.auxiliary_mw)
        for i in lasting:
            powers[i] = max(band.low_mw[i], plates.auxiliary_mw[i] + left)
            left -= powers[i] - plates.auxiliary_mw[i]
        state = BATTERY.step(plates, state, PowerBand(band.low_mw, band.high_mw).clip(powers), step_h)
        kept_mw = float(np.sum(powers))
        assert kept_mw >= low[0, 0] - 1e-6


def _grid(n: int) -> TimeGrid:
    return TimeGrid.regular(datetime(2030, 10, 1, tzinfo=UTC), timedelta(minutes=15), n)


def _tubes(rng: np.random.Generator, n_tubes: int, n: int) -> Tubes:
    """Small integer tubes, so that edges meet often."""
    high = np.concatenate([np.zeros((n_tubes, 1)), np.cumsum(rng.integers(0, 3, (n_tubes, n)), axis=1)], axis=1).astype(float)
    low = np.maximum.accumulate(
        np.minimum(high, rng.integers(0, 5, (n_tubes, n + 1))) * (rng.uniform(size=high.shape) < 0.5), axis=1
    )
    low[:, 0] = 0.0
    return Tubes(_grid(n), low, high, np.full(n_tubes, np.inf))


def _can_be_shared_out(tubes: Tubes, power_mw: FloatArray) -> bool:
    """By linear programming over the energy of every tube in every interval: the definition itself."""
    n_tubes, n = tubes.max_mw.size, tubes.grid.n
    energy = power_mw * tubes.grid.step_h
    a_eq = np.zeros((n, n_tubes * n))
    a_ub, b_ub = [], []
    for k in range(n):
        a_eq[k, k::n] = 1.0
    for j in range(n_tubes):
        for k in range(1, n + 1):
            row = np.zeros(n_tubes * n)
            row[j * n : j * n + k] = 1.0
            a_ub += [row, -row]
            b_ub += [tubes.high_mwh[j, k], -tubes.low_mwh[j, k]]
    return bool(linprog(np.zeros(n_tubes * n), A_ub=np.array(a_ub), b_ub=b_ub, A_eq=a_eq, b_eq=energy).status == 0)


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, n_tubes=st.integers(1, 4), n=st.integers(1, 5))
def test_a_profile_fits_the_merged_tube_if_and_only_if_it_can_be_shared_out(seed: int, n_tubes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    tubes = _tubes(rng, n_tubes, n)
    merged = merge(tubes, np.zeros(n_tubes, dtype=np.int64), np.array([np.inf]))
    assert merged.exact == (True,)
    # Profiles that follow an edge or something between, in whole MWh: many fit, many just do not.
    served = np.maximum.accumulate(np.rint(rng.uniform(merged.low_mwh[0], merged.high_mwh[0])))
    power_mw = np.diff(served) / tubes.grid.step_h
    assert merged.allows(0, power_mw) == _can_be_shared_out(tubes, power_mw)


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, n_tubes=st.integers(1, 5), n=st.integers(1, 8))
def test_earliest_deadline_first_shares_out_what_the_merged_tube_allows(seed: int, n_tubes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    tubes = _tubes(rng, n_tubes, n)
    merged = merge(tubes, np.zeros(n_tubes, dtype=np.int64), np.array([np.inf]))
    served = np.maximum.accumulate(rng.uniform(merged.low_mwh[0], merged.high_mwh[0]))
    served[0] = 0.0
    power_mw = np.diff(served) / tubes.grid.step_h
    if not merged.allows(0, power_mw):
        with pytest.raises(PlanError):
            split_by_deadline(tubes, power_mw)
        return
    shared_mw = split_by_deadline(tubes, power_mw)
    by_tube = np.concatenate([np.zeros((n_tubes, 1)), np.cumsum(shared_mw * tubes.grid.step_h, axis=1)], axis=1)
    np.testing.assert_allclose(np.sum(shared_mw, axis=0), power_mw, atol=1e-6)
    assert np.all(shared_mw >= 0.0)
    assert np.all(by_tube >= tubes.low_mwh - 1e-6)
    assert np.all(by_tube <= tubes.high_mwh + 1e-6)


def test_a_plain_sum_of_tubes_would_lose_a_deadline() -> None:
    # One class may run at any time; the other is released after the first interval and due after the second.
    low = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    high = np.array([[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    tubes = Tubes(_grid(3), low, high, np.full(2, np.inf))
    merged = merge(tubes, np.zeros(2, dtype=np.int64), np.array([np.inf]))
    idle_in_the_middle = np.array([4.0, 0.0, 4.0])
    served = np.append(0.0, np.cumsum(idle_in_the_middle * 0.25))
    assert np.all(served >= merged.low_mwh[0])
    assert np.all(served <= merged.high_mwh[0])
    assert not merged.allows(0, idle_in_the_middle)


def test_a_tube_with_a_limit_of_its_own_makes_the_merge_inexact() -> None:
    tubes = Tubes(_grid(1), np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1.0, np.inf]))
    assert merge(tubes, np.array([0, 1]), np.array([5.0, 5.0])).exact == (False, True)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_merging_by_group_equals_merging_each_group_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tubes = _tubes(rng, 6, 4)
    group = rng.integers(0, 3, 6)
    merged = merge(tubes, group, np.full(3, np.inf))
    for g in range(3):
        members = group == g
        assume(np.any(members))
        alone = Tubes(tubes.grid, tubes.low_mwh[members], tubes.high_mwh[members], tubes.max_mw[members])
        one = merge(alone, np.zeros(np.sum(members), dtype=np.int64), np.array([np.inf]))
        np.testing.assert_allclose(merged.must_mwh[g], one.must_mwh[0])
        np.testing.assert_allclose(merged.high_mwh[g], one.high_mwh[0])


def test_every_registered_kind_can_be_aggregated() -> None:
    fleet = Fleet.of([example_asset(kind) for kind in ASSET_KINDS], {ConnectionId("grid.main"): [NORTH]})
    answer = aggregate(fleet, step_h=0.25)
    assert len(fleet.groups) == len(ASSET_KINDS)
    assert answer.connections.low_mw[0] < answer.connections.high_mw[0]
    assert np.all(np.isfinite(answer.connections.sustained_high_mw))
