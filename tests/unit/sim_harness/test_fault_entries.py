"""A fault in a scenario file: what may be written, and when it then happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from sim_harness.cli import main
from sim_harness.faults import FaultEntry, schedule_of
from sim_harness.faults.entry import KINDS, targets_of
from sim_harness.scenario import load, load_park_of
from vpp.errors import ScenarioError

PARK = load_park_of(load("first-week"))
START = datetime(2030, 10, 6, 16, tzinfo=UTC)
END = START + timedelta(days=10)
GOOD: dict[str, object] = {
    "name": "mine",
    "purpose": "A day of mine.",
    "park": "parks/two_areas.yaml",
    "park_at": "2030-10-01",
    "start": "2030-10-07T00:00:00",
    "days": 0.25,
    "weather": "generated",
    "seed": 1,
    "control_step_s": 60,
}


def written(folder: Path, *faults: dict[str, object], **changes: object) -> Path:
    path = folder / "bad.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "faults": list(faults), **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entry", "where", "rule"),
    [
        ({"kind": "gremlins", "start_h": 1, "duration_h": 1}, "faults.0.kind", "gremlins"),
        ({"kind": "silent_device", "asset": "bess.nowhere", "start_h": 1, "duration_h": 1}, "faults.0.asset", "no such asset"),
        ({"kind": "lying_meter", "connection": "grid.x", "start_h": 1, "duration_h": 1}, "faults.0.connection", "no such conn"),
        ({"kind": "plant_trip", "asset": "compute.aidc", "start_h": 1, "duration_h": 1}, "faults.0.asset", "cluster"),
        ({"kind": "forecast_wrong", "asset": "bess.hongshan", "start_h": 1, "duration_h": 1}, "faults.0.asset", "wind farms"),
        ({"kind": "lost", "start_h": -1, "duration_h": 1}, "faults.0.start_h", "greater than or equal to 0"),
        ({"kind": "lost", "start_h": 1, "duration_h": -2}, "faults.0.duration_h", "greater than 0"),
        ({"kind": "lost", "start_h": 1}, "faults.0", "needs duration_h"),
        ({"kind": "lost"}, "faults.0", "start_h or rate_per_day"),
        ({"kind": "lost", "start_h": 1, "duration_h": 1, "rate_per_day": 2}, "faults.0", "one of the two"),
        ({"kind": "plant_trip", "start_h": 1, "duration_h": 1}, "faults.0", "needs asset"),
        ({"kind": "lost", "start_h": 1, "duration_h": 1, "skew_s": 3}, "faults.0.skew_s", "lost takes share_frac"),
        ({"kind": "doubled", "start_h": 1, "duration_h": 1, "sharef": 3}, "faults.0.sharef", "unknown key"),
        ({"kind": "silent_device", "topic": "asset/#", "rate_per_day": 1}, "faults.0.topic", "messages do"),
    ],
)
def test_a_fault_that_breaks_a_rule_is_one_line_that_names_it(
    entry: dict[str, object], where: str, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(written(tmp_path, entry))
    (line,) = caught.value.faults
    assert line.startswith(f"bad.yaml: {where}:")
    assert rule in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"initial": {"bess.nowhere": {"soc_frac": 0.5}}}, "initial.bess.nowhere: no such asset"),
        ({"days": -1}, "days: -1"),
        ({"durations": 3}, "durations: unknown key"),
        ({"park": "parks/none.yaml"}, "none.yaml"),
        ({"control_step_s": 7}, "control_step_s: 7: must divide"),
    ],
)
def test_the_command_refuses_a_bad_scenario_in_one_line_with_status_2(
    changes: dict[str, object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(written(tmp_path, **changes)), "--policy", "none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_the_command_names_a_missing_data_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, weather="measured")
    assert main(["run", str(path), "--policy", "none", "--data", str(tmp_path)]) == 2
    assert all("no such file" in line and str(tmp_path) in line for line in capsys.readouterr().err.splitlines())


def test_a_written_fault_holds_from_its_start_to_its_end() -> None:
    (window,) = schedule_of([FaultEntry(kind="broker_restart", start_h=2, duration_h=0.5)], PARK, 1, START, END)
    assert not window.holds(START + timedelta(hours=1.99))
    assert window.holds(START + timedelta(hours=2))
    assert not window.holds(START + timedelta(hours=2.5))


def test_drawn_faults_come_as_often_as_written_and_find_places_of_their_own() -> None:
    windows = schedule_of([FaultEntry(kind="silent_device", rate_per_day=20, duration_h=1)], PARK, 1, START, END)
    assert len(windows) == pytest.approx(200, rel=0.25)
    assert len({w.target for w in windows}) > 5
    lengths_h = [(w.end - w.start) / timedelta(hours=1) for w in windows]
    assert sum(lengths_h) / len(lengths_h) == pytest.approx(1.0, rel=0.25)


def test_the_same_seed_draws_the_same_faults_and_another_draws_others() -> None:
    entries = [FaultEntry(kind="plant_trip", rate_per_day=5), FaultEntry(kind="lost", rate_per_day=5)]
    first, again, other = (schedule_of(entries, PARK, seed, START, END) for seed in (1, 1, 2))
    assert first == again
    assert [w.start for w in first] != [w.start for w in other]


def test_adding_a_fault_does_not_change_the_luck_of_those_before_it() -> None:
    one = FaultEntry(kind="plant_trip", rate_per_day=5)
    alone = schedule_of([one], PARK, 1, START, END)
    both = schedule_of([one, FaultEntry(kind="lost", rate_per_day=5)], PARK, 1, START, END)
    assert both[: len(alone)] == alone


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_befall_something_or_needs_no_place(kind: str) -> None:
    assert targets_of(kind, PARK) or KINDS[kind].target in ("message", "nothing")
