"""The state a plan starts from, as a person or a program writes it in a file; what it does not say stands at middle levels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from controllers.dispatch.snapshot import ClusterReport, Reported, Snapshot, Work
from controllers.planner.asks import Asks
from vpp.assets import ASSET_KINDS
from vpp.errors import PlanError
from vpp.events import Event, Override, Pin, PinLimit, PinLocal, PinPower
from vpp.ids import AssetId, ConnectionId
from vpp.park import Asset, Park
from vpp.units import HOURS_PER_DAY, hours

__all__ = ["Situation", "middle_state", "read_situation"]

_KEYS: Final = ("assets", "connections", "work", "events", "overrides")
#: Facts of a fresh machine that say nothing of a plant in the middle of its day.
_NO_STATE: Final = ("quota_left_mwh",)
#: Facts that plans look at beside those of a kind's own state.
_READ: Final = frozenset(
    {
        *("available_mw", "buffer_kg", "calls_left", "closed", "demand_mw", "heats_today", "hours_left_h", "locked_off_h"),
        *("locked_on_h", "mode", "must_run_units", "owed_mwh", "power_mw", "quota_left_mwh", "rate_t_per_h", "recovery_left_h"),
        *("sequence_heats", "soc_frac", "stacks_on", "stacks_standby", "stacks_starting", "start_left_h", "steam_generation_mw"),
        *("least_frac", "most_frac", "tripped", "units_on", "units_starting", "waiting_mwh"),
    }
)
_READ_BY_PART: Final = "furnace."
#: Stacks run somewhat above their rating; nothing else is more than whole.
_MOST_FRAC: Final = 1.5
_CONNECTION_KEYS: Final = frozenset({"month_peak_mw", "import_mw"})


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the park stands.

    Args:
        snapshot: Every asset's state.
        month_peak_mw: Highest import of the month so far, by connection.
        available_mw: What farms can generate now, where the file says so.
        asks: Events and overrides.
        unread: What the file says and no plan looks at, each with its place: most often a slip of the pen.
    """

    snapshot: Snapshot
    month_peak_mw: Mapping[ConnectionId, float]
    available_mw: Mapping[AssetId, float]
    asks: Asks
    unread: tuple[str, ...] = ()


def middle_state(asset: Asset) -> dict[str, float]:
    """A plausible state of an asset nobody told of: half full, idle or at least load, by the kind's own physics."""
    kind = ASSET_KINDS[asset.kind]
    plate = kind.plate([asset.plate])
    state = kind.initial(plate)
    facts = {f.name: float(getattr(state, f.name)[0]) for f in fields(state) if getattr(state, f.name).ndim == 1}
    facts = {name: value for name, value in facts.items() if name not in _NO_STATE}
    if asset.kind == "ammonia_loop":
        facts["rate_t_per_h"] = facts["load_frac"] * asset.plate.loop_t_per_h
    return facts


def read_situation(park: Park, at: datetime, path: Path | None) -> Situation:
    """The situation at an instant.

    Args:
        park: What is in service.
        at: Now (UTC).
        path: A JSON file with any of `assets` (state by id), `connections` (`month_peak_mw`, `import_mw` by id), `work` (by
            cluster a list of `job_class, energy_mwh, release, deadline`), `events`, `overrides`; None for middle levels.

    Raises:
        PlanError: The file cannot be read, or names what the park does not have; one line.
    """
    told = {} if path is None else _load(path)
    where = str(path)
    for key in told:
        if key not in _KEYS:
            raise PlanError(f"{where}: {key}: unknown; write one of {', '.join(_KEYS)}")
    assets: Mapping[str, Mapping[str, Any]] = _section(told, "assets", where)
    connections = _section(told, "connections", where)
    _known(assets, [a.id for a in park.assets], f"{where}: assets", park)
    _known(connections, [c.id for c in park.connections], f"{where}: connections", park)
    reports: dict[AssetId, Reported] = {}
    unread: list[str] = []
    for asset in park.assets:
        own = _numbers(assets.get(asset.id, {}), f"{where}: assets.{asset.id}")
        unread += [f"{where}: assets.{asset.id}.{key}" for key in own if not _is_read(asset, key)]
        state = {**middle_state(asset), **_so_far_today(park, asset, at), **own}
        available = own.get("available_mw")
        reports[asset.id] = Reported(at, state.get("power_mw", 0.0), available, state, online=True)
    numbers = {c: _numbers(row, f"{where}: connections.{c}") for c, row in connections.items()}
    unread += [f"{where}: connections.{c}.{key}" for c, row in numbers.items() for key in row if key not in _CONNECTION_KEYS]
    imports = {ConnectionId(c): row["import_mw"] for c, row in numbers.items() if "import_mw" in row}
    clusters = _clusters(park, at, _section(told, "work", where), where)
    return Situation(
        snapshot=Snapshot(at, reports, clusters, imports),
        month_peak_mw={ConnectionId(c): row["month_peak_mw"] for c, row in numbers.items() if "month_peak_mw" in row},
        available_mw={i: said.available_mw for i, said in reports.items() if said.available_mw is not None},
        asks=Asks(_events(told.get("events", []), at, where, park), _overrides(told.get("overrides", []), at, where, park)),
        unread=tuple(unread),
    )


def _is_read(asset: Asset, key: str) -> bool:
    return key in _READ or key.startswith(_READ_BY_PART) or key in middle_state(asset)


