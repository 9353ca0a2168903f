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
import asyncio
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from controllers.bus.base import Bus
from controllers.client import SchedulerClient
from controllers.loops.ear import Deaf
from controllers.loops.meter_calls import least_mw
from controllers.service import Controller, ControllerSettings
from sim_harness.clock import SimClock
from sim_harness.experiment import days_of
from sim_harness.green import attribute
from sim_harness.grid.events import ScenarioEvent
from sim_harness.plants.base import Ambient
from sim_harness.plants.emerald import EMERALD_JOBS, RECORDED, emerald_cluster, emerald_plate
from sim_harness.run import Outcome, Policy, RunOptions, run_scenario
from sim_harness.scenario import Scenario, load, load_park_of
from sim_harness.truth import Truth
from sim_harness.weather.source import default_data_dir
from sim_harness.wires import LocalWire
from tests.world_builders import START, asset, connection
from tests.world_builders import park as park_of
from vpp.events import Override, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.units import KW_PER_MW, SECONDS_PER_MINUTE, FloatArray
from vpp.wire.codec import encode
from vpp.wire.messages import GridEvent
from vpp.wire.topics import Channel, topic_of

PARTS: Final = ("peak", "floor", "emerald", "month")
#: Begin of the calls after midnight of the park's day, and how long before it the grid speaks. [h]
START_H, NOTICE_H = 17.5, 2.0
#: The day goes on until the work of the shortest slack that was released inside the call is due. [days]
PEAK_DAYS = 1.25
CALLS: Final = {"25 % for 3 h": (0.25, 3.0), "40 % for 30 min": (0.40, 0.5)}
REACHED_FRAC: Final = 0.9
#: So long after the begin of a call whoever is asked for all it has should be there. [s]
REACHED_S: Final = 30.0
EMERALD_ID: Final = "compute.emerald"
#: Step of world and dispatch on the month's days, as in docs/policies.md. [s]
MONTH_STEP_S = 300.0
MONTH_POLICIES: tuple[Policy, ...] = ("none", "mpc", "perfect")


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


def hold_storage(call: ScenarioEvent | None = None) -> Callable[[Controller], None]:
    """Holds every store of the park at no power, while a call lasts or all the time, as the person on duty would."""

    def hold(controller: Controller) -> None:
        at = controller.clock.now()
        stores = [a.id for kind in ("battery", "compressed_air") for a in controller.park.assets_of(kind)]
        start, end = (at, None) if call is None else (call.start(at), call.end(at))
        controller.inbox.decided(
            Override(i, PinPower(0.0), start, end, "bench", "storage is not to help", at, at) for i in stores
        )

    return hold


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
    found: dict[str, Any] = {"policy": policy, "seed": peak_scenario().seed, "twin": _work(twin)}
    for name, (share, hours) in CALLS.items():
        start, end = watch[0].start(peak_scenario().start), watch[0].start(peak_scenario().start) + timedelta(hours=hours)
        meant = {c: (1.0 - share) * float(np.mean(twin.trace.steps(c, start, end)[2])) for c in clusters}
        calls = calls_at(clusters, hours, meant)
        run = run_scenario(peak_scenario(calls), replace(options, watch=calls_at(clusters, longest_h, meant)))
        rows = [_called("all clusters", list(clusters), share, sum(meant.values()), (start, end), (run, twin))]
        rows += [_called(str(c), [c], share, meant[c], (start, end), (run, twin)) for c in clusters]
        found[name] = {"called": [asdict(row) for row in rows], "run": _work(run), "batteries": _batteries(run, twin, start, end)}
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
            self.least_mw[cluster] = least_mw(plate, report, said.start, said.end, at)


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


def _work(outcome: Outcome) -> dict[str, float | None]:
    """What users notice, over the whole run."""
    truth = outcome.truth
    compute = outcome.score.compute
    lost, slowed, firm, done = (
        truth.total(name, "compute") or 0.0
        for name in ("lost_throughput_mwh", "slowed_jobs_mwh", "firm_done_mwh", "work_done_mwh")
    )
    return {
        "work_done_by_deadline_frac": compute.work_done_frac,
        "work_due_mwh": compute.work_due_mwh,
        "missed_mwh": compute.missed_mwh,
        "jobs_missed": truth.total("jobs_missed", "compute"),
        "jobs_killed": truth.total("jobs_killed", "compute"),
        "tier0_curtailed_mwh": compute.tier0_curtailed_mwh,
        "tier0_lost_mwh": truth.total("lost_throughput_mwh.tier0", "compute"),
        "throughput_lost_frac": (lost + slowed) / (firm + lost + done) if firm + done else None,
        "energy_mwh": compute.energy_mwh,
        "shifted_mwh": compute.shifted_mwh,
    }


