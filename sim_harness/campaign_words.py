"""The words of `vpp-sim campaign`; what it takes to run is imported where it is run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sim_harness.grid.events import CONFIDENCE
from sim_harness.weather.source import default_data_dir

__all__ = ["add_campaign_command"]

_MOST_EVENTS: Final = 999
#: What a call may ask, as on the wire.
_CONFIDENCES: Final = (0.5, 0.999)


def add_campaign_command(commands: Any, act: Callable[[argparse.Namespace], int]) -> None:
    """Adds the command and its words.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
        act: Does it.
    """
    parser = commands.add_parser("campaign", help="random calls of the grid with their twin: what was promised, kept, delivered")
    parser.set_defaults(act=act)
    parser.add_argument("--scenario", default="first-week", help="name or file; its length and events are the campaign's own")
    parser.add_argument("--events", type=_events, default=20, metavar="N", help="calls (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of calls, world and faults")
    parser.add_argument(
        "--parts",
        type=_events,
        default=1,
        metavar="K",
        help="share the calls out to K worlds, begun evenly over the scenario",
    )
    parser.add_argument("--jobs", type=_events, default=2, metavar="J", help="processes that parts run in (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure for machines")
    parser.add_argument("--no-faults", action="store_true", help="nothing goes wrong but what the scenario says")
    parser.add_argument("--step", type=float, metavar="S", help="step of world and dispatch, instead of the scenario's own")
    parser.add_argument(
        "--data", type=Path, default=default_data_dir(), metavar="DIR", help="measured series (default: ../shared/data if there)"
    )
    parser.add_argument(
        "--confidence", type=_confidence, default=CONFIDENCE, metavar="P", help="how surely calls are to be kept (default: 0.99)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--correction", type=Path, metavar="FILE", help="of the offers, instead of the one frozen for the park")
    which.add_argument("--uncorrected", action="store_true", help="offers as the courses of wind and sun say them")
    which.add_argument("--learn", type=Path, metavar="FILE", help="call nothing; learn the correction of offers, write it there")


def _confidence(text: str) -> float:
    share = float(text)
    if not _CONFIDENCES[0] <= share <= _CONFIDENCES[1]:
        raise argparse.ArgumentTypeError(f"{text}: write a share from {_CONFIDENCES[0]} to {_CONFIDENCES[1]}, as 0.9")
    return share


def _events(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_EVENTS:
        raise argparse.ArgumentTypeError(f"{text}: write 1 to {_MOST_EVENTS} calls")
    return number
