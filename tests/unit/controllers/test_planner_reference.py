"""Park-96: the optima of the specification, found again by seven other roads (SOURCE: issue of the planner, check values)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controllers.cli import main
from controllers.planner.kept import KeptModel, MipLimits
from controllers.planner.reference import EXACT, Park96, Profiles, ReferencePlanner, build, read_profiles, state_after

DATA_DIR = Path(os.environ.get("VPP_DATA_DIR", Path(__file__).resolve().parents[4] / "shared" / "data"))
PROFILES = DATA_DIR / "park96_profiles.csv"
LP_CNY = {96: -1160204.6897, 288: -2629373.934, 672: -7709126.892}
MILP_CNY = -1160062.8397
#: The published values are rounded to their last digit.
LAST_DIGIT = {96: 6e-5, 288: 6e-4, 672: 6e-4}


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    if not PROFILES.is_file():
        pytest.skip(f"{PROFILES.name} is not there; set VPP_DATA_DIR to its folder")
    return read_profiles(PROFILES)


@pytest.mark.parametrize("steps", [96, 288])
def test_the_linear_program_has_the_published_optimum(profiles: Profiles, steps: int) -> None:
    answer = ReferencePlanner(Park96.counted(40)).relaxed(profiles.between(0, steps))
    assert answer.status == "optimal"
    assert answer.objective_cny == pytest.approx(LP_CNY[steps], abs=LAST_DIGIT[steps])


def test_the_linear_program_of_a_week_has_the_published_optimum(profiles: Profiles) -> None:
    answer = ReferencePlanner(Park96.counted(40)).relaxed(profiles.between(0, 672))
    assert answer.objective_cny == pytest.approx(LP_CNY[672], abs=LAST_DIGIT[672])


def test_counted_and_listed_machines_have_the_same_relaxation(profiles: Profiles) -> None:
    listed = ReferencePlanner(Park96.listed(8)).relaxed(profiles.between(0, 96))
    assert listed.objective_cny == pytest.approx(LP_CNY[96], abs=LAST_DIGIT[96])


def test_whole_machines_cost_the_published_optimum(profiles: Profiles) -> None:
    # About 0.4 s to a gap of 1e-4, and 2 to 8 s to prove the published 5e-7.
    answer = ReferencePlanner(Park96.counted(40)).planned(profiles.between(0, 96), limits=replace(EXACT, gap_frac=5e-6))
    assert answer.status == "optimal"
    assert answer.objective_cny == pytest.approx(MILP_CNY, abs=6e-5)


def test_the_first_answer_is_whole_and_within_a_thousandth_of_the_bound(profiles: Profiles) -> None:
    planner = ReferencePlanner(Park96.counted(40))
    answer = planner.planned(profiles.between(0, 96), limits=None)
    assert planner.drawn is not None
    counts = answer.x[planner.drawn.model.integer]
    assert np.abs(counts - np.round(counts)).max() < 1e-6
    assert 0.0 <= answer.gap_frac < 1e-3


def test_the_model_of_a_thousand_stacks_is_no_larger_than_that_of_forty(profiles: Profiles) -> None:
    few, many = (build(Park96.counted(stacks), profiles.between(0, 96)).model.matrix for stacks in (40, 1000))
    assert few.shape == many.shape
    assert few.nnz == many.nnz


def test_a_step_on_keeps_the_matrix_and_the_answer_of_a_cold_model(profiles: Profiles) -> None:
    park = Park96.counted(40)
    kept = ReferencePlanner(park)
    first = kept.planned(profiles.between(0, 96), limits=None)
    assert kept.drawn is not None
    after = state_after(kept.drawn, first.x)
    rolled = build(park, profiles.between(1, 96), after)
    assert kept.kept.hand_over(rolled.model)
    cold = KeptModel()
    assert not cold.hand_over(rolled.model)
    assert kept.kept.relax().objective_cny == pytest.approx(cold.relax().objective_cny, rel=1e-9)


def test_a_rolled_day_makes_its_heats_and_its_ammonia(profiles: Profiles) -> None:
    planner = ReferencePlanner(Park96.counted(40))
    answer = planner.planned(profiles.between(0, 96), limits=None)
    for step in range(1, 9):
        assert planner.drawn is not None
        start = state_after(planner.drawn, answer.x)
        answer = planner.planned(profiles.between(step, 96), start, limits=None)
        assert answer.status != "none"
    assert planner.drawn is not None
    end_of_day = 96 - 8 - 1
    columns = planner.drawn.columns
    assert answer.x[columns.heats_total[0, end_of_day]] == pytest.approx(24.0)
    assert answer.x[columns.made[end_of_day]] >= 422.4 - 1e-6


def test_no_store_charges_and_discharges_at_once(profiles: Profiles) -> None:
    planner = ReferencePlanner(Park96.counted(40))
    answer = planner.relaxed(profiles.between(0, 96))
    assert planner.drawn is not None
    columns = planner.drawn.columns
    assert np.minimum(answer.x[columns.charge], answer.x[columns.discharge]).max() < 1e-6


def test_a_search_that_may_look_at_no_node_still_answers(profiles: Profiles) -> None:
    limits = MipLimits(gap_frac=1e-9, nodes=0)
    answer = ReferencePlanner(Park96.counted(40)).planned(profiles.between(0, 96), limits=limits)
    assert answer.status in {"incumbent", "optimal"}
    assert answer.bound_cny <= answer.objective_cny


def test_the_command_writes_the_keys_of_the_design(profiles: Profiles, capsys: pytest.CaptureFixture[str]) -> None:
    assert profiles.wind_mw.size >= 96
    assert main(["plan", "--reference", "park-96", "--lp", "--data", str(DATA_DIR), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["objective"] == pytest.approx(LP_CNY[96], abs=LAST_DIGIT[96])
    assert {"objective", "bound", "gap_frac", "status", "build_s", "solve_s", "first_answer_s"} <= facts.keys()


def test_a_folder_without_profiles_is_named_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--reference", "park-96", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "park96_profiles.csv" in said
    assert said.count("\n") == 1
