"""Days that stand for a year: which are chosen, and how their figures become those of the year."""

from __future__ import annotations

import numpy as np
import pytest

from sim_harness.strata import choose_days, merge_facts

A = {
    "policy": "rules",
    "seed": 1,
    "cost_cny": 10.0,
    "wall_s": 2.0,
    "green_share_frac": {"total": 0.5, "a": 0.5},
    "load_mwh": {"total": 100.0, "a": 100.0},
    "renewable_utilisation_frac": 0.9,
    "available_mwh": 10.0,
    "peak_import_mw": {"grid.a": 7.0},
    "compute": {"work_done_frac": None, "work_due_mwh": None, "energy_mwh": 1.0, "green_share_frac": 0.2},
    "forecast": {"wind_nrmse_frac": 0.1},
    "peak_events": [],
}
B = {
    **A,
    "cost_cny": 20.0,
    "green_share_frac": {"total": 1.0, "a": 1.0},
    "load_mwh": {"total": 300.0, "a": 300.0},
    "peak_import_mw": {"grid.a": 9.0},
    "forecast": {"wind_nrmse_frac": 0.3},
}


def test_every_day_counts_for_its_class_and_all_days_are_counted() -> None:
    frac = np.random.default_rng(3).random(363)
    chosen = choose_days(frac, quarters=4, levels=3)
    assert len(chosen) == 12
    assert sum(one.weight for one in chosen) == 363
    assert [one.day for one in chosen] == sorted({one.day for one in chosen})


def test_the_weighted_days_keep_the_mean_of_the_year() -> None:
    frac = np.random.default_rng(4).random(363)
    chosen = choose_days(frac, quarters=4, levels=3)
    mean = sum(frac[one.day] * one.weight for one in chosen) / 363
    assert mean == pytest.approx(frac.mean(), abs=0.01)


def test_amounts_add_up_by_the_days_they_stand_for() -> None:
    assert merge_facts([A, B], [2.0, 3.0])["cost_cny"] == 2 * 10.0 + 3 * 20.0


def test_a_share_is_weighted_by_what_it_refers_to() -> None:
    merged = merge_facts([A, B], [1.0, 1.0])
    assert merged["green_share_frac"]["total"] == pytest.approx((50.0 + 300.0) / 400.0)
    assert merged["compute"]["green_share_frac"] == pytest.approx(0.2)


def test_a_peak_is_the_highest_a_forecast_error_the_mean_and_machine_time_its_own_sum() -> None:
    merged = merge_facts([A, B], [2.0, 2.0])
    assert merged["peak_import_mw"] == {"grid.a": 9.0}
    assert merged["forecast"]["wind_nrmse_frac"] == pytest.approx(0.2)
    assert merged["wall_s"] == 4.0


def test_what_no_day_knows_stays_unknown() -> None:
    assert merge_facts([A, B], [1.0, 1.0])["compute"]["work_done_frac"] is None
