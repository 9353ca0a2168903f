"""Scenarios: which park, which days, which weather, which luck; written by people, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sim_harness.faults import FaultEntry, Window, entry_faults, schedule_of
from sim_harness.grid.events import ScenarioEvent, parse_events
from sim_harness.grid.prices import PriceChoice, SpotMarket, open_market, with_spot
from sim_harness.grid.surroundings import GridConditions, PowerFlow
from sim_harness.ledger import REGISTER
from sim_harness.weather.measured import SOLAR_FILE, WIND_FILE
from vpp.errors import ParkError, ScenarioError
from vpp.ids import AssetId
from vpp.park import Park
from vpp.park import load as load_park
from vpp.units import HOURS_PER_DAY

__all__ = ["SEEDS", "Scenario", "Strata", "WeatherChoice", "list_scenarios", "load", "load_park_of"]

#: The seeds that travel with the checkout.
SEEDS: Final = Path(__file__).resolve().parents[1] / "seeds"
_FOLDER: Final = "scenarios"

WeatherChoice: TypeAlias = Literal["measured", "generated", "auto"]
ClusterChoice: TypeAlias = Literal["discrete", "fluid", "auto"]

#: Under `auto`, clusters are run job by job up to this length and this control step, and as a fluid beyond.
_DISCRETE_DAYS: Final = 31.0
_DISCRETE_STEP_S: Final = 60.0

#: What a scenario may set at the start, by kind; all of them shares of what the plate holds.
_STOCKS: Final[Mapping[str, frozenset[str]]] = {
    "battery": frozenset({"soc_frac"}),
    "compressed_air": frozenset({"soc_frac"}),
    "ammonia_loop": frozenset({"level_frac"}),
}


class Strata(BaseModel):
    """How a long run is stood for by single days, or by chains of days.

    Args:
        quarters: Parts of the run, of equal length.
        levels: Classes of wind and sun within each part, of equal size.
        days: Days that are run in one go: what they begin with and leave behind weighs less, the more there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quarters: Annotated[int, Field(ge=1, le=12)]
    levels: Annotated[int, Field(ge=1, le=10)]
    days: Annotated[int, Field(ge=1, le=31)] = 1


