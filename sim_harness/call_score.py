"""What calls of the grid came to: import step by step around each, against the twin run that was never called.

The twin is the same world with the same seed and the same policy, without the calls; what happens by itself (a unit that trips, a
line that fails) happens in both. Delivery is judged on means of a minute: what a minute gives beyond the request counts as the
request and no more, so that too much in one minute does not make up for too little in another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np

from controllers.baselines import Registers, baseline
from sim_harness.grid.events import ScenarioEvent
from sim_harness.truth import Truth
from vpp.ids import AssetId, ConnectionId
from vpp.timegrid import TimeGrid
from vpp.units import SECONDS_PER_MINUTE, FloatArray, hours

__all__ = ["CallScore", "CallTrace", "score_calls"]

#: Around a call, import is kept this long before and after.
BEFORE: Final = timedelta(minutes=5)
AFTER: Final = timedelta(hours=2)
#: A call counts as reached at this share of the request, as recovered within this share of it from the twin's import.
REACHED_FRAC: Final = 0.9
RECOVERED_FRAC: Final = 0.2
#: A response that needs less than this is not worth a ratio. [MW]
_NOTHING_MW: Final = 1e-6
_ABSORBING: Final = frozenset({"valley", "export_limit", "export_ban"})
#: Whose reading a call is about: a connection's import, or the power of a cluster that is called at its own meter.
Meter: TypeAlias = ConnectionId | AssetId


def _meter(call: ScenarioEvent) -> Meter:
    return call.asset or call.connection or ConnectionId("")


class CallTrace:
    """What the called meters read at every control step around each call; nothing is kept in between.

    Args:
        calls: Of the scenario.
        run_start: Of the run (UTC).
    """

    def __init__(self, calls: Sequence[ScenarioEvent], run_start: datetime) -> None:
        windows = [
            (_meter(call), call.start(run_start) - BEFORE, call.end(run_start) + AFTER)
            for call in calls
            if call.is_call and call.connection is not None
        ]
        self._windows = windows
        self._span = (min(w[1] for w in windows), max(w[2] for w in windows)) if windows else None
        self._kept: dict[Meter, list[tuple[datetime, float, float]]] = {w[0]: [] for w in windows}

    def record(
        self,
        at: datetime,
        dt_s: float,
        import_mw: Mapping[ConnectionId, float],
        power_mw: Callable[[AssetId], float] = lambda _: 0.0,
    ) -> None:
        """Keep one step if some call is near; `power_mw` tells what an asset's own meter read."""
        if self._span is None or not self._span[0] <= at < self._span[1]:
            return
        for meter, kept in self._kept.items():
            if any(c == meter and start <= at < end for c, start, end in self._windows):
                read_mw = import_mw.get(ConnectionId(meter))
                kept.append((at, dt_s, power_mw(AssetId(meter)) if read_mw is None else read_mw))

    def steps(self, meter: Meter, start: datetime, end: datetime) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Seconds since `start` at which each step ends, its length and the reading, shape (N,) each. [s, s, MW]."""
        kept = [(at, dt_s, mw) for at, dt_s, mw in self._kept.get(meter, ()) if start <= at < end]
        ends = np.array([(at - start).total_seconds() + dt_s for at, dt_s, _ in kept])
        return ends, np.array([dt_s for _, dt_s, _ in kept]), np.array([mw for _, _, mw in kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScore:
    """One call; keys as in `peak_events` of the run's JSON, None where it cannot be known.

    Args:
        requested_mw: Change that was asked for against the twin run, never negative.
        delivered_mw_mean: Change against the twin run, mean over the call; negative if it went the wrong way.
        delivered_frac: Energy delivered over energy requested, minute by minute, nothing above the request counted.
        baseline_delivered_frac: The same on 15-min registers against the mean of the last five working days.
        seconds_to_90pct: From the start to the end of the first step that reached 90 % of the request.
        undershoot_frac: Most that any minute went beyond the request, as a share of it.
        error_std_frac: Spread of the change over minutes once 90 % was reached, as a share of the request.
        rebound_mw: Most that a 15-min mean in the two hours after the call lay on the other side of the twin's import.
        recovered: Whether a 15-min mean within two hours after the call came back to the twin's import.
    """

    id: str
    kind: str
    connection: str
    asset: str | None = None
    start: datetime
    end: datetime
    requested_mw: float | None
    delivered_mw_mean: float | None
    delivered_frac: float | None
    baseline_delivered_frac: float | None
    seconds_to_90pct: float | None
    undershoot_frac: float | None
    error_std_frac: float | None
    rebound_mw: float | None
    recovered: bool | None

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**facts, "start": self.start.isoformat(), "end": self.end.isoformat()}


def score_calls(
    calls: Sequence[ScenarioEvent],
    run_start: datetime,
    truths: Sequence[Truth],
    trace: CallTrace,
    twin: CallTrace | None,
) -> tuple[CallScore, ...]:
    """Every call of a run, in the scenario's order.

    Args:
        calls: Of the scenario; what is no call is left out.
        run_start: Of the run (UTC).
        truths: Of the run, and of the days before it if they were run; each goes on where the one before it ended.
        trace: Of the run.
        twin: Of the run without the calls; None if it was not made, and what needs it is then None.
    """
    asked = [call for call in calls if call.is_call and call.connection is not None]
    zone = truths[-1].park.zone
    days = {call.start(run_start).astimezone(zone).date() for call in asked}
    return tuple(_score(call, run_start, _registers(_meter(call), truths, days), (trace, twin)) for call in asked)


def _score(
    call: ScenarioEvent, run_start: datetime, registers: Registers, traces: tuple[CallTrace, CallTrace | None]
) -> CallScore:
    connection = call.connection or ConnectionId("")
    start, end = call.start(run_start), run_start + timedelta(hours=call.end_h)
    sign = -1.0 if call.kind in _ABSORBING else 1.0
    trace, twin = traces
    facts: dict[str, Any] = {}
    if twin is not None:
        facts = _against_twin(call, (start, end), sign, trace, twin)
    frac = _against_baseline(call, (start, end), sign, registers)
    keys = ("requested_mw", "delivered_mw_mean", "delivered_frac", "seconds_to_90pct", "undershoot_frac", "error_std_frac")
    return CallScore(
        id=call.event_id,
        kind=call.kind,
        connection=connection,
        asset=call.asset,
        start=start,
        end=end,
        baseline_delivered_frac=frac,
        **{key: facts.get(key) for key in (*keys, "rebound_mw", "recovered")},
    )


def _against_twin(
    call: ScenarioEvent, span: tuple[datetime, datetime], sign: float, trace: CallTrace, twin: CallTrace
) -> dict[str, Any]:
    meter = _meter(call)
    ends_s, dt_s, actual_mw = trace.steps(meter, *span)
    _, _, without_mw = twin.steps(meter, *span)
    if not len(actual_mw) or len(actual_mw) != len(without_mw):
        return {}
    requested_mw = _requested_mw(call, sign, float(np.average(without_mw, weights=dt_s)))
    change_mw = sign * (without_mw - actual_mw)
    facts: dict[str, Any] = {"requested_mw": requested_mw, "delivered_mw_mean": float(np.average(change_mw, weights=dt_s))}
    facts |= _after(call, span, sign, (trace, twin), requested_mw)
    if requested_mw <= _NOTHING_MW:
        return facts
    minute = ((ends_s - dt_s) // SECONDS_PER_MINUTE).astype(np.int64)
    per_minute = np.bincount(minute, weights=change_mw * dt_s) / np.maximum(np.bincount(minute, weights=dt_s), 1e-9)
    reached = np.flatnonzero(change_mw >= REACHED_FRAC * requested_mw)
    facts["delivered_frac"] = float(np.clip(per_minute, 0.0, requested_mw).mean() / requested_mw)
    facts["undershoot_frac"] = max(0.0, float(per_minute.max()) / requested_mw - 1.0)
    if len(reached):
        facts["seconds_to_90pct"] = float(ends_s[reached[0]])
        facts["error_std_frac"] = float(np.std(per_minute[int(minute[reached[0]]) :]) / requested_mw)
    return facts


def _requested_mw(call: ScenarioEvent, sign: float, without_mw: float) -> float:
    """A call by target asks for what lies between the twin's import and the target, and for nothing if it is kept already."""
    if call.change_mw is not None:
        return call.change_mw
    return max(0.0, sign * (without_mw - (call.target_mw or 0.0)))