def _batteries(run: Outcome, twin: Outcome, start: datetime, end: datetime) -> dict[str, float]:
    """What batteries gave to the park inside the call: nothing but what their auxiliaries draw. [MWh]."""
    given = []
    for truth in (run.truth, twin.truth):
        inside = np.array([start <= at < end for at in truth.grid.starts])
        given.append(-float(truth.energy_mwh[truth.rows_of("battery")][:, inside].sum()))
    return {"run_mwh": given[0], "twin_mwh": given[1]}


# The field demonstration -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Power minute by minute since the event began, and what came of it.

    Args:
        minute: Since the event's begin, shape (n,).
        power_kw: Of the GPUs, shape (n,). [kW]
        before_kw: Mean of the hour before. [kW]
        event_kw: Mean inside the event. [kW]
        lowest_kw: Lowest minute. [kW]
        ramp_min: Until power stays within 5 % of the event's median for five minutes. [min]
        undershoot_frac: Of the lowest minute, below that median.
        below_min: Minutes more than 10 % below it. [min]
        throughput_frac: Weighted over the jobs.
    """

    minute: FloatArray
    power_kw: FloatArray
    before_kw: float
    event_kw: float
    lowest_kw: float
    ramp_min: float
    undershoot_frac: float
    below_min: int
    throughput_frac: float

    def to_json(self) -> dict[str, float]:
        """Figures alone."""
        return {k: round(float(v), 4) for k, v in asdict(self).items() if k not in ("minute", "power_kw")}


def _curve(minute: FloatArray, power_kw: FloatArray, throughput: float) -> Curve:
    inside = (minute >= 0) & (minute < EVENT_MIN)
    before_kw = float(power_kw[(minute >= -60) & (minute < 0)].mean())
    event = power_kw[inside]
    settled_kw = float(np.median(event))
    near = np.abs(event - settled_kw) <= 0.05 * settled_kw
    steady = np.flatnonzero(np.convolve(near, np.ones(5), mode="valid") > 4.5)
    return Curve(
        minute=minute,
        power_kw=power_kw,
        before_kw=before_kw,
        event_kw=float(event.mean()),
        lowest_kw=float(event.min()),
        ramp_min=float(steady[0]) if len(steady) else float("nan"),
        undershoot_frac=max(0.0, 1.0 - float(event.min()) / settled_kw),
        below_min=int(np.count_nonzero(event < 0.9 * settled_kw)),
        throughput_frac=throughput,
    )


EVENT_MIN: Final = 180.0


def recorded(data_dir: Path) -> Curve:
    """The public record; its event begins where power leaves the hour before for good."""
    with (data_dir / "emerald_phoenix_event_power.csv").open(encoding="utf-8") as file:
        power_kw = np.array([float(row["total"]) for row in csv.DictReader(file)]) / KW_PER_MW
    usual = power_kw[:60].mean()
    low = int(np.argmax(power_kw < 0.8 * usual))
    begin = int(np.flatnonzero(power_kw[:low] > 0.97 * usual)[-1]) + 1
    return _curve(np.arange(power_kw.size, dtype=np.float64) - begin, power_kw, RECORDED.throughput_frac)


def emerald_run(asked_frac: float) -> tuple[Curve, dict[str, float]]:
    """The test bed behind a controller that hears the grid's call."""
    return asyncio.run(_emerald(asked_frac))


