"""Clearing against a linear program: the merit order is as good as any dispatch, and keeps what it promises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from controllers.dispatch.clear import Bids, Cleared, clear

#: Above every worth that is drawn, so that the program balances an area whenever that can be done. [CNY/MWh]
UNBALANCED = 20_000.0

quarters = st.integers(-400, 400).map(lambda n: n / 4.0)
widths = st.integers(0, 400).map(lambda n: n / 4.0)
worths = st.integers(-1500, 3000).map(float)


@dataclass(frozen=True)
class Market:
    areas: int
    bids: Bids


@st.composite
def markets(draw: st.DrawFn) -> Market:
    areas = draw(st.integers(1, 3))
    base, area, owner, width, worth = list[float](), list[int](), list[int](), list[float](), list[float]()
    for machine in range(draw(st.integers(1, 8))):
        base.append(draw(quarters))
        area.append(draw(st.integers(0, areas - 1)))
        for value in sorted(draw(st.lists(worths, max_size=4)), reverse=True):
            owner.append(machine)
            width.append(draw(widths))
            worth.append(value)
    ints = (np.array(area, dtype=np.int64), np.array(owner, dtype=np.int64))
    return Market(areas, Bids(np.array(base), ints[0], ints[1], np.array(width), np.array(worth)))


def taken_from_the_top(bids: Bids, cleared: Cleared) -> np.ndarray:
    """Segments that a machine's power stands for: it fills its own from the dearest down."""
    taken = np.zeros_like(bids.width_mw)
    for machine, drawn in enumerate(cleared.power_mw - bids.base_mw):
        left = drawn
        for i in np.flatnonzero(bids.owner == machine):
            taken[i] = min(left, bids.width_mw[i])
            left -= taken[i]
    return taken


def best_worth(market: Market) -> float:
    """Total worth of the best dispatch by a solver that knows nothing of merit orders. [CNY/h]"""
    bids, n, areas = market.bids, market.bids.width_mw.size, market.areas
    balance = np.zeros((areas, n + 2 * areas))
    balance[bids.area[bids.owner], np.arange(n)] = 1.0
    balance[:, n : n + areas] = np.eye(areas)
    balance[:, n + areas :] = -np.eye(areas)
    need = -np.bincount(bids.area, weights=bids.base_mw, minlength=areas)
    found = linprog(
        np.concatenate([-bids.worth_cny_per_mwh, np.full(2 * areas, UNBALANCED)]),
        A_eq=balance,
        b_eq=need,
        bounds=[(0.0, w) for w in bids.width_mw] + [(0.0, None)] * (2 * areas),
    )
    assert found.status == 0
    assert found.x is not None
    return float(bids.worth_cny_per_mwh @ found.x[:n])


@given(market=markets())
@settings(max_examples=150, deadline=None)
def test_no_other_dispatch_is_worth_more(market: Market) -> None:
    taken = taken_from_the_top(market.bids, clear(market.bids, market.areas))
    assert market.bids.worth_cny_per_mwh @ taken == pytest.approx(best_worth(market), rel=1e-6, abs=1e-6)


@given(market=markets())
@settings(max_examples=200, deadline=None)
def test_an_area_balances_or_says_by_how_much_it_does_not(market: Market) -> None:
    bids, cleared = market.bids, clear(market.bids, market.areas)
    sums = np.bincount(bids.area, weights=cleared.power_mw, minlength=market.areas)
    low = np.bincount(bids.area, weights=bids.base_mw, minlength=market.areas)
    high = low + np.bincount(bids.area[bids.owner], weights=bids.width_mw, minlength=market.areas)
    np.testing.assert_allclose(sums, cleared.unmet_mw, atol=1e-9)
    np.testing.assert_allclose(cleared.unmet_mw, np.clip(0.0, low, high), atol=1e-9)


@given(market=markets())
@settings(max_examples=200, deadline=None)
def test_a_machine_stays_inside_its_band(market: Market) -> None:
    bids, cleared = market.bids, clear(market.bids, market.areas)
    top = bids.base_mw + np.bincount(bids.owner, weights=bids.width_mw, minlength=bids.base_mw.size)
    assert np.all(cleared.power_mw >= bids.base_mw - 1e-9)
    assert np.all(cleared.power_mw <= top + 1e-9)


@given(market=markets())
@settings(max_examples=200, deadline=None)
def test_what_is_worth_more_than_the_price_is_taken_and_what_is_worth_less_is_not(market: Market) -> None:
    bids, cleared = market.bids, clear(market.bids, market.areas)
    taken = taken_from_the_top(bids, cleared)
    price = cleared.price_cny_per_mwh[bids.area[bids.owner]]
    dearer, cheaper = bids.worth_cny_per_mwh > price, bids.worth_cny_per_mwh < price
    np.testing.assert_allclose(taken[dearer], bids.width_mw[dearer], atol=1e-9)
    np.testing.assert_allclose(taken[cheaper], 0.0, atol=1e-9)
    np.testing.assert_allclose(taken[np.isnan(price)], 0.0, atol=1e-9)
