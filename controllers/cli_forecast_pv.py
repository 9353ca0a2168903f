"""`vpp forecast backtest pv`: the next four hours of a PV station, scored on the last fifth of its record."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from controllers.cli_forecast import Words, default_data_dir

__all__ = ["WORDS"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=default_data_dir(), metavar="DIR", help="folder of the file, or the file")
    parser.add_argument("--site", type=int, default=1, help="number of the station in the file (1)")
    parser.add_argument("--threads", type=int, default=1, help="LightGBM threads; the same number gives the same bits")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw fan chart and reliability into this folder")


def _run(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    # LightGBM takes a second to load; `vpp check` shall not wait for it.
    from forecasting.backtest.pv import backtest_station, report_of
    from forecasting.sun.model import StationSettings
    from forecasting.sun.stategrid import read_station

    began = perf_counter()
    test = backtest_station(read_station(told.data, told.site), StationSettings(threads=told.threads))
    facts = {**report_of(test, told.site), "wall_s": round(perf_counter() - began, 1)}
    if told.plots is not None:
        from forecasting.plots import station_plots

        facts["plots"] = [str(path) for path in station_plots(test, told.plots)]
    return facts, _table(facts)


def _table(facts: Mapping[str, Any]) -> str:
    head = f"site {facts['site']}, {facts['capacity_mw']:g} MW nominal, test from {facts['test_start_utc'][:16]} UTC"
    lines = [head, f"{'':22} {'nRMSE mean':>11} {'accuracy 4 h':>13}   {'as measured':>11} {'accuracy':>9}"]
    ours = {"mean_daylight_nrmse_frac": facts["mean_daylight_nrmse_frac"], "accuracy_4h_frac": facts["accuracy_4h_frac"]}
    ours |= {f"as_measured_{key}": value for key, value in facts["as_measured"].items()}
    for name, s in {"ours": ours, **facts["rivals"]}.items():
        lines.append(
            f"{name:22} {s['mean_daylight_nrmse_frac']:11.2%} {s['accuracy_4h_frac']:13.2%}   "
            f"{s['as_measured_mean_daylight_nrmse_frac']:11.2%} {s['as_measured_accuracy_4h_frac']:9.2%}"
        )
    coverage = facts["coverage"]
    spans = ", ".join(f"{name} {value:.1%}" for name, value in coverage["by_horizon"].items())
    lines.append(f"90 % interval covers {coverage['all_frac']:.1%} ({spans}); crossings {facts['crossings']}")
    lines += [f"{key}: {text}" for key, text in facts["definitions"].items()]
    return "\n".join(lines)


WORDS: Final = Words("PV station, 15 min to 4 h ahead", _add, _run)
