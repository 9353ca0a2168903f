"""Messages to bytes, strictly, and back, tolerantly.

Strictly: what would not be read back as it was sent never leaves. Tolerantly: unknown fields are ignored, so that a
device may be newer than we are; anything else that breaks the contract is one line naming topic, field and rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from vpp.errors import WireError
from vpp.wire import messages as m
from vpp.wire.topics import Channel, parse

__all__ = ["MAX_PAYLOAD_BYTES", "MESSAGE_OF", "decode", "decode_any", "encode"]

#: 256 kB: far under the 1 MB that brokers take, and small enough to be retained and sent to whoever joins.
MAX_PAYLOAD_BYTES: Final = 256_000

#: A fault names its field; a longer line would only carry the sender's own text into our log.
_MAX_FAULT_CHARS: Final = 300

MESSAGE_OF: Final[Mapping[Channel, type[m.Message]]] = MappingProxyType(
    {
        Channel.ASSET_TELEMETRY: m.Telemetry,
        Channel.ASSET_STATUS: m.Status,
        Channel.ASSET_COMMAND: m.Command,
        Channel.ASSET_ACK: m.Ack,
        Channel.ASSET_ARM: m.Arm,
        Channel.SHED: m.Shed,
        Channel.COMPUTE_SHIFT: m.ComputeShift,
        Channel.COMPUTE_BACKLOG: m.Backlog,
        Channel.COMPUTE_BACKLOG_ANSWER: m.BacklogAnswer,
        Channel.COMPUTE_RESPONSE: m.ShiftResponse,
        Channel.COMPUTE_TELEMETRY: m.ComputeTelemetry,
        Channel.GRID_MEASUREMENT: m.GridMeasurement,
        Channel.GRID_PRICE: m.GridPrice,
        Channel.GRID_EVENT: m.GridEvent,
        Channel.GRID_EVENT_ANSWER: m.GridEventAnswer,
        Channel.PLAN_CURRENT: m.PlanCurrent,
        Channel.FORECAST_CURRENT: m.ForecastCurrent,
        Channel.ASK: m.Ask,
    }
)

MessageT = TypeVar("MessageT", bound=m.Message)

_ENCODER: Final = msgspec.json.Encoder()


class _LastWritten:
    """The last payload that was written, with what it reads back as.

    Writing reads back anyway; inside one process the receiver is handed the very same bytes object next, and need not read it
    a second time. Messages are frozen, so that two may share one.
    """

    pair: tuple[bytes, m.Message | None] = (b"", None)


_LAST: Final = _LastWritten()


def encode(message: m.Message) -> bytes:
    """The message as JSON.

    Raises:
        WireError: A value breaks the contract (NaN, infinity, out of bounds, naive time, too long); nothing is sent.
    """
    kind = type(message)
    try:
        payload = _ENCODER.encode(message)
    except (TypeError, ValueError) as error:
        raise WireError(f"{kind.__name__}: {_one_line(str(error))}") from error
    read_back = _read(kind, kind.__name__, payload)
    # JSON has no NaN: it leaves as null, which an optional field would take for "missing" without a word.
    if read_back != message:
        raise WireError(f"{kind.__name__}: {_first_difference(message, read_back)}")
    _LAST.pair = (payload, read_back)
    return payload


def decode(kind: type[MessageT], topic: str, payload: bytes | bytearray | memoryview) -> MessageT:
    """The message a payload holds.

    Raises:
        WireError: It is malformed; one line names topic, field and rule.
    """
    written, known = _LAST.pair
    if payload is written and type(known) is kind:
        return known
    return _read(kind, topic, payload)


def _read(kind: type[MessageT], topic: str, payload: bytes | bytearray | memoryview) -> MessageT:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"{topic}: {len(payload)} bytes, {MAX_PAYLOAD_BYTES} are allowed; send less or round values")
    try:
        message: MessageT = _decoder(kind).decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        rule, _, path = str(error).partition(" - at `")
        where = f"{path.rstrip('`')}: " if path else ""
        raise WireError(f"{topic}: {_one_line(where + rule)}") from error
    if kind.faults is not m.Message.faults and (fault := next(message.faults(), None)) is not None:
        raise WireError(f"{topic}: {_one_line(fault)}")
    return message


def decode_any(topic: str, payload: bytes) -> m.Message:
    """The message of whatever kind its topic calls for.

    Raises:
        WireError: No channel has such a topic, or the payload is malformed.
    """
    return decode(MESSAGE_OF[parse(topic).channel], topic, payload)


@cache
def _decoder(kind: type[MessageT]) -> msgspec.json.Decoder[MessageT]:
    return msgspec.json.Decoder(kind)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_FAULT_CHARS]


def _first_difference(sent: object, read: object, path: str = "$") -> str:
    """Where a value would not arrive as it was sent."""
    if isinstance(sent, msgspec.Struct) and type(sent) is type(read):
        pairs = [(f".{f}", getattr(sent, f), getattr(read, f)) for f in sent.__struct_fields__]
    elif isinstance(sent, tuple | list) and isinstance(read, tuple | list) and len(sent) == len(read):
        pairs = [(f"[{i}]", a, b) for i, (a, b) in enumerate(zip(sent, read, strict=True))]
    else:
        return f"{path}: {sent!r} would arrive as {read!r}"
    for step, a, b in pairs:
        if a != b:
            return _first_difference(a, b, path + step)
    return f"{path}: would not arrive as it was sent"
