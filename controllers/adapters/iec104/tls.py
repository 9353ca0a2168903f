"""TLS before the station (IEC 62351-3): both sides show a certificate, and what comes through goes to the station's own port.

The library's own TLS is not used: its version that answers a general interrogation rightly is one whose TLS is said to fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Collection

import structlog

from controllers.adapters.iec104.settings import TlsFiles
from vpp.errors import SettingsError

__all__ = ["front", "tls_context"]

log = structlog.get_logger(__name__)
_PIECE = 4_096


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """A server's side that lets nobody in without a certificate of the named authority.

    Raises:
        SettingsError: A file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.certificate_file, files.key_file)
        context.load_verify_locations(files.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"iec104: tls: {error}"]) from error
    return context


async def front(files: TlsFiles, here: tuple[str, int], behind: int, masters: Collection[str]) -> asyncio.Server:
    """Listens, until its server is closed.

    Args:
        files: Certificates.
        here: Address and port that masters come to.
        behind: The station's own port on this machine.
        masters: Addresses that are let in.

    Raises:
        SettingsError: The address is taken, or a certificate cannot be read.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip = writer.get_extra_info("peername")[0]
        if ip not in masters:
            log.warning("iec104.master", ip=ip, taken=False)
            writer.close()
            return
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
        except OSError:
            writer.close()
            return
        await _both(_pour(reader, inner_writer), _pour(inner_reader, writer))
        for one in (writer, inner_writer):
            one.close()

    try:
        return await asyncio.start_server(serve, *here, ssl=tls_context(files))
    except OSError as error:
        raise SettingsError([f"iec104: {here[0]}:{here[1]}: {error.strerror or error}"]) from error


async def _both(*ways: Awaitable[None]) -> None:
    """Until one side has closed."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
