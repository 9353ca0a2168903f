from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controllers.adapters.following.backlog import backlog_of, due_at
from controllers.adapters.following.jobs import Job, JobState, Queue
from controllers.adapters.following.moves import Ask, Contract, Held, Placed, decide
from controllers.adapters.following.placements import Sending
from controllers.adapters.following.power import full_mw, power_mw
from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.following.trace import Trace, read_trace, write_trace
from controllers.adapters.slurm.ahead import reservations_of
from controllers.adapters.slurm.federation import to_send
from controllers.adapters.slurm.jobs import parse_jobs
from controllers.adapters.slurm.settings import load_slurm
from vpp.errors import SchedulerError
from vpp.wire.messages import ComputeShift, Placement, ShiftInterval

NOW = datetime(2030, 10, 1, 8, tzinfo=UTC)
MODEL = PowerModel(node_idle_kw=2.0, gpu_kw=1.0, pue=1.25, licence="power")
RULES = {
    "flex": JobRule(tier=3, slack_h=12.0, preemptible=True, checkpoint_s=900.0),
    "batch": JobRule(tier=2, slack_h=6.0),
    "firm": JobRule(tier=0),
}
CONTRACT = Contract(RULES, MODEL)
ROW = "|".join(
    ["7", "PENDING", "batch", "2-4", "2", "N/A", "gres:gpu:a100:8", "N/A", "power:16", "2030-10-01T07:00:00"]
    + ["2030-10-01T07:00:00", "N/A", "1-02:00:00", "0:00", "NA", "NA", ""]
)


def job(job_id: str, state: JobState = "running", partition: str = "flex", gpus: int = 8, limit_h: float = 2.0) -> Job:
    return Job(
        job_id, state, partition, 1, gpus, (), NOW - timedelta(hours=1), NOW - timedelta(hours=1), None, limit_h * 3600, 0.0
    )


def queue(*jobs: Job, nodes: int = 4) -> Queue:
    return Queue(jobs, nodes, 8 * nodes)


def ask(cap_mw: float, target_mw: float = math.inf) -> Ask:
    return Ask(NOW, cap_mw, target_mw, timedelta(minutes=2))


def test_a_job_is_read_with_its_gpus_on_all_nodes_and_its_licences() -> None:
    (found,) = parse_jobs(ROW + "\n")
    assert (found.gpus, found.nodes, found.licences, found.limit_s) == (16, 2, (("power", 16),), 26 * 3600)


def test_a_line_of_another_shape_is_quoted() -> None:
    with pytest.raises(SchedulerError, match="'what is this'"):
        parse_jobs("what is this\n")


def test_a_job_that_states_its_draw_is_believed_more_than_its_gpus() -> None:
    stated = Job(**{**{f: getattr(job("1"), f) for f in Job.__slots__}, "licences": (("power", 20),)})
    assert power_mw(queue(stated), MODEL) == pytest.approx((4 * 2.0 + 20.0) * 1.25 / 1000)


def test_the_job_with_the_most_slack_is_paused_first_and_no_more_than_needed() -> None:
    tight, loose = job("tight", limit_h=1.0), job("loose", limit_h=1.0)
    loose = Job(**{**{f: getattr(loose, f) for f in Job.__slots__}, "deadline": NOW + timedelta(hours=40)})
    q = queue(tight, loose, job("other", partition="firm"))
    moves = decide(q, CONTRACT, Held(), ask(power_mw(q, MODEL) - 0.005))
    assert moves.pause == ("loose",)
    assert moves.close == ("batch", "flex")
    assert moves.short_mw == 0.0


def test_firm_work_is_never_touched_and_what_is_missing_is_said() -> None:
    q = queue(job("a", partition="firm"), job("b", partition="batch"), job("c", partition="unknown"))
    moves = decide(q, CONTRACT, Held(), ask(0.010))
    assert moves.pause == ()
    assert moves.short_mw == pytest.approx(power_mw(q, MODEL) - 0.010)


