"""What has come to each cluster, hour by hour, and what is expected of the hours to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from forecasting.arrival_outlook import ArrivalOutlook
from forecasting.arrivals import ArrivalHistory, ArrivalModel, fit_arrivals, outlook
from vpp.errors import ForecastError
from vpp.ids import AssetId
from vpp.park import Park
from vpp.park.plates import ComputePlate
from vpp.units import HOURS_PER_DAY
from vpp.wire.messages import ComputeTelemetry

__all__ = ["ArrivalsWatch"]

_HOUR: Final = timedelta(hours=1)
_DAY_H: Final = int(HOURS_PER_DAY)
#: Older hours say little of the clock that people keep now.
_KEPT_H: Final = 56 * _DAY_H


@dataclass(slots=True)
class _Tally:
    """One cluster: its counters as they stood last, and the hours since it was first heard."""

    start: datetime
    counters: np.ndarray[tuple[int], np.dtype[np.float64]]
    hours: list[np.ndarray[tuple[int], np.dtype[np.float64]]]
    model: ArrivalModel | None = None
    fitted_hours: int = -_DAY_H


@dataclass(slots=True)
class ArrivalsWatch:
    """Adds up the counters `arrived_mwh.0`, `.1`, ... of the clusters' telemetry, which number classes by slack, shortest first.

    Climatology is made anew once a day; it takes milliseconds, so it needs no worker.

    Args:
        park: Whose clusters.
    """

    park: Park
    _tallies: dict[AssetId, _Tally] = field(default_factory=dict)

    def heard(self, cluster: AssetId, said: ComputeTelemetry) -> None:
        """One word of a cluster; a scheduler that counts nothing is left alone."""
        order = self._order(cluster)
        names = [f"arrived_mwh.{j}" for j in range(len(order))]
        if not order or any(name not in said.state for name in names):
            return
        counters = np.zeros(len(order))
        counters[order] = [said.state[name] for name in names]
        hour = said.measured_at.replace(minute=0, second=0, microsecond=0)
        tally = self._tallies.get(cluster)
        if tally is None or hour < tally.start:
            # An hour that was heard only in part is no hour of the history.
            self._tallies[cluster] = _Tally(hour + _HOUR, counters, [])
            return
        came = counters - tally.counters
        tally.counters = counters
        # A counter that fell began anew with its scheduler.
        came = np.where(came < 0.0, counters, came)
        index = (hour - tally.start) // _HOUR
        while len(tally.hours) <= index:
            tally.hours.append(np.zeros(len(order)))
        if index >= 0:
            tally.hours[index] = tally.hours[index] + came

    def outlook(self, cluster: AssetId, at: datetime) -> ArrivalOutlook | None:
        """What is expected from the beginning of this hour on, a row for each class of the plate; None before a week is known."""
        tally = self._tallies.get(cluster)
        if tally is None:
            return None
        over = max(min((at - tally.start) // _HOUR, len(tally.hours)), 0)
        first = max(over - _KEPT_H, 0)
        if over == first:
            return None
        work = np.array(tally.hours[first:over]).T
        history = ArrivalHistory(tally.start + first * _HOUR, work, work)
        if over - tally.fitted_hours >= _DAY_H:
            try:
                tally.model, tally.fitted_hours = fit_arrivals(history, trees=False), over
            except ForecastError:
                return None
        return outlook(tally.model, history) if tally.model is not None else None

    def _order(self, cluster: AssetId) -> list[int]:
        """Index of each class in the plate, by slack."""
        found = next((a.plate for a in self.park.assets_of("compute") if a.id == cluster), None)
        if not isinstance(found, ComputePlate):
            return []
        return sorted(range(len(found.job_classes)), key=lambda c: found.job_classes[c].slack_h)
