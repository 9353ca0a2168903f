"""What computing gives when the grid calls, and what it gains from following green power; three parts, each by itself.

`peak`: the park of `peak-day` on its own day. The grid calls every cluster at its own meter, for 25 % less over three hours and,
in another run, for 40 % less over half an hour; each run is held against the same world that was never called. The call goes the
whole way: grid gateway, MQTT messages, controller, compute-shift signal, the clusters' client, jobs. All storage is held at
nothing by a person's override from the start to the end of the longer call, in all three runs.

`floor`: the least that the judge of such calls says a cluster can go down to, two hours ahead, against what its meter then reads
when everything it has is called for (a target of nothing).

`emerald`: the test bed of the Phoenix field demonstration behind the same controller, called for what its record shows.

`month`: the green share of computing on days that stand for `real-month`, as the power comes straight from wind and sun, for
policies that do nothing, that plan with real forecasts, and that know the future; stores stand still unless `--storage free`.

    python benchmarks/bench_compute_shift.py [--parts peak floor emerald month] [--data DIR] [--json FILE] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.shift_emerald import measure_emerald
from benchmarks.shift_month import hold_storage, measure_month, work_of
from controllers.loops.ear import Deaf
from controllers.loops.meter_calls import Meter
from controllers.service import Controller
from sim_harness.grid.events import ScenarioEvent
from sim_harness.run import Outcome, Policy, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.truth import Truth
from sim_harness.weather.source import default_data_dir
from vpp.ids import AssetId, ConnectionId
from vpp.units import SECONDS_PER_MINUTE, FloatArray
from vpp.wire.messages import GridEvent

PARTS: Final = ("peak", "floor", "emerald", "month")
#: Begin of the calls after midnight of the park's day, and how long before it the grid speaks. [h]
START_H, NOTICE_H = 17.5, 2.0
#: The day goes on until the work of the shortest slack that was released inside the call is due. [days]
PEAK_DAYS = 1.25
CALLS: Final = {"25 % for 3 h": (0.25, 3.0), "40 % for 30 min": (0.40, 0.5)}
REACHED_FRAC: Final = 0.9
#: So long after the begin of a call whoever is asked for all it has should be there. [s]
REACHED_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call on all clusters (or one of them), against the run that was not called.

    Args:
        asked_frac: Less than the twin's mean over the call.
        delivered_frac: Mean over the call, of the twin's mean; negative where more was drawn.
        at_30s_frac: The same, thirty seconds after the call began.
        least_minute_frac: The same of the worst minute, once 90 % of the request was reached.
        seconds_to_90pct: Until 90 % of what was asked was given, None if never.
        error_std_frac: Spread of the minutes' power around the target once reached, as a share of the target.
        twin_error_std_frac: Spread of the change against the twin, as a share of the twin's mean: holds the twin's own course.
        undershoot_frac: Most that a minute lay below the target, as a share of it.
        over_frac: Most that a minute lay above the target once reached, as a share of it.
        throughput_frac: Work done inside the call, firm and deferrable, over the twin's.
    """

    who: str
    asked_frac: float
    before_mw: float
    twin_mw: float
    actual_mw: float
    delivered_frac: float
    at_30s_frac: float
    least_minute_frac: float | None
    seconds_to_90pct: float | None
    error_std_frac: float | None
    twin_error_std_frac: float | None
    undershoot_frac: float
    over_frac: float | None
    throughput_frac: float | None


def peak_scenario(calls: tuple[ScenarioEvent, ...] = (), days: float = PEAK_DAYS) -> Scenario:
    """The park, day and seed of `peak-day`, with other calls than its own."""
    return replace(load("peak-day"), name="peak-day-compute", days=days, history_days=0, events=calls)


def calls_at(
    clusters: Mapping[AssetId, ConnectionId], hours: float, target_mw: Mapping[AssetId, float]
) -> tuple[ScenarioEvent, ...]:
    """The same call at the meter of every cluster, each with its own target."""
    return tuple(
        ScenarioEvent(
            event_id=f"call-{cluster}",
            kind="peak",
            connection=where,
            asset=cluster,
            start_h=START_H,
            duration_h=hours,
            notice_h=NOTICE_H,
            target_mw=target_mw.get(cluster, 0.0),
        )
        for cluster, where in clusters.items()
    )


