"""How the station runs: a TOML file of its own, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import ConfigDict, Field

from controllers.adapters.openadr3.vtn.settings import settings_of
from vpp.errors import SettingsError

if TYPE_CHECKING:
    from controllers.adapters.iec104.station import Station

__all__ = ["StationSettings", "TlsFiles", "load_station", "station_class"]

_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """IEC 62351-3: both sides show a certificate."""

    __pydantic_config__ = _STRICT
    certificate_file: Path
    key_file: Path
    ca_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSettings:
    """The station.

    Args:
        host: Address it listens on; the default is this machine alone.
        port: As registered for the protocol.
        common_address: Of the station (公共地址).
        masters: Addresses that may connect; empty: nobody.
        select_s: A selected command is executed within so long, or not at all. [s]
        scan_s: How often values are fetched from the service. [s]
        offer_s: How often it is asked what could be called. [s]
        hold_min: How long a set-point holds that does not say it. [min]
        setpoint_starts: Whether a set-point is followed at once; otherwise it waits for the command start.
        emergency_mw: By connection: import to keep at the emergency step; without one the step is refused. [MW]
        emergency_min: How long the step holds if nobody ends it. [min]
        deadband_mw: A measured power is told when it has changed by more. [MW]
        tls: None: plain TCP, as inside a dispatch data network behind its own encryption.
    """

    __pydantic_config__ = _STRICT
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 2404
    common_address: Annotated[int, Field(ge=1, le=65_534)] = 1
    masters: tuple[str, ...] = ("127.0.0.1",)
    select_s: Annotated[float, Field(ge=0.1, le=60.0)] = 10.0
    scan_s: Annotated[float, Field(ge=0.1, le=60.0)] = 1.0
    offer_s: Annotated[float, Field(ge=1.0, le=900.0)] = 15.0
    hold_min: Annotated[float, Field(ge=1.0, le=1_440.0)] = 60.0
    setpoint_starts: bool = True
    emergency_mw: dict[str, float] = field(default_factory=dict)
    emergency_min: Annotated[float, Field(ge=1.0, le=1_440.0)] = 30.0
    deadband_mw: Annotated[float, Field(ge=0.0)] = 0.1
    tls: TlsFiles | None = None
    api_url: str = "http://127.0.0.1:8080"
    state_dir: Path = field(default=Path("out/state"))


def load_station(path: Path) -> StationSettings:
    """The settings in a file.

    Raises:
        SettingsError: All faults at once.
    """
    settings: StationSettings = settings_of(path, StationSettings)
    return settings


def station_class() -> type[Station]:
    """The station, whose library is an extra of its own (GPL-3) and need not be there.

    Raises:
        SettingsError: It is not.
    """
    try:
        from controllers.adapters.iec104.station import Station
    except ImportError as error:
        raise SettingsError([f"iec104: {error}; pip install 'chifeng-vpp[iec104]'"]) from error
    return Station
