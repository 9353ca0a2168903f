"""Clearing over areas that hang on each other, against a linear program with the ties as variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from controllers.dispatch.clear import Bids, Cleared, Tie, clear
from tests.property.test_dispatch_clear import Market, markets, taken_from_the_top
from vpp.errors import PlanError

UNBALANCED = 20_000.0
limits = st.integers(0, 400).map(lambda n: n / 4.0)


@dataclass(frozen=True)
class Tied:
    market: Market
    ties: tuple[Tie, ...]

    @property
    def cleared(self) -> Cleared:
        return clear(self.market.bids, self.market.areas, self.ties)


@st.composite
def tied(draw: st.DrawFn) -> Tied:
    """Every area but the first may hang on an earlier one, so that any forest can come up."""
    market = draw(markets())
    ties = [
        Tie(area, draw(st.integers(0, area - 1)), draw(limits), draw(limits))
        for area in range(1, market.areas)
        if draw(st.booleans())
    ]
    return Tied(market, tuple(ties))


def best(case: Tied) -> float:
    """Worth of the best dispatch less what is unmet at a price above every worth. [CNY/h]"""
    bids, n, areas, k = case.market.bids, case.market.bids.width_mw.size, case.market.areas, len(case.ties)
    balance = np.zeros((areas, n + k + 2 * areas))
    balance[bids.area[bids.owner], np.arange(n)] = 1.0
    for i, tie in enumerate(case.ties):
        balance[tie.below, n + i] = -1.0
        balance[tie.above, n + i] = 1.0
    balance[:, n + k : n + k + areas] = np.eye(areas)
    balance[:, n + k + areas :] = -np.eye(areas)
    found = linprog(
        np.concatenate([-bids.worth_cny_per_mwh, np.zeros(k), np.full(2 * areas, UNBALANCED)]),
        A_eq=balance,
        b_eq=-np.bincount(bids.area, weights=bids.base_mw, minlength=areas),
        bounds=[(0.0, w) for w in bids.width_mw]
        + [(-tie.export_limit_mw, tie.import_limit_mw) for tie in case.ties]
        + [(0.0, None)] * (2 * areas),
    )
    assert found.status == 0
    return -float(found.fun)


@given(case=tied())
@settings(max_examples=150, deadline=None)
def test_no_other_dispatch_over_the_ties_is_worth_more(case: Tied) -> None:
    cleared = case.cleared
    worth = case.market.bids.worth_cny_per_mwh @ taken_from_the_top(case.market.bids, cleared)
    worth -= UNBALANCED * np.abs(cleared.unmet_mw).sum()
    assert worth == pytest.approx(best(case), rel=1e-6, abs=1e-4)


@given(case=tied())
@settings(max_examples=150, deadline=None)
def test_every_area_closes_over_its_ties_and_no_tie_carries_more_than_it_may(case: Tied) -> None:
    bids, cleared = case.market.bids, case.cleared
    net = np.bincount(bids.area, weights=cleared.power_mw, minlength=case.market.areas)
    for tie, flow in zip(case.ties, cleared.flow_mw, strict=True):
        net[tie.below] -= flow
        net[tie.above] += flow
        assert -tie.export_limit_mw - 1e-9 <= flow <= tie.import_limit_mw + 1e-9
    np.testing.assert_allclose(net, cleared.unmet_mw, atol=1e-6)


def test_a_battery_behind_a_free_tie_serves_the_area_at_its_other_end() -> None:
    # Area 0 lacks 30 MW and could buy at 900; area 1 has a battery that gives at 300.
    bids = Bids(
        base_mw=np.array([30.0, -100.0, -50.0]),
        area=np.array([0, 0, 1]),
        owner=np.array([1, 2]),
        width_mw=np.array([100.0, 50.0]),
        worth_cny_per_mwh=np.array([900.0, 300.0]),
    )
    cleared = clear(bids, 2, (Tie(1, 0, 40.0, 40.0),))
    assert cleared.flow_mw.tolist() == [-30.0]
    assert cleared.power_mw.tolist() == [30.0, 0.0, -30.0]
    assert cleared.price_cny_per_mwh.tolist() == [300.0, 300.0]


def test_a_tie_that_binds_parts_the_prices() -> None:
    bids = Bids(
        base_mw=np.array([30.0, -100.0, -50.0]),
        area=np.array([0, 0, 1]),
        owner=np.array([1, 2]),
        width_mw=np.array([100.0, 50.0]),
        worth_cny_per_mwh=np.array([900.0, 300.0]),
    )
    cleared = clear(bids, 2, (Tie(1, 0, 40.0, 20.0),))
    assert cleared.flow_mw.tolist() == [-20.0]
    assert cleared.price_cny_per_mwh.tolist() == [900.0, 300.0]


@pytest.mark.parametrize("ties", [(Tie(0, 1, 1, 1), Tie(1, 0, 1, 1)), (Tie(1, 0, 1, 1), Tie(1, 2, 1, 1))])
def test_ties_that_are_no_tree_are_refused(ties: tuple[Tie, ...]) -> None:
    bids = Bids(np.zeros(1), np.array([0]), np.array([], dtype=np.int64), np.zeros(0), np.zeros(0))
    with pytest.raises(PlanError, match="tree"):
        clear(bids, 3, ties)