def test_paused_work_comes_back_by_need_before_anything_new_begins() -> None:
    late, early = job("late", "suspended", limit_h=5.0), job("early", "suspended", limit_h=1.0)
    q = queue(early, late, job("new", "pending"))
    room = power_mw(q, MODEL) + 8 * 1.25 / 1000
    moves = decide(q, CONTRACT, Held(frozenset({"late", "early"}), frozenset({"flex", "batch"})), ask(room))
    # Both came at the same time with the same slack beyond their run time, so the longer one must go on no later than the other.
    assert len(moves.resume) == 1
    assert moves.open == ()


def test_a_job_somebody_else_suspended_is_left_alone() -> None:
    moves = decide(queue(job("theirs", "suspended")), CONTRACT, Held(), ask(math.inf))
    assert moves.resume == ()


def test_waiting_work_starts_up_to_the_target_and_the_rest_is_put_off_for_a_while_only() -> None:
    q = queue(job("a", "pending"), job("b", "pending"))
    moves = decide(q, CONTRACT, Held(), ask(math.inf, power_mw(q, MODEL) + 0.011))
    assert len(moves.put_off) == 1
    assert moves.until == NOW + timedelta(minutes=2)


def test_what_must_begin_now_to_be_in_time_begins_above_the_target() -> None:
    due = Job(**{**{f: getattr(job("due", "pending"), f) for f in Job.__slots__}, "deadline": NOW + timedelta(hours=2)})
    moves = decide(queue(due), CONTRACT, Held(), ask(math.inf, 0.0))
    assert moves.put_off == ()


def test_without_a_cap_everything_that_was_held_is_given_back() -> None:
    held = Held(frozenset({"p"}), frozenset({"flex"}), frozenset({"w"}))
    moves = decide(queue(job("p", "suspended"), job("w", "pending")), CONTRACT, held, ask(math.inf))
    assert (moves.resume, moves.let_start, moves.open) == (("p",), ("w",), ("flex",))


def test_the_backlog_is_the_energy_up_to_the_limit_by_class_and_deadline() -> None:
    items = backlog_of(queue(job("1"), job("2", "pending", "batch"), job("3", partition="firm")), RULES, MODEL, NOW)
    assert {item.job_class: item.energy_mwh for item in items} == pytest.approx({"flex": 0.02, "batch": 0.02})
    flex = next(item for item in items if item.job_class == "flex")
    assert (flex.max_mw, flex.deadline) == (pytest.approx(0.01), due_at(job("1"), RULES["flex"]))


# A federation: two clusters of one Slurm, by the park's names and by Slurm's.

BOTH, PEERS = ("local", "second"), {"compute.b": "second"}


def waits(job_id: str, *clusters: str, due_h: float = 12.0, **more: object) -> Job:
    found = replace(job(job_id, "pending"), home="local", clusters=clusters or BOTH, deadline=NOW + timedelta(hours=due_h))
    return replace(found, **more)  # type: ignore[arg-type]  # a test says what


def sent(*jobs: Job, energy_mwh: float = 1.0, until_h: float = 5.0, peers: dict[str, str] | None = None) -> list[str]:
    until = NOW + timedelta(hours=until_h)
    one = Placement(job_class="flex", direction="send", peer="compute.b", energy_mwh=energy_mwh, until=until)
    return [placed.job_id for placed in to_send((one,), queue(*jobs), CONTRACT, ask(1.0), PEERS if peers is None else peers)]


def test_work_is_sent_with_the_most_slack_first_and_no_more_than_was_placed() -> None:
    jobs = (waits("a", due_h=8.0), waits("b", due_h=20.0), waits("c", due_h=14.0))
    # Each is 10 kW at the meter for two hours.
    assert sent(*jobs, energy_mwh=0.05) == ["b", "c"]
    assert sent(*jobs, energy_mwh=0.019) == []


def test_a_job_goes_only_where_its_user_lets_it_begin_and_only_if_it_can_wait() -> None:
    assert sent(waits("tied", "local")) == []
    assert sent(waits("third", "local", "other")) == []
    assert sent(waits("firm", job_class="firm"), waits("runs", state="running"), waits("1_7")) == []
    assert sent(waits("soon", due_h=2.04)) == []  # two hours of run time: it must begin within three minutes
    assert sent(waits("a"), peers={}) == []


