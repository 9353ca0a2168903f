"""`vpp forecast backtest load`: inflexible load, 15 min to 48 h ahead, on any record of quarter hours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from controllers.cli_forecast import Words
from vpp.errors import ForecastError

__all__ = ["WORDS", "table_of"]

_LABELS: Final = {"model": "model", "week_profile": "week profile", "persistence": "persistence", "as_now": "as now"}


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV or parquet: time (start of each quarter hour, with its zone), power_mw, and load where there are several",
    )
    parser.add_argument(
        "--days", type=float, default=60.0, metavar="N", help="newest days that are forecast, the rest is learnt (60)"
    )


def _run(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    from forecasting.archive import read_loads
    from forecasting.backtest.load import backtest_loads, report_of

    if not 0.0 < told.days < float("inf"):
        raise ForecastError(f"--days {told.days:g}: a number of days above zero is needed")
    began = perf_counter()
    facts = report_of(backtest_loads(read_loads(told.data), timedelta(days=told.days)))
    facts["wall_s"] = round(perf_counter() - began, 1)
    return facts, table_of(facts)


def table_of(facts: Mapping[str, Any]) -> str:
    """The scores by horizon group, one line for each method."""
    lines = [
        f"{facts['loads']} loads, learnt from {facts['trained_from'][:10]}, "
        f"{facts['origins']} forecasts from {facts['test_start'][:10]}",
        f"{'horizon':9} {'':13} {'pinball':>8} {'nRMSE':>8} {'in 90 %':>8}",
    ]
    for name, methods in {**facts["by_horizon"], "all": facts["all"]}.items():
        lines += [
            f"{name:9} {_LABELS[method]:13} {one['pinball']:8.3%} {one['nrmse_frac']:8.2%} {one['coverage_90_frac']:8.1%}"
            for method, one in methods.items()
        ]
    lines += [f"{key}: {text}" for key, text in facts["definitions"].items()]
    return "\n".join(lines)


WORDS: Final = Words("inflexible load, beside the profile of its week, persistence and as now", _add, _run)
