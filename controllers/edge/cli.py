"""`vpp-edge`: the program beside a real device."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from controllers.bus.mqtt import MqttBus, MqttSettings
from controllers.edge.boot_clock import BootClock, boot_id
from controllers.edge.config import EdgeConfig, load_config
from controllers.edge.edge import Edge, EdgeSettings, offline_will
from controllers.edge.keep import DiskKeep
from controllers.edge.modbus import ModbusDevice
from controllers.edge.modbus_link import ModbusLink
from controllers.edge.register_map import load_map
from vpp.errors import VppError

__all__ = ["main"]

log = logging.getLogger(__name__)

#: A dead line can go unnoticed for one and a half keep-alives, and a period to look.
_KEEPALIVE_S: Final = 10
_UNNOTICED_S: Final = 1.5 * _KEEPALIVE_S + 5.0
#: The last words, when it is told to end.
_GOODBYE_S: Final = 3.0


def main(words: Sequence[str] | None = None) -> int:
    """Runs until it is told to end.

    Args:
        words: The command line without the program's name; None for the process's own.

    Returns:
        Exit status: 0 after an orderly end, 2 if the configuration is not right.
    """
    parser = argparse.ArgumentParser(
        prog="vpp-edge", description="Stands beside one device: leases, fallback, reflexes, telemetry."
    )
    parser.add_argument("--config", required=True, type=Path, help="TOML file, as docs/edge/vpp-edge.toml")
    parser.add_argument("--check", action="store_true", help="read configuration and register map, say what is wrong, and end")
    told = parser.parse_args(words)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Its words on every failed attempt would fill the log beside ours.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    try:
        config = load_config(told.config)
        edge = _EdgeProcess(config)
        if told.check:
            sys.stdout.write(f"ok: {config.asset} of {config.park} at {config.modbus.host}:{config.modbus.port}\n")
            return 0
        asyncio.run(edge.run())
    except VppError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


class _EdgeProcess:
    """Everything of one edge.

    Raises:
        AssetError: A file that the configuration names is not right.
    """

    def __init__(self, config: EdgeConfig) -> None:
        self._config, folder = config, Path(config.folder)
        device_map = load_map(folder / config.modbus.map)
        self._clock = BootClock()
        link = ModbusLink(config.modbus.host, config.modbus.port, device_map)
        self._device = ModbusDevice(config.asset, device_map, link, self._clock)
        self._url = config.broker.full_url(folder)
        self._mqtt = MqttSettings(keepalive_s=_KEEPALIVE_S, tls=config.broker.tls(folder), insist=True)
        self._state_file = folder / config.state_dir / "edge.sqlite3"

    async def run(self) -> None:
        """Reads, reports and follows until a signal comes."""
        config, told_to_end = self._config, asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, told_to_end.set)
        keep = DiskKeep(self._state_file, config.buffer.readings, boot_id())
        bus = MqttBus(self._url, f"asset.{config.asset}", will=offline_will(config.park, config.asset), settings=self._mqtt)
        settings = EdgeSettings(backfill_per_tick=config.buffer.per_tick, resend_s=_UNNOTICED_S)
        self._device.start()
        try:
            edge = Edge(bus, self._device, config.park, self._clock, settings, keep)
            log.info("edge.started asset=%s phase=%s waiting=%d", config.asset, edge.phase.value, len(keep.buffer))
            async with asyncio.TaskGroup() as tasks:
                runner = tasks.create_task(bus.run())
                await self._tick_until(edge, told_to_end)
                await _say_goodbye(edge, bus)
                runner.cancel()
        finally:
            self._device.close()
            keep.close()

    async def _tick_until(self, edge: Edge, told_to_end: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not told_to_end.is_set():
            edge.tick()
            # After a long halt of the machine one tick is enough, not all that were missed.
            due_s = max(due_s + self._config.period_s, loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_s - loop.time()):
                    await told_to_end.wait()


async def _say_goodbye(edge: Edge, bus: MqttBus) -> None:
    """Says offline, which the last will would not; the device goes on, and the lease goes on with the next start."""
    if bus.connected:
        edge.goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await bus.flush()


if __name__ == "__main__":
    sys.exit(main())
