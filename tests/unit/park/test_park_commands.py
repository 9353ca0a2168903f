from __future__ import annotations

import json
from pathlib import Path

import pytest

from controllers.cli_park import check, show


def test_check_counts_what_a_sound_park_holds(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(seeds) == 0

    said = capsys.readouterr()
    assert said.out.startswith("ok: 54 assets, 5 areas, 5 connections; ")
    assert "facts" in said.out
    assert "assumptions" in said.out
    assert said.err == ""


def test_the_park_is_shown_by_area_within_a_hundred_columns(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(seeds, at="2030-07-01") == 0

    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 100
    for part in ("wind.dongshan_peaking", "pv.roofs_yuanbaoshan", "zinc_electrowinning", "219.48", "智算中心", "tie.island"):
        assert part in said


def test_the_park_as_json_has_totals_and_connections(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(seeds, at="2026-07-01", as_json=True) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts["totals"]["wind"]["power_mw"] == pytest.approx(150 + 110 + 450 + 1100 + 22.5)
    assert facts["totals"]["solar"]["power_mw"] == pytest.approx(330 + 20)
    assert facts["totals"]["storage"]["energy_mwh"] == pytest.approx(120 + 66 + 680)
    assert {connection["id"] for connection in facts["connections"]} == {
        "grid.d500",
        "tie.songshan",
        "tie.hongshan",
        "tie.yuanbaoshan",
    }


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "2020-01-01"])
def test_a_day_that_cannot_be_shown_gets_one_line_and_status_two(
    seeds: Path, capsys: pytest.CaptureFixture[str], day: str
) -> None:
    assert show(seeds, at=day) == 2

    assert len(capsys.readouterr().err.splitlines()) == 1
