"""`vpp plan --park`: a plan a person can read and a machine can use, and one line for what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from controllers.cli import main
from controllers.planner import SolveSettings, solve
from controllers.planner.assemble import assemble
from controllers.planner.horizon import forecast_on, planning_grid, resample
from controllers.planner.kept import ModelCache
from controllers.planner.outlook import Outlook
from controllers.planner.situation import read_situation
from tests.builders_control import forecast_of, park_of
from vpp.errors import TimeGridError
from vpp.park import load
from vpp.timegrid import TimeGrid

SEEDS = Path(__file__).parents[3] / "seeds"
SMALL = SEEDS / "parks" / "two_areas.yaml"
AT = "2030-10-01T08:00"
KEYS = {
    "objective", "bound", "gap_frac", "status", "source", "build_s", "solve_s", "first_answer_s", "assets", "heats", "ammonia",
    "compute_shift", "value_curves", "fallback", "unmet", "binding", "cost_items_cny", "emissions_t", "edges",
}  # fmt: skip


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["plan", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_plan_of_a_park_has_all_its_keys_and_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "plan.json"
    assert main(["plan", "--park", str(SMALL), "--at", AT, "--data", str(tmp_path), "--json", str(target)]) == 0
    facts = json.loads(target.read_text(encoding="utf-8"))
    assert facts.keys() >= KEYS
    assert sum(facts["cost_items_cny"].values()) == pytest.approx(facts["objective"], abs=1.0)
    assert len(facts["edges"]) == len(facts["assets"]["bess.envision"]["power_mw"]) + 1
    assert {"bess.envision", "nh3.envision"} <= facts["value_curves"].keys()
    assert "Why" in capsys.readouterr().out


def test_json_on_the_screen_is_json_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--park", str(SMALL), "--at", AT, "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["park"]


def test_the_state_file_is_what_the_plan_starts_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"assets": {"bess.envision": {"soc_frac": 0.9}}}), encoding="utf-8")
    words = ["--park", str(SMALL), "--at", AT, "--data", str(tmp_path), "--state", str(state), "--json"]
    assert main(["plan", *words]) == 0
    stored = json.loads(capsys.readouterr().out)["assets"]["bess.envision"]["stored_mwh"][0]
    assert stored == pytest.approx(0.9 * 680.0, abs=170.0 * 0.25 * 1.1)


def test_a_slip_of_the_pen_in_a_state_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state.json"
    state.write_text(
        '{"assets": {"bess.envision": {"soc": 0.9}}, "connections": {"grid.hongshan": {"peak": 3}}}', encoding="utf-8"
    )
    words = ["--park", str(SMALL), "--at", AT, "--data", str(tmp_path), "--state", str(state), "--json"]
    assert main(["plan", *words]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ", 1)[1] for line in said] == [
        "assets.bess.envision.soc: no plan looks at it",
        "connections.grid.hongshan.peak: no plan looks at it",
    ]


def test_a_plan_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder" in refused(["--park", str(SMALL), "--at", AT, "--json", str(tmp_path)], capsys)
    (tmp_path / "file").write_text("", encoding="utf-8")
    words = ["--park", str(SMALL), "--at", AT, "--data", str(tmp_path), "--json", str(tmp_path / "file" / "plan.json")]
    assert "cannot be written" in refused(words, capsys)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"assets": {"bess.nope": {}}}', "bess.nope"),
        ('{"assetz": {}}', "assetz"),
        ('{"assets": {"bess.envision": {"soc_frac": "full"}}}', "soc_frac"),
        ('{"events": [{"connection": "grid.hongshan", "kind": "party"}]}', "party"),
        ("half a file", "not JSON"),
        ('{"events": {"first": 1}}', "events: a list of objects"),
        ('{"overrides": [3]}', "overrides[0]"),
        ('{"work": {"compute.aidc": [3]}}', "work.compute.aidc[0]"),
        ('{"assets": {"bess.envision": {"soc_frac": 80}}}', "soc_frac: 80: write a share of one"),
        ('{"assets": {"bess.envision": {"soc_frac": Infinity}}}', "inf is no number"),
    ],
)
def test_a_wrong_state_file_is_refused_by_key(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text, encoding="utf-8")
    assert named in refused(["--park", str(SMALL), "--at", AT, "--state", str(state)], capsys)


@pytest.mark.parametrize("at", ["soon", "1999-01-01T00:00"])
def test_a_start_the_park_does_not_know_is_refused(capsys: pytest.CaptureFixture[str], at: str) -> None:
    assert at in refused(["--park", str(SMALL), "--at", at], capsys)


def test_coarse_edges_of_the_horizon_are_whole_hours() -> None:
    grid = planning_grid(datetime(2030, 10, 1, 0, 45, tzinfo=UTC))
    coarse = [edge for edge, step in zip(grid.edges[:-1], grid.step_h, strict=True) if step == 1.0]
    assert {edge.minute for edge in coarse} == {0}
    assert grid.end - grid.start >= timedelta(hours=48)
    with pytest.raises(TimeGridError):
        planning_grid(datetime(2030, 10, 1, 0, 50, tzinfo=UTC))


def test_a_coarser_grid_keeps_the_energy() -> None:
    fine = TimeGrid.regular(datetime(2030, 10, 1, tzinfo=UTC), timedelta(minutes=15), 16)
    coarse = TimeGrid.regular(fine.start + timedelta(minutes=30), timedelta(hours=1), 3)
    values = np.arange(16.0)
    assert resample(values, fine, coarse) == pytest.approx(values[2:14].reshape(3, 4).mean(axis=1))


def test_a_forecast_on_the_planners_grid_never_crosses_its_quantiles() -> None:
    forecast = forecast_of(4 * 52)
    coarse = forecast_on(forecast, planning_grid(forecast.grid.start))
    assert np.all(np.diff(coarse.quantile_frac, axis=2) >= 0.0)


def test_wind_without_data_has_the_farms_own_mean() -> None:
    park = park_of()
    forecast = Outlook.plain().forecast(park, planning_grid(datetime(2030, 10, 1, tzinfo=UTC)), {})
    for farm in park.assets_of("wind"):
        assert forecast.mean_frac[forecast.row(farm.id)].mean() == pytest.approx(farm.plate.capacity_factor_frac, abs=1e-6)


def test_kept_models_roll_to_the_cost_of_cold_ones_within_their_gap() -> None:
    cache, park = ModelCache(), load(SEEDS, at=datetime(2026, 10, 1).date())  # noqa: DTZ001  # a day, no instant
    for quarter in range(3):
        at = datetime(2026, 10, 1, 0, 15 * quarter, tzinfo=UTC)
        situation = read_situation(park, at, None)
        problem = assemble(park, situation.snapshot, Outlook.plain().forecast(park, planning_grid(at), {}), {})
        kept, cold = solve(problem, SolveSettings(), cache), solve(problem, SolveSettings())
        assert kept.bound_cny == pytest.approx(cold.bound_cny, rel=1e-7)
        assert abs(kept.objective_cny - cold.objective_cny) <= 2e-3 * cold.gross_cny
