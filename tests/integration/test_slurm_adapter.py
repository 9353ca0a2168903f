"""The adapter against a real Slurm and a real broker: what is cut is cut in seconds, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from controllers.adapters.following.jobs import Queue
from controllers.adapters.following.power import power_mw
from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.slurm.hands import SlurmHands
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm, find_slurm
from controllers.bus.broker import EmbeddedBroker
from tests.park_side import CLUSTER, PARK, ParkSide, config_text, park_side
from tests.park_side import following as park_follows
from vpp.wire.messages import Backlog, ComputeTelemetry, ShiftResponse

TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "slurm-local"
NODES, GPUS = 4, 8
POWER = PowerModel(node_idle_kw=1.0, gpu_kw=1.0, pue=1.25, licence="power")
IDLE_MW = NODES * 1.25 / 1000
JOB_MW = 4 * 1.25 / 1000
WITHIN_S = 15.0


@pytest.fixture(scope="module")
def slurm_conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real slurmctld with four nodes of eight GPUs."""
    if not TOOL.is_file():
        pytest.skip(f"no {TOOL.name} beside the checkout to start a Slurm with")
    if not find_slurm() or os.geteuid() != 0:
        pytest.skip("no Slurm here (on Debian: apt-get install slurm-wlm munge, and run as root)")
    state = tmp_path_factory.mktemp("slurm")
    _up(state)
    yield str(state / "etc" / "slurm.conf")
    subprocess.run([str(TOOL), "down", str(state), "--wipe"], check=False, capture_output=True, timeout=60)


def _up(state: Path) -> None:
    """Starts what is not running of it."""
    size = ["--nodes", str(NODES), "--gpus-per-node", str(GPUS), "--power-kw", "40", "--no-rest"]
    subprocess.run([str(TOOL), "up", str(state), *size], check=True, capture_output=True, timeout=60)


def _saved(state: Path) -> None:
    """Returns when slurmctld has written its jobs down as they are now; it does so every few seconds, into a new file."""
    mark = state / "mark"
    mark.touch()
    since = mark.stat().st_mtime
    while True:
        with contextlib.suppress(OSError):
            if any(path.stat().st_mtime > since for path in state.rglob("job_state")):
                return
        time.sleep(0.1)


def _kill_controller(state: Path) -> None:
    """The slurmctld of this cluster only."""
    for found in Path("/proc").glob("[0-9]*/environ"):
        try:
            name, said = (found.parent / "comm").read_text().strip(), found.read_bytes()
        except OSError:
            continue
        if name == "slurmctld" and str(state).encode() in said:
            os.kill(int(found.parent.name), signal.SIGKILL)


