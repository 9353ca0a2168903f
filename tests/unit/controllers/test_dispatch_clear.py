"""Clearing on cases small enough to do by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from controllers.dispatch.clear import Bids, Cleared, clear

Machine = tuple[int, float, Sequence[tuple[float, float]]]


def cleared_of(*machines: Machine, areas: int = 1) -> Cleared:
    """Machines as `(area, base_mw, ((width_mw, worth), ...))`."""
    flat = [(i, width, worth) for i, (_, _, segments) in enumerate(machines) for width, worth in segments]
    bids = Bids(
        base_mw=np.array([base for _, base, _ in machines]),
        area=np.array([area for area, _, _ in machines], dtype=np.int64),
        owner=np.array([i for i, _, _ in flat], dtype=np.int64),
        width_mw=np.array([width for _, width, _ in flat]),
        worth_cny_per_mwh=np.array([worth for _, _, worth in flat]),
    )
    return clear(bids, areas)


def test_power_goes_to_whoever_values_it_most() -> None:
    cleared = cleared_of((0, -30.0, ()), (0, 0.0, ((20.0, 200.0),)), (0, 0.0, ((20.0, 500.0),)))
    assert cleared.power_mw.tolist() == [-30.0, 10.0, 20.0]


def test_the_last_segment_taken_sets_the_price() -> None:
    cleared = cleared_of((0, -30.0, ()), (0, 0.0, ((20.0, 200.0),)), (0, 0.0, ((20.0, 500.0),)))
    assert cleared.price_cny_per_mwh.tolist() == [200.0]


def test_a_shortage_is_unmet_demand_and_positive() -> None:
    cleared = cleared_of((0, 50.0, ()), (0, -20.0, ((20.0, -50.0),)))
    assert cleared.unmet_mw.tolist() == [30.0]
    assert cleared.power_mw.tolist() == [50.0, -20.0]


def test_a_surplus_that_nothing_takes_is_negative() -> None:
    cleared = cleared_of((0, -50.0, ()), (0, 0.0, ((20.0, 300.0),)))
    assert cleared.unmet_mw.tolist() == [-30.0]
    assert cleared.power_mw.tolist() == [-50.0, 20.0]


def test_an_area_in_which_nothing_moves_has_no_price() -> None:
    cleared = cleared_of((0, 10.0, ()), (0, -10.0, ()))
    assert np.isnan(cleared.price_cny_per_mwh[0])
    assert cleared.unmet_mw.tolist() == [0.0]


def test_an_area_without_any_machine_has_no_price_and_lacks_nothing() -> None:
    cleared = cleared_of((0, -5.0, ((9.0, 1.0),)), areas=2)
    assert np.isnan(cleared.price_cny_per_mwh[1])
    assert cleared.unmet_mw.tolist() == [0.0, 0.0]


def test_power_does_not_cross_between_areas() -> None:
    cleared = cleared_of((0, -30.0, ()), (0, 0.0, ((10.0, 1.0),)), (1, -4.0, ()), (1, 0.0, ((50.0, 900.0),)), areas=2)
    assert cleared.power_mw.tolist() == [-30.0, 10.0, -4.0, 4.0]
    assert cleared.unmet_mw.tolist() == [-20.0, 0.0]
    assert cleared.price_cny_per_mwh.tolist() == [1.0, 900.0]


def test_a_negative_worth_is_only_taken_when_there_is_no_better() -> None:
    cleared = cleared_of((0, -40.0, ((40.0, -50.0),)), (0, 0.0, ((30.0, -20.0),)))
    assert cleared.power_mw.tolist() == pytest.approx([-30.0, 30.0])
    assert cleared.price_cny_per_mwh.tolist() == [-50.0]
