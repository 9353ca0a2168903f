"""The rules of GEFCom2014 and its command, on small farms; the measured figures stand in docs/forecast_wind.md."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel

from controllers import cli_forecast_wind
from controllers.cli import main
from forecasting.backtest import gefcom
from forecasting.scores import pinball
from forecasting.stack.model import forecast_panel, jobs_of
from forecasting.stack.panel import WindPanel
from tests.builders_wind import TINY, panel_frame, windy_panel, write_track
from vpp.errors import ForecastError
from vpp.units import FloatArray

LEVELS = gefcom.LEVELS


def forecast_of(panel: WindPanel, jobs: int = 1) -> FloatArray:
    task = gefcom.task_of(panel, 1)
    with Parallel(n_jobs=jobs, return_as="generator") as pool:
        return forecast_panel(task.panel, task.hidden, LEVELS, TINY, pool).quantile


@pytest.fixture(scope="module")
def panel() -> WindPanel:
    return windy_panel()


@pytest.fixture(scope="module")
def quantile(panel: WindPanel) -> FloatArray:
    return forecast_of(panel)


def test_quantiles_never_cross_and_stay_within_what_was_seen(panel: WindPanel, quantile: FloatArray) -> None:
    assert quantile.shape == (31 * 24, 3, 99)
    assert np.all(np.diff(quantile, axis=2) >= 0.0)
    assert quantile.min() >= 0.0
    assert np.all(quantile.max(axis=(0, 2)) <= np.nanmax(panel.power_frac, axis=0))


def test_the_stack_beats_the_climatology_by_far(panel: WindPanel, quantile: FloatArray) -> None:
    task = gefcom.task_of(panel, 1)
    past = np.nanquantile(task.panel.power_frac, LEVELS, axis=0).T
    climatology = np.broadcast_to(past, quantile.shape)
    assert pinball(task.outcome_frac, quantile, LEVELS) < 0.5 * pinball(task.outcome_frac, climatology, LEVELS)


def test_neither_the_months_power_nor_anything_later_moves_a_forecast(panel: WindPanel, quantile: FloatArray) -> None:
    month = panel.start >= gefcom.FIRST_MONTH.astype("datetime64[us]")
    power, wind = panel.power_frac.copy(), panel.wind_m_s.copy()
    power[month] = 0.123
    after = panel.start >= (gefcom.FIRST_MONTH + 1).astype("datetime64[us]")
    assert after.any()
    wind[after] = 99.0
    assert np.array_equal(forecast_of(WindPanel(panel.start, panel.zones, power, wind)), quantile)


def test_the_number_of_workers_moves_no_bit(panel: WindPanel, quantile: FloatArray) -> None:
    assert np.array_equal(forecast_of(panel, jobs=2), quantile)


def test_a_zone_without_history_is_named(panel: WindPanel) -> None:
    power = panel.power_frac.copy()
    power[:, 1] = np.nan
    with pytest.raises(ForecastError, match="zone 2: 0 hours of known power"):
        forecast_of(WindPanel(panel.start, panel.zones, power, panel.wind_m_s))


def test_tasks_are_read_as_spans_and_lists() -> None:
    assert gefcom.parse_tasks("4-6,9, 5") == (4, 5, 6, 9)


@pytest.mark.parametrize("text", ["", "4-", "x", "9-4", "0", "4--5", "1.5"])
def test_what_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(ForecastError, match="--tasks"):
        gefcom.parse_tasks(text)


def test_a_task_is_a_calendar_month_of_hour_endings(panel: WindPanel) -> None:
    task = gefcom.task_of(panel, 1)
    hours = task.panel.start[task.hidden]
    assert (hours[0], hours[-1]) == (np.datetime64("2012-10-01T00"), np.datetime64("2012-10-31T23"))
    assert task.panel.start[-1] == hours[-1]
    assert np.isnan(task.panel.power_frac[task.hidden]).all()


def test_null_power_is_left_out_of_the_score(panel: WindPanel, quantile: FloatArray) -> None:
    task = gefcom.task_of(panel, 1)
    gap = task.outcome_frac.copy()
    gap[:100] = np.nan
    score = gefcom.score_task(gefcom.Task(1, task.panel, task.hidden, gap), quantile)
    assert score.pinball == pytest.approx(pinball(task.outcome_frac[100:], quantile[100:], LEVELS))


def test_a_file_gives_back_the_panel(tmp_path: Path, panel: WindPanel) -> None:
    path = write_track(tmp_path, panel_frame(panel).sample(frac=1.0, random_state=1))
    read = gefcom.read_panel(path)
    assert np.array_equal(read.start, panel.start)
    assert np.array_equal(read.power_frac, panel.power_frac)
    assert np.array_equal(read.wind_m_s, panel.wind_m_s)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.drop(columns=["u100", "v10"]), "column v10, u100 missing"),
        (lambda f: pd.concat([f, f.iloc[[5]]]), "more than once"),
        (lambda f: f.drop(index=[7]), "1 hours without wind forecast, the first in zone 1"),
        (lambda f: f.assign(power=f["power"] * 100.0), "share of capacity"),
        (lambda f: f.assign(time=f["time"].astype(str)), "column time holds"),
        (lambda f: f.assign(time=f["time"] + pd.Timedelta(minutes=30)), "not on the hour"),
        (lambda f: f.iloc[:0], "no rows"),
    ],
)
def test_a_spoilt_file_is_one_line_and_status_2(
    tmp_path: Path, panel: WindPanel, capsys: pytest.CaptureFixture[str], spoil, words: str
) -> None:
    write_track(tmp_path, spoil(panel_frame(panel)))
    assert main(["forecast", "backtest", "gefcom-wind", "--data", str(tmp_path), "--tasks", "1"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("tasks", "words"), [("2", "tasks 1-1 lie in it"), ("one", "write 4-9")])
def test_a_task_outside_the_file_is_refused(
    tmp_path: Path, panel: WindPanel, capsys: pytest.CaptureFixture[str], tasks: str, words: str
) -> None:
    write_track(tmp_path, panel_frame(panel))
    assert main(["forecast", "backtest", "gefcom-wind", "--data", str(tmp_path), "--tasks", tasks]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_without_the_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "backtest", "gefcom-wind", "--data", str(tmp_path)]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_command_writes_scores_and_shows_the_winner(
    tmp_path: Path, panel: WindPanel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli_forecast_wind.SETTINGS, "fast", TINY)  # the size of the models is all that is small here
    write_track(tmp_path, panel_frame(panel))
    (tmp_path / gefcom.LEADERBOARD_FILE).write_text(
        "track,task,team,pinball\nwind,1,kPower,0.5\nwind,1,Other,0.6\nsolar,1,X,0.1\n"
    )
    out = tmp_path / "out" / "score.json"
    words = [
        "forecast",
        "backtest",
        "gefcom-wind",
        "--data",
        str(tmp_path),
        "--tasks",
        "1",
        "--setting",
        "fast",
        "--json",
        str(out),
    ]
    assert main([*words, "--jobs", "1"]) == 0
    facts = json.loads(out.read_text())
    assert [task["task"] for task in facts["tasks"]] == [1]
    assert facts["mean_pinball"] == facts["tasks"][0]["pinball"]
    assert facts["tasks"][0]["train_s"] > 0.0
    assert len(facts["tasks"][0]["zones"]) == 3
    assert facts["tasks"][0]["winner"] == {"team": "kPower", "pinball": 0.5}
    assert "kPower 0.50000" in capsys.readouterr().out


def test_the_progress_ends_at_the_number_of_jobs_that_was_promised(panel: WindPanel) -> None:
    task = gefcom.task_of(panel, 1)
    seen: list[int] = []
    with Parallel(n_jobs=1, return_as="generator") as pool:
        forecast_panel(task.panel, task.hidden, LEVELS, TINY, pool, seen.append)
    assert sum(seen) == jobs_of(3, TINY)