def _after(
    call: ScenarioEvent,
    span: tuple[datetime, datetime],
    sign: float,
    traces: tuple[CallTrace, CallTrace],
    requested_mw: float,
) -> dict[str, Any]:
    meter = _meter(call)
    after = (span[1], span[1] + AFTER)
    ends_s, dt_s, actual_mw = traces[0].steps(meter, *after)
    _, _, without_mw = traces[1].steps(meter, *after)
    if not len(actual_mw) or len(actual_mw) != len(without_mw):
        return {}
    quarter = ((ends_s - dt_s) // (15.0 * SECONDS_PER_MINUTE)).astype(np.int64)
    beyond = np.bincount(quarter, weights=sign * (actual_mw - without_mw) * dt_s) / np.bincount(quarter, weights=dt_s)
    near = np.abs(beyond) <= max(RECOVERED_FRAC * requested_mw, 1.0)
    return {"rebound_mw": max(0.0, float(beyond.max())), "recovered": bool(np.any(near))}


def _against_baseline(call: ScenarioEvent, span: tuple[datetime, datetime], sign: float, registers: Registers) -> float | None:
    found = baseline("jiangsu", registers, *span)
    if found is None:
        return None
    step = registers.grid.edges[1] - registers.grid.edges[0]
    actual = np.array([registers.at(span[0] + i * step) for i in range(len(found.import_mw))])
    requested = _requested_mw(call, sign, float(found.import_mw.mean()))
    change = sign * (found.import_mw - actual)
    if requested <= _NOTHING_MW or np.isnan(change).any():
        return None
    return float(np.clip(change, 0.0, requested).mean() / requested)


def _registers(meter: Meter, truths: Sequence[Truth], event_days: set[date]) -> Registers:
    """Whole 15-min registers of a meter over all runs; a last one that a run's end cut short is left out."""
    edges: list[datetime] = []
    import_mw: list[FloatArray] = []
    for truth in truths:
        grid = _whole(truth.grid)
        edges += grid.edges[:-1] if truth is not truths[-1] else grid.edges
        import_mw.append(_net_mwh(truth, meter)[: grid.n] / grid.step_h)
    return Registers(TimeGrid(tuple(edges)), np.concatenate(import_mw), truths[-1].park.zone, (), event_days)


def _net_mwh(truth: Truth, meter: Meter) -> FloatArray:
    if meter not in truth.connections:
        energy_mwh: FloatArray = truth.energy_mwh[truth.assets.index(AssetId(meter))]
        return energy_mwh
    row = truth.connections.index(ConnectionId(meter))
    net_mwh: FloatArray = truth.import_mwh[row] - truth.export_mwh[row]
    return net_mwh


def _whole(grid: TimeGrid) -> TimeGrid:
    short = grid.n > 1 and hours(grid.edges[-1] - grid.edges[-2]) < hours(grid.edges[1] - grid.edges[0])
    return TimeGrid(grid.edges[:-1]) if short else grid
