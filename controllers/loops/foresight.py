"""Somebody who knows what is to come, in the forecaster's place: how a run is made whose forecasts cannot err."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from controllers.loops.commander import Commander
from controllers.loops.forecast import forecast_message
from controllers.loops.mailbox import Mailbox
from controllers.planner.problem import Problem
from forecasting.forecast import Forecast
from vpp.timegrid import TimeGrid
from vpp.wire.topics import Channel

__all__ = ["Foresight", "run_foresight"]


class Foresight(Protocol):
    """What it must tell."""

    def horizon(self, at: datetime) -> TimeGrid:
        """The grid of a plan that begins at an instant."""
        ...

    def forecast(self, grid: TimeGrid) -> Forecast:
        """Wind and sun over a grid."""
        ...

    def corrected(self, problem: Problem) -> Problem:
        """The same problem with what else is known of its future: loads, arriving work, prices."""
        ...


async def run_foresight(
    ticks: AsyncIterator[datetime], foresight: Foresight, box: Mailbox[Forecast], commander: Commander
) -> None:
    """The forecast loop's place: tell, keep, publish."""
    async for at in ticks:
        box.value = foresight.forecast(foresight.horizon(at))
        commander.publish(Channel.FORECAST_CURRENT, forecast_message(box.value, commander.stamp()))
