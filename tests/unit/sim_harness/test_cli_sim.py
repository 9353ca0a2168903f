"""The `vpp-sim` command: bad input is one line and status 2, and a score fits a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from sim_harness.cli import main
from sim_harness.tables import score_table

BAD_INPUT = 2


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a refused command says on stderr; on stdout it says nothing."""
    assert main(words) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.mark.parametrize("command", ["run", "live"])
def test_an_unknown_scenario_is_one_line_that_names_it_and_the_known_ones(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = refusal([command, "no-such"], capsys).splitlines()
    assert line.startswith("no-such: no such scenario")
    assert "real-month" in line


@pytest.mark.parametrize("days", ["-1", "0", "400", "nan"])
def test_a_length_out_of_range_is_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refusal(["run", "first-week", "--days", days], capsys).splitlines()
    assert line.startswith(f"--days: {days}")


def test_a_negative_seed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refusal(["run", "first-week", "--seed", "-3"], capsys).splitlines()
    assert line.startswith("--seed: -3")


def test_a_missing_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "nowhere"
    assert str(folder) in refusal(["run", "real-month", "--days", "1", "--data", str(folder)], capsys)


def test_a_folder_is_refused_as_the_file_of_figures_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = refusal(["run", "first-week", "--json", str(tmp_path)], capsys).splitlines()
    assert line.startswith(f"--json: {tmp_path}")


@pytest.mark.parametrize("speed", ["0", "-2", "nan"])
def test_a_speed_that_is_not_positive_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--speed" in refusal(["live", "first-week", "--speed", speed], capsys)


def test_an_unknown_policy_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "first-week", "--policy", "guess"])
    assert ended.value.code == BAD_INPUT
    assert "guess" in capsys.readouterr().err


def test_the_list_shows_every_scenario_with_its_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "real-month" in shown
    assert "first-week" in shown


def facts(**changes: Any) -> dict[str, Any]:
    """Figures of a month, of the widths that a month really has."""
    compute = {"energy_mwh": 61_234.5, "work_done_frac": 0.9987, "green_share_frac": 0.912, "shifted_mwh": 1234.5}
    told: dict[str, Any] = {
        "scenario": "real-month",
        "policy": "mpc",
        "seed": 1,
        "data": "measured: wind and sun of 2021, replayed",
        "simulated_s": 2_592_000.0,
        "wall_s": 187.3,
        "cost_cny": 51_234_567.8,
        "gross_cost_cny": 61_234_567.8,
        "cost_items": {"energy_import": 41_234_567.8, "demand_charge": 9_999_999.9, "export_income": -123_456.7, "nothing": 0.2},
        "green_share_frac": {"total": 0.871, "island": 1.0, "hongshan": 0.41},
        "renewable_utilisation_frac": 0.953,
        "curtailed_mwh": 12_345.6,
        "import_mwh": 81_234.5,
        "export_mwh": 1_234.5,
        "hydrogen_t": 4_123.4,
        "ammonia_t": 23_123.4,
        "heats_done": 1130.0,
        "heats_late": 3.0,
        "compute": compute,
        "battery_cycles": 24.56,
        "electrolyser_starts": 1234.0,
        "limit_violation_s": 0.0,
        "unsafe_s": 0.0,
        "commands": 1_234_567,
        "forecast": {"wind_nrmse_frac": 0.1234, "solar_nrmse_frac": 0.0456},
    }
    return told | changes


def rendered(told: dict[str, Any], width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(score_table(told))
    return capture.get()


def test_a_score_fits_into_80_columns_with_no_figure_cut() -> None:
    shown = rendered(facts())
    assert max(cell_len(line) for line in shown.splitlines()) <= 80
    assert "…" not in shown
    for figure in ("51,234,568", "87.1 %", "1,130 / 3", "0.1234"):
        assert figure.replace("1,130", "1130") in shown


def test_the_bill_shows_what_it_adds_up_and_leaves_out_what_rounds_to_nothing() -> None:
    shown = rendered(facts())
    assert "41,234,568" in shown
    assert "-123,457" in shown
    assert "nothing" not in shown


def test_a_figure_that_is_not_known_is_left_out_and_not_shown_as_nothing() -> None:
    shown = rendered(facts(hydrogen_t=None, heats_late=None, renewable_utilisation_frac=None, forecast=None, wall_s=None))
    for name in ("hydrogen", "heats", "renewable utilisation", "nrmse", "None"):
        assert name not in shown
