"""`vpp acl`: the broker's permission file, so that no device can speak for another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from controllers.bus.acl import (
    kept_passwords,
    mosquitto_acl,
    mosquitto_passwords,
    nats_authorization,
    passwords_text,
    write_private,
)
from controllers.bus.nats_config import PROBE
from controllers.bus.rights import Right, rights_of
from controllers.cli_park import default_park_path
from vpp.errors import BrokerError, IdError, ParkError
from vpp.ids import check_id
from vpp.park import Park, load, load_record

__all__ = ["acl", "add_acl_command", "rights_in"]

_COMPUTE: Final = "compute"


def add_acl_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the words of `vpp acl`."""
    parser = commands.add_parser("acl", help="write the broker's permission file: every device speaks for itself alone")
    parser.add_argument("--park", help="park file or folder")
    parser.add_argument("--at", help="day as of which the park is taken, as in 2030-01-01; without it the first it describes")
    parser.add_argument("--broker", choices=("nats", "mosquitto"), default="nats", help="whose file (default: nats)")
    parser.add_argument("--out", required=True, type=Path, help="the file; passwords go beside it, readable by its owner alone")
    parser.add_argument("--certificates", action="store_true", help="nats: users are known by their certificates alone")
    parser.add_argument("--gateway", action="append", default=[], metavar="NAME=CONNECTION,...", help="one gateway for several")
    parser.add_argument("--viewer", action="append", default=[], metavar="NAME", help="one who only listens (default: viewer)")


def acl(told: argparse.Namespace) -> int:
    """Writes the files.

    Returns:
        Exit status: 0, or 2 if the park, a name or a file is not right.
    """
    try:
        park = _park(told)
        rights = rights_in(park, told.gateway, told.viewer)
        files = _write(told, rights)
    except ParkError as error:
        sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
        return 2
    except (BrokerError, IdError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    named = ", ".join(str(file) for file in files)
    sys.stdout.write(f"ok: {len(rights)} users of {park.id}; wrote {named} (mode 600)\n")
    return 0


def rights_in(park: Park, gateways: Sequence[str] = (), viewers: Sequence[str] = ()) -> tuple[Right, ...]:
    """The rights of everybody in a park.

    Args:
        park: What is in service.
        gateways: As in `main=grid.east,grid.west`; each other connection has a gateway of its own name.
        viewers: Names of those who only listen; none: one, `viewer`.

    Raises:
        BrokerError: A gateway without connections, or for one that the park does not have or that another measures.
        IdError: A name that cannot be a user.
    """
    compute = [asset.id for asset in park.assets if asset.kind == _COMPUTE]
    return rights_of(
        park.id,
        assets=[asset.id for asset in park.assets if asset.kind != _COMPUTE],
        clusters=compute,
        gateways=_gateways([connection.id for connection in park.connections], gateways),
        viewers=[_viewer(name) for name in viewers or ("viewer",)],
    )


def _gateways(connections: Iterable[str], told: Sequence[str]) -> dict[str, tuple[str, ...]]:
    left = list(connections)
    named: dict[str, tuple[str, ...]] = {}
    for text in told:
        name, _, listed = text.partition("=")
        measured = tuple(part.strip() for part in listed.split(",") if part.strip())
        if not measured:
            raise BrokerError(f"--gateway {text}: names no connection; write NAME=CONNECTION,CONNECTION")
        for connection in measured:
            if connection not in left:
                raise BrokerError(f"--gateway {text}: {connection} is no connection of the park, or another gateway has it")
            left.remove(connection)
        named[check_id(name)] = measured
    return named | {connection: (connection,) for connection in left}


def _viewer(name: str) -> str:
    if name.split(".")[0] in {"asset", "scheduler", "gateway", "controller", "api", PROBE}:
        raise BrokerError(f"--viewer {name}: is the name of somebody who may speak; choose another, as in viewer.wall")
    return check_id(name)


def _park(told: argparse.Namespace) -> Park:
    source = told.park or default_park_path()
    if told.at is None:
        return load(source, at=load_record(source).opens())
    try:
        return load(source, at=date.fromisoformat(told.at))
    except ValueError as error:
        raise ParkError([f"--at: {told.at}: not a day; write YYYY-MM-DD"]) from error


def _write(told: argparse.Namespace, rights: tuple[Right, ...]) -> list[Path]:
    out: Path = told.out
    nats = told.broker == "nats"
    if told.certificates and not nats:
        raise BrokerError(
            "--certificates: Mosquitto takes names from certificates by its own use_subject_as_username; leave it out"
        )
    files: dict[Path, str] = {}
    if told.certificates:
        files[out] = nats_authorization(rights, None)
    else:
        secret_file = out.with_name(f"{out.name}.passwords.toml")
        users = [right.user for right in rights]
        passwords = kept_passwords(secret_file, [*users, PROBE] if nats else users)
        files[out] = nats_authorization(rights, passwords) if nats else mosquitto_acl(rights)
        if not nats:
            files[out.with_name(f"{out.name}.passwd")] = mosquitto_passwords(rights, passwords)
        files[secret_file] = passwords_text(passwords)
    # Passwords first: a broker's file must never hold one that nobody can hand out.
    for file, text in reversed(files.items()):
        write_private(file, text)
    return list(files)
