"""The adapter against a double of the API server over real HTTP, and a real broker: cut in seconds, nothing stays behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.kube.hands import KubeHands
from controllers.adapters.kube.objects import HELD
from controllers.adapters.kube.settings import KubeSettings
from controllers.bus.broker import EmbeddedBroker
from controllers.clock import WallClock
from tests.kube_server import KubeServer, cluster_queue, kubeconfig, node, pod, workload
from tests.park_side import CLUSTER, PARK, ParkSide, config_text, following, park_side
from vpp.wire.messages import Backlog, ComputeTelemetry, ShiftResponse

NODES, GPUS = 4, 8
POWER = PowerModel(node_idle_kw=1.0, gpu_kw=1.0, pue=1.25)
IDLE_MW = NODES * 1.25 / 1000
JOB_MW = 4 * 1.25 / 1000
TINY_MW = 1e-6
WITHIN_S = 15.0


@dataclass
class Bench:
    """A cluster, a broker, and the park's side of the bus."""

    settings: KubeSettings
    api: KubeServer
    park: ParkSide

    def submit(self, *names: str, queue: str = "flex", gpus: int = 4) -> None:
        for name in names:
            self.api.create("workloads", workload(name, queue, gpus))

    def active(self) -> set[str]:
        return {w["metadata"]["name"] for w in self.api.all("workloads") if w["spec"]["active"]}

    def admitted(self) -> set[str]:
        return {w["metadata"]["name"] for w in self.api.all("workloads") if "admission" in w.get("status", {})}

    def running_mw(self) -> float:
        """What the double's pods draw, whatever the adapter thinks."""
        gpus = sum(int(p["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"]) for p in self.api.all("pods"))
        return IDLE_MW + gpus * 1.25 / 1000

    def quota(self, queue: str = "flex") -> list[str]:
        groups = self.api.get("clusterqueues", queue)["spec"]["resourceGroups"]
        return [flavor["resources"][0]["nominalQuota"] for group in groups for flavor in group["flavors"]]

    def nothing_held(self) -> bool:
        things = self.api.all("workloads") + self.api.all("clusterqueues")
        marked = any(HELD in (thing["metadata"].get("annotations") or {}) for thing in things)
        stopped = any(q["spec"]["stopPolicy"] != "None" for q in self.api.all("clusterqueues"))
        laid_aside = any(not w["spec"]["active"] for w in self.api.all("workloads"))
        return not marked and not stopped and not laid_aside and self.quota() == ["16", "16"]

    async def until(self, holds: Callable[[], bool]) -> float:
        """Looks until it holds; tells how long it took."""
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < WITHIN_S, (self.api.patches[-5:], self.admitted(), self.active(), self.quota())
            await asyncio.sleep(0.02)
        return time.monotonic() - began_s

    async def follow(self, act: Callable[[], Awaitable[None]], settings: KubeSettings | None = None) -> None:
        set_up = settings or self.settings
        await following(set_up, KubeHands(set_up, WallClock()), act)


