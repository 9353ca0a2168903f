"""How the VEN runs: a TOML file of its own, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from controllers.adapters.openadr3.asks import Agreement
from controllers.adapters.openadr3.vtn.settings import settings_of
from vpp.errors import SettingsError

__all__ = ["CallbackSettings", "VenSettings", "load_ven"]

_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """Where the operator's VTN may knock when something is new; without it the VEN asks every `poll_s`.

    Args:
        host: Address it listens on.
        port: 0 finds a free one.
        public_url: As the VTN sees it; None: what it listens on.
        token_file: What the VTN must show, in a file.
    """

    __pydantic_config__ = _STRICT
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8086
    public_url: str | None = None
    token_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VenSettings:
    """The VEN.

    Args:
        vtn_url: Of the operator's VTN, with its path.
        token_url: Where tokens are got; None: the VTN says it at /auth/server.
        client_id: As the operator gave it.
        client_secret_file: Holds the secret.
        credentials: How the secret is shown: in the body, as the specification's file has it, or as HTTP Basic.
        scope: To ask for; None: none.
        ven_name: Under which the park is known there.
        programs: Names of programs that are followed; empty: all.
        agreements: Connections and meters that may be called, and powers agreed for payloads that say none.
        poll_s: How often events are asked for. [s]
        report_s: How often reports are sent while an event is not over. [s]
        ca_file: Who signed the VTN's certificate; None: the system's authorities.
        callback: See there; None: only polling.
    """

    __pydantic_config__ = _STRICT
    vtn_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    token_url: str | None = None
    client_id: Annotated[str, Field(min_length=1)]
    client_secret_file: Path
    credentials: Literal["body", "basic"] = "body"
    scope: str | None = None
    ven_name: Annotated[str, Field(min_length=1, max_length=128)]
    programs: tuple[str, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    poll_s: Annotated[float, Field(ge=0.1, le=7_200.0)] = 30.0
    report_s: Annotated[float, Field(ge=0.1, le=86_400.0)] = 60.0
    ca_file: Path | None = None
    callback: CallbackSettings | None = None
    api_url: str = "http://127.0.0.1:8080"
    state_dir: Path = field(default=Path("out/state"))

    def secret(self) -> str:
        """The client's secret.

        Raises:
            SettingsError: It cannot be read.
        """
        return secret_in(self.client_secret_file)


def secret_in(path: Path) -> str:
    """What a file of one line holds.

    Raises:
        SettingsError: It cannot be read, is empty, or open to others.
    """
    try:
        text, mode = path.read_text(encoding="utf-8").strip(), path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: the secret cannot be read: {error}"]) from error
    if mode & 0o077:
        raise SettingsError([f"{path}: others may read it (mode {mode & 0o777:o}); chmod 600 it"])
    if not text:
        raise SettingsError([f"{path}: is empty; it holds a secret"])
    return text


def load_ven(path: Path) -> VenSettings:
    """The settings in a file.

    Raises:
        SettingsError: All faults at once.
    """
    settings: VenSettings = settings_of(path, VenSettings)
    return settings
