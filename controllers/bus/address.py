"""Where a broker is, and in one line why it would not have us."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from aiomqtt.exceptions import MqttConnectError

from vpp.errors import BrokerError

__all__ = ["Address", "knock", "refusal"]

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
#: CONNACK codes that time does not mend: of MQTT 3.1.1, section 3.2.2.3, and what the library makes of them.
_NOT_LET_IN: Final = frozenset({4, 5, 134, 135})
#: How long a broker has to refuse a certificate, a journey there and back; one that takes it says nothing.
_KNOCK_S: Final = 1.0
_NO_SUCH_ID: Final = frozenset({2, 133})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is, from `mqtt://user:password@host:port` or `mqtts://...`."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in a URL.

        Raises:
            BrokerError: It is not one of an MQTT broker; the message never shows the password.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise BrokerError(f"broker URL: {error}") from error
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise BrokerError(
                f"broker URL with scheme {parts.scheme!r} and host {parts.hostname!r}: "
                "use mqtt://[user:password@]host[:port] or mqtts://..."
            )
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=parts.scheme == "mqtts",
        )


def refusal(error: BaseException, address: Address) -> str | None:
    """Why a connection cannot come about however often it is tried; None for what time may mend.

    Args:
        error: What the attempt ended with.
        address: Where it was tried.
    """
    where = f"broker {address.host}:{address.port}"
    if isinstance(error, MqttConnectError):
        code = getattr(error.rc, "value", error.rc)
        if code in _NOT_LET_IN:
            who = f"user {address.user!r}" if address.user else "anybody without a user"
            return f"{where} does not let {who} in: check user and password against the broker's own list"
        if code in _NO_SUCH_ID:
            return f"{where} does not take our client id: use letters, digits and '_'"
    fault = _tls_fault(error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"{where}: its certificate is not trusted: {fault.verify_message}; check ca_file and the host name"
    if fault is not None:
        reason = (fault.reason or str(fault)).lower().replace("_", " ")
        if "alert" in reason:
            return f"{where} refuses our certificate ({reason}): give certificate_file and key_file signed by its authority"
        return f"{where} does not speak TLS as we do ({reason}): check that this port is its TLS port"
    return None


async def knock(address: Address, context: ssl.SSLContext | None, *, timeout_s: float, listens: bool) -> OSError | None:
    """What is wrong between us and the broker's TLS; None if nothing is.

    The library behind the bus leaves a socket open when a certificate is wrong, and takes for a broken line that the broker
    refuses ours: with TLS 1.3 a server says so only after the client has finished its half of the handshake.

    Args:
        address: Where.
        context: Our certificates.
        timeout_s: How long the handshake may take. [s]
        listens: Whether to wait for such a refusal; a broker that takes our certificate says nothing.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    except OSError as error:
        return error
    try:
        if listens:
            async with asyncio.timeout(_KNOCK_S):
                await reader.read(1)
    except ssl.SSLError as error:
        return error
    except OSError:
        # A timeout is one of them: we are let in, and the broker waits for us to say who we are.
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return None


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """The fault of TLS behind an error; the library hides it one or two steps back."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