@pytest.fixture
async def bench(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with KubeServer().served() as api, park_side(broker.url) as park:
        for i in range(NODES):
            api.create("nodes", node(f"gpu{i}", GPUS))
        for name in ("flex", "batch", "firm"):
            flavors = {"a": 16, "b": 16} if name == "flex" else {"a": 16}
            api.create("clusterqueues", cluster_queue(name, flavors))
            api.create("localqueues", {"metadata": {"name": name}, "spec": {"clusterQueue": name}})
        rules = {"flex": JobRule(tier=3, slack_h=12.0, preemptible=True), "batch": JobRule(tier=2, slack_h=12.0)}
        settings = KubeSettings(
            park=PARK, cluster=CLUSTER, broker_url=broker.url, fallback_cap_mw=1.0, rules=rules, power=POWER,
            state_dir=tmp_path / "state", lease_s=3.0, period_s=0.5, backlog_s=1.0,
            kubeconfig=str(kubeconfig(tmp_path, api.port)), command_s=2.0,
        )  # fmt: skip
        yield Bench(settings, api, park)


async def test_a_cut_lays_work_aside_until_the_cluster_is_inside_it_and_is_answered(bench: Bench) -> None:
    bench.submit(*(f"w{i}" for i in range(6)))
    await bench.until(lambda: len(bench.admitted()) == 6)

    async def act() -> None:
        cap_mw = IDLE_MW + 2 * JOB_MW + TINY_MW
        revision = bench.park.signal(cap_mw)
        assert await bench.until(lambda: bench.running_mw() <= cap_mw) < 5.0
        await bench.until(lambda: bool(bench.park.answers(revision)))
        assert bench.park.answers(revision)[-1].accepted == "all"
        bench.submit("late")
        await asyncio.sleep(0.5)  # time in which it must not start
        assert bench.running_mw() <= cap_mw
        bench.park.signal(1.0)
        await bench.until(lambda: len(bench.admitted()) == 7)

    await bench.follow(act)
    assert bench.nothing_held()


async def test_room_under_the_cap_is_given_as_quota_so_that_what_comes_later_stays_inside_it(bench: Bench) -> None:
    async def act() -> None:
        bench.park.signal(IDLE_MW + 3 * JOB_MW + TINY_MW)
        await bench.until(lambda: sum(map(int, bench.quota())) < 32)
        bench.submit(*(f"w{i}" for i in range(8)))
        await bench.until(lambda: len(bench.admitted()) == 3)
        await asyncio.sleep(1.0)  # two looks in which no more may start, and none of those may be laid aside
        assert len(bench.admitted()) == 3
        assert len(bench.active()) == 8

    await bench.follow(act)
    assert bench.nothing_held()


async def test_firm_work_runs_on_and_the_part_that_cannot_be_kept_is_named(bench: Bench) -> None:
    bench.submit("one", "two", queue="firm")
    bench.api.create("pods", pod("service", 4))
    await bench.until(lambda: len(bench.admitted()) == 2)

    async def act() -> None:
        revision = bench.park.signal(0.001)
        await bench.until(lambda: bool(bench.park.answers(revision)))
        answer = bench.park.of(ShiftResponse)[-1]
        assert (answer.accepted, answer.intervals[0].power_mw) == ("part", pytest.approx(IDLE_MW + 3 * JOB_MW))
        assert bench.active() == {"one", "two"}

    await bench.follow(act)


async def test_the_backlog_and_the_power_are_reported_and_pods_that_are_still_ending_count(bench: Bench) -> None:
    bench.api.grace_s = 1.5
    bench.submit("a", "b", "c")
    await bench.until(lambda: len(bench.admitted()) == 3)

    async def act() -> None:
        await bench.until(lambda: any(b.items and b.items[0].max_mw == pytest.approx(3 * JOB_MW) for b in bench.park.of(Backlog)))
        bench.park.signal(IDLE_MW + JOB_MW + TINY_MW)
        await bench.until(lambda: len(bench.admitted()) == 1)
        told = bench.park.of(ComputeTelemetry)[-1].power_mw
        assert told == pytest.approx(IDLE_MW + 3 * JOB_MW)
        await bench.until(lambda: bench.park.of(ComputeTelemetry)[-1].power_mw == pytest.approx(IDLE_MW + JOB_MW))
        assert bench.running_mw() == pytest.approx(IDLE_MW + JOB_MW)

    await bench.follow(act)


async def test_when_the_park_falls_silent_everything_comes_back_within_the_lease(bench: Bench) -> None:
    bench.submit("a", "b")
    await bench.until(lambda: len(bench.admitted()) == 2)

    async def act() -> None:
        bench.park.signal(0.0, valid_s=1.0)
        await bench.until(lambda: not bench.admitted())
        await bench.until(lambda: bench.nothing_held() and len(bench.admitted()) == 2)

    await bench.follow(act)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_an_adapter_that_is_killed_ended_or_hangs_leaves_nothing_behind(bench: Bench, tmp_path: Path, number: int) -> None:
    config = tmp_path / "kube.toml"
    config.write_text(_toml(bench.settings), encoding="utf-8")
    bench.submit("a", "b", "c", "d")
    await bench.until(lambda: len(bench.admitted()) == 4)
    words = [sys.executable, "-m", "controllers.adapters.kube.cli", "--config", str(config)]
    adapter = await asyncio.create_subprocess_exec(*words)
    try:
        bench.park.signal(0.0, later_mw=0.0)
        await bench.until(lambda: not bench.admitted())
        adapter.send_signal(number)
        await bench.until(lambda: bench.nothing_held() and len(bench.admitted()) == 4)
    finally:
        if adapter.returncode is None:
            adapter.kill()
        await adapter.wait()


async def test_an_api_server_that_was_away_finds_nothing_held_for_longer_than_the_lease(bench: Bench) -> None:
    bench.submit("a", "b")
    await bench.until(lambda: len(bench.admitted()) == 2)

    async def act() -> None:
        bench.park.signal(0.0, valid_s=2.0)
        await bench.until(lambda: not bench.admitted())
        await bench.api.down()
        await asyncio.sleep(0.5)  # as long as it is away
        await bench.api.up()
        await bench.until(lambda: bench.nothing_held() and len(bench.admitted()) == 2)

    await bench.follow(act)


async def test_a_next_start_finds_and_gives_back_what_one_without_a_trace_has_left(bench: Bench) -> None:
    bench.submit("a")
    await bench.until(lambda: len(bench.admitted()) == 1)

    async def cut() -> None:
        bench.park.signal(0.0)
        await bench.until(lambda: not bench.admitted())
        left = {key: bench.api.get(*key) for key in (("workloads", "a", "default"), ("clusterqueues", "flex", ""))}
        stays.update(left)

    stays: dict[tuple[str, str, str], dict[str, object]] = {}
    await bench.follow(cut)
    # The machine is lost with its disk: what it had changed stands in the API server as it was, and no file tells of it.
    for (plural, name, namespace), thing in stays.items():
        bench.api.merge(
            plural, name, {"metadata": {"annotations": thing["metadata"]["annotations"]}, "spec": thing["spec"]}, namespace
        )
    bench.settings.trace_path.unlink()
    bench.park.signal(1.0)

    async def act() -> None:
        await bench.until(lambda: bench.nothing_held() and len(bench.admitted()) == 1)

    await bench.follow(act)


async def test_a_quota_that_its_owner_changes_meanwhile_is_the_owners(bench: Bench) -> None:
    async def act() -> None:
        bench.park.signal(IDLE_MW + 2 * JOB_MW + TINY_MW)
        await bench.until(lambda: sum(map(int, bench.quota())) < 32)
        queue = bench.api.get("clusterqueues", "flex")
        queue["spec"]["resourceGroups"][0]["flavors"][1]["resources"][0]["nominalQuota"] = "24"
        bench.api.merge("clusterqueues", "flex", {"spec": queue["spec"]})
        bench.park.signal(1.0)
        await bench.until(lambda: bench.quota() == ["16", "24"])

    await bench.follow(act)
    assert bench.quota() == ["16", "24"]


async def test_conflicts_are_tried_again_and_a_forgotten_version_is_listed_anew(bench: Bench) -> None:
    bench.submit("a", "b", "c")
    await bench.until(lambda: len(bench.admitted()) == 3)

    async def act() -> None:
        bench.park.signal(1.0)
        await bench.until(lambda: bool(bench.park.of(ComputeTelemetry)))
        lists = bench.api.requests.count(("GET", "/apis/kueue.x-k8s.io/v1beta1/workloads"))
        bench.submit("d")
        await bench.api.forget()
        await bench.until(lambda: bench.park.of(ComputeTelemetry)[-1].power_mw == pytest.approx(IDLE_MW + 4 * JOB_MW))
        assert bench.api.requests.count(("GET", "/apis/kueue.x-k8s.io/v1beta1/workloads")) > lists
        bench.api.conflicts = 5
        bench.park.signal(IDLE_MW + JOB_MW + TINY_MW)
        await bench.until(lambda: bench.running_mw() <= IDLE_MW + JOB_MW + TINY_MW)
        assert bench.api.conflicts == 0

    await bench.follow(act)
    assert bench.nothing_held()


async def test_a_look_costs_no_request_while_nothing_changes(bench: Bench) -> None:
    async def act() -> None:
        bench.park.signal(1.0)
        await bench.until(lambda: len(bench.park.of(ComputeTelemetry)) > 2)
        before = len(bench.api.requests)
        count = len(bench.park.of(ComputeTelemetry))
        await bench.until(lambda: len(bench.park.of(ComputeTelemetry)) > count + 4)
        assert bench.api.requests[before:] == []

    await bench.follow(act, replace(bench.settings, lease_s=30.0))


async def test_without_the_right_to_look_it_says_so_and_touches_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = kubeconfig(tmp_path / "other", bench.api.port, token="wrong")
    config = tmp_path / "kube.toml"
    config.write_text(_toml(replace(bench.settings, kubeconfig=str(other))), encoding="utf-8")
    words = [sys.executable, "-m", "controllers.adapters.kube.cli", "--config", str(config), "--once"]
    run = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    _, said = await run.communicate()
    assert run.returncode == 2
    assert b"401 Unauthorized" in said
    assert bench.api.patches == []


QUEUES = """
[queues.flex]
tier = 3
slack_h = 12.0
preemptible = true
[queues.batch]
tier = 2
slack_h = 12.0
"""


def _toml(settings: KubeSettings) -> str:
    own = f'command_s = {settings.command_s}\nkubeconfig = "{settings.kubeconfig}"'
    return config_text(settings, own, QUEUES)