def clusters_of(scenario: Scenario) -> dict[AssetId, ConnectionId]:
    """Every cluster, and a connection to the grid behind which it stands."""
    park = load_park_of(scenario)
    grid = [c for c in park.connections if c.is_grid]
    return {a.id: next((c.id for c in grid if c.area == a.area), grid[0].id) for a in park.assets_of("compute")}


def measure_peak(policy: Policy, data_dir: Path | None) -> dict[str, Any]:
    """Both calls against the twin."""
    clusters = clusters_of(peak_scenario())
    longest_h = max(hours for _, hours in CALLS.values())
    watch = calls_at(clusters, longest_h, {})
    options = RunOptions(policy, data_dir, prepare=hold_storage(watch[0]))
    twin = run_scenario(peak_scenario(), replace(options, watch=watch))
    found: dict[str, Any] = {"policy": policy, "seed": peak_scenario().seed, "twin": work_of(twin)}
    for name, (share, hours) in CALLS.items():
        start, end = watch[0].start(peak_scenario().start), watch[0].start(peak_scenario().start) + timedelta(hours=hours)
        meant = {c: (1.0 - share) * float(np.mean(twin.trace.steps(c, start, end)[2])) for c in clusters}
        calls = calls_at(clusters, hours, meant)
        run = run_scenario(peak_scenario(calls), replace(options, watch=calls_at(clusters, longest_h, meant)))
        rows = [_called("all clusters", list(clusters), share, sum(meant.values()), (start, end), (run, twin))]
        rows += [_called(str(c), [c], share, meant[c], (start, end), (run, twin)) for c in clusters]
        found[name] = {
            "called": [asdict(row) for row in rows],
            "run": work_of(run),
            "batteries": _batteries(run, twin, start, end),
        }
    return found


@dataclass(slots=True)
class _Judged(Deaf):
    """Works out the floor of each cluster when it is called, out of what the controller knows at that moment. [MW]."""

    controller: Controller
    least_mw: dict[AssetId, float] = field(default_factory=dict)

    def called(self, connection: ConnectionId, said: GridEvent) -> None:
        at, cluster = self.controller.clock.now(), AssetId(said.asset or "")
        if cluster not in self.least_mw:
            plate, report = self.controller.park.asset(cluster).plate, self.controller.inbox.snapshot(at).clusters[cluster]
            self.least_mw[cluster] = Meter(plate, report, at).least_mw(said.start, said.end)


def measure_floor(policy: Policy, data_dir: Path | None) -> dict[str, Any]:
    """What was worked out two hours ahead beside what the meters read under a target of nothing."""
    days, found = (START_H + 4.0) / 24.0, {}
    clusters = clusters_of(peak_scenario())
    for hours in sorted({hours for _, hours in CALLS.values()}):
        calls = calls_at(clusters, hours, dict.fromkeys(clusters, 0.0))
        judges: list[_Judged] = []

        def prepare(controller: Controller, call: ScenarioEvent = calls[0], judges: list[_Judged] = judges) -> None:
            hold_storage(call)(controller)
            judges.append(_Judged(controller))
            controller.inbox.ear = judges[-1]

        scenario = peak_scenario(calls, days)
        run = run_scenario(scenario, RunOptions(policy, data_dir, prepare=prepare, watch=calls))
        span = calls[0].start(scenario.start), calls[0].end(scenario.start)
        found[f"{hours:g} h"] = {
            str(cluster): {
                "least_mw": judges[0].least_mw[cluster],
                "mean_mw": float(np.average(read, weights=dt_s)),
                "most_mw": float(read[ends_s > REACHED_S].max()),
            }
            for cluster in clusters
            for ends_s, dt_s, read in [run.trace.steps(cluster, *span)]
        }
    return found


def _called(  # noqa: PLR0913  whom, how much, when, against what
    who: str,
    clusters: Sequence[AssetId],
    share: float,
    target_mw: float,
    span: tuple[datetime, datetime],
    runs: tuple[Outcome, Outcome],
) -> Called:
    run, twin = runs
    ends_s, dt_s, actual = _sum_of(run, clusters, span)
    _, _, without = _sum_of(twin, clusters, span)
    _, _, before = _sum_of(twin, clusters, (span[0] - timedelta(minutes=5), span[0]))
    figures = figures_of(ends_s, dt_s, actual, without, target_mw)
    return Called(
        who=who,
        asked_frac=share,
        before_mw=float(before.mean()),
        throughput_frac=_done_mwh(run.truth, clusters, span) / _done_mwh(twin.truth, clusters, span),
        **figures,
    )