class _File(BaseModel):
    """A scenario as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    purpose: Annotated[str, Field(min_length=1, max_length=200)]
    park: Annotated[str, Field(min_length=1)]
    park_at: date
    start: datetime
    days: Annotated[float, Field(gt=0, le=366, allow_inf_nan=False)]
    weather: WeatherChoice
    seed: Annotated[int, Field(ge=0)]
    control_step_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    initial: dict[str, dict[str, float]] = Field(default_factory=dict)
    faults: tuple[FaultEntry, ...] = ()
    events: Any = ()
    power_flow: PowerFlow = "off"
    prices: PriceChoice = "tariff"
    clusters: ClusterChoice = "auto"
    park_scenarios: tuple[str, ...] = ()
    history_days: Annotated[int, Field(ge=0, le=60)] = 0
    strata: Strata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A world to run a policy in.

    Args:
        name: As on the command line.
        purpose: One line: what it is for.
        park_path: Park file or folder.
        park_at: Day as of which the park is read.
        start: First instant (UTC).
        days: Length.
        weather: Measured, generated, or measured where the data are.
        seed: Everything random comes from it.
        control_step_s: Step of the world and of fast control. [s]
        initial: By asset: shares that it starts with, as in `soc_frac`.
        faults: What goes wrong on purpose.
        events: What the grid does and asks for.
        power_flow: When AC power flows are made, beside those at events.
        prices: What energy costs: the tariff's hours, or the spot market's.
        clusters: Computing work job by job, as a fluid of classes, or as the length of the run allows.
        history_days: Days before the start that are run in quarters of an hour, for the settlement baseline of calls.
        strata: How single days stand for the whole run; None if they do not.
        park_scenarios: Assets that the park only has in these scenarios of its own are switched on, as in `h2_island`.
    """

    name: str
    purpose: str
    park_path: Path
    park_at: date
    start: datetime
    days: float
    weather: WeatherChoice
    seed: int
    control_step_s: float
    initial: Mapping[AssetId, Mapping[str, float]] = field(default_factory=dict)
    faults: tuple[FaultEntry, ...] = ()
    events: tuple[ScenarioEvent, ...] = ()
    power_flow: PowerFlow = "off"
    prices: PriceChoice = "tariff"
    clusters: ClusterChoice = "auto"
    history_days: int = 0
    strata: Strata | None = None
    park_scenarios: tuple[str, ...] = ()

    @property
    def cluster_model(self) -> Literal["discrete", "fluid"]:
        """How computing work is counted in this run."""
        if self.clusters != "auto":
            return self.clusters
        return "discrete" if self.days <= _DISCRETE_DAYS and self.control_step_s <= _DISCRETE_STEP_S else "fluid"

    def grid_conditions(self, park: Park) -> GridConditions:
        """What the world's grid needs to know."""
        return GridConditions(self.events, self.seed, self.power_flow, self.market(park))

    def market(self, park: Park, data_dir: Path | None = None) -> SpotMarket | None:
        """The spot market, with measured shapes where the weather is measured too; None where the tariff has the prices.

        Raises:
            ScenarioError: It cannot be made for this park, or its file is missing.
        """
        if self.prices == "tariff":
            return None
        return open_market(park, self.start, self.end, self.seed, self.weather_from(data_dir) if data_dir is not None else None)

    @property
    def end(self) -> datetime:
        """First instant after the run (UTC)."""
        return self.start + timedelta(days=self.days)

    def initial_frac(self, asset_id: AssetId, name: str) -> float | None:
        """A starting share of an asset, None where the scenario leaves it to the plant."""
        return self.initial.get(asset_id, {}).get(name)

    def faults_in(self, park: Park) -> tuple[Window, ...]:
        """Every fault of the run with its time and place, written or drawn by the seed."""
        return schedule_of(self.faults, park, self.seed, self.start, self.end)

    def with_options(self, days: float | None = None, seed: int | None = None, step_s: float | None = None) -> Scenario:
        """The same scenario with what the command line changed.

        Raises:
            ScenarioError: The length, the seed or the step is out of range.
        """
        if step_s is not None and not (step_s > 0 and REGISTER.total_seconds() % step_s == 0):
            raise ScenarioError(
                [f"--step: {step_s:g}: must divide the registers' {REGISTER.total_seconds():g} s, as 1, 10 or 60 do"]
            )
        changed = replace(
            self,
            days=self.days if days is None else days,
            seed=self.seed if seed is None else seed,
            control_step_s=self.control_step_s if step_s is None else step_s,
        )
        faults = [f"--days: {changed.days:g}: must be above 0 and at most 366"] if not 0 < changed.days <= 366 else []
        faults += [f"--days: {changed.days:g}: must be whole control steps"] if not faults and _ragged(changed) else []
        faults += [f"--seed: {changed.seed}: must not be negative"] if changed.seed < 0 else []
        late = [event.event_id for event in changed.events if event.end_h > changed.days * HOURS_PER_DAY]
        faults += [f"--days: {changed.days:g}: ends before {', '.join(late)} of the scenario's events is over"] if late else []
        if faults:
            raise ScenarioError(faults)
        return changed

    def sampled(self, text: str | None) -> Scenario:
        """The same scenario as days that stand for it, `2x3`: parts of its length, and classes of wind and sun in each.

        `2x3x7` takes chains of seven days instead of single ones.

        Raises:
            ScenarioError: The text says nothing of the kind, or the scenario has too few days.
        """
        if text is None:
            return self
        told = re.fullmatch(r"(\d{1,2})x(\d{1,2})(?:x(\d{1,2}))?", text)
        try:
            strata = Strata(quarters=int(told[1]), levels=int(told[2]), days=int(told[3] or 1)) if told else None
        except ValidationError:
            strata = None
        if strata is None:
            raise ScenarioError([f"--sample: {text}: must be parts x levels, as 2x3, at most 12x10; or x days, as 1x3x7"])
        if self.events:
            raise ScenarioError([f"--sample: {text}: {self.name} has events, which belong to its own days"])
        if strata.quarters * strata.levels * strata.days > self.days:
            raise ScenarioError([f"--sample: {text}: {self.name} has {self.days:g} days only"])
        return replace(self, strata=strata)

    def weather_from(self, data_dir: Path | None) -> Path | None:
        """The folder of measured weather to use, None to generate it.

        Raises:
            ScenarioError: The scenario needs measured weather, and a file of it is missing.
        """
        if self.weather == "generated" or (self.weather == "auto" and data_dir is None):
            return None
        if data_dir is None:
            raise ScenarioError([f"{self.name}: weather: measured: needs --data DIR with {WIND_FILE} and {SOLAR_FILE}"])
        # A folder that was named and is incomplete is an error even under `auto`: generated weather must not slip in unseen.
        missing = [name for name in (WIND_FILE, SOLAR_FILE) if not (data_dir / name).is_file()]
        if missing:
            raise ScenarioError([f"{self.name}: weather: {data_dir / name}: no such file" for name in missing])
        return data_dir


