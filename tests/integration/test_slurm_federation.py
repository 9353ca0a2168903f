"""Placements between two real Slurm clusters of one federation, with a real accounting database behind them.

Starting these takes some 15 s, and each test waits for leases and for two controllers that talk to each other.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from controllers.adapters.following.settings import JobRule, PowerModel
from controllers.adapters.slurm.hands import SlurmHands
from controllers.adapters.slurm.settings import SlurmSettings
from controllers.adapters.slurm.slurm import Slurm, find_slurm
from controllers.bus.broker import EmbeddedBroker
from controllers.clock import WallClock
from tests.park_side import CLUSTER, PARK, ParkSide, config_text, park_side
from tests.park_side import following as park_follows
from vpp.wire.messages import Placement

TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "slurm-local"
PEER, HOME, AWAY = "compute.zhisuan2", "local", "second"
BOTH = f"{HOME},{AWAY}"
POWER = PowerModel(node_idle_kw=1.0, gpu_kw=1.0, pue=1.25)
#: Four GPUs for up to an hour.
JOB_MWH = 4 * 1.25 / 1000
WITHIN_S = 60.0


@dataclass
class Federation:
    """Two clusters; commands go to the first one unless another configuration is named."""

    home_conf: str
    away_conf: str
    mine: set[str] = field(default_factory=set)

    def run(self, *words: str, conf: str = "") -> str:
        said = {**os.environ, "SLURM_CONF": conf or self.home_conf, "TZ": "UTC"}
        done = subprocess.run(words, env=said, capture_output=True, text=True, check=False, timeout=30, cwd="/tmp")
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def partition(self, conf: str, state: str) -> None:
        self.run("scontrol", "update", "partitionname=flex", f"state={state}", conf=conf)

    def submit(self, *more: str) -> str:
        words = [
            "sbatch",
            "--parsable",
            "-p",
            "flex",
            "--gres=gpu:4",
            "-t",
            "60",
            "-o",
            "/dev/null",
            *more,
            "--wrap",
            "sleep 300",
        ]
        job = self.run(*words).split(";")[0].strip()
        self.mine.add(job)
        return job

    def where(self) -> dict[str, str]:
        """Of every job of this test that is not over: the clusters where it may begin."""
        states = "--states=PENDING,RUNNING,REVOKED"
        rows = self.run("squeue", "--local", "--noheader", states, "--Format=JobID:24|,SiblingsViable:80|").splitlines()
        said = ([word.strip() for word in row.split("|")] for row in rows)
        return {job: clusters for job, clusters, *_ in said if job in self.mine}

    def running(self, conf: str) -> set[str]:
        return set(self.run("squeue", "--local", "--noheader", "--states=RUNNING", "--format=%i", conf=conf).split())

    async def until(self, holds: Callable[[], bool]) -> None:
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < WITHIN_S, (self.where(), self.running(self.away_conf))
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Two slurmctld of one slurmdbd."""
    if not TOOL.is_file():
        pytest.skip(f"no {TOOL.name} beside the checkout to start a Slurm with")
    if (
        not find_slurm()
        or os.geteuid() != 0
        or not all(map(shutil.which, ("slurmdbd", "mariadbd", "mariadb-install-db", "my_print_defaults")))
    ):
        packages = "slurm-wlm munge slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core"
        pytest.skip(f"no Slurm with accounting here (on Debian: apt-get install {packages}, and run as root)")
    first, second = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("away")
    size = ["--nodes", "2", "--gpus-per-node", "8", "--accounting", "--no-rest", "--timeout", "60"]
    subprocess.run([str(TOOL), "up", str(first), *size], check=True, capture_output=True, timeout=90)
    found = Federation(str(first / "etc" / "slurm.conf"), str(_second_conf(first, second)))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _join(found, daemons)
        yield found
    finally:
        for one in reversed(daemons):
            one.terminate()
            one.wait(20)
        subprocess.run([str(TOOL), "down", str(first), "--wipe"], check=False, capture_output=True, timeout=60)