def figures_of(ends_s: FloatArray, dt_s: FloatArray, actual: FloatArray, without: FloatArray, target_mw: float) -> dict[str, Any]:
    """What one meter, or several as one, came to inside a call, minute by minute; see `Called`."""
    minute = ((ends_s - dt_s) // SECONDS_PER_MINUTE).astype(np.int64)
    length = np.bincount(minute, weights=dt_s)
    drawn, twin = (np.bincount(minute, weights=mw * dt_s) / length for mw in (actual, without))
    twin_mw, actual_mw = (float(np.average(mw, weights=dt_s)) for mw in (without, actual))
    asked_mw = twin_mw - target_mw
    reached = np.flatnonzero(without - actual >= REACHED_FRAC * asked_mw)
    at_30s = int(np.searchsorted(ends_s, 30.0))
    held = slice(int(minute[reached[0]]), None) if len(reached) else None
    return {
        "twin_mw": twin_mw,
        "actual_mw": actual_mw,
        "delivered_frac": (twin_mw - actual_mw) / twin_mw,
        "at_30s_frac": float(1.0 - actual[at_30s] / without[at_30s]),
        "least_minute_frac": None if held is None else float((1.0 - drawn[held] / twin[held]).min()),
        "seconds_to_90pct": float(ends_s[reached[0]]) if len(reached) else None,
        "error_std_frac": None if held is None else float(np.std(drawn[held] - target_mw) / target_mw),
        "twin_error_std_frac": None if held is None else float(np.std(twin[held] - drawn[held]) / twin_mw),
        "undershoot_frac": max(0.0, 1.0 - float(drawn.min()) / target_mw),
        "over_frac": None if held is None else max(0.0, float(drawn[held].max()) / target_mw - 1.0),
    }


def _sum_of(
    run: Outcome, clusters: Sequence[AssetId], span: tuple[datetime, datetime]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    steps = [run.trace.steps(cluster, *span) for cluster in clusters]
    return steps[0][0], steps[0][1], np.sum([mw for _, _, mw in steps], axis=0)


def _done_mwh(truth: Truth, clusters: Sequence[AssetId], span: tuple[datetime, datetime]) -> float:
    starts = np.array([span[0] <= start < span[1] for start in truth.grid.starts])
    return sum(
        float(truth.progress[cluster, name][starts].sum()) for cluster in clusters for name in ("firm_done_mwh", "work_done_mwh")
    )


def _batteries(run: Outcome, twin: Outcome, start: datetime, end: datetime) -> dict[str, float]:
    """What batteries gave to the park inside the call: nothing but what their auxiliaries draw. [MWh]."""
    given = []
    for truth in (run.truth, twin.truth):
        inside = np.array([start <= at < end for at in truth.grid.starts])
        given.append(-float(truth.energy_mwh[truth.rows_of("battery")][:, inside].sum()))
    return {"run_mwh": given[0], "twin_mwh": given[1]}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures the parts asked for, prints and keeps them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--policy", choices=("rules", "mpc"), default="mpc", help="who plans on the peak day")
    parser.add_argument("--sample", default="1x3x2", help="of the month: parts x levels x days")
    parser.add_argument("--storage", choices=("held", "free"), default="held", help="of the month: whether stores may move")
    parser.add_argument("--data", type=Path, default=default_data_dir())
    parser.add_argument("--json", type=Path, default=Path("out/bench/compute_shift.json"))
    parser.add_argument("--figure", type=Path, default=None)
    told = parser.parse_args(argv)
    known = json.loads(told.json.read_text(encoding="utf-8")) if told.json.exists() else {}
    for part in told.parts:
        if part == "peak":
            known[f"peak.{told.policy}"] = measure_peak(told.policy, told.data)
        elif part == "floor":
            known[f"floor.{told.policy}"] = measure_floor(told.policy, told.data)
        elif part == "emerald":
            known["emerald"] = measure_emerald(told.data, told.figure)
        else:
            known["month"] = measure_month(told.sample, told.data, told.json.parent / "compute_shift_month", told.storage)
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        print(json.dumps({part: known.get(part, known.get(f"{part}.{told.policy}"))}, indent=1))  # noqa: T201  what it is for
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
