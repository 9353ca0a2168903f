"""`vpp status`, `vpp override`, `vpp event`, `vpp token`: commands that ask the running service over its API."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener
from zoneinfo import ZoneInfo

from controllers import cli_service_tables as tables
from controllers.settings import ClientSettings, client_settings
from vpp.errors import VppError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["COMMANDS", "AskError", "Outcome", "Service", "add_service_commands", "common_words", "service_command"]

COMMANDS: Final = ("status", "override", "event", "token")
_TIMEOUT_S: Final = 10.0
_FAILED: Final = 1
_BAD_INPUT: Final = 2
_REFUSED: Final = 400
_INVALID: Final = 422
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_WIDTH_WITHOUT_TERMINAL: Final = 140


class AskError(VppError):
    """What the service, or the way to it, has against a request.

    Args:
        line: One line.
        status: The command's exit status.
    """

    def __init__(self, line: str, status: int = _FAILED) -> None:
        super().__init__(line)
        self.status = status


@dataclass(slots=True)
class Service:
    """The API from outside.

    Args:
        settings: Where that is, and with which token.
    """

    settings: ClientSettings

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the service answers.

        Raises:
            AskError: It does not answer, or refuses; its own line says why.
        """
        if self.settings.token is None:
            raise AskError(
                "no key or token: give --token or VPP_TOKEN; `vpp token operator` makes one on the service's own machine"
            )
        headers = {"Authorization": f"Bearer {self.settings.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            status, said = _exchanged(Request(f"{self.settings.url}{path}", data, headers, method=method))
        except (OSError, ValueError, HTTPException) as error:
            raise AskError(
                f"{self.settings.url}: no service answers ({_short(error)}); is it running? `vpp serve` starts it"
            ) from error
        if status < _REFUSED:
            return _read(said, self.settings.url)
        raise AskError(_problem(status, said, self.settings.url), _BAD_INPUT if status == _INVALID else _FAILED)

    def zone(self) -> ZoneInfo:
        """In which people of the park read the clock."""
        return ZoneInfo(self.ask("GET", "/v1/whoami")["time_zone"])

    def now(self, path: str) -> datetime:
        """Park time, which may run faster than ours, as any list of the service tells it."""
        return datetime.fromisoformat(self.ask("GET", path)["at"])


def service_command(told: argparse.Namespace) -> int:
    """Runs one of the commands; the exit status is 0 only if it did what was asked."""
    # Only what is shown to people takes the tables' library.
    from rich.console import Console

    service = Service(client_settings(told.url, told.token))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
    try:
        answer, show = told.act(service, told)
        if told.json:
            sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
        else:
            show(console, answer if told.act is make_token else tables.in_zone(answer, service.zone()))
    except AskError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return _BAD_INPUT
    return 0


#: What a command answers, and how it is shown to people.
Outcome = tuple[Any, Callable[["Console", Any], None]]


def status(service: Service, told: argparse.Namespace) -> Outcome:
    """The park at this moment."""
    live = service.ask("GET", "/v1/live")
    alarms = service.ask("GET", "/v1/alarms")["alarms"]
    standing = service.ask("GET", "/v1/forecasts/standing")
    return {"live": live, "alarms": alarms, "forecasts": standing}, tables.show_status


def overrides(service: Service, told: argparse.Namespace) -> Outcome:
    """Those that stand."""
    return service.ask("GET", "/v1/overrides"), tables.show_overrides


def set_override(service: Service, told: argparse.Namespace) -> Outcome:
    """Takes to local, pins, or books a window."""
    now = service.now("/v1/overrides")
    start = None if told.start is None else _instant(told.start, now, "--start")
    end = _end(told, start or now, now)
    if told.what == "pin" and end is None:
        raise AskError("pin: say for how long, by --for 2h or --end; a pin without an end would be forgotten", _BAD_INPUT)
    if told.what == "maintenance" and (start is None or end is None):
        raise AskError("maintenance: say from when (--start) and until when (--end, or --for 8h)", _BAD_INPUT)
    body: dict[str, Any] = {"kind": told.what, "asset_id": told.asset_id, "why": told.why}
    body |= {"start": start.isoformat()} if start is not None else {}
    body |= {"end": end.isoformat()} if end is not None else {}
    body |= {"power_mw": told.power_mw} if told.what == "pin" else {}
    return service.ask("POST", "/v1/overrides", body), tables.show_override


def release(service: Service, told: argparse.Namespace) -> Outcome:
    """Gives an asset back, or ends one override by its number."""
    if told.target.isdigit():
        return service.ask("DELETE", f"/v1/overrides/{told.target}"), tables.show_override
    body = {"kind": "release", "asset_id": told.target, "why": told.why}
    return service.ask("POST", "/v1/overrides", body), tables.show_released


def events(service: Service, told: argparse.Namespace) -> Outcome:
    """All that were called."""
    return service.ask("GET", "/v1/events"), tables.show_events


def call(service: Service, told: argparse.Namespace) -> Outcome:
    """Calls one."""
    now = service.now("/v1/events")
    start = _instant(told.start, now, "--start")
    end = _end(told, start, now)
    if end is None:
        raise AskError("call: say until when, by --for 2h or --end", _BAD_INPUT)
    body = {
        "event_id": told.event_id,
        "connection": told.connection,
        "kind": told.kind,
        "target_mw": told.target_mw,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "priority": told.priority,
        "confidence": told.confidence,
        "note": told.note,
    }
    body |= {} if told.asset is None else {"asset": told.asset}
    return service.ask("POST", "/v1/events", body), tables.show_event


def amend(service: Service, told: argparse.Namespace) -> Outcome:
    """Changes one that is not over."""
    path = f"/v1/events/{quote(told.event_id, safe='')}"
    body: dict[str, Any] = {} if told.target_mw is None else {"target_mw": told.target_mw}
    if told.end is not None or told.span is not None:
        known, now = service.ask("GET", path), service.now("/v1/events")
        end = _end(told, datetime.fromisoformat(known["start"]), now)
        body |= {} if end is None else {"end": end.isoformat()}
    return service.ask("PATCH", path, body), tables.show_event


def cancel(service: Service, told: argparse.Namespace) -> Outcome:
    """Takes one back."""
    return service.ask("DELETE", f"/v1/events/{quote(told.event_id, safe='')}"), tables.show_event


def make_key(service: Service, told: argparse.Namespace) -> Outcome:
    """A key for somebody."""
    body = {"name": told.name, "role": told.role} | ({} if told.cluster is None else {"cluster": told.cluster})
    return service.ask("POST", "/v1/keys", body), tables.show_key


def keys(service: Service, told: argparse.Namespace) -> Outcome:
    """All of them."""
    return service.ask("GET", "/v1/keys"), tables.show_keys


def revoke(service: Service, told: argparse.Namespace) -> Outcome:
    """Takes one back."""
    return service.ask("DELETE", f"/v1/keys/{quote(told.key_id, safe='')}"), tables.show_revoked


def make_token(service: Service, told: argparse.Namespace) -> Outcome:
    """A token straight from the service's secret: whoever can read that needs no key."""
    from controllers.api.local_token import local_token

    text = local_token(told.config, told.role, told.name, timedelta(hours=told.hours), told.cluster)
    return {"token": text, "role": told.role}, tables.show_token


def _instant(text: str, now: datetime, where: str) -> datetime:
    """`now`, `+30m` from park time, or an instant with its zone."""
    if text == "now":
        return now
    if text.startswith("+"):
        return now + _length(text[1:], where)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise AskError(f"{where}: {text}: no instant; write now, +30m, or 2030-10-01T08:00:00+08:00", _BAD_INPUT)
    return at.astimezone(UTC)


def _length(text: str, where: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise AskError(f"{where}: {text}: no length of time; write as in 90s, 30m, 2h, 1d", _BAD_INPUT)
    return timedelta(**{_UNITS[found.group(2)]: float(found.group(1))})


def _end(told: argparse.Namespace, start: datetime, now: datetime) -> datetime | None:
    if told.end is not None:
        return _instant(told.end, now, "--end")
    return None if told.span is None else start + _length(told.span, "--for")


class _Stays(HTTPRedirectHandler):
    """Follows nobody: a token is shown to no other address than the one that was named."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


def _exchanged(request: Request) -> tuple[int, bytes]:
    """Status and body; a refusal is an answer like any other."""
    if request.type not in ("http", "https"):
        raise ValueError(f"{request.type}: only http and https are asked")
    inside = any(f"://{host}" in request.full_url for host in _LOOPBACK)
    # On this machine no proxy is asked, whatever the environment says.
    opener = build_opener(_Stays, ProxyHandler({})) if inside else build_opener(_Stays)
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as said:
            return said.status, said.read()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def _read(said: bytes, url: str) -> Any:
    try:
        return json.loads(said)
    except ValueError as error:
        raise AskError(f"{url}: answers, but not as this service does; is the address right?") from error


def _problem(status: int, said: bytes, url: str) -> str:
    """The service's own line; of something that is not the service, what it said."""
    try:
        problem = json.loads(said)
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{url}: answers {status}, and not as this service does; is the address right?"


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def add_service_commands(commands: Any) -> None:
    """Adds them to `vpp`.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    common = common_words()
    look = commands.add_parser("status", parents=[common], help="the running park: powers, commands and reasons, alarms")
    look.set_defaults(act=status)
    _add_override(commands.add_parser("override", help="take an asset into one's own hand, pin it, give it back"), common)
    _add_event(commands.add_parser("event", help="calls of the grid: list, call, amend, cancel, proof"), common)
    _add_token(commands.add_parser("token", help="tokens and keys for the service"), common)


def common_words(*, json_to_terminal: bool = True) -> argparse.ArgumentParser:
    """Words of every command that asks the service; one that writes files has a `--json FILE` of its own."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", help="where the service is; VPP_API_URL without it, else this machine")
    common.add_argument("--token", help="key or token; VPP_TOKEN without it")
    if json_to_terminal:
        common.add_argument("--json", action="store_true", help="the same facts for machines")
    else:
        common.set_defaults(json=False)
    return common


def _add_override(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", parents=[common], help="those that stand").set_defaults(act=overrides)
    for name, words in (
        ("local", "leave an asset to its own control room"),
        ("pin", "hold an asset at a power"),
        ("maintenance", "a window in which an asset is not counted on"),
    ):
        one = what.add_parser(name, parents=[common], help=words)
        one.add_argument("asset_id", metavar="ASSET")
        if name == "pin":
            one.add_argument("--power-mw", type=float, required=True, help="positive when consuming [MW]")
        one.add_argument("--start", help="now without it; +30m, or an instant with its zone")
        _add_span(one)
        one.add_argument("--why", required=True, help="someone will ask")
        one.set_defaults(act=set_override)
    back = what.add_parser("release", parents=[common], help="give an asset back, or end one override by its number")
    back.add_argument("target", metavar="ASSET|NUMBER")
    back.add_argument("--why", default="released")
    back.set_defaults(act=release)


def _add_event(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", parents=[common], help="all that were called").set_defaults(act=events)
    new = what.add_parser("call", parents=[common], help="call one; the same again changes nothing")
    new.add_argument("event_id", metavar="ID", help="your own name of it")
    new.add_argument("--connection", required=True)
    new.add_argument(
        "--asset", metavar="CLUSTER", help="a computing cluster at whose own meter it is counted: the target is its most"
    )
    new.add_argument("--kind", required=True, choices=("peak", "valley", "import_limit", "export_limit", "emergency"))
    new.add_argument("--target-mw", type=float, required=True, help="import to keep, negative for export [MW]")
    new.add_argument("--start", default="now", help="now without it; +30m, or an instant with its zone")
    _add_span(new)
    new.add_argument("--priority", type=int, default=0, help="the lower goes first")
    new.add_argument("--confidence", type=float, default=0.99, help="how surely it is to be kept, 0.5 to 0.999 (default: 0.99)")
    new.add_argument("--note", default="")
    new.set_defaults(act=call)
    change = what.add_parser("amend", parents=[common], help="change target or end of one that is not over")
    change.add_argument("event_id", metavar="ID")
    change.add_argument("--target-mw", type=float)
    _add_span(change)
    change.set_defaults(act=amend)
    stop = what.add_parser("cancel", parents=[common], help="take one back")
    stop.add_argument("event_id", metavar="ID")
    stop.set_defaults(act=cancel)
    # It asks by way of this module.
    from controllers.cli_proof import add_proof_command

    add_proof_command(what)


def _add_span(parser: argparse.ArgumentParser) -> None:
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--end", help="until when: +2h from now, or an instant with its zone")
    ends.add_argument("--for", dest="span", metavar="LENGTH", help="how long from the start: 90s, 30m, 2h, 1d")


def _add_token(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for role in ("viewer", "operator", "scheduler", "grid", "admin"):
        one = what.add_parser(role, parents=[common], help=f"a token as {role}, made on the service's own machine")
        one.add_argument("--name", default=f"{role}.console", help="what the audit calls its holder")
        one.add_argument("--hours", type=float, default=12.0, help="how long it lives [h]")
        one.add_argument("--cluster", help="for a scheduler: the cluster it speaks for")
        one.add_argument("--config", type=Path, help="settings file of the service")
        one.set_defaults(act=make_token, role=role)
    new = what.add_parser("key", parents=[common], help="a key for somebody; takes an admin's token")
    new.add_argument("--name", required=True)
    new.add_argument("--role", required=True, choices=("viewer", "operator", "scheduler", "grid", "admin"))
    new.add_argument("--cluster", help="for a scheduler: the cluster it speaks for")
    new.set_defaults(act=make_key)
    what.add_parser("keys", parents=[common], help="every key, without secrets").set_defaults(act=keys)
    back = what.add_parser("revoke", parents=[common], help="take a key back, and every token got by it")
    back.add_argument("key_id", metavar="KEY_ID")
    back.set_defaults(act=revoke)