@dataclass
class Bench:
    """A cluster, a broker, and the park's side of the bus."""

    settings: SlurmSettings
    slurm: Slurm
    park: ParkSide

    def scontrol(self, *words: str) -> str:
        done = subprocess.run(["scontrol", *words], env=self._env, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout + done.stderr

    def submit(self, count: int, partition: str = "flex", gpus: int = 4) -> None:
        for _ in range(count):
            words = ["sbatch", "-p", partition, f"--gres=gpu:{gpus}", "-t", "60", "-L", f"power:{gpus}", "-o", "/dev/null"]
            subprocess.run([*words, "--wrap", "sleep 300"], env=self._env, check=True, capture_output=True, timeout=20)

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": self.settings.slurm_conf, "TZ": "UTC"}

    async def runs(self, count: int) -> None:
        await self.until(lambda queue: len(queue.running()) == count)

    async def until(self, holds: Callable[[Queue], bool]) -> float:
        """Looks until it holds; tells how long it took."""
        began_s = time.monotonic()
        while True:
            queue = await self.slurm.queue()
            if holds(queue):
                return time.monotonic() - began_s
            assert time.monotonic() - began_s < WITHIN_S, (
                queue,
                self.scontrol("-o", "show", "partitions"),
                self.scontrol("-o", "show", "res"),
            )
            await asyncio.sleep(0.05)


@pytest.fixture
async def bench(slurm_conf: str, broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    rules = {"flex": JobRule(tier=3, slack_h=12.0, preemptible=True), "batch": JobRule(tier=2, slack_h=12.0)}
    settings = SlurmSettings(
        park=PARK, cluster=CLUSTER, broker_url=broker.url, fallback_cap_mw=1.0, rules=rules, power=POWER,
        state_dir=tmp_path / "state", lease_s=3.0, period_s=0.5, backlog_s=1.0, ahead="licences", slurm_conf=slurm_conf,
    )  # fmt: skip
    async with park_side(broker.url) as park:
        found = Bench(settings, Slurm(slurm_conf), park)
        _clean(found)
        await found.until(lambda queue: not queue.jobs)
        yield found
        _clean(found)


def _clean(bench: Bench) -> None:
    for name in ("flex", "batch", "firm"):
        bench.scontrol("update", f"partitionname={name}", "state=UP")
    subprocess.run(["scancel", "--user=root", "--full"], env=bench._env, check=False, capture_output=True, timeout=20)
    for line in bench.scontrol("-o", "show", "reservations").splitlines():
        if line.startswith("ReservationName="):
            bench.scontrol("delete", f"reservation={line.split()[0].partition('=')[2]}")


async def following(bench: Bench, act: Callable[[], Awaitable[None]], settings: SlurmSettings | None = None) -> None:
    set_up = settings or bench.settings
    await park_follows(set_up, SlurmHands(set_up, bench.slurm), act)


def nothing_held(bench: Bench, queue: Queue) -> bool:
    closed = "State=DOWN" in bench.scontrol("-o", "show", "partitions")
    reserved = "ReservationName=vpp" in bench.scontrol("-o", "show", "reservations")
    return not closed and not reserved and not any(job.state == "suspended" for job in queue.jobs)


async def test_a_cut_pauses_jobs_until_the_cluster_is_inside_it_and_is_answered(bench: Bench) -> None:
    async def act() -> None:
        bench.submit(6)
        await bench.runs(6)
        revision = bench.park.signal(IDLE_MW + 2 * JOB_MW + 1e-6)
        took_s = await bench.until(lambda queue: power_mw(queue, POWER) <= IDLE_MW + 2 * JOB_MW + 1e-6)
        assert took_s < 10.0
        await bench.until(lambda queue: any(r.revision == revision for r in bench.park.of(ShiftResponse)))
        assert bench.park.of(ShiftResponse)[-1].accepted == "all"
        bench.submit(1)
        bench.park.signal(1.0)
        await bench.runs(7)

    await following(bench, act)
    await bench.until(lambda queue: nothing_held(bench, queue))


async def test_firm_work_runs_on_and_the_part_that_cannot_be_kept_is_named(bench: Bench) -> None:
    async def act() -> None:
        bench.submit(2, partition="firm")
        await bench.runs(2)
        revision = bench.park.signal(0.001)
        await bench.until(lambda queue: any(r.revision == revision for r in bench.park.of(ShiftResponse)))
        answer = bench.park.of(ShiftResponse)[-1]
        assert (answer.accepted, answer.intervals[0].power_mw) == ("part", pytest.approx(IDLE_MW + 2 * JOB_MW))
        assert len((await bench.slurm.queue()).running()) == 2
        # By this the park knows what of the cluster nobody can call.
        state = bench.park.of(ComputeTelemetry)[-1].state
        assert (state["idle_mw"], state["firm_mw"]) == (pytest.approx(IDLE_MW), pytest.approx(2 * JOB_MW))

    await following(bench, act)


async def test_the_backlog_and_the_power_are_reported(bench: Bench) -> None:
    async def act() -> None:
        bench.submit(3)
        await bench.runs(3)
        await bench.until(
            lambda queue: any(b.items and b.items[0].max_mw == pytest.approx(3 * JOB_MW) for b in bench.park.of(Backlog))
        )
        await bench.until(lambda queue: bench.park.of(ComputeTelemetry)[-1].power_mw == pytest.approx(IDLE_MW + 3 * JOB_MW))

    await following(bench, act)


async def test_a_later_cap_is_a_reservation_that_goes_when_the_adapter_stops(bench: Bench) -> None:
    async def act() -> None:
        bench.park.signal(1.0, later_mw=IDLE_MW + JOB_MW)
        await bench.until(lambda queue: "Licenses=power:28" in bench.scontrol("-o", "show", "reservations"))

    await following(bench, act)
    await bench.until(lambda queue: nothing_held(bench, queue))


async def test_when_the_park_falls_silent_everything_comes_back_within_the_lease(bench: Bench) -> None:
    async def act() -> None:
        bench.submit(4)
        await bench.runs(4)
        bench.park.signal(0.0, valid_s=1.0)
        await bench.runs(0)
        await bench.until(lambda queue: nothing_held(bench, queue) and len(queue.running()) == 4)

    await following(bench, act)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_an_adapter_that_is_killed_ended_or_hangs_leaves_nothing_behind(bench: Bench, tmp_path: Path, number: int) -> None:
    config = tmp_path / "slurm.toml"
    config.write_text(_toml(bench.settings), encoding="utf-8")
    bench.submit(4)
    await bench.runs(4)
    words = [sys.executable, "-m", "controllers.adapters.slurm.cli", "--config", str(config)]
    adapter = await asyncio.create_subprocess_exec(*words)
    try:
        bench.park.signal(0.0, later_mw=0.0)
        await bench.runs(0)
        adapter.send_signal(number)
        await bench.until(lambda queue: nothing_held(bench, queue) and len(queue.running()) == 4)
    finally:
        if adapter.returncode is None:
            adapter.kill()
        await adapter.wait()


async def test_a_controller_of_slurm_that_was_away_finds_nothing_held_for_longer_than_the_lease(
    bench: Bench, slurm_conf: str
) -> None:
    state = Path(slurm_conf).parents[1]

    async def act() -> None:
        bench.submit(2)
        await bench.runs(2)
        bench.park.signal(0.0, valid_s=2.0)
        await bench.runs(0)
        await asyncio.to_thread(_saved, state)
        await asyncio.to_thread(_kill_controller, state)
        await asyncio.sleep(0.5)  # as long as the controller is away
        with pytest.raises(Exception, match="scontrol|squeue|sinfo"):
            await replace(bench.slurm, timeout_s=1.0).queue()
        await asyncio.to_thread(_up, state)
        # What the controller had not yet written down when it was killed is Slurm's own loss; what it knows of, runs.
        await bench.until(lambda queue: nothing_held(bench, queue) and len(queue.running()) == 2)

    await following(bench, act, replace(bench.settings, command_s=2.0))


PARTITIONS = """
[partitions.flex]
tier = 3
slack_h = 12.0
preemptible = true
[partitions.batch]
tier = 2
slack_h = 12.0
"""


def _toml(settings: SlurmSettings) -> str:
    own = f'ahead = "licences"\nslurm_conf = "{settings.slurm_conf}"'
    return config_text(settings, own, 'licence = "power"\n' + PARTITIONS)
