"""Adapters to a grid operator's protocols as processes of the service: same machine, same secret, the service's own address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, TypeVar

from controllers.family import Word
from controllers.log import log_to
from controllers.settings import Settings
from vpp.errors import VppError
from vpp.park import Park

__all__ = ["iec104_process", "openadr_ven_process", "openadr_vtn_process", "run_old", "run_station", "run_ven", "run_vtn"]

T = TypeVar("T")


def openadr_vtn_process(settings: Settings, park: Park, pipe: Pipe) -> None:
    """OpenADR 3, the park as server; the target of a child."""
    path = settings.operators.openadr_vtn
    _as_child(settings, "openadr_vtn", pipe, lambda ready: run_vtn(_known(path), settings, ready))


def openadr_ven_process(settings: Settings, park: Park, pipe: Pipe) -> None:
    """OpenADR 3, the park as client; the target of a child."""
    path = settings.operators.openadr_ven
    _as_child(settings, "openadr_ven", pipe, lambda ready: run_ven(_known(path), settings, ready))


def iec104_process(settings: Settings, park: Park, pipe: Pipe) -> None:
    """IEC 60870-5-104; the target of a child."""
    path = settings.operators.iec104
    _as_child(settings, "iec104", pipe, lambda ready: run_station(_known(path), park, settings, ready))


def run_vtn(path: Path, service: Settings | None, ready: Callable[[str], None]) -> None:
    """Serves until it is asked to end.

    Args:
        path: Of the VTN's settings.
        service: Whose process this is; None: the file says where the service is.
        ready: Told in a line where it serves.

    Raises:
        SettingsError: Something in the settings is wrong, or the address is taken.
        StoreError: Its book cannot be opened.
    """
    from controllers.adapters.openadr3.vtn.app import serve_vtn
    from controllers.adapters.openadr3.vtn.settings import load_vtn

    settings = _placed(load_vtn(path), service)
    asyncio.run(serve_vtn(settings, lambda address: ready(f"openadr  {address}")))


def run_ven(path: Path, service: Settings | None, ready: Callable[[str], None]) -> None:
    """Follows an operator's VTN until it is asked to end; see `run_vtn`."""
    from controllers.adapters.openadr3.ven.process import follow_vtn
    from controllers.adapters.openadr3.ven.settings import load_ven

    settings = _placed(load_ven(path), service)
    asyncio.run(follow_vtn(settings, lambda _follower: ready(f"openadr  follows {settings.vtn_url}")))


def run_old(path: Path, ready: Callable[[str], None]) -> None:
    """Serves older sites until it is asked to end; see `run_vtn`."""
    from controllers.adapters.openadr2.bridge import load_bridge, run_bridge

    asyncio.run(run_bridge(load_bridge(path), ready))


def run_station(path: Path, park: Park, service: Settings | None, ready: Callable[[str], None]) -> None:
    """Serves IEC 60870-5-104 until it is asked to end; see `run_vtn`.

    Raises:
        SettingsError: Also where the protocol's library is not installed.
    """
    from controllers.adapters.grid_door import door_of
    from controllers.adapters.iec104.settings import load_station, station_class

    settings = _placed(load_station(path), service)
    make = station_class()

    async def run() -> None:
        door = door_of(settings.api_url, settings.state_dir)
        async with door.client:
            await make(park, settings, door).run(lambda: ready(f"iec104   {settings.host}:{settings.port}"))

    asyncio.run(run())


def _placed(settings: T, service: Settings | None) -> T:
    """With the service's own address and folder, where it is a process of the service."""
    if service is None:
        return settings
    more: dict[str, Any] = {"api_url": service.api_url, "state_dir": service.state_dir}
    return replace(settings, **more)  # type: ignore[type-var]  # each of them is a dataclass with both


def _known(path: Path | None) -> Path:
    assert path is not None  # the service starts only what has one
    return path


def _as_child(settings: Settings, name: str, pipe: Pipe, run: Callable[[Callable[[str], None]], None]) -> None:
    log_to(settings.logs / f"{name}.log", name)
    try:
        run(lambda text: pipe.send(Word(ready=True, text=text)))
    except VppError as error:
        pipe.send(Word(ready=False, text=str(error)))
        raise SystemExit(1) from error
