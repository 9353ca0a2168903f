"""A master of IEC 60870-5-104 written by hand from the standard's frames: the station's library does not judge itself."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from datetime import datetime

STARTDT_ACT, STARTDT_CON, TESTFR_ACT, TESTFR_CON = 0x07, 0x0B, 0x43, 0x83
SPONTANEOUS, ACT, ACT_CON, DEACT, ACT_TERM, INTERROGATED = 3, 6, 7, 8, 10, 20
UNKNOWN_TYPE, UNKNOWN_CAUSE, UNKNOWN_STATION, UNKNOWN_ADDRESS = 44, 45, 46, 47
M_SP, M_ME, C_SC, C_SE, C_IC, C_CS = 1, 13, 45, 50, 100, 103


@dataclass(frozen=True)
class Asdu:
    """One information object as it came."""

    type: int
    cause: int
    negative: bool
    station: int
    address: int
    value: float | None
    invalid: bool = False
    select: bool = False


class Master:
    """One connection to a station; remembers every byte with its direction."""

    def __init__(self, port: int, station: int = 1, originator: int = 0) -> None:
        self.station, self.originator = station, originator
        self.bytes: list[tuple[str, bytes]] = []
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5.0)
        self._rest, self._sent, self._got = b"", 0, 0

    def close(self) -> None:
        self._socket.close()

    def start(self) -> None:
        self._write(struct.pack("<BBBBBB", 0x68, 4, STARTDT_ACT, 0, 0, 0))
        frame = self._frame()
        assert frame[2] == STARTDT_CON, frame.hex()

    def interrogate(self) -> list[Asdu]:
        """General interrogation: everything until its end is told."""
        self._send(C_IC, ACT, 0, struct.pack("<B", 20))
        return self.until(lambda one: one.type == C_IC and one.cause == ACT_TERM)

    def synchronise(self, at: datetime) -> Asdu:
        time7 = struct.pack(
            "<HBBBBB",
            at.second * 1000 + at.microsecond // 1000,
            at.minute,
            at.hour,
            at.day | at.isoweekday() << 5,
            at.month,
            at.year - 2000,
        )
        self._send(C_CS, ACT, 0, time7)
        return self.until(lambda one: one.type == C_CS)[-1]

    def set_point(self, address: int, value: float, *, select: bool) -> Asdu:
        self._send(C_SE, ACT, address, struct.pack("<fB", value, 0x80 if select else 0))
        return self._confirmed(C_SE)

    def command(self, address: int, *, on: bool, select: bool) -> Asdu:
        self._send(C_SC, ACT, address, struct.pack("<B", int(on) | (0x80 if select else 0)))
        return self._confirmed(C_SC)

    def unknown_type(self, address: int) -> Asdu:
        self._send(58, ACT, address, struct.pack("<B7s", 1, bytes(7)))
        return self.until(lambda one: one.type == 58)[-1]

    def _confirmed(self, kind: int) -> Asdu:
        return self.until(lambda one: one.type == kind and one.cause != ACT_TERM)[-1]

    def until(self, check: object, wait_s: float = 10.0) -> list[Asdu]:
        found: list[Asdu] = []
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            found += self._read()
            if any(check(one) for one in found):  # type: ignore[operator]
                return found
        raise AssertionError(f"it was not told in time; told was {found[-5:]}")

    def _send(self, kind: int, cause: int, address: int, body: bytes) -> None:
        asdu = struct.pack("<BBBBH", kind, 1, cause, self.originator, self.station) + address.to_bytes(3, "little") + body
        self._write(struct.pack("<BBHH", 0x68, 4 + len(asdu), self._sent << 1, self._got << 1) + asdu)
        self._sent += 1

    def _write(self, data: bytes) -> None:
        self.bytes.append(("O", data))
        self._socket.sendall(data)

    def _frame(self) -> bytes:
        while len(self._rest) < 2 or len(self._rest) < 2 + self._rest[1]:
            more = self._socket.recv(4096)
            if not more:
                raise ConnectionError("the station has closed the connection")
            self._rest += more
        size = 2 + self._rest[1]
        frame, self._rest = self._rest[:size], self._rest[size:]
        self.bytes.append(("I", frame))
        return frame

    def _read(self) -> list[Asdu]:
        frame = self._frame()
        if frame[2] == TESTFR_ACT:
            self._write(struct.pack("<BBBBBB", 0x68, 4, TESTFR_CON, 0, 0, 0))
        if frame[2] & 1:
            return []
        self._got += 1
        self._write(struct.pack("<BBHH", 0x68, 4, 1, self._got << 1))
        return list(_objects(frame[6:]))


def _objects(asdu: bytes) -> list[Asdu]:
    kind, many, cause, _, station = struct.unpack_from("<BBBBH", asdu)
    size = {M_SP: 1, M_ME: 5, C_SC: 1, C_SE: 5, C_IC: 1, C_CS: 7}.get(kind, len(asdu) - 9)
    found, at = [], 6
    address = 0
    for i in range(many & 0x7F):
        if i == 0 or not many & 0x80:
            address = int.from_bytes(asdu[at : at + 3], "little")
            at += 3
        else:
            address += 1
        body = asdu[at : at + size]
        at += size
        value: float | None = None
        invalid = select = False
        if kind == M_SP:
            value, invalid = float(body[0] & 1), bool(body[0] & 0x80)
        elif kind in (M_ME, C_SE):
            value = float(struct.unpack_from("<f", body)[0])
            invalid, select = kind == M_ME and bool(body[4] & 0x80), kind == C_SE and bool(body[4] & 0x80)
        elif kind == C_SC:
            value, select = float(body[0] & 1), bool(body[0] & 0x80)
        found.append(Asdu(kind, cause & 0x3F, bool(cause & 0x40), station, address, value, invalid, select))
    return found