def list_scenarios(seeds: Path = SEEDS) -> tuple[Path, ...]:
    """The scenario files that travel with the seeds, by name."""
    return tuple(sorted((seeds / _FOLDER).glob("*.yaml")))


def load(name_or_path: str | Path, seeds: Path = SEEDS) -> Scenario:
    """A scenario by its name or by the path of its file.

    Args:
        name_or_path: `real-month`, or a path that ends in `.yaml`.
        seeds: Where named scenarios and parks are found.

    Raises:
        ScenarioError: It is unknown or breaks its rules; one line a fault, all of them in one go, the park's included.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = seeds / _FOLDER / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(file.stem for file in list_scenarios(seeds)) or "none"
            raise ScenarioError([f"{name_or_path}: no such scenario; known are {known}"])
    written = _read(path)
    faults = list(_step_faults(path.name, written))
    try:
        park = load_park(seeds / written.park, at=written.park_at, scenarios=written.park_scenarios)
    except ParkError as error:
        faults += [f"{path.name}: park: {fault}" for fault in error.faults]
    else:
        faults += _initial_faults(path.name, written, park)
        for i, entry in enumerate(written.faults):
            faults += entry_faults(f"{path.name}: faults.{i}", entry, park)
        events, event_faults = parse_events(path.name, written.events, park, written.days)
        faults += event_faults
        start = written.start if written.start.tzinfo is not None else written.start.replace(tzinfo=park.zone)
        if not faults:
            return replace(_scenario(written, seeds, start), events=events)
    raise ScenarioError(faults)


def load_park_of(scenario: Scenario) -> Park:
    """The park that a scenario runs in.

    Raises:
        ParkError: The park file breaks its rules.
    """
    park = load_park(scenario.park_path, at=scenario.park_at, scenarios=scenario.park_scenarios)
    return with_spot(park) if scenario.prices == "spot" else park


def _read(path: Path) -> _File:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError([f"{path.name}: no YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(content, dict):
        raise ScenarioError([f"{path.name}: holds {type(content).__name__}; a scenario is a mapping of keys to values"])
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        raise ScenarioError([_line(path.name, fault) for fault in error.errors()]) from error


def _line(file: str, fault: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{file}: {key}: unknown key; known are {', '.join(_File.model_fields)}"
        case "missing":
            return f"{file}: {key}: missing; every scenario needs it"
        case _:
            return f"{file}: {key}: {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _step_faults(file: str, written: _File) -> Iterator[str]:
    step_s, register_s = written.control_step_s, REGISTER.total_seconds()
    if register_s % step_s:
        yield f"{file}: control_step_s: {step_s:g}: must divide the registers' {register_s:g} s, as 1, 10 or 60 do"
    elif timedelta(days=written.days) % timedelta(seconds=step_s):
        yield f"{file}: days: {written.days:g}: must be whole control steps of {step_s:g} s"
    if written.start.minute % (REGISTER // timedelta(minutes=1)) or written.start.second or written.start.microsecond:
        yield f"{file}: start: {written.start.isoformat()}: must be on a quarter of an hour"


def _initial_faults(file: str, written: _File, park: Park) -> Iterator[str]:
    kinds = {asset.id: asset.kind for asset in park.assets}
    for asset_id, stocks in written.initial.items():
        kind = kinds.get(AssetId(asset_id))
        if kind is None:
            yield f"{file}: initial.{asset_id}: no such asset in {written.park} on {written.park_at}"
            continue
        for name, share in stocks.items():
            known = _STOCKS.get(kind, frozenset())
            if name not in known:
                may = ", ".join(sorted(known)) or "nothing"
                yield f"{file}: initial.{asset_id}.{name}: a {kind} starts with {may} of the scenario's choice"
            elif not 0.0 <= share <= 1.0:
                yield f"{file}: initial.{asset_id}.{name}: {share:g}: must be between 0 and 1"


def _scenario(written: _File, seeds: Path, start: datetime) -> Scenario:
    return Scenario(
        name=written.name,
        purpose=written.purpose,
        park_path=seeds / written.park,
        park_at=written.park_at,
        start=start.astimezone(UTC),
        days=written.days,
        weather=written.weather,
        seed=written.seed,
        control_step_s=written.control_step_s,
        clusters=written.clusters,
        faults=written.faults,
        power_flow=written.power_flow,
        prices=written.prices,
        history_days=written.history_days,
        park_scenarios=written.park_scenarios,
        strata=written.strata,
        initial={AssetId(asset_id): dict(stocks) for asset_id, stocks in written.initial.items()},
    )


def _ragged(scenario: Scenario) -> bool:
    return bool(timedelta(days=scenario.days) % timedelta(seconds=scenario.control_step_s))
