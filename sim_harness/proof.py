"""Proofs of the calls of a simulated run, against the same world without them and against settlement baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from controllers.baselines import Registers
from controllers.proof import AssetEvidence, Call, Evidence, Proof, Steps, prove
from controllers.proof.evidence import AFTER, BEFORE
from sim_harness.call_score import CallTrace
from sim_harness.declared import Declarations
from sim_harness.grid.events import ScenarioEvent
from sim_harness.truth import Truth
from vpp.ids import AssetId, ConnectionId
from vpp.park import Park, areas_behind
from vpp.timegrid import TimeGrid
from vpp.units import FloatArray

__all__ = ["Twin", "proofs_of_run"]

_ABSORBING: Final = frozenset({"valley", "export_limit", "export_ban"})
_SAID: Final = {"export_ban": "export_limit"}


@dataclass(frozen=True, slots=True)
class Twin:
    """A run, or the same world without its calls.

    Args:
        trace: Import around the calls, step by step.
        truth: Its registers.
    """

    trace: CallTrace
    truth: Truth


def proofs_of_run(
    calls: Sequence[ScenarioEvent],
    start: datetime,
    run: Twin,
    twin: Twin,
    history: Sequence[Truth] = (),
    declared: Declarations | None = None,
) -> tuple[Proof, ...]:
    """Each call proven.

    Args:
        calls: Of the scenario, each with a connection.
        start: Of the run (UTC).
        run: As it was.
        twin: Without the calls.
        history: Truths of the days before, for settlement baselines; empty for none.
        declared: What the controller had declared and was told; None where nobody listened.
    """
    targets = {} if declared is None else declared.target_mw
    told = [_call(call, start, twin, targets.get(call.event_id)) for call in calls]
    found = [_evidence(one, tuple(told), (run, twin), (*history, run.truth)) for one in told]
    if declared is not None:
        found = [replace(one, declared=_declared(declared, one.call), assets=_confirmed(declared, one)) for one in found]
    return tuple(prove(one) for one in found)


def _declared(heard: Declarations, call: Call) -> Steps | None:
    """What the plan in force when the call came had; for the time before that plan, what the one in force then had."""
    connection, span = ConnectionId(call.connection), (call.start - BEFORE, call.end + AFTER)
    found = heard.import_mw(connection, call.asked_at, *span)
    return None if found is None else found.filled(heard.import_mw(connection, span[0], *span))


def _confirmed(heard: Declarations, evidence: Evidence) -> tuple[AssetEvidence, ...]:
    return tuple(replace(one, acked=heard.confirmed_mw.get(AssetId(one.asset_id), ())) for one in evidence.assets)


def _call(call: ScenarioEvent, start: datetime, twin: Twin, target_mw: float | None) -> Call:
    """The call as the park heard it; where nobody listened, a change is a target against the mean of the world without it."""
    connection, span = call.connection or ConnectionId(""), (call.start(start), call.end(start))
    _, dt_s, without = twin.trace.steps(connection, *span)
    sign = -1.0 if call.kind in _ABSORBING else 1.0
    level = float(np.average(without, weights=dt_s)) if len(without) else 0.0
    target = call.target_mw if call.target_mw is not None else level - sign * (call.change_mw or 0.0)
    target = target if target_mw is None else target_mw
    return Call(
        event_id=call.event_id,
        kind=_SAID.get(call.kind, call.kind),
        connection=connection,
        target_mw=target,
        start=span[0],
        end=span[1],
        asked_at=call.issued_at(start),
        state="delivered",
        by="grid (simulated)",
        priority=call.priority,
    )


def _evidence(call: Call, others: tuple[Call, ...], runs: tuple[Twin, Twin], truths: Sequence[Truth]) -> Evidence:
    run, twin = runs
    park, connection = run.truth.park, ConnectionId(call.connection)
    days = {other.start.astimezone(park.zone).date() for other in others}
    areas = areas_behind(park, park.connection(connection))
    crossing = [c.id for c in park.connections if (c.area in areas) != (c.to in areas)]
    return Evidence(
        park=park.id,
        park_name_zh=park.site.name_zh,
        time_zone=str(park.zone),
        made_at=max(call.end + AFTER, run.truth.grid.end),
        call=call,
        fine=_fine(run.trace, call),
        registers=_registers(connection, truths, days),
        twin=_fine(twin.trace, call),
        assets=_assets(park, runs, areas),
        sums_up=crossing == [connection],
        others=others,
    )


def _registers(connection: ConnectionId, truths: Sequence[Truth], called: set[date]) -> Registers:
    """Quarter hours of all runs, each of which goes on where the one before it ended."""
    edges: list[datetime] = []
    import_mw: list[FloatArray] = []
    for truth in truths:
        row = truth.connections.index(connection)
        edges += truth.grid.edges[:-1]
        import_mw.append((truth.import_mwh[row] - truth.export_mwh[row]) / truth.grid.step_h)
    grid = TimeGrid((*edges, truths[-1].grid.end))
    return Registers(grid, np.concatenate(import_mw), truths[-1].park.zone, (), called)


def _fine(trace: CallTrace, call: Call) -> Steps:
    """Import on equal steps from an hour before until two hours after; NaN where nothing was kept."""
    start, end = call.start - BEFORE, call.end + AFTER
    ends_s, dt_s, import_mw = trace.steps(ConnectionId(call.connection), start, end)
    step_s = float(dt_s.min()) if len(dt_s) else 60.0
    values: FloatArray = np.full(round((end - start).total_seconds() / step_s), np.nan)
    place = np.round((ends_s - dt_s) / step_s).astype(np.int64)
    inside = (place >= 0) & (place < len(values))
    values[place[inside]] = import_mw[inside]
    return Steps(start, step_s, values)


def _assets(park: Park, runs: tuple[Twin, Twin], areas: frozenset[str]) -> tuple[AssetEvidence, ...]:
    """Registers of a quarter, held against those of the world without the calls."""
    run, twin = (one.truth for one in runs)
    start, step_h = run.grid.start, float(run.grid.step_h[0])
    step_s = timedelta(hours=step_h).total_seconds()
    found = []
    for row, asset_id in enumerate(run.assets):
        asset = park.asset(asset_id)
        if asset.area in areas:
            mean, without = (truth.energy_mwh[row] / truth.grid.step_h for truth in (run, twin))
            found.append(
                AssetEvidence(
                    asset_id=asset_id,
                    kind=asset.kind,
                    name_zh=asset.name_zh,
                    metered=Steps(start, step_s, mean),
                    planned=Steps(start, step_s, without),
                    reference="twin",
                )
            )
    return tuple(found)
