"""The best course of one machine with two directions at given prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controllers.planner.course import IN, OUT, REST, TwoWay, best_course

QUARTER_H = np.full(8, 0.25)
CAVERN = TwoWay(
    power_mw=100.0, least_mw=25.0, one_way_frac=0.8, run_frac=np.full(8, 2.0 / 3.0), start_cost_cny=2_000.0,
    wear_cny_per_mwh=20.0, room_mwh=(0.0, 400.0), stored_mwh=200.0, mode=REST, end_cny=(300.0, 300.0, 300.0, 300.0),
)  # fmt: skip


def test_a_cavern_fills_while_energy_is_worth_less_than_nothing() -> None:
    course = best_course(CAVERN, np.full(8, -50.0), QUARTER_H)
    assert (course == IN).all()


def test_it_fills_where_energy_is_cheap_and_empties_where_it_is_dear() -> None:
    price = np.array([100.0, 100.0, 100.0, 100.0, 900.0, 900.0, 900.0, 900.0])
    course = best_course(CAVERN, price, QUARTER_H)
    assert course.tolist() == [IN] * 4 + [OUT] * 4


def test_it_does_not_turn_round_for_less_than_a_start_costs() -> None:
    price = np.array([430.0, 340.0] * 4)
    assert (best_course(replace(CAVERN, start_cost_cny=0.0), price, QUARTER_H) != REST).any()
    assert (best_course(CAVERN, price, QUARTER_H) == REST).all()


def test_one_that_runs_already_pays_no_start() -> None:
    price = np.array([430.0, 430.0, *[350.0] * 6])
    assert (best_course(CAVERN, price, QUARTER_H) == REST).all()
    assert best_course(replace(CAVERN, mode=OUT), price, QUARTER_H).tolist() == [OUT] * 2 + [REST] * 6


def test_a_full_cavern_does_not_charge_and_an_empty_one_does_not_generate() -> None:
    full, empty = replace(CAVERN, stored_mwh=400.0), replace(CAVERN, stored_mwh=0.0)
    assert best_course(full, np.full(8, -50.0), QUARTER_H)[0] != IN
    assert best_course(empty, np.full(8, 2_000.0), QUARTER_H)[0] != OUT
