"""What a call at one cluster's own meter gets: whole, in part, or refused, by what its scheduler has told. Pure.

Unlike a call on a connection it is not held against courses of wind and sun: nothing but the cluster's own work counts at its
meter. What the cluster can go down to is worked out from its last report; how surely is not, and is not said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from controllers.dispatch.snapshot import ClusterReport
from controllers.flexibility.assess import ALWAYS_TAKEN, Verdict
from controllers.planner.expect import arriving_work, firm_compute_mw
from controllers.planner.problem import WorkItem
from controllers.store.rows import PlanRow
from vpp.assets.compute import COMPUTE
from vpp.errors import PlanError
from vpp.events import Event, Override, PinLimit
from vpp.ids import AssetId
from vpp.park.plates import ComputePlate
from vpp.timegrid import TimeGrid, floor_to
from vpp.units import FloatArray, hours
from vpp.wire.messages import Reason

__all__ = ["Meter", "at_meter", "declared_mw", "left_mw"]

_QUARTER: Final = timedelta(minutes=15)
#: Work that is due so long after a call may have to be begun inside it, because the cluster cannot do all of it later.
_AFTER: Final = timedelta(hours=12)
#: Less than this is no part worth promising: the larger of half a megawatt and a fiftieth of what was asked.
_LEAST_MW: Final = 0.5
_LEAST_FRAC: Final = 0.02
#: A target within this of what can be held is held. [MW]
_SAME_MW: Final = 0.05
_DIGITS: Final = 3


def declared_mw(row: PlanRow | None, asset: AssetId, start: datetime, end: datetime) -> float:
    """Mean power over a span that a plan had for a cluster: the declared schedule, and the baseline of the proof. [MW].

    Args:
        row: The plan that was known before the call; None where there was none.
        asset: The cluster.
        start: Of the span (UTC).
        end: Of the span (UTC).

    Raises:
        PlanError: There is no plan, or it says nothing of this cluster over the whole span.
    """
    try:
        facts: Mapping[str, Any] = {} if row is None else msgspec.json.decode(row.facts, type=dict[str, Any])
        power = facts["assets"][asset]["power_mw"]
        edges = np.array([datetime.fromisoformat(edge).timestamp() for edge in facts["edges"]])
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise PlanError(f"no plan for {asset} was known before the call, so that there is nothing to count it against") from error
    inside_s = np.minimum(edges[1:], end.timestamp()) - np.maximum(edges[:-1], start.timestamp())
    inside_s = np.maximum(inside_s, 0.0)
    if inside_s.sum() < (end - start).total_seconds() - 1.0:
        raise PlanError(f"the plan known before the call does not reach from {start.isoformat()} to {end.isoformat()}")
    return float(np.average(np.asarray(power, dtype=np.float64)[: len(inside_s)], weights=inside_s))


def left_mw(declared: float, others: Sequence[Override], start: datetime, end: datetime) -> float:
    """What of the declared power other calls at the same meter leave, mean over a span: what one was promised no other is. [MW].

    Args:
        declared: See `declared_mw`. [MW]
        others: Ceilings that other calls have set at that meter.
        start: Of the span (UTC).
        end: Of the span (UTC).
    """
    most = [(o.start, end if o.end is None else o.end, o.pin.high_mw) for o in others if isinstance(o.pin, PinLimit)]
    edges = sorted({start, end, *(edge for first, last, _ in most for edge in (first, last) if start < edge < end)})
    spans = list(pairwise(edges))
    lasts_s = [(after - before).total_seconds() for before, after in spans]
    left = [min([declared, *(mw for first, last, mw in most if first <= before and last >= after)]) for before, after in spans]
    return float(np.average(left, weights=lasts_s))


@dataclass(frozen=True, slots=True)
class Meter:
    """A cluster's own meter, as its scheduler's last report lets it be known.

    Args:
        plate: Of the cluster.
        report: What its scheduler last said.
        at: Now (UTC).
    """

    plate: ComputePlate
    report: ClusterReport
    at: datetime

    def least_mw(self, start: datetime, end: datetime) -> float:
        """Least constant power over a span: tier 0 untouched, deadlines kept, caps within the tiers. [MW].

        Work that does not wait comes down by what the scheduler offers and the tiers allow. Of work that waits only that is
        served which could not be done later: each class up to its most power until its deadline, all of them together within
        the meter's rating. Work that is expected to arrive counts like what is there.

        Args:
            start: Of the span (UTC).
            end: Of the span (UTC).

        Raises:
            PlanError: The scheduler does not say how much of its work may not wait.
        """
        first = floor_to(self.at, _QUARTER)
        grid = TimeGrid.regular(first, _QUARTER, -((first - (end + _AFTER)) // _QUARTER))
        edges_h = np.append(grid.offset_h, hours(grid.end - first))
        firm = self._firm_mw(grid)
        must = self._must_mwh(grid, edges_h, firm)
        begin_h, end_h = max(hours(start - first), hours(self.at - first)), hours(end - first)
        before = float(np.interp(begin_h, edges_h, must)) if start > self.at else 0.0
        inside = edges_h[(edges_h > begin_h) & (edges_h < end_h)]
        checked = np.append(inside, end_h)
        # The first quarter of an hour counts by its end: within it nobody is asked to be faster than a plan's interval.
        length_h = np.maximum(checked - begin_h, min(hours(_QUARTER), end_h - begin_h))
        due_mw = float(np.max(np.maximum(np.interp(checked, edges_h, must) - before, 0.0) / length_h))
        meets = (edges_h[1:] > begin_h) & (edges_h[:-1] < end_h)
        columns = COMPUTE.plate((self.plate,))
        busy = np.array([max(float(firm[meets].max()) - float(columns.idle_mw[0]), 0.0)])
        # The band of the backlog holds running jobs too; where the scheduler says what of firm work caps can take, that counts.
        said_mw = self.report.state.get("fast_band_mw", self.report.fast_band_mw)
        offered = min(said_mw, float(COMPUTE.cappable_mw(columns, busy)[0]))
        return min(float(firm[meets].max()) - offered + due_mw, self.plate.rated_mw)

    def most_mw(self, start: datetime, end: datetime) -> float:
        """Most that the cluster's work can draw in the mean of a span, whatever was declared: the tube's upper side. [MW].

        Args:
            start: Of the span (UTC).
            end: Of the span (UTC).

        Raises:
            PlanError: The scheduler does not say how much of its work may not wait.
        """
        first = floor_to(self.at, _QUARTER)
        grid = TimeGrid.regular(first, _QUARTER, -((first - end) // _QUARTER) + 1)
        length_h, end_h = hours(end - start), hours(end - first)
        waiting = sum(min(w.energy_mwh / length_h, w.max_mw) for w in self.report.work if w.release < end)
        coming = sum(w.energy_mwh / length_h for w in self._coming(grid) if w.release_h < end_h)
        return min(float(self._firm_mw(grid).max()) + waiting + coming, self.plate.rated_mw)

    def _coming(self, grid: TimeGrid) -> tuple[WorkItem, ...]:
        return arriving_work(self.plate, grid, self.report.arriving)

    def _firm_mw(self, grid: TimeGrid) -> FloatArray:
        """Idle power and work that does not wait, shape (T,); no less than now, since that it will have ended is only a hope."""
        state, rated_mw = self.report.state, self.plate.rated_mw
        if "firm_mw" not in state:
            raise PlanError("its scheduler does not say how much of its power may not wait")
        now_mw = state["firm_mw"] + state.get("idle_mw", 0.0)
        firm_mw: FloatArray = np.minimum(np.maximum(firm_compute_mw(self.plate, now_mw, grid.offset_h), now_mw), rated_mw)
        return firm_mw

    def _must_mwh(self, grid: TimeGrid, edges_h: FloatArray, firm_mw: FloatArray) -> FloatArray:
        """Energy of waiting work that has to be served by each edge, shape (T + 1,): the tube's lower side."""
        waiting, coming, rated_mw = self.report.work, self._coming(grid), self.plate.rated_mw
        energy = np.array([*(w.energy_mwh for w in waiting), *(w.energy_mwh for w in coming)])
        due_h = np.array([*(hours(w.deadline - grid.start) for w in waiting), *(w.deadline_h for w in coming)])
        most_mw = np.array([*(w.max_mw for w in waiting), *(min(w.max_mw, rated_mw) for w in coming)])
        later = most_mw[:, np.newaxis] * np.maximum(due_h[:, np.newaxis] - edges_h, 0.0)
        must: FloatArray = np.clip(energy[:, np.newaxis] - later, 0.0, None).sum(axis=0)
        # What the rating leaves beside firm work bounds how much of it can be done after each edge.
        room_mwh = np.concatenate(([0.0], np.cumsum(np.maximum(rated_mw - firm_mw, 0.0) * grid.step_h)))
        together: FloatArray = np.maximum.accumulate((must - room_mwh)[::-1])[::-1] + room_mwh
        return np.maximum(np.maximum.accumulate(together), 0.0)


