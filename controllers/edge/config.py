"""The file of `vpp-edge`: which device, which broker, where the registers are explained."""

from __future__ import annotations

import ssl
import tomllib
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, field, structs

from controllers.bus.address import Address
from vpp.errors import AssetError, BrokerError, IdError
from vpp.ids import check_id

__all__ = ["BrokerPart", "BufferPart", "EdgeConfig", "ModbusPart", "load_config"]

_OTHERS: Final = 0o077


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file; a key it does not know is a fault."""


class BrokerPart(_Part, frozen=True, kw_only=True):
    """Where the bus is and who we are there; file names count from the file's own folder."""

    url: str
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def full_url(self, folder: Path) -> str:
        """With user and password.

        Raises:
            AssetError: The password's file cannot be read, or others can.
            BrokerError: No address of a broker.
        """
        Address.of(self.url)
        if self.user is None:
            return self.url
        word = "" if self.password_file is None else ":" + quote(_secret(folder / self.password_file), safe="")
        return self.url.replace("://", f"://{quote(self.user, safe='')}{word}@", 1)

    def tls(self, folder: Path) -> ssl.SSLContext | None:
        """Our certificates; None where the file names none.

        Raises:
            AssetError: A file is missing or holds no certificate.
        """
        if self.ca_file is None and self.certificate_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else folder / self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(folder / self.certificate_file, None if self.key_file is None else folder / self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise AssetError(f"broker: certificates cannot be read: {error}") from error
        return context


class BufferPart(_Part, frozen=True, kw_only=True):
    """Readings kept on disk while the bus is away, the oldest go first; how many are sent with each live one after it."""

    readings: Annotated[int, Meta(ge=1, le=10_000_000)] = 86_400
    per_tick: Annotated[int, Meta(ge=1, le=1_000)] = 60


class ModbusPart(_Part, frozen=True, kw_only=True):
    """Where the device is and which file explains its registers."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    map: str


class EdgeConfig(_Part, frozen=True, kw_only=True):
    """How one edge runs.

    Args:
        park: Id of the park.
        asset: Id of the asset.
        period_s: Between two readings sent.
        state_dir: Where it keeps what survives a restart.
        broker: Where the bus is.
        buffer: For outages.
        modbus: The device.
        folder: Where the file lies; not in the file.
    """

    park: str
    asset: str
    period_s: Annotated[float, Meta(ge=0.05, le=900.0)] = 1.0
    state_dir: str
    broker: BrokerPart
    buffer: BufferPart = field(default_factory=BufferPart)
    modbus: ModbusPart
    folder: str = ""


def load_config(path: Path) -> EdgeConfig:
    """The settings in a file.

    Raises:
        AssetError: One line: file, key, value and what would be right.
    """
    try:
        config = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), EdgeConfig)
        check_id(config.park)
        check_id(config.asset)
        Address.of(config.broker.url)
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssetError(f"{path}: no TOML: {error}") from error
    except (msgspec.ValidationError, IdError, BrokerError) as error:
        raise AssetError(f"{path}: {error}") from error
    return structs.replace(config, folder=str(path.parent))


def _secret(path: Path) -> str:
    try:
        mode, word = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror}; put the password there that vpp acl made") from error
    if mode & _OTHERS:
        raise AssetError(f"{path}: others may read it (mode {mode & 0o777:o}); chmod 600 it")
    return word
