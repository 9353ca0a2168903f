"""One Modbus/TCP connection: registers read and written, every fault one line; beneath it pymodbus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from controllers.edge.register_map import DeviceMap, Table
from vpp.errors import AssetError

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

__all__ = ["LinkError", "ModbusLink", "RefusedError", "Span", "spans_of"]

#: Table, first register, how many.
Span: TypeAlias = tuple[Table, int, int]

#: Registers in one answer (Modbus application protocol 1.1b3, sections 6.3 and 6.4).
_MAX_REGISTERS: Final = 125
#: What a device may answer instead (section 7), in our words.
_EXCEPTIONS: Final = {
    1: "it does not know this function",
    2: "it has no such register",
    3: "it does not take this value",
    4: "it failed",
    5: "it needs longer",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "the gateway hears nothing from it",
}


class LinkError(AssetError):
    """The device did not answer, or not as it should."""


class RefusedError(LinkError):
    """The device answered that it will not."""


class ModbusLink:
    """Connects when it must; used by one thread at a time.

    Args:
        host: Name or address.
        port: 502 by the standard.
        device_map: For unit and time limit.
    """

    def __init__(self, host: str, port: int, device_map: DeviceMap) -> None:
        self._where, self._host, self._port = f"{host}:{port}", host, port
        self._unit, self._timeout_s = device_map.unit, device_map.timeout_s
        self._client: ModbusTcpClient | None = None

    def read(self, table: Table, first: int, n: int) -> tuple[int, ...]:
        """Registers as they are.

        Raises:
            LinkError: No answer, or another than asked for; `RefusedError` where the device says no.
        """
        client = self._connected()
        ask = client.read_holding_registers if table == "holding" else client.read_input_registers
        words = self._answer(lambda: ask(first, count=n, device_id=self._unit), f"{table} register {first}")
        if len(words) != n:
            raise LinkError(f"{self._where}: {table} register {first}: asked for {n} registers, got {len(words)}")
        return tuple(words)

    def write(self, first: int, words: tuple[int, ...]) -> None:
        """Writes holding registers in one go (function 16), so that a number of two registers never stands half.

        Raises:
            LinkError: No answer; `RefusedError` where the device says no.
        """
        client = self._connected()
        self._answer(lambda: client.write_registers(first, list(words), device_id=self._unit), f"holding register {first}")

    def close(self) -> None:
        """Ends the connection; the next call makes a new one."""
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]  # pymodbus's own
            self._client = None

    def _connected(self) -> ModbusTcpClient:
        if self._client is None:
            # Only beside a Modbus device: the base install does without.
            try:
                from pymodbus.client import ModbusTcpClient
            except ImportError as error:
                raise AssetError("a Modbus device needs pymodbus: pip install chifeng-vpp[modbus]") from error
            # Its own words on every failed attempt would fill the log beside ours.
            logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
            self._client = ModbusTcpClient(self._host, port=self._port, timeout=self._timeout_s, retries=0)
        if not self._client.connected and not self._client.connect():  # type: ignore[no-untyped-call]  # pymodbus's own
            self.close()
            raise LinkError(f"{self._where}: no Modbus device answers")
        return self._client

    def _answer(self, ask: Callable[[], ModbusPDU], what: str) -> list[int]:
        from pymodbus.exceptions import ModbusException

        try:
            answer = ask()
        except (ModbusException, OSError) as error:
            raise LinkError(f"{self._where}: {what}: no answer within {self._timeout_s:g} s") from error
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0))
            raise RefusedError(f"{self._where}: {what}: exception {code}, {_EXCEPTIONS.get(code, 'of its own')}; check the map")
        return list(answer.registers)


def spans_of(device_map: DeviceMap) -> tuple[Span, ...]:
    """The questions that read everything in the map, neighbours in one."""
    wanted: set[tuple[Table, int]] = set()
    for number in device_map.numbers_read().values():
        wanted |= {(number.table, number.register + i) for i in range(number.words)}
    if device_map.read.mode is not None:
        wanted.add((device_map.read.mode.table, device_map.read.mode.register))
    spans: list[Span] = []
    for table, register in sorted(wanted):
        if spans:
            last, first, n = spans[-1]
            if table == last and register - (first + n) <= device_map.gap and register - first < _MAX_REGISTERS:
                spans[-1] = (table, first, register - first + 1)
                continue
        spans.append((table, register, 1))
    return tuple(spans)
