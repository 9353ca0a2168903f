"""The `vpp-slurm` command: the daemon that stands beside a Slurm cluster."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from controllers.adapters.slurm.backlog import backlog_of
from controllers.adapters.slurm.follower import Follower
from controllers.adapters.slurm.power import full_mw, power_mw
from controllers.adapters.slurm.settings import SlurmSettings, load_settings
from controllers.adapters.slurm.slurm import Slurm
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from vpp.errors import VppError

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; 2 for bad input, with one line that says what and where."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO if told.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    try:
        settings = load_settings(told.config)
        slurm = Slurm(settings.slurm_conf, settings.command_s)
        asyncio.run(_show(settings, slurm) if told.once else _serve(settings, slurm))
    except VppError as error:
        print(error, file=sys.stderr)  # noqa: T201  the command's own output
        return 2
    return 0


async def _serve(settings: SlurmSettings, slurm: Slurm) -> None:
    """Until it is interrupted or terminated; everything it held is then given back."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: this.cancel() if this is not None else None)
    client_id = f"slurm_{settings.cluster.replace('.', '_')}_{os.getpid()}"
    with contextlib.suppress(asyncio.CancelledError):
        async with connected_bus(settings.broker_url, client_id) as bus:
            await Follower(settings, slurm, bus, WallClock()).run()


async def _show(settings: SlurmSettings, slurm: Slurm) -> None:
    """What it sees and would report; nothing is sent and nothing touched."""
    queue = await slurm.queue()
    counts = {state: sum(job.state == state for job in queue.jobs) for state in ("running", "suspended", "pending")}
    lines = [
        f"{settings.cluster}: {queue.nodes_up} nodes up, {queue.gpus} GPUs; jobs: "
        + ", ".join(f"{count} {state}" for state, count in counts.items()),
        f"power {power_mw(queue, settings.power):.3f} MW of {full_mw(queue, settings.power):.3f} MW with every GPU busy",
        f"{'class':<16} {'tier':>4} {'MWh':>9} {'MW':>8}  release           deadline",
    ]
    for item in backlog_of(queue, settings.partitions, settings.power, WallClock().now()):
        times = f"{item.release:%m-%d %H:%M} UTC  {item.deadline:%m-%d %H:%M} UTC"
        lines.append(f"{item.job_class:<16} {item.tier:>4} {item.energy_mwh:>9.3f} {item.max_mw:>8.3f}  {times}")
    print("\n".join(lines))  # noqa: T201  the command's own output


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vpp-slurm", description="A Slurm cluster follows the park's compute-shift signal.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML; see docs/connect_scheduler.md")
    parser.add_argument("--once", action="store_true", help="show what it sees and would report, and touch nothing")
    parser.add_argument("--verbose", action="store_true", help="log every move")
    return parser


if __name__ == "__main__":
    sys.exit(main())
