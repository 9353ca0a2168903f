"""`vpp qualify`: the qualification test of a virtual power plant (能力测试), on the simulated park or on a running one."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from controllers.cli_park import default_park_path
from controllers.cli_service import AskError, Service, common_words
from controllers.settings import client_settings
from vpp.errors import VppError

__all__ = ["add_qualify_command", "qualify"]

_NOT_PASSED: Final = 1
_BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130


def add_qualify_command(commands: Any) -> None:
    """Adds it to `vpp`."""
    parser = commands.add_parser(
        "qualify",
        parents=[common_words(json_to_terminal=False)],
        help="the qualification test of a virtual power plant 能力测试",
        description="Without --live on the simulated park (the same as `vpp-sim qualify`, whose options it takes after --); "
        "with it on the running park, which is really called, for as long as the test takes.",
    )
    parser.add_argument("--live", action="store_true", help="call the running service; needs the role grid or admin")
    parser.add_argument(
        "--test", type=Path, metavar="FILE", help="thresholds and steps (default: seeds/qualification/china.yaml)"
    )
    parser.add_argument("--connection", help="whose import is called; the largest one to the grid without it")
    declared = "(default: 90; with --live what the park offers over the test)"
    parser.add_argument("--up-mw", type=float, help=f"less import that the park declares [MW] {declared}")
    parser.add_argument("--down-mw", type=float, help=f"more import [MW] {declared}")
    parser.add_argument(
        "--confidence", type=float, default=0.99, help="with --live: how surely calls are to be kept (default: 0.99)"
    )
    parser.add_argument(
        "--load-mw", type=float, help="with --live: normal load of the park [MW], where the role may not read it (role grid)"
    )
    parser.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="the certificate for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="the certificate as one page")
    parser.add_argument("more", nargs="*", help="further words for the simulated test, after --")


def qualify(told: argparse.Namespace) -> int:
    """0 if the park passed, 1 if it did not, 2 for bad input."""
    return _live(told) if told.live else _simulated(told)


def _simulated(told: argparse.Namespace) -> int:
    """The world is a program of its own: this side of the wire must not know it."""
    words = [sys.executable, "-m", "sim_harness.cli", "qualify"]
    for option, value in (
        ("--up-mw", told.up_mw),
        ("--down-mw", told.down_mw),
        ("--test", told.test),
        ("--connection", told.connection),
        ("--json", told.json_file),
        ("--html", told.html),
    ):
        words += [] if value is None else [f"{option}={value}"]
    return subprocess.run([*words, *told.more], check=False).returncode


def _live(told: argparse.Namespace) -> int:
    # Only a test takes any of it.
    from rich.console import Console

    from controllers.cli_certificate import show_certificate, write_certificate
    from controllers.cli_qualify_live import LiveTest, called
    from controllers.proof.qualification import Tested, certify, read_qualification

    service, console = Service(client_settings(told.url, told.token)), Console()
    try:
        test = read_qualification(told.test or default_park_path() / "qualification" / "china.yaml")
        live = LiveTest.of(service, test, told.connection, (told.up_mw, told.down_mw), told.confidence)
        load_mw = told.load_mw if told.load_mw is not None else live.load_mw()
        proofs = called(live, test, lambda line: console.print(line, highlight=False, soft_wrap=True))
        where = f"running park 在运园区, {service.settings.url}"
        found = certify(test, Tested(where=where, declared_mw=live.declared_mw, normal_load_mw=load_mw), proofs)
        write_certificate(found, told.json_file, told.html)
    except AskError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("broken off; what was called has been taken back, and nothing is certified\n")
        return _INTERRUPTED
    show_certificate(console, found)
    return 0 if found.passed else _NOT_PASSED
