"""`vpp qualify`: the qualification test of a virtual power plant (能力测试), on the simulated park or on a running one."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from controllers.cli_park import default_park_path
from controllers.cli_service import AskError, Service, common_words
from controllers.settings import client_settings
from vpp.errors import VppError

if TYPE_CHECKING:
    from controllers.proof import Proof
    from controllers.proof.qualification import Qualification

__all__ = ["add_qualify_command", "qualify"]

_NOT_PASSED: Final = 1
_BAD_INPUT: Final = 2
#: The running park is asked this often whether a step is over, by the clock on the wall.
_LOOK_S: Final = 2.0
#: The first step is not called before the service has had time to plan for it.
_LEAD: Final = timedelta(seconds=30)


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
    parser.add_argument("--up-mw", type=float, default=90.0, help="less import that the park declares [MW] (default: 90)")
    parser.add_argument("--down-mw", type=float, default=90.0, help="more import [MW] (default: 90)")
    parser.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="the certificate for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="the certificate as one page")
    parser.add_argument("more", nargs="*", help="further words for the simulated test, after --")


def qualify(told: argparse.Namespace) -> int:
    """0 if the park passed, 1 if it did not, 2 for bad input."""
    return _live(told) if told.live else _simulated(told)


def _simulated(told: argparse.Namespace) -> int:
    """The world is a program of its own: this side of the wire must not know it."""
    words = [sys.executable, "-m", "sim_harness.cli", "qualify", f"--up-mw={told.up_mw}", f"--down-mw={told.down_mw}"]
    for option, value in (
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
    from controllers.proof.qualification import Tested, certify, read_qualification

    service, console = Service(client_settings(told.url, told.token)), Console()
    try:
        test = read_qualification(told.test or default_park_path() / "qualification" / "china.yaml")
        connection = told.connection or _largest(service)
        load_mw = _load_mw(service)
        proofs = _proofs(service, test, connection, (told.up_mw, told.down_mw), lambda line: console.print(line, highlight=False))
        where = f"running park 在运园区, {service.settings.url}"
        found = certify(test, Tested(where=where, declared_mw=(told.up_mw, told.down_mw), normal_load_mw=load_mw), proofs)
        write_certificate(found, told.json_file, told.html)
    except AskError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT
    show_certificate(console, found)
    return 0 if found.passed else _NOT_PASSED


def _proofs(
    service: Service, test: Qualification, connection: str, declared_mw: tuple[float, float], say: Callable[[str], None]
) -> list[Proof]:
    """Calls one step after the other, each against what is declared for it; proofs are asked for when all are over."""
    import msgspec

    from controllers.proof import Proof

    began = service.now("/v1/events") + _LEAD
    names = []
    for step in test.steps:
        start = began + timedelta(hours=step.start_h)
        _wait(service, start - _LEAD)
        name = f"qualify.{began:%Y%m%dT%H%M%S}.{step.id}"
        change_mw = (declared_mw[1] if step.kind == "valley" else -declared_mw[0]) * step.share_frac
        target_mw = _expected_mw(service, connection, start, start + timedelta(hours=step.duration_h)) + change_mw
        body = {
            "event_id": name,
            "connection": connection,
            "kind": step.kind,
            "target_mw": round(target_mw, 3),
            "start": max(start, service.now("/v1/events") + timedelta(seconds=1)).isoformat(),
            "end": (start + timedelta(hours=step.duration_h)).isoformat(),
            "note": f"qualification test: {step.about}",
        }
        service.ask("POST", "/v1/events", body)
        say(f"{name}: {step.kind}, target {target_mw:.1f} MW, {start.isoformat()}")
        names.append(name)
        _wait(service, start + timedelta(hours=step.duration_h))
    found = []
    for name in names:
        answer = service.ask("GET", f"/v1/events/{quote(name, safe='')}/proof")
        found.append(msgspec.convert(answer, type=Proof))
    return found


def _wait(service: Service, until: datetime) -> None:
    """Until park time is there; it may run faster than ours."""
    while service.now("/v1/events") < until:
        time.sleep(_LOOK_S)


def _connections(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.ask("GET", "/v1/live")["connections"]
    return found


def _largest(service: Service) -> str:
    grid = [one for one in _connections(service) if one["to"] == "grid"]
    if not grid:
        raise AskError("the park has no connection to the grid; there is nothing to test", _BAD_INPUT)
    return str(max(grid, key=lambda one: one["import_limit_mw"])["id"])


def _expected_mw(service: Service, connection: str, start: datetime, end: datetime) -> float:
    """What the plan in force has for the span, in the mean; where there is none, what the meter reads now."""
    try:
        plan = service.ask("GET", "/v1/plans/current")
    except AskError:
        return _import_mw(service, connection)
    edges = [datetime.fromisoformat(edge) for edge in plan["edges"]]
    flow = next((one["power_mw"] for one in plan["connections"] if one["id"] == connection), None)
    if flow is None or not edges[0] <= start < edges[-1]:
        return _import_mw(service, connection)
    shares = [(min(b, end) - max(a, start)).total_seconds() for a, b in pairwise(edges)]
    known = [(share, mw) for share, mw in zip(shares, flow, strict=True) if share > 0.0]
    return float(sum(share * mw for share, mw in known) / sum(share for share, _ in known))


def _import_mw(service: Service, connection: str) -> float:
    for one in _connections(service):
        if one["id"] == connection:
            if one["import_mw"] is None:
                raise AskError(f"{connection}: its meter is silent; a test without a meter shows nothing")
            return float(one["import_mw"])
    raise AskError(f"{connection}: no such connection", _BAD_INPUT)


def _load_mw(service: Service) -> float:
    """What consumers draw now, of all areas."""
    return float(sum(area["consumption_mw"] for area in service.ask("GET", "/v1/live")["areas"]))