def test_what_was_sent_comes_back_before_it_would_be_late_there() -> None:
    until = NOW + timedelta(hours=11)
    one = Placement(job_class="flex", direction="send", peer="compute.b", energy_mwh=1.0, until=until)
    (placed,) = to_send((one,), queue(waits("a")), CONTRACT, ask(1.0), PEERS)
    assert placed == Placed("a", "second", BOTH, NOW + timedelta(hours=12 - 2, minutes=-2))


def test_a_job_that_may_begin_elsewhere_too_is_not_put_off_because_that_would_hold_there_as_well() -> None:
    moves = decide(queue(waits("a"), waits("b", "local")), CONTRACT, Held(), ask(math.inf, 0.0))
    assert moves.put_off == ("b",)


def test_work_that_waits_in_two_clusters_is_reported_where_it_was_submitted() -> None:
    q = queue(waits("a"), waits("b", "second"))
    assert sum(item.energy_mwh for item in backlog_of(q, RULES, MODEL, NOW, "local")) == pytest.approx(0.04)
    assert sum(item.energy_mwh for item in backlog_of(q, RULES, MODEL, NOW, "second")) == pytest.approx(0.02)


def test_where_a_job_may_begin_is_read_and_nothing_where_there_is_no_federation() -> None:
    (alone,) = parse_jobs(ROW)
    assert (alone.home, alone.clusters) == ("", ())
    (found,) = parse_jobs(ROW.replace("NA|NA", "local|local,second"))
    assert (found.home, found.clusters) == ("local", BOTH)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('[peers]\n"compute.b" = "second"', "peers: need slurm_cluster, this cluster's own name in the federation"),
        ('slurm_cluster = "local"\n[peers]\n"compute.b" = "local"', "peers.compute.b: 'local': must be the name of a cluster"),
        ('slurm_cluster = "local"\n[peers]\n"compute.b" = "a b"', "peers.compute.b: 'a b': must be the name of a cluster"),
        ("peers = 3", "peers: 3: must be dict"),
    ],
)
def test_peers_that_make_no_sense_are_named(tmp_path: Path, more: str, fault: str) -> None:
    path = tmp_path / "slurm.toml"
    head, _, tables = GOOD.partition("[power]")
    path.write_text(f"{head}{more}\n[power]{tables}", encoding="utf-8")
    with pytest.raises(SchedulerError) as caught:
        load_slurm(path)
    assert fault in str(caught.value)


def test_work_that_is_late_already_is_reported_with_a_deadline_it_can_make() -> None:
    late = Job(**{**{f: getattr(job("1"), f) for f in Job.__slots__}, "deadline": NOW})
    (item,) = backlog_of(queue(late), RULES, MODEL, NOW)
    assert item.deadline >= NOW + timedelta(hours=1, minutes=45)


def interval(start_h: float, end_h: float, cap_mw: float) -> ShiftInterval:
    start, end = NOW + timedelta(hours=start_h), NOW + timedelta(hours=end_h)
    facts = {"green_share_frac": 0.5, "carbon_kg_per_mwh": 0.0, "price_cny_per_mwh": 300.0, "confidence_frac": 0.9}
    return ShiftInterval(start=start, end=end, cap_mw=cap_mw, target_mw=0.0, floor_mw=0.0, **facts)


def test_later_caps_become_one_reservation_for_each_stretch_of_one_cap() -> None:
    q = queue()
    low = full_mw(q, MODEL) - 0.010
    found = reservations_of(
        (interval(0, 1, low), interval(1, 2, low), interval(2, 3, low), interval(3, 4, 1.0)), q, MODEL, "licences", NOW
    )
    assert [(r.start, r.end, r.count) for r in found] == [(NOW + timedelta(hours=1), NOW + timedelta(hours=3), 8)]


def test_reserved_nodes_cover_what_must_not_run() -> None:
    q = queue()
    (found,) = reservations_of((interval(1, 2, full_mw(q, MODEL) - 0.011),), q, MODEL, "nodes", NOW)
    assert found.count == 2