def _rows(listed: Any, where: str) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    if not isinstance(listed, list):
        raise PlanError(f"{where}: a list of objects is expected")
    for number, row in enumerate(listed):
        if not isinstance(row, dict):
            raise PlanError(f"{where}[{number}]: {row!r} is no object")
    return listed


def _so_far_today(park: Park, asset: Asset, at: datetime) -> dict[str, float]:
    """Heats that an even pace would have started by now."""
    if asset.kind != "arc_furnace":
        return {}
    local = at.astimezone(park.zone)
    gone = hours(local - local.replace(hour=0, minute=0, second=0, microsecond=0)) / HOURS_PER_DAY
    return {"heats_today": float(int(gone * asset.plate.heats_per_day))}


def _load(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PlanError(f"{path}: not JSON: {error}") from error
    if not isinstance(told, dict):
        raise PlanError(f"{path}: an object with {', '.join(_KEYS)} is expected")
    return told


def _section(told: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    section = told.get(key, {})
    if not isinstance(section, dict):
        raise PlanError(f"{where}: {key}: an object by id is expected")
    return section


def _known(named: Mapping[str, Any], there: list[Any], where: str, park: Park) -> None:
    for name in named:
        if name not in there:
            raise PlanError(f"{where}.{name}: not in service on {park.at}; there are {', '.join(there[:6])}, ...")


def _numbers(row: Any, where: str) -> dict[str, float]:
    if not isinstance(row, dict):
        raise PlanError(f"{where}: an object of numbers is expected")
    for key, value in row.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise PlanError(f"{where}.{key}: {value!r} is no number")
        if key.endswith("_frac") and not 0.0 <= value <= _MOST_FRAC:
            raise PlanError(f"{where}.{key}: {value:g}: write a share of one, as 0.8 for 80 %")
    return {key: float(value) for key, value in row.items()}


def _instant(row: Mapping[str, Any], key: str, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(row[key]))
    except KeyError as error:
        raise PlanError(f"{where}: {key} is missing") from error
    except ValueError as error:
        raise PlanError(f"{where}.{key}: {row[key]!r} is no instant; write 2030-10-01T08:00:00+08:00") from error
    if at.tzinfo is None:
        raise PlanError(f"{where}.{key}: {row[key]!r} has no zone; write 2030-10-01T08:00:00+08:00")
    return at.astimezone(UTC)


def _clusters(park: Park, at: datetime, told: Mapping[str, Any], where: str) -> dict[AssetId, ClusterReport]:
    _known(told, [a.id for a in park.assets_of("compute")], f"{where}: work", park)
    found: dict[AssetId, ClusterReport] = {}
    for cluster, items in told.items():
        plate = park.asset(cluster).plate
        classes = [job.name for job in plate.job_classes]
        work: list[Work] = []
        for number, row in enumerate(_rows(items, f"{where}: work.{cluster}")):
            place = f"{where}: work.{cluster}[{number}]"
            if row.get("job_class") not in classes:
                raise PlanError(f"{place}.job_class: {row.get('job_class')!r} is unknown; there are {', '.join(classes)}")
            energy = _numbers({"energy_mwh": row.get("energy_mwh")}, place)["energy_mwh"]
            release, deadline = _instant(row, "release", place), _instant(row, "deadline", place)
            work.append(Work(row["job_class"], energy, release, deadline, plate.rated_mw))
        found[AssetId(cluster)] = ClusterReport(at, 0.0, {}, tuple(work), 0.0)
    return found


def _events(rows: Any, at: datetime, where: str, park: Park) -> tuple[Event, ...]:
    found: list[Event] = []
    for number, row in enumerate(_rows(rows, f"{where}: events")):
        place = f"{where}: events[{number}]"
        _known({str(row.get("connection")): 0}, [c.id for c in park.connections], f"{place}.connection", park)
        if row.get("kind") not in ("peak", "valley", "import_limit", "export_limit", "emergency"):
            raise PlanError(f"{place}.kind: {row.get('kind')!r}; write peak, valley, import_limit, export_limit or emergency")
        found.append(
            Event(
                event_id=str(row.get("event_id", f"event{number}")),
                kind=row["kind"],
                connection=ConnectionId(row["connection"]),
                target_mw=_numbers({"target_mw": row.get("target_mw")}, place)["target_mw"],
                start=_instant(row, "start", place),
                end=_instant(row, "end", place),
                issued_at=at,
                received_at=at,
            )
        )
    return tuple(found)


def _overrides(rows: Any, at: datetime, where: str, park: Park) -> tuple[Override, ...]:
    found: list[Override] = []
    for number, row in enumerate(_rows(rows, f"{where}: overrides")):
        place = f"{where}: overrides[{number}]"
        _known({str(row.get("asset_id")): 0}, [a.id for a in park.assets], f"{place}.asset_id", park)
        found.append(
            Override(
                asset_id=AssetId(row["asset_id"]),
                pin=_pin(row, place),
                start=_instant(row, "start", place) if "start" in row else at,
                end=_instant(row, "end", place) if "end" in row else None,
                who=str(row.get("who", "")),
                why=str(row.get("why", "")),
                issued_at=at,
                received_at=at,
            )
        )
    return tuple(found)


def _pin(row: Mapping[str, Any], place: str) -> Pin:
    if "power_mw" in row:
        return PinPower(_numbers({"power_mw": row["power_mw"]}, place)["power_mw"])
    if "low_mw" in row and "high_mw" in row:
        limits = _numbers({key: row[key] for key in ("low_mw", "high_mw")}, place)
        return PinLimit(limits["low_mw"], limits["high_mw"])
    return PinLocal()
