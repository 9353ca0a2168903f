from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from sim_harness.scenario import SEEDS, list_scenarios, load, load_park_of
from vpp.errors import ScenarioError

GOOD: dict[str, object] = {
    "name": "mine",
    "purpose": "A day of mine.",
    "park": "parks/two_areas.yaml",
    "park_at": date(2030, 10, 1),
    "start": "2030-10-01T00:00:00",
    "days": 1,
    "weather": "generated",
    "seed": 1,
    "control_step_s": 10,
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}), encoding="utf-8")
    return path


def faults_of(path: Path | str) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return caught.value.faults


def test_real_month_starts_at_midnight_of_the_park() -> None:
    scenario = load("real-month")
    assert scenario.start == datetime(2030, 9, 30, 16, tzinfo=UTC)
    assert (scenario.days, scenario.control_step_s, scenario.weather) == (30, 10, "auto")
    assert scenario.end - scenario.start == timedelta(days=30)


def test_first_week_needs_no_data() -> None:
    scenario = load("first-week")
    assert scenario.weather_from(None) is None
    assert scenario.weather_from(Path("anywhere")) is None


@pytest.mark.parametrize("path", list_scenarios(), ids=lambda path: path.stem)
def test_every_scenario_that_is_shipped_loads_with_its_park(path: Path) -> None:
    scenario = load(path)
    assert scenario.name == path.stem
    assert load_park_of(scenario).assets


def test_a_scenario_may_set_what_a_battery_starts_with(tmp_path: Path) -> None:
    scenario = load(written(tmp_path, initial={"bess.hongshan": {"soc_frac": 0.2}}))
    (asset_id,) = scenario.initial
    assert scenario.initial_frac(asset_id, "soc_frac") == 0.2


def test_an_unknown_scenario_names_the_known_ones() -> None:
    (fault,) = faults_of("real-moth")
    assert fault.startswith("real-moth: no such scenario; known are ")
    assert "real-month" in fault


def test_all_misspelt_and_missing_keys_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    wrong = {**GOOD, "wether": "generated"}
    del wrong["weather"], wrong["seed"]
    path.write_text(yaml.safe_dump(wrong), encoding="utf-8")
    faults = faults_of(path)
    assert len(faults) == 3
    assert any(fault.startswith("mine.yaml: wether: unknown key") for fault in faults)
    assert "mine.yaml: seed: missing; every scenario needs it" in faults


def test_a_negative_length_is_one_clear_line(tmp_path: Path) -> None:
    assert faults_of(written(tmp_path, days=-3)) == ("mine.yaml: days: -3: input should be greater than 0",)


def test_unknown_assets_and_shares_out_of_range_are_told_together(tmp_path: Path) -> None:
    initial = {"bess.nowhere": {"soc_frac": 0.5}, "bess.hongshan": {"soc_frac": 1.5}, "base.hongshan": {"soc_frac": 0.5}}
    faults = faults_of(written(tmp_path, initial=initial, control_step_s=7))
    assert len(faults) == 4
    assert "mine.yaml: initial.bess.nowhere: no such asset in parks/two_areas.yaml on 2030-10-01" in faults
    assert "mine.yaml: initial.bess.hongshan.soc_frac: 1.5: must be between 0 and 1" in faults


def test_a_step_that_does_not_divide_the_registers_is_refused(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, control_step_s=7))
    assert "control_step_s: 7: must divide" in fault


def test_a_park_that_is_not_there_is_named(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, park="parks/none.yaml"))
    assert fault.startswith("mine.yaml: park: ")
    assert "none.yaml" in fault


def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: [", encoding="utf-8")
    (fault,) = faults_of(path)
    assert "\n" not in fault
    assert fault.startswith("mine.yaml: no YAML")


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("real-month").weather_from(tmp_path)
    assert len(caught.value.faults) == 2
    assert "gefcom2014_wind.parquet: no such file" in caught.value.faults[0]


def test_measured_weather_without_a_data_folder_is_refused(tmp_path: Path) -> None:
    scenario = load(written(tmp_path, weather="measured"))
    with pytest.raises(ScenarioError, match="needs --data DIR"):
        scenario.weather_from(None)


def test_options_shorten_a_run_and_change_its_luck() -> None:
    scenario = load("real-month").with_options(days=2, seed=7)
    assert (scenario.days, scenario.seed) == (2, 7)


@pytest.mark.parametrize("days", [0, -1, 400])
def test_a_length_out_of_range_is_refused_on_the_command_line_too(days: float) -> None:
    with pytest.raises(ScenarioError, match="--days"):
        load("real-month").with_options(days=days)


def test_the_seeds_travel_with_the_checkout() -> None:
    assert (SEEDS / "scenarios" / "real-month.yaml").is_file()
