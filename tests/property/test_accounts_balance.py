"""Accounts add up whatever the meters say, and say the same again."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders_accounts import Row, accounts, grid_a, registers, rows_of, site, tie
from tests.world_builders import START
from vpp.accounts import check_accounts, registers_of, settle, terms_of, totals_of
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

QUARTERS = 12
IDS = ("wind.a", "pv.b", "coal.a", "base.a", "base.b", "compute.b", "bess.a", "bess.b")
OWNER = site(IDS, grid_a(green_origin_frac=0.3), tie("b", "a"))


RANGES = {
    "wind.a/power_mw": (-80.0, 1.0),
    "pv.b/power_mw": (-50.0, 0.0),
    "coal.a/power_mw": (-100.0, 0.0),
    "base.a/power_mw": (0.0, 120.0),
    "base.b/power_mw": (0.0, 120.0),
    "compute.b/power_mw": (0.0, 40.0),
    "bess.a/power_mw": (-16.0, 16.0),
    "bess.a/soc_frac": (0.0, 1.0),
    "bess.b/power_mw": (-16.0, 16.0),
    "grid.a/import_mw": (-50.0, 200.0),
    "tie.b/import_mw": (-90.0, 90.0),
}


@st.composite
def meters(draw: st.DrawFn) -> dict[str, list[float | None]]:
    """What meters say: anything in their range, gaps, zeros, and stretches of nothing at all."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gaps, zeros = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])), draw(st.sampled_from([0.0, 0.3]))
    told: dict[str, list[float | None]] = {}
    for name, (low, high) in RANGES.items():
        values = np.where(rng.random(QUARTERS) < zeros, 0.0, rng.uniform(low, high, QUARTERS))
        told[name] = [None if rng.random() < gaps else float(value) for value in values]
    return told


VALUES = meters()


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_consumers_sum_to_supply_and_items_to_the_bill_in_every_quarter(values: dict[str, list[float | None]]) -> None:
    made = accounts(OWNER, values)
    check_accounts(made)
    supplied = made.supply_mwh.sum(axis=(0, 2))
    assert np.allclose(made.energy_mwh.sum(axis=0), supplied, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_totals_of_parties_are_the_totals_of_the_park_and_each_area_closes(values: dict[str, list[float | None]]) -> None:
    totals = totals_of(accounts(OWNER, values))
    size = sum(abs(one.cost_cny) for one in totals.parties) + 1.0
    everything = sum(one.cost_cny for one in totals.parties) + totals.park_certificate_cny
    assert abs(sum(totals.items_cny().values()) - everything) <= 1e-9 * size
    for area in totals.areas:
        got = sum(area.supply_mwh.values()) + sum(area.given_mwh.values()) + area.taken_mwh
        gone = area.used_mwh + area.charged_mwh + area.exported_mwh + area.handed_mwh + area.unmetered_mwh
        assert abs(got - gone) <= 1e-9 * (abs(got) + 1.0)


@settings(max_examples=30, deadline=None)
@given(VALUES, st.integers(0, 1000))
def test_rows_in_any_order_give_the_same_accounts_to_the_bit(values: dict[str, list[float | None]], seed: int) -> None:
    rows: list[Row] = rows_of(values)
    shuffled = random.Random(seed).sample(rows, len(rows))
    grid = TimeGrid.regular(START, registers(OWNER, values).grid.edges[1] - START, QUARTERS)
    first, second = (settle(registers_of(OWNER, grid, one), terms_of(OWNER)) for one in (rows, shuffled))
    assert np.array_equal(first.cost_cny, second.cost_cny)
    assert np.array_equal(first.origin_mwh, second.origin_mwh)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_no_load_gets_a_negative_share_of_any_origin(values: dict[str, list[float | None]]) -> None:
    made = accounts(OWNER, values)
    loads: FloatArray = made.origin_mwh[made.rows("load")]
    assert float(loads.min(initial=0.0)) >= -1e-9
