"""`vpp forecast backtest price`: day-ahead prices beside the published DNN and LEAR forecasts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from controllers.cli_forecast import Words, default_data_dir

__all__ = ["WORDS"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=default_data_dir(), metavar="DIR", help="folder of the file, or the file")
    parser.add_argument("--market", metavar="M", help="BE, DE, FR, NP or PJM; all of them without it")


def _run(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    from forecasting.backtest.price import MARKETS, backtest_price, read_prices

    markets = (told.market,) if told.market else MARKETS
    found = [backtest_price(read_prices(told.data, market)) for market in markets]
    lines = [f"{'market':7} {'ours':>6} {'DNN':>6} {'LEAR':>6} {'day before':>11} {'in 90 %':>8}   mean absolute error per MWh"]
    for one in found:
        mae = {name: rival["mae_per_mwh"] for name, rival in one["rivals"].items()}
        lines.append(
            f"{one['market']:7} {one['mae_per_mwh']:6.2f} {mae['dnn']:6.2f} {mae['lear']:6.2f} "
            f"{mae['same_hour_yesterday']:11.2f} {one['coverage_90_frac']:8.1%}"
        )
    lines.append(found[0]["facts"][0])
    return {"markets": found}, "\n".join(lines)


WORDS: Final = Words("day-ahead prices, beside the published DNN and LEAR", _add, _run)
