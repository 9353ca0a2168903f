"""How a process of the service runs: the only reader of the environment and of the settings file.

What the park *is* stands in the park files. Here is how this process runs. Three places, the later one wins: a TOML file, the
environment (`VPP_...`), the command line. All of it is read once, at the start, and passed on frozen.
"""

from __future__ import annotations

import os
import re
import ssl
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from controllers.clock import WallClock
from controllers.forecast_settings import ForecastPart
from vpp.errors import SettingsError

if TYPE_CHECKING:
    # A command that asks the service reads settings and no park.
    from vpp.park import Park

__all__ = [
    "ApiSettings",
    "BrokerSettings",
    "ClientSettings",
    "ClockSettings",
    "Settings",
    "StoreSettings",
    "client_settings",
    "load_settings",
]

_STRICT: Final = ConfigDict(extra="forbid")

#: Names in the environment and the keys of the file that they stand for.
_ENVIRONMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "VPP_PARK": ("park",),
    "VPP_STATE_DIR": ("state_dir",),
    "VPP_LOG_DIR": ("log_dir",),
    "VPP_CONTROL_S": ("control_s",),
    "VPP_ZONE": ("zone",),
    "VPP_LANGUAGE": ("language",),
    "VPP_BROKER_URL": ("broker", "url"),
    "VPP_BROKER_CA_FILE": ("broker", "ca_file"),
    "VPP_BROKER_CERTIFICATE_FILE": ("broker", "certificate_file"),
    "VPP_BROKER_KEY_FILE": ("broker", "key_file"),
    "VPP_STORE_URL": ("store", "url"),
    "VPP_FORECAST_MODELS_DIR": ("forecast", "models_dir"),
    "VPP_FORECAST_HISTORY_FILE": ("forecast", "history_file"),
    "VPP_WEATHER_URL": ("forecast", "weather", "url"),
    "VPP_API_HOST": ("api", "host"),
    "VPP_API_PORT": ("api", "port"),
    "VPP_API_TRUSTED_PROXIES": ("api", "trusted_proxies"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the bus is.

    Args:
        url: `mqtt://[user:password@]host[:port]` or `mqtts://...`; None: an embedded broker of our own.
        ca_file: Who signed the broker's certificate; None: the system's authorities.
        certificate_file: Our own certificate, where the broker asks for one.
        key_file: Its private key.
    """

    __pydantic_config__ = _STRICT
    url: str | None = field(default=None, repr=False)  # it may carry a password
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """What `MqttSettings.tls` takes; None where the files say nothing.

        Raises:
            SettingsError: A file is missing or holds no certificate.
        """
        if self.ca_file is None and self.certificate_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError([f"broker: certificates cannot be read: {error}"]) from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where the ledger is; None: `sqlite:///<state_dir>/vpp.sqlite3`."""

    __pydantic_config__ = _STRICT
    url: str | None = field(default=None, repr=False)  # it may carry a password


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The HTTP side.

    Args:
        host: Address it listens on; the default is this machine alone.
        port: 0 finds a free one.
        token_life_s: How long a token lives that was got by a key. [s]
        streams_max: Event streams open at once; one more is refused.
        trusted_proxies: Addresses, with commas between, whose word for who is behind them is believed; none without it.
        refusals_max: Wrong keys or tokens from one address within a minute, before it is not listened to.
    """

    __pydantic_config__ = _STRICT
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    token_life_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    streams_max: Annotated[int, Field(ge=1)] = 200
    trusted_proxies: str = ""
    refusals_max: Annotated[int, Field(ge=1)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSettings:
    """Park time, one for all processes of the service; the default is the machine's own time.

    Args:
        speed: Park seconds in a second.
        start: Park time at `began_s`; None: now, as the machine sees it.
        began_s: Reading of the machine's monotonic clock at `start`. [s]
    """

    __pydantic_config__ = _STRICT
    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    start: datetime | None = None
    began_s: float | None = None

    def clock(self) -> WallClock:
        """A clock of this process; those of other processes with the same settings show the same time."""
        if self.start is None:
            return WallClock(self.speed)
        gone_s = 0.0 if self.began_s is None else (time.monotonic() - self.began_s) * self.speed
        return WallClock(self.speed, self.start.astimezone(UTC) + timedelta(seconds=gone_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """Processes that speak an operator's protocol, each by a settings file of its own (docs/connect_grid.md); None: not started.

    Args:
        openadr_vtn: OpenADR 3, the park as server.
        openadr_ven: OpenADR 3, the park as client.
        iec104: IEC 60870-5-104.
    """

    __pydantic_config__ = _STRICT
    openadr_vtn: Path | None = None
    openadr_ven: Path | None = None
    iec104: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a process of the service runs.

    Args:
        park: Park file or folder; None: the park that travels with the project.
        at: Day as of which the park is taken; None: the clock's.
        state_dir: Where the service keeps what is its own.
        log_dir: Where its processes write their logs; None: beside what is its own.
        control_s: Period of dispatch. [s]
        zone: Time zone in which people read; None: the park's.
        language: Of screen and statements.
        broker: Where the bus is.
        store: Where the ledger is.
        api: The HTTP side.
        forecast: How it forecasts and learns.
        clock: Park time.
        operators: What a grid operator speaks with.
    """

    __pydantic_config__ = _STRICT
    park: Path | None = None
    at: date | None = None
    state_dir: Path = Path("out/state")
    log_dir: Path | None = None
    control_s: Annotated[float, Field(ge=0.1, le=900)] = 1.0
    zone: str | None = None
    language: Literal["zh", "en"] = "zh"
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    forecast: ForecastPart = field(default_factory=ForecastPart)
    clock: ClockSettings = field(default_factory=ClockSettings)
    operators: OperatorSettings = field(default_factory=OperatorSettings)

    @property
    def store_url(self) -> str:
        """Where the ledger is, the default filled in."""
        return self.store.url or f"sqlite:///{self.state_dir.absolute() / 'vpp.sqlite3'}"

    @property
    def models_dir(self) -> Path:
        """Where versions of forecast models are."""
        return self.forecast.models_dir or self.state_dir / "models"

    @property
    def weather_dir(self) -> Path:
        """Where answers of the weather service are kept."""
        return self.forecast.weather.folder or self.state_dir / "weather"

    @property
    def api_url(self) -> str:
        """Where processes of the same machine find the API; for a port that is named."""
        host = "127.0.0.1" if self.api.host in ("0.0.0.0", "::") else self.api.host  # noqa: S104  read, not bound
        return f"http://[{host}]:{self.api.port}" if ":" in host else f"http://{host}:{self.api.port}"

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.log_dir or self.state_dir / "log"

    @property
    def control(self) -> timedelta:
        """Period of dispatch."""
        return timedelta(seconds=self.control_s)

    def zone_of(self, park: Park) -> ZoneInfo:
        """In which people read the clock."""
        return park.zone if self.zone is None else ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where a command that asks the service finds it, and who it says it is."""

    url: str
    token: str | None = field(default=None, repr=False)


def load_settings(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of a process.

    Args:
        path: A TOML file; None for none.
        environment: Names beginning with `VPP_`; None for the process's own.
        given: From the command line, nested as in the file; None values count as not given.

    Raises:
        SettingsError: All faults at once, one line each: where, key, value and what would be right.
    """
    values = _of_file(path)
    origins = dict.fromkeys(_paths(values), str(path))
    for name, keys in _ENVIRONMENT.items():
        text = (os.environ if environment is None else environment).get(name)
        if text:
            _put(values, keys, text)
            origins[keys] = name
    for keys, value in _paths(given or {}).items():
        if value is not None:
            _put(values, keys, value)
            origins[keys] = "command line"
    try:
        settings = TypeAdapter(Settings).validate_python(values)
    except ValidationError as error:
        raise SettingsError([_fault(dict(one), origins) for one in error.errors()]) from error
    _check_zone(settings, origins)
    return settings


def client_settings(
    url: str | None = None, token: str | None = None, *, environment: Mapping[str, str] | None = None
) -> ClientSettings:
    """Where the API is and with which key or token it is asked.

    What is not given comes from `VPP_API_URL` and `VPP_TOKEN`; the address then from `VPP_API_HOST` and `VPP_API_PORT`, so that
    on one machine service and commands agree without a word.
    """
    known = os.environ if environment is None else environment
    default = ApiSettings()
    here = f"http://{known.get('VPP_API_HOST') or default.host}:{known.get('VPP_API_PORT') or default.port}"
    return ClientSettings(
        url=(url or known.get("VPP_API_URL") or here).rstrip("/"), token=token or known.get("VPP_TOKEN") or None
    )


def _of_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: no TOML: {error}"]) from error


def _paths(values: Mapping[str, Any], before: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Nested values as one row of keys each."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        keys = (*before, key)
        found |= _paths(value, keys) if isinstance(value, Mapping) else {keys: value}
    return found


def _put(values: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    for key in keys[:-1]:
        inner = values.get(key)
        values = values.setdefault(key, {}) if isinstance(inner, dict | None) else {}
    values[keys[-1]] = value


def _fault(error: dict[str, Any], origins: Mapping[tuple[str, ...], str]) -> str:
    keys = tuple(str(key) for key in error["loc"])
    origin = origins.get(keys, origins.get(keys[:1], "settings"))
    rule = "no such setting" if error["type"] == "unexpected_keyword_argument" else _lower(error["msg"])
    # An address may carry a password: it is never shown.
    value = "" if keys[-1] == "url" else f" {error['input']!r}:"
    return f"{origin}: {'.'.join(keys)}:{value} {rule}"


def _lower(text: str) -> str:
    return re.sub(r"^[A-Z]", lambda first: first.group().lower(), text)


def _check_zone(settings: Settings, origins: Mapping[tuple[str, ...], str]) -> None:
    if settings.zone is None:
        return
    try:
        ZoneInfo(settings.zone)
    except (KeyError, ValueError, OSError) as error:
        origin = origins.get(("zone",), "settings")
        raise SettingsError([f"{origin}: zone: {settings.zone!r}: no such time zone; use one as in 'Asia/Shanghai'"]) from error
