"""How the VTN runs: a TOML file of its own, read once, beside the settings of the service."""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from controllers.adapters.openadr3.asks import Agreement
from vpp.errors import SettingsError

__all__ = ["Client", "VtnSettings", "load_vtn", "new_secret", "settings_of", "sha256_of"]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who may come.

    Args:
        id: The OAuth2 client id; also the name in the audit, behind `openadr.`.
        role: `bl` makes programs and events and reads everything, `ven` sees what is meant for it and reports.
        secret_sha256: Of the client's secret; `vpp openadr secret` makes both.
        may_call: Whether its events in the park's program are calls of the grid on the park.
    """

    __pydantic_config__ = _STRICT
    id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    role: Literal["bl", "ven"]
    secret_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    may_call: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VtnSettings:
    """The VTN.

    Args:
        host: Address it listens on.
        port: 0 finds a free one.
        public_url: As clients see it, with the path; None: what it listens on.
        clients: Who may come.
        agreements: Connections and meters that may be called, and powers agreed for payloads that say none.
        park_program: Name of the program whose events are calls on the park.
        callbacks: Hosts and networks inside which webhooks may be called beside public addresses, as in `10.1.0.0/16`.
        token_life_s: How long a token lives. [s]
        objects_max: Objects of one kind that one client may have.
        refusals_max: Wrong secrets or tokens from one address within a minute, before it is not listened to.
        look_s: How often the state of calls is looked at and reported. [s]
    """

    __pydantic_config__ = _STRICT
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8085
    public_url: str | None = None
    clients: tuple[Client, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    park_program: Annotated[str, Field(min_length=1, max_length=128)] = "park"
    callbacks: tuple[str, ...] = ()
    token_life_s: Annotated[int, Field(ge=30, le=86_400)] = 1_800
    objects_max: Annotated[int, Field(ge=1)] = 5_000
    refusals_max: Annotated[int, Field(ge=1)] = 20
    look_s: Annotated[float, Field(ge=0.1, le=600.0)] = 5.0
    api_url: str = "http://127.0.0.1:8080"
    state_dir: Path = field(default=Path("out/state"))


def new_secret() -> tuple[str, str]:
    """A client secret of 256 random bits, and its SHA-256 for the file; the secret itself is kept nowhere."""
    text = secrets.token_urlsafe(32)
    return text, sha256_of(text)


def sha256_of(text: str) -> str:
    """Hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_vtn(path: Path) -> VtnSettings:
    """The settings in a file.

    Raises:
        SettingsError: All faults at once.
    """
    settings: VtnSettings = settings_of(path, VtnSettings)
    return settings


def settings_of(path: Path, kind: type[Any]) -> Any:
    """A TOML file as a dataclass, every fault named with its key.

    Raises:
        SettingsError: It cannot be read, or something in it is wrong.
    """
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(kind).validate_python(words)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from error
    except ValidationError as error:
        found = [f"{path}: {'.'.join(str(p) for p in one['loc'])}: {one['msg']}" for one in error.errors(include_input=False)]
        raise SettingsError(found) from error