async def _emerald(
    asked_frac: float, lead_min: int = 90, notice_min: int = 30, tail_min: int = 100
) -> tuple[Curve, dict[str, float]]:
    clock, step = SimClock(START), timedelta(seconds=10)
    cluster = emerald_cluster(START, EMERALD_ID, "phoenix")
    where = ConnectionId("grid.phoenix")
    park = park_of([asset(EMERALD_ID, "compute", emerald_plate(), "phoenix")], [connection(where, "phoenix", import_mw=1.0)])
    settings = ControllerSettings(control=step)

    def made(bus: Bus, of: SimClock) -> tuple[Controller, int]:
        return Controller(park, bus, of, settings), 2

    power: list[float] = []
    start = START + timedelta(minutes=lead_min)

    async with LocalWire(made, clock) as wire:
        bus = wire.world_bus
        client = SchedulerClient(
            bus, park.id, EMERALD_ID, clock, fallback_cap_mw=emerald_plate().rated_mw, on_shift=cluster.on_shift
        )
        cluster.connect(client)

        async def live() -> None:
            before: datetime | None = None
            async for at in clock.every(step, priority=-1):
                if before is not None:
                    ambient = Ambient(before, step.total_seconds(), 10.0)
                    cluster.settle(cluster.intend(ambient).power_mw, ambient)
                    power.append(cluster.power_mw)
                cluster.report()
                before = at

        world = asyncio.ensure_future(live())
        await wire.start(START)
        await clock.wait_for_participants(1 + wire.participants)
        await clock.run_until(start - timedelta(minutes=notice_min))
        usual_mw = float(np.mean(power))
        call = GridEvent(
            event_id="phoenix",
            revision=1,
            kind="peak",
            target_mw=(1.0 - asked_frac) * usual_mw,
            asset=EMERALD_ID,
            start=start,
            end=start + timedelta(minutes=EVENT_MIN),
            issued_at=clock.now(),
        )
        bus.post(topic_of(park.id, Channel.GRID_EVENT, where), encode(call), qos=1, retain=True)
        await clock.run_until(start)
        at = dict(cluster.totals())
        await clock.run_until(start + timedelta(minutes=EVENT_MIN))
        now = dict(cluster.totals())
        await clock.run_until(start + timedelta(minutes=EVENT_MIN + tail_min))
        world.cancel()
        await asyncio.gather(world, return_exceptions=True)
        await wire.end()
    lost = {t: now[f"lost_throughput_mwh.tier{t}"] - at[f"lost_throughput_mwh.tier{t}"] for t in (1, 2, 3)}
    done = now["firm_done_mwh"] - at["firm_done_mwh"]
    full = done + sum(lost.values())
    by_tier = {f"flex_{t}": 1.0 - lost[t] / (full * emerald_plate().tier_frac[t]) for t in lost}
    minutes = np.array(power[: len(power) // 6 * 6]).reshape(-1, 6).mean(axis=1) * KW_PER_MW
    return _curve(np.arange(minutes.size) - float(lead_min), minutes, done / full), by_tier


def recorded_by_tier(data_dir: Path) -> dict[str, float]:
    """The record's throughput of each flex class, jobs weighed by the power of their GPUs."""
    power = {job.name: job.power_mw for job in EMERALD_JOBS}
    with (data_dir / "emerald_phoenix_event_performance.csv").open(encoding="utf-8") as file:
        rows = [(r["Model"].strip(), float(r["Performance"]), r["Flexibility"]) for r in csv.DictReader(file) if r["Flexibility"]]
    found: dict[str, list[tuple[float, float]]] = {}
    left = dict(power)
    for model, performance, tier in sorted(rows):
        name = next(n for n in left if model.startswith(n.split(" ")[0]))
        found.setdefault(tier.strip().lower().replace(" ", "_"), []).append((left.pop(name), performance))
    return {tier: sum(w * x for w, x in jobs) / sum(w for w, _ in jobs) for tier, jobs in sorted(found.items())}


def measure_emerald(data_dir: Path | None, figure: Path | None) -> dict[str, Any]:
    """The record beside ours, at the depth that was asked and at the depth that was given."""
    ours = {"ours, 25 % asked": emerald_run(0.25), "ours, 31 % asked": emerald_run(0.31)}
    found: dict[str, Any] = {name: curve.to_json() | by_tier for name, (curve, by_tier) in ours.items()}
    if data_dir is None:
        return found
    record = recorded(data_dir)
    found = {"record": record.to_json() | recorded_by_tier(data_dir), **found}
    if figure is not None:
        draw(figure, {"record": record, **{name: curve for name, (curve, _) in ours.items()}})
        found["figure"] = str(figure)
    return found


def draw(path: Path, curves: Mapping[str, Curve]) -> None:
    """Power of the GPUs, minute by minute, the record and ours."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 4.5), constrained_layout=True)
    axis.axvspan(0.0, EVENT_MIN, color="0.94", zorder=0)
    colours = ("0.35", "#0b6e99", "#d1603d")
    for colour, (name, curve) in zip(colours, curves.items(), strict=False):
        label = f"{name}: throughput {curve.throughput_frac:.3f}"
        axis.plot(curve.minute, curve.power_kw, color=colour, linewidth=1.3, label=label)
    axis.set(xlabel="minutes since the call began to bind", ylabel="kW of 256 GPUs", xlim=(-60, 275), ylim=(40, 100))
    axis.set_title("A call of three hours: the Phoenix field demonstration, and the same jobs behind this controller")
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


# The month -------------------------------------------------------------------------------------------------------------------


def month_scenarios(sample: str, data_dir: Path | None) -> list[tuple[Scenario, float]]:
    """Days, or chains of days, of `real-month` at a coarse step (so clusters are fluid), with what each stands for."""
    scenario = replace(load("real-month").sampled(sample), control_step_s=MONTH_STEP_S)
    found = []
    for one in days_of(scenario, RunOptions("none", data_dir)):
        start = scenario.start + timedelta(days=one.day)
        found.append((replace(scenario, start=start, days=float(one.days), strata=None), one.weight))
    return found


def measure_month(sample: str, data_dir: Path | None, cache: Path, storage: str) -> dict[str, Any]:
    """Each policy on each chain; a chain that is done lies in the cache, so that the part can be stopped and resumed."""
    prepare = hold_storage() if storage == "held" else None
    chains = month_scenarios(sample, data_dir)
    rows: list[dict[str, Any]] = []
    for scenario, weight in chains:
        row: dict[str, Any] = {"start": scenario.start.isoformat(), "days": scenario.days, "weight": weight}
        for policy in MONTH_POLICIES:
            kept = cache / f"{scenario.start:%Y%m%d}-{scenario.days:g}-{MONTH_STEP_S:g}-{storage}-{policy}.json"
            if not kept.exists():
                facts = _month_facts(run_scenario(scenario, RunOptions(policy, data_dir, prepare=prepare)))
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(facts), encoding="utf-8")
            row[policy] = json.loads(kept.read_text(encoding="utf-8"))
        rows.append(row)
    return {"sample": sample, "storage": storage, "step_s": MONTH_STEP_S, "chains": rows, **gain_of(rows)}


def _month_facts(outcome: Outcome) -> dict[str, Any]:
    truth = outcome.truth
    straight, stored = attribute(truth, through_stores=False), attribute(truth)
    rows = truth.rows_of("compute")
    return {
        "used_mwh": straight.used_mwh(rows),
        "green_mwh": straight.green_mwh(rows),
        "green_with_stores_mwh": stored.green_mwh(rows),
        **_work(outcome),
    }


def gain_of(rows: Sequence[Mapping[str, Any]], draws: int = 2_000) -> dict[str, Any]:
    """Green shares of the month and the part of the way from `none` to `perfect`, with an interval over the chains."""
    weight = np.array([row["weight"] for row in rows])

    def share(policy: str, key: str, times: FloatArray) -> float:
        green, used = (np.array([row[policy][name] for row in rows]) for name in (key, "used_mwh"))
        return float((times * green).sum() / (times * used).sum())

    def way(times: FloatArray, key: str = "green_mwh") -> float:
        none, ours, best = (share(policy, key, times) for policy in ("none", "mpc", "perfect"))
        return (ours - none) / (best - none)

    rng = np.random.default_rng(0)
    n = len(rows)
    drawn = [way(weight * np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(draws)]
    return {
        "green_share_frac": {policy: share(policy, "green_mwh", weight) for policy in MONTH_POLICIES},
        "green_share_with_stores_frac": {policy: share(policy, "green_with_stores_mwh", weight) for policy in MONTH_POLICIES},
        "gain_frac": way(weight),
        "gain_interval_frac": [float(x) for x in np.quantile(drawn, [0.05, 0.95])],
        "gain_by_chain_frac": [way(np.eye(n)[i]) for i in range(n)],
        "gain_with_stores_frac": way(weight, "green_with_stores_mwh"),
    }


# -----------------------------------------------------------------------------------------------------------------------------


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
