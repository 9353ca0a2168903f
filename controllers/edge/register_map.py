"""What a Modbus device's registers mean, out of a YAML file: scale, sign, word order, table, limits.

Registers are counted from 0, as they travel; a vendor's "40001" is holding register 0. A value is `raw * scale + offset`, with
its sign turned where `flip` says so: inside, power is positive when the device consumes, and this is the one place where a
device that counts the other way is turned round.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from vpp.errors import AssetError
from vpp.wire.messages import Mode

__all__ = ["DeviceMap", "ModeWord", "Number", "Reads", "Table", "Toggle", "Writes", "load_map"]

Register: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
Table: TypeAlias = Literal["holding", "input"]
NumberType: TypeAlias = Literal["int16", "uint16", "int32", "uint32", "float32"]
WordOrder: TypeAlias = Literal["big", "little"]
Seconds: TypeAlias = Annotated[float, Meta(gt=0.0, le=600.0)]

_CODES: Final = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f"}
_LAST: Final = 65_535


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file; a key it does not know is a fault."""


class Number(_Part, frozen=True, kw_only=True):
    """A quantity in one register or two.

    Args:
        register: The first.
        table: Which of the two; only holding registers can be written.
        type: How the bits are read; of two registers each is big-endian, as the standard has it.
        scale: Per count.
        offset: Added after.
        flip: Whether the device counts the other way.
        word_order: `big`: the high word first; None: as the whole map.
        missing: The raw number by which the device says that it does not know.
        min: Least value that is believed or written, in the unit of the quantity.
        max: Greatest.
    """

    register: Register
    table: Table = "holding"
    type: NumberType = "int16"
    scale: float = 1.0
    offset: float = 0.0
    flip: bool = False
    word_order: WordOrder | None = None
    missing: int | None = None
    min: float | None = None
    max: float | None = None

    @property
    def words(self) -> int:
        """Registers it takes."""
        return struct.calcsize(_CODES[self.type]) // 2

    def value(self, words: Sequence[int], order: WordOrder) -> float:
        """The quantity in registers as read; NaN where the device does not know it."""
        raw: float = struct.unpack(_CODES[self.type], struct.pack(f">{self.words}H", *self._turned(words, order)))[0]
        if raw == self.missing:
            return math.nan
        value = raw * self.scale + self.offset
        return -value if self.flip else value

    def encoded(self, value: float, order: WordOrder) -> tuple[int, ...]:
        """Registers to write for a quantity.

        Raises:
            AssetError: It does not fit; says register, number and range.
        """
        raw = ((-value if self.flip else value) - self.offset) / self.scale
        try:
            packed = struct.pack(_CODES[self.type], raw if self.type == "float32" else round(raw))
        except (struct.error, OverflowError, ValueError) as error:
            raise AssetError(f"register {self.register}: {value:g} is {raw:g} counts, which does not fit {self.type}") from error
        return tuple(self._turned(struct.unpack(f">{self.words}H", packed), order))

    def within(self, value: float) -> float:
        """The nearest value that the map allows."""
        low, high = -math.inf if self.min is None else self.min, math.inf if self.max is None else self.max
        return min(high, max(low, value))

    @property
    def bounds(self) -> str:
        """What the map allows, for a person."""
        return f"{-math.inf if self.min is None else self.min:g} to {math.inf if self.max is None else self.max:g}"

    def _turned(self, words: Sequence[int], order: WordOrder) -> Sequence[int]:
        return words[::-1] if (self.word_order or order) == "little" else words

    def faults(self, name: str, *, written: bool) -> Iterator[str]:
        """What cannot be."""
        if self.register + self.words - 1 > _LAST:
            yield f"{name}.register: {self.register} leaves no room for {self.type}; the last register is {_LAST}"
        if self.scale == 0.0 or not math.isfinite(self.scale):
            yield f"{name}.scale: {self.scale:g}; give the size of one count"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield f"{name}.min: {self.min:g} is above max {self.max:g}"
        if written and self.table == "input":
            yield f"{name}.table: input registers cannot be written; use holding"


