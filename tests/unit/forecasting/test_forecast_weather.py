from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.known import WIND_FEATURES
from forecasting.weather import KEPT_RUNS, added, parse_answer, read_answers, request_words, run_of
from vpp.errors import ForecastError

RECORDED = Path(__file__).parents[2] / "golden" / "weather"
AT = datetime(2030, 10, 1, 0, 12, tzinfo=UTC)
GOOD = (RECORDED / "chifeng_20301001T0012Z.json").read_text(encoding="utf-8")
PARTIAL = (RECORDED / "chifeng_20301001T0612Z.json").read_text(encoding="utf-8")


def changed(**hourly: object) -> str:
    told = json.loads(GOOD)
    told["hourly"] |= hourly
    return json.dumps(told)


def test_wind_blows_from_its_direction_and_is_kept_by_where_it_blows_to() -> None:
    run = run_of(parse_answer(GOOD, AT), "wind")
    assert run.features[:4] == WIND_FEATURES
    # From the west (270 deg) at 5 m/s, from the south (180 deg) at 8 m/s.
    assert run.value[0, 3] == pytest.approx([5.0, 0.0, 0.0, 8.0, 12.5, 94_000.0], abs=1e-9)


def test_a_run_is_issued_at_the_hour_of_its_fetch_and_known_from_the_fetch_on() -> None:
    run = run_of(parse_answer(GOOD, AT), "wind")
    assert run.issued_at[0] == np.datetime64("2030-10-01T00:00")
    assert run.known(AT - timedelta(minutes=1)).n == 0
    assert run.known(AT).n == 1


def test_hours_that_the_answer_does_not_reach_are_not_a_number() -> None:
    run = run_of(parse_answer(GOOD, AT), "wind")
    assert not np.isnan(run.value[0, 47]).any()
    assert np.isnan(run.value[0, 48:]).all()


def test_units_are_read_and_not_assumed() -> None:
    six = AT + timedelta(hours=6)
    run = run_of(parse_answer(PARTIAL, six), "wind")
    assert run.value[0, 0, 3] == pytest.approx(8.0)
    assert np.isnan(run.value[0, 24, 3])


def test_means_of_the_hour_before_stand_for_the_instant_between() -> None:
    run = run_of(parse_answer(PARTIAL, AT + timedelta(hours=6)), "solar")
    # Means of the hours to 06:00 and to 07:00 UTC are 500 and 400 W/m2.
    assert run.value[0, 0, 0] == pytest.approx(450.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"error": true, "reason": "limit exceeded"}', "refused: limit exceeded"),
        ('{"hourly": {}}', r"no hourly\.time"),
        (changed(time=["2030-10-01T01:00", "2030-10-01T00:00"]), "does not increase"),
        (changed(time=["soon"]), r"hourly\.time"),
        (GOOD.replace('"m/s"', '"furlong"'), "is in 'furlong'"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_with_one_line(text: str, says: str) -> None:
    with pytest.raises(ForecastError, match=says) as found:
        parse_answer(text, AT)
    assert "\n" not in str(found.value)


def test_a_list_that_is_missing_short_null_or_impossible_becomes_nan() -> None:
    answer = parse_answer(changed(wind_speed_10m=None, wind_speed_100m=[1.0, None, "x", -99.0, 5.0]), AT)
    assert np.isnan(answer.value["wind_speed_10m"]).all()
    assert np.flatnonzero(~np.isnan(answer.value["wind_speed_100m"])).tolist() == [0, 4]


def test_hours_in_another_zone_are_moved_to_utc() -> None:
    told = json.loads(GOOD) | {"utc_offset_seconds": 28_800}
    assert parse_answer(json.dumps(told), AT).at[0] == np.datetime64("2030-09-30T16:00")


def test_files_of_answers_are_read_and_the_bad_ones_named() -> None:
    found, faults = read_answers(RECORDED, "chifeng")
    assert [answer.received_at.hour for answer in found] == [0, 6]
    assert len(faults) == 2
    assert faults[0].startswith("chifeng_20301001T1212Z.json: weather service refused")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="no such folder"):
        read_answers(tmp_path / "none", "chifeng")


def test_the_same_issue_again_replaces_and_old_runs_are_forgotten() -> None:
    runs = run_of(parse_answer(GOOD, AT), "wind")
    assert added(runs, runs).n == 1
    for hour in range(1, KEPT_RUNS + 3):
        runs = added(runs, run_of(parse_answer(GOOD, AT + timedelta(hours=hour)), "wind"))
    assert runs.n == KEPT_RUNS
    assert bool(np.all(np.diff(runs.issued_at) > np.timedelta64(0, "us")))


def test_a_request_names_place_and_quantities() -> None:
    words = request_words(42.3, 118.9)
    assert words["latitude"] == "42.3000"
    assert "wind_speed_100m" in words["hourly"]
