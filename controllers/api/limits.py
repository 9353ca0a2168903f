"""What is absurd and refused at the door: power beyond a plate, spans that are over or run backwards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from controllers.api.bodies import BacklogItemBody, EventBody, LocalBody, MaintenanceBody, PinBody, ReleaseBody
from controllers.api.problem import Fault, fault_of
from vpp.park import Asset, Connection, Park, areas_behind
from vpp.park.rating import rating
from vpp.units import hours
from vpp.wire.backlog import MOST_ITEMS, contradictions
from vpp.wire.messages import BacklogItem
from vpp.wire.messages.fields import MAX_MW

__all__ = ["backlog_items", "event_faults", "override_faults", "plate_band_mw"]

#: An order may have been under way this long when it begins now.
_LATE: Final = timedelta(minutes=1)
_LATE_EVENT: Final = timedelta(minutes=15)
_LONGEST_PIN: Final = timedelta(days=7)
_LONGEST_WINDOW: Final = timedelta(days=366)
_LONGEST_EVENT: Final = timedelta(hours=48)
_SHORTEST_EVENT: Final = timedelta(minutes=1)
_FARTHEST: Final = timedelta(days=366)
#: Kinds that ask for less, which are all that one cluster's meter can be called for.
_AT_A_METER: Final = ("peak", "import_limit", "emergency")
_BELOW_ZERO: Final = frozenset({"wind", "solar", "thermal"})


def plate_band_mw(asset: Asset) -> tuple[float, float]:
    """Least and most power that a plate allows at all, in MW, positive when consuming."""
    size = rating(asset)
    if size.role == "other":  # a kind from outside that does not say how big it is
        return (-MAX_MW, MAX_MW)
    over = float(getattr(asset.plate, "max_frac", getattr(asset.plate, "max_load_frac", 1.0)))
    most = size.power_mw * over + float(getattr(asset.plate, "auxiliary_mw", 0.0))
    if size.role in _BELOW_ZERO:
        return (-size.power_mw, 0.0)
    return (-size.power_mw, size.power_mw) if size.role == "storage" else (0.0, most)


def override_faults(park: Park, asked: LocalBody | PinBody | MaintenanceBody | ReleaseBody, now: datetime) -> Iterator[Fault]:
    """All that is wrong with an override."""
    asset = next((a for a in park.assets if a.id == asked.asset_id), None)
    if asset is None:
        yield Fault(where="body.asset_id", value=repr(asked.asset_id), rule=f"no such asset in {park.id}")
        return
    if isinstance(asked, PinBody):
        yield from _power(asset, asked.power_mw)
    if isinstance(asked, ReleaseBody):
        return
    start = asked.start or now
    longest = _LONGEST_PIN if isinstance(asked, PinBody) else _LONGEST_WINDOW
    yield from _span(start, asked.end, now, late=_LATE, longest=longest)


def _power(asset: Asset, power_mw: float) -> Iterator[Fault]:
    low, high = plate_band_mw(asset)
    if asset.kind == "base_load":
        rule = f"{asset.id} only follows its users and cannot be held at a power"
        yield Fault(where="body.power_mw", value=f"{power_mw:g}", rule=rule)
    elif not low <= power_mw <= high:
        rule = f"{asset.id} runs between {low:g} and {high:g} MW, positive when consuming"
        yield Fault(where="body.power_mw", value=f"{power_mw:g}", rule=rule)


def event_faults(park: Park, asked: EventBody, now: datetime) -> Iterator[Fault]:
    """All that is wrong with an event."""
    connection = next((c for c in park.connections if c.id == asked.connection), None)
    if connection is None:
        known = ", ".join(c.id for c in park.connections)
        yield Fault(where="body.connection", value=repr(asked.connection), rule=f"no such connection; there are {known}")
    elif asked.asset is not None:
        yield from _meter(park, connection, asked, asked.asset)
    else:
        yield from _target(connection, asked.target_mw)
    yield from _span(asked.start, asked.end, now, late=_LATE_EVENT, longest=_LONGEST_EVENT, shortest=_SHORTEST_EVENT)


def _meter(park: Park, connection: Connection, asked: EventBody, name: str) -> Iterator[Fault]:
    """Faults of a call that is counted at the meter of one cluster."""
    areas = areas_behind(park, connection)
    clusters = {str(cluster.id): cluster for cluster in park.assets_of("compute")}
    behind = [one for one, cluster in clusters.items() if cluster.area in areas]
    if name not in clusters:
        known = ", ".join(behind) or "none"
        rule = f"no such computing cluster; only such a meter can be called, and behind {connection.id} there are {known}"
        yield Fault(where="body.asset", value=repr(name), rule=rule)
        return
    if name not in behind:
        known = ", ".join(behind) or "none"
        yield Fault(where="body.asset", value=repr(name), rule=f"is not behind {connection.id}; clusters there: {known}")
    if asked.kind not in _AT_A_METER:
        rule = f"asks for more; at the meter of a cluster there are {', '.join(_AT_A_METER)}"
        yield Fault(where="body.kind", value=repr(asked.kind), rule=rule)
    low, high = plate_band_mw(clusters[name])
    if not low <= asked.target_mw <= high:
        rule = f"{name} draws between {low:g} and {high:g} MW at its own meter"
        yield Fault(where="body.target_mw", value=f"{asked.target_mw:g}", rule=rule)


def _target(connection: Connection, target_mw: float) -> Iterator[Fault]:
    if not -connection.export_limit_mw <= target_mw <= connection.import_limit_mw:
        rule = (
            f"{connection.id} carries between {-connection.export_limit_mw:g} (export) and "
            f"{connection.import_limit_mw:g} MW (import)"
        )
        yield Fault(where="body.target_mw", value=f"{target_mw:g}", rule=rule)


def _span(
    start: datetime,
    end: datetime | None,
    now: datetime,
    *,
    late: timedelta,
    longest: timedelta,
    shortest: timedelta = timedelta(0),
) -> Iterator[Fault]:
    """Faults of a span in park time."""
    if end is not None and end <= start:
        yield Fault(where="body.end", value=end.isoformat(), rule=f"must come after start {start.isoformat()}")
    elif end is not None and end <= now:
        yield Fault(where="body.end", value=end.isoformat(), rule=f"is past; in the park it is {now.isoformat()}")
    elif start < now - late:
        yield Fault(where="body.start", value=start.isoformat(), rule=f"is past; in the park it is {now.isoformat()}")
    elif end is not None and not shortest <= end - start <= longest:
        bounds = f"between {hours(shortest):g} and {hours(longest):g} h"
        yield Fault(where="body.end", value=end.isoformat(), rule=f"{hours(end - start):g} h after start; {bounds} are allowed")
    if start > now + _FARTHEST:
        yield Fault(where="body.start", value=start.isoformat(), rule=f"is more than {_FARTHEST.days} days ahead")


def backlog_items(
    rows: Sequence[dict[str, Any]], rated_mw: float, now: datetime
) -> tuple[tuple[BacklogItemBody, ...], tuple[Fault, ...]]:
    """Items that are in order, and the faults of the others; each row stands or falls by itself.

    Args:
        rows: As they came.
        rated_mw: Of the cluster. [MW]
        now: In park time (UTC).
    """
    taken: list[BacklogItemBody] = []
    faults: list[Fault] = []
    for i, row in enumerate(rows):
        if i >= MOST_ITEMS:
            faults.append(Fault(where=f"items.{i}", value="", rule=f"more than {MOST_ITEMS} classes; merge some"))
            continue
        try:
            item = BacklogItemBody.model_validate(row)
        except ValidationError as error:
            faults += [fault_of(dict(one), before=("items", i)) for one in error.errors()]
            continue
        wrong = list(_item(item, rated_mw, now, i))
        faults += wrong
        if not wrong:
            taken.append(item)
    return tuple(taken), tuple(faults)


def _item(item: BacklogItemBody, rated_mw: float, now: datetime, i: int) -> Iterator[Fault]:
    if item.deadline <= item.release:
        where, rule = f"items.{i}.deadline", f"must come after release {item.release.isoformat()}"
        yield Fault(where=where, value=item.deadline.isoformat(), rule=rule)
    elif item.deadline <= now:
        where, rule = f"items.{i}.deadline", f"is past; in the park it is {now.isoformat()}"
        yield Fault(where=where, value=item.deadline.isoformat(), rule=rule)
    else:
        for name, rule in contradictions(BacklogItem(**item.model_dump())):
            yield Fault(where=f"items.{i}.{name}", value=f"{getattr(item, name)}", rule=rule)
    if item.max_mw > rated_mw:
        yield Fault(where=f"items.{i}.max_mw", value=f"{item.max_mw:g}", rule=f"the cluster has {rated_mw:g} MW")
