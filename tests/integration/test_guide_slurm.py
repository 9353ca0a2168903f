"""The guide "connect your scheduler", step by step, on a real Slurm and a real broker: what it says is what is done here."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controllers.adapters.slurm.settings import load_slurm
from controllers.adapters.slurm.slurm import find_slurm
from controllers.bus.broker import EmbeddedBroker
from controllers.bus.mqtt import connected_bus
from controllers.client import SchedulerClient
from controllers.clock import WallClock
from tests.park_side import CLUSTER, PARK, park_side
from vpp.wire.messages import Backlog, ComputeTelemetry, ShiftResponse

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "connect_scheduler.md").read_text(encoding="utf-8")
TOOL = ROOT.parent / "shared" / "tools" / "slurm-local"
WITHIN_S = 20.0


@pytest.fixture(scope="module")
def slurm_conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not TOOL.is_file() or not find_slurm() or os.geteuid() != 0:
        pytest.skip("no Slurm here (on Debian: apt-get install slurm-wlm munge, and run as root)")
    state = tmp_path_factory.mktemp("slurm")
    size = ["--nodes", "2", "--gpus-per-node", "8", "--power-kw", "40", "--no-rest"]
    subprocess.run([str(TOOL), "up", str(state), *size], check=True, capture_output=True, timeout=60)
    yield str(state / "etc" / "slurm.conf")
    subprocess.run([str(TOOL), "down", str(state), "--wipe"], check=False, capture_output=True, timeout=60)


def block(kind: str) -> str:
    """The guide's first block of code in a language, without its indent."""
    found = re.search(rf"^( *)```{kind}\n(.*?)^\1```", GUIDE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return "\n".join(line.removeprefix(found[1]) for line in found[2].splitlines())


def command(word: str) -> list[str]:
    """A command of the guide, as it is written there, run by this interpreter."""
    found = re.search(rf"`?(vpp-slurm [^`\n]*{word}[^`\n]*)`?", GUIDE)
    assert found is not None
    return [sys.executable, "-m", "controllers.adapters.slurm.cli", *shlex.split(found[1])[1:]]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110  what is waited for comes over a broker
            await asyncio.sleep(0.02)


def test_the_package_that_the_guide_installs_has_the_command_that_it_runs() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'vpp-slurm = "controllers.adapters.slurm.cli:main"' in project
    assert "pip install chifeng-vpp" in GUIDE
    assert 'name = "chifeng-vpp"' in project


def test_the_lines_for_a_federation_fit_the_file(tmp_path: Path) -> None:
    (more,) = re.findall(r"^```toml\n(slurm_cluster.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    name, peers = more.split("\n\n", 1)
    (tmp_path / "slurm.toml").write_text(f"{name}\n{block('toml')}\n{peers}", encoding="utf-8")
    settings = load_slurm(tmp_path / "slurm.toml")
    assert (settings.slurm_cluster, settings.peers) == ("zhisuan1", {"compute.zhisuan2": "zhisuan2"})


async def test_the_steps_for_slurm(slurm_conf: str, broker: EmbeddedBroker, tmp_path: Path) -> None:
    text = re.sub(r'broker_url = "[^"]*"', f'broker_url = "{broker.url}"', block("toml"))
    (tmp_path / "slurm.toml").write_text(text, encoding="utf-8")
    env = {**os.environ, "SLURM_CONF": slurm_conf, "PYTHONPATH": str(ROOT)}
    submit = ["sbatch", "-p", "flex", "--gres=gpu:4", "-t", "60", "-L", "power:8", "-o", "/dev/null", "--wrap", "sleep 300"]
    submitted = await asyncio.create_subprocess_exec(*submit, env=env, stdout=asyncio.subprocess.DEVNULL)
    assert await submitted.wait() == 0

    # Step 3: look before you act.
    once = await asyncio.create_subprocess_exec(*command("--once"), cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE)
    said = (await once.communicate())[0].decode()
    assert once.returncode == 0
    assert "compute.zhisuan1: 2 nodes up, 16 GPUs" in said
    assert re.search(r"^flex +3 ", said, re.MULTILINE)
    assert not (tmp_path / "state").exists()

    # Step 4: run it.
    async with park_side(broker.url) as park:
        words = command("--verbose")
        daemon = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, env=env, stderr=asyncio.subprocess.DEVNULL)
        try:
            revision = park.signal(60.0)
            await until(lambda: bool(park.answers(revision) and park.of(Backlog) and park.of(ComputeTelemetry)))
        finally:
            daemon.terminate()
            assert await daemon.wait() == 0
    assert park.answers(revision)[-1].accepted == "all"


async def test_the_lines_for_any_other_scheduler(broker: EmbeddedBroker) -> None:
    """The guide's own lines, with the broker's address put in; they are run as they stand."""
    lines = block("python").replace("mqtt://broker.park.example:1883", broker.url)
    imports, body = lines.split("\n\n", 1)
    async with park_side(broker.url) as park:
        park.signal(55.0)
        # The signal must have come before the last line can answer it.
        body = body.replace("    client.respond(", "    await heard(client)\n    client.respond(")
        source = f"{imports}\nasync def steps(items, heard):\n" + "\n".join(f"    {line}" for line in body.splitlines())
        names: dict[str, object] = {}
        exec(compile(source, "docs/connect_scheduler.md", "exec"), names)  # noqa: S102

        async def heard(client: SchedulerClient) -> None:
            await until(lambda: client.shift is not None)

        await names["steps"]((), heard)  # type: ignore[operator]
        await until(lambda: bool(park.of(ShiftResponse) and park.of(Backlog) and park.of(ComputeTelemetry)))
        assert park.of(ComputeTelemetry)[-1].power_mw == 41.2


def test_the_guides_names_are_those_of_the_tests() -> None:
    assert f'park = "{PARK}"' in GUIDE
    assert f'cluster = "{CLUSTER}"' in GUIDE
    assert connected_bus.__name__ in GUIDE
    assert WallClock.__name__ in GUIDE
