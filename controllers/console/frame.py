"""One picture of the park, frozen: everything the screen needs, and nothing it would have to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from controllers.console.palette import Level, Mode
from vpp.ids import AreaId
from vpp.park import Area, Asset
from vpp.wire.messages import Ack, Backlog, Command, ComputeShift, ComputeTelemetry, ForecastCurrent, PlanCurrent, Telemetry

__all__ = [
    "Alarm",
    "AreaFlows",
    "AreaFrame",
    "AssetFrame",
    "BoardFrame",
    "BrokerFrame",
    "ControllerFrame",
    "Moment",
    "Ordered",
]


@dataclass(frozen=True, slots=True)
class AreaFlows:
    """What goes into an area and out of it, by category of `palette`; all numbers are magnitudes.

    Args:
        supply_mw: What feeds it.
        demand_mw: What draws from it.
        unknown: Categories of which some asset or connection has not been heard: their number is not the whole.
    """

    area: AreaId
    supply_mw: Mapping[str, float]
    demand_mw: Mapping[str, float]
    unknown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """Mean flows of all areas over one step of the past."""

    start: datetime
    flows: tuple[AreaFlows, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command, and what became of it.

    Args:
        command: The last to this part of the asset.
        ack: Its own; None while there is none.
        proven: Telemetry says that it acts, with or without an ack.
    """

    command: Command
    ack: Ack | None
    proven: bool


@dataclass(frozen=True, slots=True)
class AssetFrame:
    """The last word of and to one asset.

    Args:
        mode: How it can be reached.
        heard_at: When it last measured; None before its first word.
        report: Its telemetry.
        orders: The last command to each of its parts, the whole asset being one.
        shift: The last compute-shift signal; None where the asset is no cluster.
        backlog: The scheduler's waiting work; None where the asset is no cluster or has not said.
    """

    asset: Asset
    mode: Mode
    heard_at: datetime | None
    report: Telemetry | ComputeTelemetry | None
    orders: tuple[Ordered, ...] = ()
    shift: ComputeShift | None = None
    backlog: Backlog | None = None

    @property
    def known_mw(self) -> float | None:
        """Power at its meter; None when it has not been heard lately: unknown is not zero."""
        lost = self.mode in (Mode.SILENT, Mode.OFFLINE, Mode.AWAITED)
        return None if lost or self.report is None else self.report.power_mw

    @property
    def state(self) -> Mapping[str, float]:
        """Further quantities of its telemetry by name."""
        return {} if self.report is None else self.report.state


@dataclass(frozen=True, slots=True)
class AreaFrame:
    """One supply area.

    Args:
        green_share_frac: Green share of what sources and connections give now; None when they give nothing.
        price_cny_per_mwh: Clearing price behind the newest command that is in force; None where nothing was cleared.
    """

    area: Area
    flows: AreaFlows
    green_share_frac: float | None
    price_cny_per_mwh: float | None
    assets: tuple[AssetFrame, ...]


@dataclass(frozen=True, slots=True)
class BrokerFrame:
    """The connection to the broker, as this side knows it."""

    connected: bool
    delivered: int
    dropped: int
    malformed: int


@dataclass(frozen=True, slots=True)
class ControllerFrame:
    """Who leads, by what it last said.

    Args:
        plan_id: Of what is followed now: the newest command's plan, else the published one; empty before either.
        source: As in `mpc`, `rules`.
        age_s: Since that plan was published or, for one that is not, since the newest command. [s]
        gap_frac: Of the published plan, where it is the one followed.
        heard_at: When it last sent anything.
        ack_frac: Share of the last commands that were confirmed; None before the first.
        ack_delay_s: Median time from command to ack, in park time.
    """

    plan_id: str
    source: str
    age_s: float | None
    gap_frac: float | None
    heard_at: datetime | None
    ack_frac: float | None
    ack_delay_s: float | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One line for whoever watches; `at` is None for what simply holds now."""

    level: Level
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BoardFrame:
    """The park at one instant, as far as it was heard.

    Args:
        at: The instant (UTC).
        zone: Park time.
        grid_connections: Ids of those that lead out of the park.
        past: Up to a day of means, oldest first.
        alarms: What holds now, the gravest first, then what happened, the newest first.
    """

    at: datetime
    name: str
    name_zh: str
    zone: ZoneInfo
    areas: tuple[AreaFrame, ...]
    grid_connections: frozenset[str]
    past: tuple[Moment, ...]
    plan: PlanCurrent | None
    forecast: ForecastCurrent | None
    broker: BrokerFrame
    controller: ControllerFrame
    alarms: tuple[Alarm, ...]

    @property
    def assets(self) -> tuple[AssetFrame, ...]:
        """The assets of all areas."""
        return tuple(asset for area in self.areas for asset in area.assets)