def test_what_is_held_is_on_disk_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    assert read_trace(path) is None
    placed = Placed("7", "second", ("local", "second"), NOW)
    trace = Trace(Held(frozenset({"1"}), frozenset({"flex"}), placed=frozenset({placed})), 12.5, 42)
    write_trace(path, trace)
    assert read_trace(path) == trace
    older = {"paused": ["1"], "closed": ["flex"], "put_off": [], "lease_until_s": 12.5, "watchdog": 42}
    path.write_text(json.dumps(older), encoding="utf-8")
    assert read_trace(path) == Trace(Held(frozenset({"1"}), frozenset({"flex"})), 12.5, 42)
    path.write_text('{"paused": 3}', encoding="utf-8")
    with pytest.raises(SchedulerError, match="remove it once nothing is held"):
        read_trace(path)


GOOD = """
park = "chifeng"
cluster = "compute.zhisuan1"
broker_url = "mqtt://127.0.0.1:1883"
fallback_cap_mw = 1.0
state_dir = "state"
[power]
node_idle_kw = 2.0
gpu_kw = 1.0
pue = 1.25
[partitions.flex]
tier = 3
slack_h = 12.0
preemptible = true
"""


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(GOOD, encoding="utf-8")
    settings = load_slurm(path)
    assert settings.rules["flex"].may_pause
    assert settings.state_dir == tmp_path / "state"


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('park = "chifeng"', "", "park: is missing"),
        ("tier = 3", "tier = 4", "partitions.flex.tier: 4: must be 0, 1, 2 or 3"),
        ("pue = 1.25", "pue = 0.9", "power.pue: 0.9: cannot be below 1"),
        ("gpu_kw = 1.0", "gpu_kw = -1.0", "power.gpu_kw: -1.0: must be a number, 0 or more"),
        ('state_dir = "state"', 'state_dir = "state"\nahed = "off"', "ahed: unknown"),
        ('state_dir = "state"', 'state_dir = "state"\nahead = "licences"', "needs power.licence"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(tmp_path: Path, old: str, new: str, word: str) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(SchedulerError) as caught:
        load_slurm(path)
    assert word in str(caught.value)


class Sender:
    """Sends for one signal after another, as the follower does in each of its looks."""

    def __init__(self) -> None:
        self.sending = Sending()

    def look(self, *jobs: Job, energy_mwh: float = 0.05, revision: int = 1, at: datetime = NOW) -> list[str]:
        until = NOW + timedelta(hours=5)
        one = Placement(job_class="flex", direction="send", peer="compute.b", energy_mwh=energy_mwh, until=until)
        shift = ComputeShift(
            epoch=1, seq=revision, issued_at=NOW, cluster="compute.a", revision=revision, valid_until=until, cap_now_mw=1.0,
            intervals=(), placements=(one,),
        )  # fmt: skip

        def choose(asked: Sequence[Placement], waiting: Queue) -> tuple[Placed, ...]:
            return to_send(asked, waiting, CONTRACT, ask(1.0), PEERS)

        return [placed.job_id for placed in self.sending.next_jobs(shift, queue(*jobs), at, choose, MODEL)]


def test_for_one_revision_no_more_goes_than_was_placed_however_often_it_is_looked() -> None:
    # Each is 10 kW at the meter for two hours: two of them fit.
    sender, jobs = Sender(), [waits(name) for name in "abc"]
    gone = sender.look(*jobs)
    assert len(gone) == 2
    left = [job for job in jobs if job.job_id not in gone]
    assert sender.look(*left) == []
    assert sender.look(*left, revision=2) == [left[0].job_id]


def test_a_job_that_was_sent_and_still_waits_here_is_sent_again() -> None:
    sender, jobs = Sender(), [waits("a"), waits("b")]
    assert sorted(sender.look(*jobs)) == ["a", "b"]
    assert sender.look(waits("b")) == ["b"]
    assert sender.look() == []


def test_a_placement_that_has_run_out_sends_nothing_more() -> None:
    assert Sender().look(waits("a"), at=NOW + timedelta(hours=5)) == []
