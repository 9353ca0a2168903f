"""The `vpp` command: every fault of a park file in one line, and an exit status a script can trust."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from controllers.cli import main
from vpp.park import load

SMALL = Path(__file__).parents[3] / "seeds" / "parks" / "two_areas.yaml"
BAD_INPUT = 2


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a refused command says on stderr; on stdout it says nothing."""
    assert main(words) == BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def broken(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """The small park with mistakes in it."""
    text = SMALL.read_text(encoding="utf-8")
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong, 1)
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_sound_park_is_ok_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(SMALL)]) == 0
    assert capsys.readouterr().out.startswith("ok: 12 assets, 2 areas, 1 connections")


def test_a_broken_park_is_refused_with_file_key_and_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = broken(tmp_path, ("capacity_mw: {assumption: 1100", "capacity_mw: {assumption: -1100"))
    said = refusal(["check", path], capsys)
    for word in ("broken.yaml", "capacity_mw", "-1100"):
        assert word in said


def test_all_faults_of_a_park_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = broken(tmp_path, ("capacity_mw: {assumption: 1100", "capacity_mw: {assumption: -1100"), ("energy_mwh:", "enrgy_mwh:"))
    said = refusal(["check", path], capsys)
    assert "capacity_mw" in said
    assert "enrgy_mwh" in said


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "torn.yaml"
    path.write_text("areas: [", encoding="utf-8")
    assert "torn.yaml" in refusal(["check", str(path)], capsys)


@pytest.mark.parametrize("words", [["check"], ["park", "--park"]])
def test_a_missing_file_is_named(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.yaml" in refusal([*words, str(tmp_path / "nowhere.yaml")], capsys)


def test_a_day_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "2030-13-01" in refusal(["park", "--park", str(SMALL), "--at", "2030-13-01"], capsys)


def test_a_park_is_shown_by_area(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["park", "--park", str(SMALL), "--at", "2030-10-01"]) == 0
    shown = capsys.readouterr().out
    for area in load(SMALL, at=date(2030, 10, 1)).area_ids:
        assert area in shown


def test_the_facts_for_machines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["park", "--park", str(SMALL), "--at", "2030-10-01", "--json"]) == 0
    assert "two_areas" in json.dumps(json.loads(capsys.readouterr().out))


def test_a_command_that_does_not_exist_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["guess"])
    assert ended.value.code == BAD_INPUT
    assert "guess" in capsys.readouterr().err
