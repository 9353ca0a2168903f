"""A battery's power conversion system as Modbus/TCP shows one, to try `vpp-edge` on without a plant.

The server is written from the standard (Modbus application protocol 1.1b3 and its messaging on TCP/IP 1.0b), on sockets alone: it
shares no line with the library that the edge uses, so that the two hold each other to the wire. Register map:
`docs/edge/battery.yaml`. Inside, the device counts as such devices do: positive when it feeds the grid.

    python -m sim_harness.modbus_battery [--port 1502]
"""

from __future__ import annotations

import argparse
import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BatteryServer", "Registers"]

_HEADER: Final = struct.Struct(">HHHB")
_PAIR: Final = struct.Struct(">HH")
_MAX_READ, _MAX_WRITE = 125, 123
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3

#: Where things stand, input and holding registers; the same as in docs/edge/battery.yaml.
POWER, SOC, CELL, FREQUENCY, MODE, LIMITS = 0, 2, 3, 4, 10, 20
TARGET, RAMP, HEARTBEAT = 100, 102, 110
RATED_KW: Final = 100_000


class RefusalError(Exception):
    """What the device answers instead: an exception code of the standard."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Registers:
    """The device behind the protocol: what it holds, and what it does when it is told something.

    Args:
        input: Input registers that exist.
        holding: Holding registers that exist.
        takes: Whether a written value stays; a device that lies acknowledges and keeps the old one.
        answers: Whether it answers at all.
    """

    input: dict[int, int] = field(default_factory=dict)
    holding: dict[int, int] = field(default_factory=dict)
    takes: bool = True
    answers: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of_battery(cls) -> Registers:
        """A battery of 100 MW at half, at rest, in remote control."""
        words = {SOC: 5_000, CELL: 251, FREQUENCY: 50_010}
        device = cls(input=words | _words(POWER, 0), holding={MODE: 1, RAMP: 0, HEARTBEAT: 0})
        device.input |= _words(LIMITS, RATED_KW)
        device.holding |= _words(TARGET, 0)
        return device

    def write(self, first: int, words: tuple[int, ...]) -> None:
        """Takes what is written; the power follows its target at once."""
        if any(first + i not in self.holding for i in range(len(words))):
            raise RefusalError(_ILLEGAL_ADDRESS)
        if first <= TARGET <= first + len(words) - 2 and abs(_number(words[TARGET - first :][:2])) > RATED_KW:
            raise RefusalError(_ILLEGAL_VALUE)
        if not self.takes:
            return
        self.holding |= {first + i: word for i, word in enumerate(words)}
        self.input |= {POWER + i: self.holding[TARGET + i] for i in range(2)}


class BatteryServer:
    """Serves registers on a port of this machine, from threads of its own."""

    def __init__(self, registers: Registers, port: int = 0) -> None:
        self.registers = registers
        self._server = _Server(("127.0.0.1", port), _Connection)
        self._server.registers = registers
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> BatteryServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    registers: Registers


class _Connection(socketserver.StreamRequestHandler):
    """One client: a frame in, a frame out."""

    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while (head := self.rfile.read(_HEADER.size)) and len(head) == _HEADER.size:
                number, protocol, length, unit = _HEADER.unpack(head)
                request = self.rfile.read(length - 1)
                if protocol != 0 or not self.server.registers.answers:
                    continue
                answer = answer_to(self.server.registers, request)
                self.wfile.write(_HEADER.pack(number, 0, len(answer) + 1, unit) + answer)


def answer_to(device: Registers, request: bytes) -> bytes:
    """The answer to one request, both without their header: function and data."""
    function = request[0]
    handlers: dict[int, Callable[[Registers, bytes], bytes]] = {3: _read_holding, 4: _read_input, 6: _write_one, 16: _write_many}
    try:
        with device.lock:
            return bytes([function]) + handlers.get(function, _unknown)(device, request[1:])
    except RefusalError as error:
        return bytes([function | 0x80, error.code])


def _unknown(device: Registers, data: bytes) -> bytes:
    del device, data
    raise RefusalError(_ILLEGAL_FUNCTION)


def _read_holding(device: Registers, data: bytes) -> bytes:
    return _read(device.holding, data)


def _read_input(device: Registers, data: bytes) -> bytes:
    return _read(device.input, data)


def _read(table: dict[int, int], data: bytes) -> bytes:
    first, n = _PAIR.unpack(data)
    if not 1 <= n <= _MAX_READ:
        raise RefusalError(_ILLEGAL_VALUE)
    if any(register not in table for register in range(first, first + n)):
        raise RefusalError(_ILLEGAL_ADDRESS)
    return struct.pack(f">B{n}H", 2 * n, *(table[register] for register in range(first, first + n)))


def _write_one(device: Registers, data: bytes) -> bytes:
    register, word = _PAIR.unpack(data)
    device.write(register, (word,))
    return data


def _write_many(device: Registers, data: bytes) -> bytes:
    first, n = _PAIR.unpack(data[:4])
    if not 1 <= n <= _MAX_WRITE or data[4] != 2 * n or len(data) != 5 + 2 * n:
        raise RefusalError(_ILLEGAL_VALUE)
    device.write(first, struct.unpack(f">{n}H", data[5:]))
    return data[:4]


def _words(first: int, number: int) -> dict[int, int]:
    high, low = _PAIR.unpack(struct.pack(">i", number))
    return {first: high, first + 1: low}


def _number(words: tuple[int, ...]) -> int:
    return int(struct.unpack(">i", _PAIR.pack(*words))[0])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=1502)
    with BatteryServer(Registers.of_battery(), parser.parse_args().port) as server:
        print(f"a battery of 100 MW at 127.0.0.1:{server.port}, unit 1; Ctrl-C ends it")  # noqa: T201  the command's own word
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