class ModeWord(_Part, frozen=True, kw_only=True):
    """A register that says who has the device in hand; a number that is not listed is a fault of the device."""

    register: Register
    table: Table = "holding"
    values: dict[int, Mode]


class Toggle(_Part, frozen=True, kw_only=True):
    """A holding register that closes and opens a feeder."""

    register: Register
    closed: int = 1
    open: int = 0


class Reads(_Part, frozen=True, kw_only=True):
    """What is read; limits and state by name with unit."""

    power_mw: Number
    available_mw: Number | None = None
    state: dict[str, Number] = field(default_factory=dict)
    limits: dict[str, Number] = field(default_factory=dict)
    mode: ModeWord | None = None


class Writes(_Part, frozen=True, kw_only=True):
    """What is written; a kind of setpoint that is not here is refused.

    Args:
        target_mw: Power to hold.
        limit_mw: Greatest magnitude.
        switch: Feeder.
        ramp_mw_per_min: Written before the setpoint it belongs to.
        heartbeat: Counts up with each poll, so that the device's own watchdog sees when the edge is gone.
    """

    target_mw: Number | None = None
    limit_mw: Number | None = None
    switch: Toggle | None = None
    ramp_mw_per_min: Number | None = None
    heartbeat: Register | None = None


class DeviceMap(_Part, frozen=True, kw_only=True):
    """One device.

    Args:
        unit: Modbus unit behind the address.
        word_order: Of what takes two registers.
        read: What it says.
        write: What it takes.
        safe_power_mw: Where it goes when nobody commands it. [MW, positive when consuming]
        poll_s: Between two readings. [s]
        timeout_s: For each answer. [s]
        confirm_s: How long a written value may take until it can be read back. [s]
        silent_after: Failed polls in a row after which the device is in fault.
        gap: Registers between two that matter that are read along to save a question; some devices allow none.
    """

    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    word_order: WordOrder = "big"
    read: Reads
    write: Writes = field(default_factory=Writes)
    safe_power_mw: float = 0.0
    poll_s: Seconds = 1.0
    timeout_s: Seconds = 1.0
    confirm_s: Seconds = 0.5
    silent_after: Annotated[int, Meta(ge=1)] = 3
    gap: Annotated[int, Meta(ge=0, le=100)] = 0

    def numbers_read(self) -> dict[str, Number]:
        """All that is read, by where it stands in the file."""
        read = self.read
        found = {"read.power_mw": read.power_mw}
        if read.available_mw is not None:
            found["read.available_mw"] = read.available_mw
        found |= {f"read.state.{name}": number for name, number in read.state.items()}
        return found | {f"read.limits.{name}": number for name, number in read.limits.items()}

    def faults(self) -> Iterator[str]:
        """What cannot be, one line each."""
        for name, number in self.numbers_read().items():
            yield from number.faults(name, written=False)
        for name in ("target_mw", "limit_mw", "ramp_mw_per_min"):
            number = getattr(self.write, name)
            if number is not None:
                yield from number.faults(f"write.{name}", written=True)
        if self.read.mode is not None and "remote" not in self.read.mode.values.values():
            yield "read.mode.values: no number stands for remote; the device could never be commanded"


def load_map(path: Path) -> DeviceMap:
    """The map in a file.

    Raises:
        AssetError: One line: file, key, value and what would be right.
    """
    # Only beside a Modbus device: the base install does without.
    try:
        import yaml
    except ImportError as error:
        raise AssetError("a register map needs PyYAML: pip install chifeng-vpp[modbus]") from error
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssetError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    try:
        found = msgspec.convert(values, DeviceMap)
    except msgspec.ValidationError as error:
        raise AssetError(f"{path}: {error}") from error
    faults = list(found.faults())
    if faults:
        raise AssetError("; ".join(f"{path}: {fault}" for fault in faults))
    return found
