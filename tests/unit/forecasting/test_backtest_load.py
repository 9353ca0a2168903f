"""`vpp forecast backtest load`: any record of loads, and what is wrong with one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controllers.cli_forecast import BAD_INPUT, add_forecast_command, forecast
from forecasting.archive import read_loads
from forecasting.backtest.load import METHODS, backtest_loads, report_of
from forecasting.settings import ForecastSettings
from vpp.errors import ForecastError

START = datetime(2030, 1, 1, tzinfo=UTC)
SMALL = ForecastSettings(load_rounds=15, load_leaves=6, load_leaf_rows=20, load_rows=4000, span=timedelta(days=84))


def frame_of(days: int, power_mw: float = 40.0, seed: int = 0) -> pd.DataFrame:
    """A load with nights and weekends whose users wander for some hours."""
    n, rng = days * 96, np.random.default_rng(seed)
    time = pd.date_range(START, periods=n, freq="15min")
    hour, rest = np.arange(n) % 96 / 4.0, np.asarray(time.weekday >= 5)
    wander = np.convolve(rng.standard_normal(n + 15), np.full(16, 0.25), mode="valid")
    shape = 1.0 - 0.15 * (hour < 6.0) - 0.1 * rest
    return pd.DataFrame({"time": time, "power_mw": power_mw * shape * (1.0 + 0.02 * wander)})


def table(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "load.csv"
    frame.to_csv(path, index=False)
    return path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_forecast_command(parser.add_subparsers())
    return forecast(parser.parse_args(["forecast", "backtest", "load", *words]))


def test_a_gap_and_a_second_load_are_no_trouble_and_every_method_is_scored(tmp_path: Path) -> None:
    one, other = frame_of(95), frame_of(95, 8.0, 1)
    one.loc[300:350, "power_mw"] = np.nan
    one = one.drop(index=range(7000, 7050))
    path = table(tmp_path, pd.concat([one.assign(load="a"), other.assign(load="b")]))
    facts = report_of(backtest_loads(read_loads(path), timedelta(days=10), SMALL))
    assert list(facts["by_load"]) == ["a", "b"]
    assert facts["by_load"]["b"]["mean_mw"] == pytest.approx(8.0 * (1 - 0.15 / 4 - 0.1 * 2 / 7), rel=0.01)
    assert list(facts["by_horizon"]) == ["0-1h", "1-4h", "4-12h", "12-24h", "24-48h"]
    assert set(facts["quality"]) == {"fresh"}
    for scores in facts["by_horizon"].values():
        assert tuple(scores) == METHODS
        assert scores["model"]["pinball"] < scores["as_now"]["pinball"]
        assert 0.005 < scores["model"]["nrmse_frac"] < 0.04
    assert facts["by_horizon"]["0-1h"]["model"]["pinball"] < facts["by_horizon"]["0-1h"]["week_profile"]["pinball"]


def test_the_command_writes_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "facts.json"
    assert run("--data", str(table(tmp_path, frame_of(92))), "--days", "7", "--json", str(out)) == 0
    assert "week profile" in capsys.readouterr().out
    assert json.loads(out.read_text())["loads"] == 1


def naive(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(time=frame["time"].dt.tz_localize(None))


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(time=frame["time"].where(frame.index < 9000, frame["time"] + pd.Timedelta(minutes=7)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.drop(columns="power_mw"), "column power_mw is missing"),
        (lambda f: f.rename(columns={"time": "measured_at"}), "column time is missing"),
        (naive, "without a zone"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "1 doubled stamps"),
        (lambda f: f.assign(power_mw="much"), "power_mw: not all of it are numbers"),
        (lambda f: f.assign(power_mw=-f["power_mw"]), "a load draws power, positive"),
        (lambda f: f.assign(power_mw=0.0), "draws 0 MW"),
        (lambda f: f.assign(power_mw=np.nan), "draws 0 MW"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.iloc[: 60 * 96], "at least 84 days to learn from"),
        (shifted, "off the quarter hours"),
    ],
)
def test_a_record_that_cannot_be_scored_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    assert run("--data", str(table(tmp_path, change(frame_of(95)))), "--days", "10") == BAD_INPUT
    told = capsys.readouterr()
    assert says in told.err
    assert told.err.count("\n") == 1
    assert not told.out


@pytest.mark.parametrize(("days", "says"), [("0", "above zero"), ("nan", "above zero"), ("3", "7 to test"), ("400", "7 to test")])
def test_a_span_that_leaves_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str, says: str) -> None:
    assert run("--data", str(table(tmp_path, frame_of(95))), "--days", days) == BAD_INPUT
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="no such file"):
        read_loads(tmp_path / "gone.csv")