def _second_conf(first: Path, second: Path) -> Path:
    """The first one's configuration with another name, other ports and folders; key and accounting are shared."""
    with socket.socket() as a, socket.socket() as b, socket.socket() as c:
        for one in (a, b, c):
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (a, b, c)]
    for name in ("etc", "ctld", "spool"):
        (second / name).mkdir()
    text = (first / "etc" / "slurm.conf").read_text(encoding="utf-8")
    changed = {
        "ClusterName": AWAY,
        "SlurmctldPort": ports[0],
        "StateSaveLocation": second / "ctld",
        "SlurmdSpoolDir": second / "spool" / "%n",
        "SlurmctldPidFile": second / "ctld.pid",
        "SlurmdPidFile": second / "%n.pid",
        "SlurmctldLogFile": second / "ctld.log",
        "SlurmdLogFile": second / "%n.log",
    }
    for key, value in changed.items():
        text = re.sub(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
    for name, port in (("gpu1", ports[1]), ("gpu2", ports[2])):
        text = re.sub(rf"^(NodeName={name} .*Port=)\d+", rf"\g<1>{port}", text, flags=re.MULTILINE)
    path = second / "etc" / "slurm.conf"
    path.write_text(text, encoding="utf-8")
    shutil.copy(first / "etc" / "gres.conf", second / "etc")
    return path


def _join(found: Federation, daemons: list[subprocess.Popen[bytes]]) -> None:
    """Starts the second cluster and makes a federation of both."""
    conf = found.away_conf
    for words in (
        ("add", "cluster", AWAY),
        ("add", "account", "compute", f"cluster={AWAY}"),
        ("add", "user", "root", "account=compute", f"cluster={AWAY}"),
        ("modify", "user", "root", "set", "qos=normal,deferrable,firm", "defaultqos=normal"),
    ):
        found.run("sacctmgr", "-i", "-Q", *words)
    for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "gpu1"], ["slurmd", "-D", "-N", "gpu2"]):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        daemons.append(subprocess.Popen([*command, "-f", conf], env={**os.environ, "SLURM_CONF": conf}, **quiet))  # type: ignore[call-overload]
    _wait(
        lambda: (
            "UP"
            in subprocess.run(
                ["scontrol", "ping"], env={**os.environ, "SLURM_CONF": conf}, capture_output=True, text=True, check=False
            ).stdout
        )
    )
    found.run("sacctmgr", "-i", "-Q", "add", "federation", "park", f"clusters={BOTH}")
    _wait(lambda: "Synced:Yes" in found.run("scontrol", "show", "federation"))
    _wait(lambda: found.run("sinfo", "--local", "--noheader", "-p", "flex", "--format=%T", conf=conf).split() == ["idle"])


def _wait(holds: Callable[[], bool]) -> None:
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < WITHIN_S
        time.sleep(0.2)


@dataclass
class Bench:
    """The adapter of the first cluster, and the park's side of the bus."""

    settings: SlurmSettings
    slurm: Federation
    park: ParkSide

    def place(self, energy_mwh: float, until_s: float = 3_600.0) -> int:
        until = WallClock().now() + timedelta(seconds=until_s)
        one = Placement(job_class="flex", direction="send", peer=PEER, energy_mwh=energy_mwh, until=until)
        return self.park.signal(1.0, placements=(one,))

    async def follows(self, act: Callable[[], Awaitable[None]]) -> None:
        await park_follows(self.settings, SlurmHands(self.settings, Slurm(self.settings.slurm_conf)), act)


