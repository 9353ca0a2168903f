"""Pictures of a report: fan charts of the file for dispatch against what came, and reliability of each farm."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from forecasting.forecast import QUANTILE_LEVELS
from forecasting.plots import fan_figure, reliability_figure, saved
from forecasting.report import Replay
from forecasting.scores import pinball, reliability
from vpp.units import IntArray

__all__ = ["report_plots"]

#: Of a span of many days: the best, the middle and the worst.
NAMES: Final = ("best day", "middle day", "worst day")


def report_plots(replay: Replay, folder: Path) -> list[Path]:
    """A fan chart for each farm and chosen day, and a reliability diagram for each farm.

    Args:
        replay: What was said and what came.
        folder: Made if absent.
    """
    said, made = replay.day_ahead, []
    for number, name in enumerate(replay.farms):
        for label, row in _days(replay, number):
            title = f"{name}, {label}: said at 09:00 the day before, and what came"
            figure = fan_figure(
                said.start[row],
                said.quantile[row, number],
                QUANTILE_LEVELS,
                title,
                mean=said.mean[row, number],
                outcome=said.outcome[row, number],
            )
            made.append(saved(figure, folder / f"{name}.{label.replace(' ', '-')}.png"))
        rolling = replay.rolling
        found = reliability(rolling.outcome[:, number], rolling.quantile[:, number], QUANTILE_LEVELS)
        made.append(saved(reliability_figure(found, f"{name}, to 48 h"), folder / f"{name}.reliability.png"))
    return made


def _days(replay: Replay, number: int) -> list[tuple[str, int]]:
    """Rows of the day-ahead forecasts to draw, by their loss."""
    said = replay.day_ahead
    outcome = said.outcome[:, number]
    known: IntArray = np.flatnonzero(~np.isnan(outcome).all(axis=1))
    if known.size < len(NAMES):
        return [("day" if known.size == 1 else f"day {k + 1}", int(row)) for k, row in enumerate(known)]
    loss = [pinball(outcome[row], said.quantile[row, number], QUANTILE_LEVELS) for row in known]
    order = known[np.argsort(loss)]
    return list(zip(NAMES, (int(order[0]), int(order[order.size // 2]), int(order[-1])), strict=True))