def at_meter(plate: ComputePlate, report: ClusterReport | None, event: Event, declared: float, at: datetime) -> Verdict:
    """The verdict on a call at a cluster's own meter.

    Args:
        plate: Of the cluster.
        report: What its scheduler last said; None where it is silent.
        event: The call.
        declared: See `declared_mw`, over what is left of the call. [MW]
        at: Now (UTC).

    Raises:
        PlanError: The cluster is silent, or does not say enough: nothing can be promised.
    """
    if report is None:
        raise PlanError(f"{event.asset_id}: its scheduler is silent")
    start = max(event.start, at)
    meter = Meter(plate, report, at)
    level = meter.least_mw(start, event.end)
    expected = min(declared, meter.most_mw(start, event.end))
    if start - at < _QUARTER:
        # What the meter does not read now cannot be given up now, whatever was declared.
        expected = min(expected, report.power_mw)
    asked = max(0.0, expected - event.target_mw)
    is_whole = event.target_mw >= level - _SAME_MW
    accepted = asked if is_whole else min(asked, max(0.0, expected - level))
    always = event.kind in ALWAYS_TAKEN
    is_part = accepted >= max(_LEAST_MW, _LEAST_FRAC * asked)
    can = f"the cluster can go down to {level:.2f} MW and keep tier 0, its deadlines and what its tiers may lose"
    limit = f"asset.{event.asset_id}.least"
    if is_whole:
        code, text = "can_be_held", f"{event.target_mw:.2f} MW is held at its meter: {can}"
    elif is_part or always:
        words = "taken as far as it goes" if always else "taken in part"
        code, text = "partly_held", f"{words}: {accepted:.2f} of {asked:.2f} MW promised; {can}"
    else:
        code, text = "cannot_be_held", f"{event.target_mw:.2f} MW cannot be promised: {can}"
    refused = code == "cannot_be_held"
    return Verdict(
        outcome="accepted" if is_whole else "refused" if refused else "part",
        target_mw=round(event.target_mw if is_whole or always or refused else level, _DIGITS),
        asked_mw=round(asked, _DIGITS),
        accepted_mw=0.0 if refused else round(accepted, _DIGITS),
        level_mw=round(level, _DIGITS),
        expected_mw=round(expected, _DIGITS),
        confidence=0.0,  # not worked out, and told to nobody
        cost_cny=0.0,
        reason=Reason(code=code, text=text, limit=limit),
    )