@pytest.fixture
async def bench(federation: Federation, broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    settings = SlurmSettings(
        park=PARK, cluster=CLUSTER, broker_url=broker.url, fallback_cap_mw=1.0, power=POWER, state_dir=tmp_path / "state",
        rules={"flex": JobRule(tier=3, slack_h=12.0, preemptible=True)}, lease_s=3.0, period_s=0.5, backlog_s=1.0,
        slurm_conf=federation.home_conf, slurm_cluster=HOME, peers={PEER: AWAY},
    )  # fmt: skip
    # Nothing begins by itself while a test looks at it.
    for conf in (federation.home_conf, federation.away_conf):
        federation.partition(conf, "DOWN")
    async with park_side(broker.url) as park:
        yield Bench(settings, federation, park)
    for conf in (federation.home_conf, federation.away_conf):
        federation.run("scancel", "--user=root", conf=conf)
    federation.mine.clear()


async def test_placed_work_goes_to_its_cluster_as_far_as_users_let_it_and_begins_there(bench: Bench) -> None:
    slurm = bench.slurm
    free = [slurm.submit() for _ in range(3)]
    tied = slurm.submit("-M", HOME)
    await slurm.until(lambda: slurm.where() == {**dict.fromkeys(free, BOTH), tied: HOME})

    async def act() -> None:
        revision = bench.place(2.5 * JOB_MWH)
        await slurm.until(lambda: list(slurm.where().values()).count(AWAY) == 2)
        assert slurm.where()[tied] == HOME
        await slurm.until(lambda: bool(bench.park.answers(revision)))
        (answer,) = bench.park.answers(revision)
        assert (answer.accepted, answer.note) == ("all", "placements: 0.010 of 0.013 MWh sent in 2 jobs")
        # The same revision again sends nothing more.
        await asyncio.sleep(1.5)
        sent = {job for job, clusters in slurm.where().items() if clusters == AWAY}
        assert len(sent) == 2
        slurm.partition(slurm.away_conf, "UP")
        await slurm.until(lambda: sent <= slurm.running(slurm.away_conf))

    await bench.follows(act)
    # What runs there runs on; what was never sent is where it was.
    assert slurm.where()[tied] == HOME
    assert slurm.running(slurm.home_conf) == set()


async def test_what_was_sent_and_has_not_begun_comes_back_when_its_time_is_over_or_the_adapter_stops(bench: Bench) -> None:
    slurm = bench.slurm
    job = slurm.submit()
    await slurm.until(lambda: slurm.where() == {job: BOTH})

    async def act() -> None:
        bench.place(JOB_MWH * 1.01, until_s=3.0)
        await slurm.until(lambda: slurm.where() == {job: AWAY})
        await slurm.until(lambda: slurm.where() == {job: BOTH})
        bench.place(JOB_MWH * 1.01)
        await slurm.until(lambda: slurm.where() == {job: AWAY})

    await bench.follows(act)
    await slurm.until(lambda: slurm.where() == {job: BOTH})


async def test_an_adapter_that_is_killed_leaves_no_job_bound_to_the_other_cluster(bench: Bench, tmp_path: Path) -> None:
    slurm, config = bench.slurm, tmp_path / "slurm.toml"
    config.write_text(_toml(bench.settings), encoding="utf-8")
    job = slurm.submit()
    await slurm.until(lambda: slurm.where() == {job: BOTH})
    adapter = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controllers.adapters.slurm.cli", "--config", str(config)
    )
    try:
        bench.place(JOB_MWH * 1.01)
        await slurm.until(lambda: slurm.where() == {job: AWAY})
        adapter.send_signal(signal.SIGKILL)
        await slurm.until(lambda: slurm.where() == {job: BOTH})
    finally:
        if adapter.returncode is None:
            adapter.kill()
        await adapter.wait()


def _toml(settings: SlurmSettings) -> str:
    own = f'slurm_conf = "{settings.slurm_conf}"\nslurm_cluster = "{HOME}"\n[peers]\n"{PEER}" = "{AWAY}"'
    return config_text(settings, own, "[partitions.flex]\ntier = 3\nslack_h = 12.0\npreemptible = true")
