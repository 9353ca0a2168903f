"""What was and what comes, as one row of blocks for each quantity: measured up to now, forecast and plan after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from rich.text import Text

from controllers.console.flows import category_of
from controllers.console.frame import BoardFrame, Moment
from controllers.console.palette import CATEGORIES, GRID, LINK, SOURCES, STORE
from controllers.console.text import MISSING, fit, mw
from vpp.units import FloatArray
from vpp.wire.messages import ForecastSeries

__all__ = ["LEAST_LINES", "timeline_lines", "timeline_title"]

#: Axis and first row.
LEAST_LINES: Final = 2
_LABEL_CELLS, _NOW = 14, "┃"
_NUMBER_CELLS: Final = 9
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_TICK: Final = timedelta(hours=3)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PASSED_ON: Final = frozenset({GRID, LINK, STORE})


@dataclass(frozen=True, slots=True)
class _Scale:
    """Cells of equal length, so many before and after the instant that divides them."""

    step: timedelta
    past: int
    coming: int


#: The finest that fits is taken; 24 h ahead always.
_SCALES: Final = (
    _Scale(timedelta(minutes=15), 48, 96),
    _Scale(timedelta(minutes=30), 48, 48),
    _Scale(timedelta(minutes=30), 24, 48),
    _Scale(timedelta(minutes=30), 12, 48),
    _Scale(timedelta(hours=1), 12, 24),
    _Scale(timedelta(hours=1), 0, 24),
)

Steps = tuple[Sequence[datetime], FloatArray]


@dataclass(frozen=True, slots=True)
class _Row:
    """One quantity: its mean over a stretch of the past, and its steps ahead; None where nobody said."""

    label: str
    colour: str
    past: Callable[[Moment], float]
    ahead: Steps | None
    own_scale: bool = False


def timeline_title(cells: int) -> str:
    """What the rows span."""
    scale = _fitting(cells)
    before = f"last {scale.past * scale.step / timedelta(hours=1):.0f} h measured ┃ " if scale.past else ""
    return f"{before}next {scale.coming * scale.step / timedelta(hours=1):.0f} h forecast and plan"


def timeline_lines(frame: BoardFrame, rows: int, cells: int) -> list[Text]:
    """The axis and at most `rows` rows, the first ones first."""
    scale = _fitting(cells)
    origin = frame.at - (frame.at - _EPOCH) % scale.step
    values = [(row, _past(row, frame, scale, origin), _ahead(row, scale, origin)) for row in _rows(frame)[:rows]]
    common = _most(np.concatenate([past, ahead]) for row, past, ahead in values if not row.own_scale)
    lines = [_axis(frame, scale, origin)]
    for row, past, ahead in values:
        most = _most([np.concatenate([past, ahead])]) if row.own_scale else common
        line = Text(fit(row.label, _LABEL_CELLS))
        line.append(_blocks(past, most), style=row.colour)
        line.append(_NOW, style="bold")
        line.append(_blocks(ahead, most), style=row.colour)
        line.append(f" {_summary(ahead)}", style="dim")
        lines.append(Text(fit(line.plain, cells)) if line.cell_len > cells else line)
    return lines


def _rows(frame: BoardFrame) -> tuple[_Row, ...]:
    """In the order of their use to somebody who looks for a second."""
    sources = frozenset(a.asset.id for a in frame.assets if category_of(a.asset.kind) in SOURCES)
    loads = frozenset(a.asset.id for a in frame.assets if category_of(a.asset.kind) not in (*SOURCES, STORE))
    return (
        _Row("wind+sun 风光", CATEGORIES["wind"].colour, lambda m: _sum(m, SOURCES, supply=True), _expected(frame)),
        _Row("loads 负荷", CATEGORIES["hydrogen"].colour, _loads, _planned(frame, loads, 1.0)),
        _Row("compute 算力", CATEGORIES["compute"].colour, lambda m: _sum(m, ("compute",), supply=False), _target(frame), True),
        _Row("plan use 消纳", CATEGORIES["sun"].colour, lambda _: math.nan, _planned(frame, sources, -1.0)),
        _Row("import 购电", CATEGORIES[GRID].colour, _import, _planned_import(frame), True),
    )


def _sum(moment: Moment, categories: Iterable[str], *, supply: bool) -> float:
    """Over all areas; NaN when a part of it was not heard, for a part is not the whole."""
    names = frozenset(categories)
    if any(names & f.unknown for f in moment.flows):
        return math.nan
    return sum(mw for f in moment.flows for name, mw in (f.supply_mw if supply else f.demand_mw).items() if name in names)


def _loads(moment: Moment) -> float:
    return _sum(moment, [c for c in CATEGORIES if c not in _PASSED_ON and c not in SOURCES], supply=False)


def _import(moment: Moment) -> float:
    return _sum(moment, (GRID,), supply=True)


def _expected(frame: BoardFrame) -> Steps | None:
    """The median of what wind and sun can give; the sum of medians, which is near the median of the sum and not equal to it."""
    forecast = frame.forecast
    if forecast is None:
        return None
    sources: dict[str, float] = {
        a.asset.id: a.asset.plate.capacity_mw for a in frame.assets if category_of(a.asset.kind) in SOURCES
    }
    middle = int(np.argmin(np.abs(np.asarray(forecast.levels) - 0.5)))
    found = [_in_mw(series, middle, sources[series.id]) for series in forecast.series if series.id in sources]
    return (forecast.edges, np.sum(found, axis=0)) if found else None


def _in_mw(series: ForecastSeries, level: int, capacity_mw: float) -> FloatArray:
    values = np.array([row[level] for row in series.values])
    return values * capacity_mw if series.quantity.endswith("_frac") else values


def _planned(frame: BoardFrame, ids: frozenset[str], sign: float) -> Steps | None:
    plan = frame.plan
    found = [] if plan is None else [np.asarray(p.power_mw) for p in plan.assets if p.id in ids]
    return (plan.edges, sign * np.sum(found, axis=0)) if plan is not None and found else None


def _planned_import(frame: BoardFrame) -> Steps | None:
    plan = frame.plan
    flows = [] if plan is None else [p.power_mw for p in plan.connections if p.id in frame.grid_connections]
    return (plan.edges, np.sum(np.maximum(flows, 0.0), axis=0)) if plan is not None and flows else None


def _target(frame: BoardFrame) -> Steps | None:
    """What clusters are asked for; with several on different intervals, those of the first are taken."""
    shifts = [asset.shift for asset in frame.assets if asset.shift is not None and asset.shift.intervals]
    if not shifts:
        return None
    edges = (*(i.start for i in shifts[0].intervals), shifts[0].intervals[-1].end)
    stamps = _stamps(edges)
    total = np.zeros(len(edges) - 1)
    for shift in shifts:
        own = (*(i.start for i in shift.intervals), shift.intervals[-1].end)
        total += _means((own, np.array([i.target_mw for i in shift.intervals])), stamps)
    return edges, total


def _past(row: _Row, frame: BoardFrame, scale: _Scale, origin: datetime) -> FloatArray:
    sums, counts = np.zeros(scale.past), np.zeros(scale.past)
    begin = origin - scale.past * scale.step
    for moment in frame.past:
        cell, value = (moment.start - begin) // scale.step, row.past(moment)
        if 0 <= cell < scale.past and math.isfinite(value):
            sums[cell] += value
            counts[cell] += 1.0
    means: FloatArray = np.divide(sums, counts, out=np.full(scale.past, np.nan), where=counts > 0.0)
    return means


def _ahead(row: _Row, scale: _Scale, origin: datetime) -> FloatArray:
    if row.ahead is None:
        return np.full(scale.coming, np.nan)
    return _means(row.ahead, _stamps([origin + i * scale.step for i in range(scale.coming + 1)]))


def _means(steps: Steps, stamps: FloatArray) -> FloatArray:
    """Means of a series of steps between stamps; NaN where the series says nothing."""
    edges, values = _stamps(steps[0]), steps[1]
    total = np.concatenate([[0.0], np.cumsum(values * np.diff(edges))])
    low, high = np.clip(stamps[:-1], edges[0], edges[-1]), np.clip(stamps[1:], edges[0], edges[-1])
    span = high - low
    energy = np.interp(high, edges, total) - np.interp(low, edges, total)
    means: FloatArray = np.divide(energy, span, out=np.full(span.shape, np.nan), where=span > 0.0)
    return means


def _stamps(instants: Iterable[datetime]) -> FloatArray:
    return np.array([at.timestamp() for at in instants])


def _most(values: Iterable[FloatArray]) -> float:
    flat = np.concatenate([v[np.isfinite(v)] for v in values] or [np.zeros(0)])
    return max(float(flat.max(initial=0.0)), 1e-9)


def _blocks(values: FloatArray, most: float) -> str:
    """A cell is blank where nothing is known, and its lowest block where it is zero."""
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[min(max(round(v / most * top), 0), top)] if math.isfinite(v) else " " for v in values)


def _summary(ahead: FloatArray) -> str:
    known = ahead[np.isfinite(ahead)]
    if not known.size:
        return MISSING
    return f"{mw(float(known.min()))}–{mw(float(known.max()))}".replace(",", "")


def _axis(frame: BoardFrame, scale: _Scale, origin: datetime) -> Text:
    """Park time at whole hours, each label beginning at its cell."""
    signs = [" "] * (scale.past + 1 + scale.coming)
    for i in range(-scale.past, scale.coming):
        local = (origin + i * scale.step).astimezone(frame.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        place = i + scale.past + (1 if i >= 0 else 0)
        label = f"{local:%H:%M}"
        room = signs[max(place - 1, 0) : place + len(label)]
        if (local - midnight) % _TICK == timedelta(0) and place + len(label) <= len(signs) and not "".join(room).strip():
            signs[place : place + len(label)] = label
    return Text(fit("park time", _LABEL_CELLS) + "".join(signs) + " MW ahead", style="dim", no_wrap=True)


def _fitting(cells: int) -> _Scale:
    room = cells - _LABEL_CELLS - 1 - _NUMBER_CELLS
    return next((scale for scale in _SCALES if scale.past + scale.coming <= room), _SCALES[-1])
