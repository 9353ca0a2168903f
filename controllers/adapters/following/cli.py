"""The command of an adapter: the daemon that stands beside a cluster."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from controllers.adapters.following.backlog import backlog_of
from controllers.adapters.following.follower import Follower
from controllers.adapters.following.hands import Hands
from controllers.adapters.following.moves import Held
from controllers.adapters.following.power import full_mw, power_mw
from controllers.adapters.following.settings import FollowSettings
from controllers.adapters.following.trace import read_trace
from controllers.bus.mqtt import connected_bus
from controllers.clock import WallClock
from vpp.errors import VppError

__all__ = ["Daemon", "run_daemon"]

SettingsT = TypeVar("SettingsT", bound=FollowSettings)


@dataclass(frozen=True, slots=True)
class Daemon(Generic[SettingsT]):
    """One kind of adapter.

    Args:
        name: Of its command.
        what: One sentence.
        guide: Where its file is described.
        load: Reads its file.
        hands: Its scheduler's own means.
    """

    name: str
    what: str
    guide: str
    load: Callable[[Path], SettingsT]
    hands: Callable[[SettingsT], Hands]


def run_daemon(daemon: Daemon[SettingsT], words: Sequence[str] | None = None) -> int:
    """Runs the command; 2 for bad input, with one line that says what and where."""
    told = _parser(daemon).parse_args(words)
    logging.basicConfig(level=logging.INFO if told.verbose else logging.WARNING, format="%(asctime)s %(message)s")
    try:
        settings = daemon.load(told.config)
        hands = daemon.hands(settings)
        if told.restore:
            asyncio.run(_restore(settings, hands))
        else:
            asyncio.run(_show(settings, hands) if told.once else _serve(settings, hands))
    except VppError as error:
        print(error, file=sys.stderr)  # noqa: T201  the command's own output
        return 2
    return 0


async def _serve(settings: FollowSettings, hands: Hands) -> None:
    """Until it is interrupted or terminated; everything it held is then given back."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: this.cancel() if this is not None else None)
    client_id = f"{hands.kind}_{settings.cluster.replace('.', '_')}_{os.getpid()}"
    with contextlib.suppress(asyncio.CancelledError):
        async with connected_bus(settings.broker_url, client_id) as bus:
            await Follower(settings, hands, bus, WallClock()).run()


async def _restore(settings: FollowSettings, hands: Hands) -> None:
    """Gives back whatever an adapter that is gone for good has left."""
    trace = read_trace(settings.trace_path)
    async with hands.open(asyncio.Event()):
        await hands.give_back(trace.held if trace is not None else Held())
    settings.trace_path.unlink(missing_ok=True)


async def _show(settings: FollowSettings, hands: Hands) -> None:
    """What it sees and would report; nothing is sent and nothing touched."""
    async with hands.open(asyncio.Event()):
        queue = await hands.queue()
    counts = {state: sum(job.state == state for job in queue.jobs) for state in ("running", "suspended", "pending")}
    lines = [
        f"{settings.cluster}: {queue.nodes_up} nodes up, {queue.gpus} GPUs; jobs: "
        + ", ".join(f"{count} {state}" for state, count in counts.items()),
        f"power {power_mw(queue, settings.power):.3f} MW of {full_mw(queue, settings.power):.3f} MW with every GPU busy",
        f"{'class':<16} {'tier':>4} {'MWh':>9} {'MW':>8}  release           deadline",
    ]
    for item in backlog_of(queue, settings.rules, settings.power, WallClock().now()):
        times = f"{item.release:%m-%d %H:%M} UTC  {item.deadline:%m-%d %H:%M} UTC"
        lines.append(f"{item.job_class:<16} {item.tier:>4} {item.energy_mwh:>9.3f} {item.max_mw:>8.3f}  {times}")
    print("\n".join(lines))  # noqa: T201  the command's own output


def _parser(daemon: Daemon[SettingsT]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=daemon.name, description=daemon.what)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help=f"TOML; see {daemon.guide}")
    parser.add_argument("--once", action="store_true", help="show what it sees and would report, and touch nothing")
    parser.add_argument("--restore", action="store_true", help="give back what an adapter that is gone for good has left")
    parser.add_argument("--verbose", action="store_true", help="log every move")
    return parser
