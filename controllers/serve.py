"""The service: broker, controller and API, each in a process of its own, kept and ended together."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import structlog

from controllers.api.roles import Caller
from controllers.api.roles import Role as ApiRole
from controllers.api.tokens import mint
from controllers.bus.broker import EmbeddedBroker
from controllers.clock import WallClock
from controllers.family import Call, Child, Family, Word
from controllers.log import log_to
from controllers.settings import Settings
from controllers.token_secret import token_secret
from vpp.errors import SettingsError, VppError
from vpp.park import Park

__all__ = ["Role", "Service", "operator_token", "serve"]

log = structlog.get_logger(__name__)

Role: TypeAlias = Literal["all", "controller", "api"]
Tell: TypeAlias = Callable[[str], None]
TendBroker: TypeAlias = Callable[[EmbeddedBroker, asyncio.Event], Coroutine[Any, Any, None]]

_BROKER_FOLDER: Final = "broker"
_SQLITE: Final = "sqlite:///"
_LOOK_AT_LEDGER_S: Final = 2.0
_TOKEN_LIFE: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Service:
    """What is to run.

    Args:
        settings: How.
        park: What is in service.
        role: All of it, or one part beside a broker that others started.
        make_forecaster: Makes models and door in a worker's process; None for a controller by rules.
        tuned: Makes other periods and budgets of the controller's usual ones; for tests.
        beside: Further processes, which get the broker's URL as one more argument.
        tend_broker: Runs beside the embedded broker and may take it down for a while, as a simulation does: it gets the broker,
            and an event that is set while the broker may run.
    """

    settings: Settings
    park: Park
    role: Role = "all"
    make_forecaster: Call | None = None
    tuned: Call | None = None
    beside: tuple[Child, ...] = ()
    tend_broker: TendBroker | None = None


def operator_token(settings: Settings) -> str:
    """A fresh token, good for a working day: who starts the service may use it.

    Raises:
        SettingsError: The secret cannot be made or read.
    """
    return mint(token_secret(settings.state_dir), Caller("operator.start", ApiRole.OPERATOR), WallClock().now(), _TOKEN_LIFE)


async def serve(service: Service, tell: Tell, family: Family | None = None) -> None:
    """Runs until it is interrupted (SIGINT, SIGTERM) or a vital part ends; ends everything it started, and only that.

    Args:
        service: What is to run.
        tell: Told what a person should know: addresses, the token.
        family: Where children are kept; for whoever wants to look at them.

    Raises:
        SettingsError: A part cannot run as it was told to.
        VppError: A part that cannot begin.
    """
    family = family or Family()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            url, keepers = await _broker(service, stack, family, tell)
            stack.push_async_callback(family.end)
            keepers += [asyncio.ensure_future(family.keep(child, _teller(child, tell))) for child in _children(service, url)]
            keepers.append(asyncio.ensure_future(_watch_ledger(service.settings, family)))
            waiting: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
            try:
                done, _ = await asyncio.wait([waiting, *keepers], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (waiting, *keepers):
                    task.cancel()
                await asyncio.gather(waiting, *keepers, return_exceptions=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _watch_ledger(settings: Settings, family: Family) -> None:
    """A database file that is gone, or is another one, would be written on as a ghost by whoever has it open."""
    path = Path(settings.store_url.removeprefix(_SQLITE))
    if not settings.store_url.startswith(_SQLITE):
        await asyncio.Event().wait()
    known: int | None = None
    while True:
        await asyncio.sleep(_LOOK_AT_LEDGER_S)
        inode = await asyncio.to_thread(_inode, path)
        if known is not None and inode != known:
            log.error("store.gone", file=path.name)
            for name in ("controller", "api"):
                family.restart(name)
        known = inode


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


async def _broker(service: Service, stack: AsyncExitStack, family: Family, tell: Tell) -> tuple[str, list[asyncio.Future[Any]]]:
    """Where the broker is; one of our own where none is named."""
    named = service.settings.broker.url
    if named is not None:
        return named, []
    if service.role != "all":
        raise SettingsError(
            [f"broker.url: --role {service.role} needs the broker of the others; name it, as in mqtt://127.0.0.1:1883"]
        )
    broker = EmbeddedBroker(service.settings.state_dir / _BROKER_FOLDER)
    await broker.start()
    stack.push_async_callback(broker.stop)
    tell(f"broker   {broker.url}  (topics vpp/v1/{service.park.id}/#)")
    may_run = asyncio.Event()
    may_run.set()
    kept: list[asyncio.Future[Any]] = [asyncio.ensure_future(family.keep_broker(broker, may_run))]
    if service.tend_broker is not None:
        kept.append(asyncio.ensure_future(service.tend_broker(broker, may_run)))
    return broker.url, kept


def _children(service: Service, url: str) -> Sequence[Child]:
    site = (service.settings, service.park, url)
    found = [replace(child, target=replace(child.target, args=(*child.target.args, url))) for child in service.beside]
    if service.role in ("all", "controller"):
        told = (*site, service.make_forecaster, service.tuned)
        found.append(Child("controller", Call("controllers.controller_process:controller_process", told)))
    if service.role in ("all", "api"):
        found.append(Child("api", Call("controllers.serve:api_process", site)))
        named = {name: getattr(service.settings.operators, name) for name in ("openadr_vtn", "openadr_ven", "iec104")}
        places = {name: f"controllers.adapters.processes:{name}_process" for name, path in named.items() if path is not None}
        found += [Child(name, Call(place, (service.settings, service.park))) for name, place in places.items()]
    return found


def _teller(child: Child, tell: Tell) -> Callable[[Word], None]:
    def said(word: Word) -> None:
        if word.ready and word.text:
            tell(word.text)

    return said


def api_process(settings: Settings, park: Park, url: str, pipe: Pipe) -> None:
    """The API and the screen; the target of a child."""
    log_to(settings.logs / "api.log", "api")
    # The parent and the controller carry no web server.
    from controllers.api.process import run_api
    from controllers.screen.parts import dress

    def ready(address: str) -> None:
        pipe.send(Word(ready=True, text=f"screen   {address}"))

    try:
        run_api(settings, park, url, on_ready=ready, dress=[dress])
    except VppError as error:
        pipe.send(Word(ready=False, text=str(error)))
        raise SystemExit(1) from error
