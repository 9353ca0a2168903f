from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from controllers.planner.rule_file import RULES_FILE, load_thresholds, rule_file_of
from controllers.planner.rules import RuleThresholds
from sim_harness.scenario import SEEDS
from vpp.errors import ParkError


def written(folder: Path, **changes: object) -> Path:
    path = folder / RULES_FILE
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"thresholds": {**asdict(RuleThresholds()), **changes}}), encoding="utf-8")
    return path


def test_without_a_file_the_rules_have_what_reasoning_gave_them(tmp_path: Path) -> None:
    assert load_thresholds(tmp_path / RULES_FILE) == RuleThresholds()


def test_every_park_has_thresholds_of_its_own() -> None:
    assert rule_file_of(SEEDS) == SEEDS / RULES_FILE
    assert load_thresholds(rule_file_of(SEEDS / "parks" / "two_areas.yaml")) == RuleThresholds()


def test_a_file_gives_every_threshold(tmp_path: Path) -> None:
    assert load_thresholds(written(tmp_path, tank_worth=1.1, stack_band=5)) == replace(
        RuleThresholds(), tank_worth=1.1, stack_band=5
    )


def test_unknown_and_wrong_thresholds_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ParkError) as caught:
        load_thresholds(written(tmp_path, tank_wroth=1.1, stack_band=2.5, tank_worth="dear"))
    assert len(caught.value.faults) == 3
    assert "tank_wroth: unknown" in caught.value.faults[0]


def test_a_file_without_thresholds_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / RULES_FILE
    path.parent.mkdir()
    path.write_text("record: {}\n", encoding="utf-8")
    with pytest.raises(ParkError, match="thresholds: is missing"):
        load_thresholds(path)


def test_what_is_frozen_can_be_read_and_is_the_winner_of_its_own_record() -> None:
    frozen = load_thresholds(SEEDS / RULES_FILE)
    record = yaml.safe_load((SEEDS / RULES_FILE).read_text(encoding="utf-8"))["record"]
    assert record["found_cny"] == min(trial["cost_cny"] for trial in record["trials"])
    assert record["found_cny"] <= record["by_reasoning_cny"]
    assert asdict(frozen)["tank_worth"] > 0.0
