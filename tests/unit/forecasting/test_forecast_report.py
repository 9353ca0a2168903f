from __future__ import annotations

import argparse
import json
from datetime import date, timedelta

import pandas as pd
import pytest

from controllers.cli_forecast import add_forecast_command, forecast
from forecasting.registry import Registry, challenge
from forecasting.report import Replay, replay_span, report_of, span_of
from forecasting.report_plots import report_plots
from forecasting.train import train
from vpp.errors import ForecastError

DAYS = date(2030, 3, 4), date(2030, 3, 6)


@pytest.fixture(scope="module")
def replay(toy_world) -> Replay:
    models = train(toy_world.door, toy_world.farms, known_at=toy_world.start + timedelta(days=60), settings=toy_world.settings)
    return replay_span(models, toy_world.door, *DAYS)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2030-10-12", date(2030, 10, 12), date(2030, 10, 12)),
        ("2030-02", date(2030, 2, 1), date(2030, 2, 28)),
        ("2030-12", date(2030, 12, 1), date(2030, 12, 31)),
        ("2030", date(2030, 1, 1), date(2030, 12, 31)),
        ("2030-10-03..2030-10-20", date(2030, 10, 3), date(2030, 10, 20)),
    ],
)
def test_a_span_is_a_day_a_month_a_year_or_two_days(text: str, first: date, last: date) -> None:
    assert span_of(text) == (first, last)


@pytest.mark.parametrize("text", ["yesterday", "2030-13", "2030-10-20..2030-10-03", "2030-10-"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ForecastError, match=f"span {text}"):
        span_of(text)


def test_a_report_scores_each_farm_by_horizon_season_and_month(replay: Replay) -> None:
    farms = report_of(replay)["farms"]
    assert [farm["asset_id"] for farm in farms] == list(replay.farms)
    for farm in farms:
        assert set(farm["horizons"]) == {"0-1h", "1-4h", "4-12h", "12-24h", "24-48h"}
        assert all(0.0 <= part["coverage90_frac"] <= 1.0 for part in farm["horizons"].values())
        assert list(farm["months"]) == ["2030-03"]
        assert farm["seasons"]["spring"]["4-12h"] == pytest.approx(farm["horizons"]["4-12h"]["coverage90_frac"])


def test_the_file_of_nine_o_clock_is_scored_at_its_96_points(replay: Replay) -> None:
    wind = report_of(replay)["farms"][0]["day_ahead"]
    assert wind["outcomes"] == 3 * 96
    assert 0.5 < wind["accuracy_frac"] < 1.0


def test_only_outcomes_inside_the_span_count(replay: Replay) -> None:
    counted = replay.rolling.start[:, None].repeat(len(replay.farms), axis=1)[replay.rolling.outcome == replay.rolling.outcome]
    # Park days begin at 16:00 UTC of the day before.
    assert str(counted.min()) >= "2030-03-03T16:00"
    assert str(counted.max()) < "2030-03-06T16:00"


def test_three_days_are_drawn_for_each_farm_and_its_reliability(replay: Replay, tmp_path) -> None:
    made = report_plots(replay, tmp_path)
    assert len(made) == 4 * len(replay.farms)
    assert all(path.stat().st_size > 5_000 for path in made)


def test_a_span_without_outcomes_is_named(replay: Replay, toy_world) -> None:
    models = train(
        toy_world.door, toy_world.farms[:1], known_at=toy_world.start + timedelta(days=60), settings=toy_world.settings
    )
    with pytest.raises(ForecastError, match="no farm has a measured outcome from 2030-04-20"):
        replay_span(models, toy_world.door, date(2030, 4, 20), date(2030, 4, 20))


def test_the_command_says_which_models_are_missing(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "2030-10", "--history", str(tmp_path / "h.csv"), "--models", str(tmp_path)) == 2
    assert "no models in use; run `vpp forecast train` first" in capsys.readouterr().err


def test_the_command_reports_a_day_from_files_as_table_json_and_plots(
    toy_world, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = toy_world.start + timedelta(days=66)
    challenge(Registry.open(tmp_path / "m"), toy_world.door, toy_world.farms, known_at=now, settings=toy_world.settings)
    power = [
        pd.DataFrame({"asset_id": farm, "measured_at": pd.DatetimeIndex(one.measured_at, tz="UTC"), "available_frac": one.value})
        for farm, one in toy_world.door.power_of.items()
    ]
    pd.concat(power).to_parquet(tmp_path / "h.parquet")
    files = ["--history", str(tmp_path / "h.parquet"), "--models", str(tmp_path / "m")]
    made = ["--json", str(tmp_path / "r.json"), "--plots", str(tmp_path / "plots")]
    assert run("report", "2030-03-05", *files, *made) == 0
    facts = json.loads((tmp_path / "r.json").read_text())
    assert facts["unseen"]
    assert [farm["asset_id"] for farm in facts["farms"]] == ["wind.toy", "pv.toy"]
    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {"wind.toy.day.png", "wind.toy.reliability.png"}
    assert "day ahead" in capsys.readouterr().out


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_forecast_command(parser.add_subparsers())
    return forecast(parser.parse_args(["forecast", *words]))
