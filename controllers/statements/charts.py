"""The plots of a statement: where power came from, how well it matched, what it cost, and the month's peak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np

from controllers.statements.build import Statement
from controllers.statements.svg import Frame, Layer, bars, heat, legend, lines
from controllers.statements.words import CNY_PER_WAN, ORIGINS, item_words
from vpp.accounts.bill import DEMAND
from vpp.ids import ConnectionId
from vpp.units import HOURS_PER_DAY, FloatArray

__all__ = ["cost_chart", "green_chart", "import_chart", "supply_chart"]

#: Brings energy of intervals into columns and their unit.
_Gather: TypeAlias = Callable[[FloatArray], FloatArray]

_HOURS: Final = int(HOURS_PER_DAY)
#: Up to so many days are drawn quarter by quarter.
_FINE_DAYS: Final = 2
_DEMAND_LINE: Final = "#1f2933"
#: Background of the tariff's periods, by the place of their price: the cheapest first.
_SHADES: Final = ("#eef6ff", "#ffffff", "#fff1dc", "#ffd9c2")


def supply_chart(statement: Statement) -> str:
    """Supply by origin and, as a line, what loads used: by the day, or by the quarter of a short span."""
    accounts = statement.accounts
    made = accounts.supply_mwh.sum(axis=0)
    used = accounts.energy_mwh[accounts.rows("load", "own_use")].sum(axis=0)
    frame, gather = _columns(statement, "MWh", "MW")
    layers = [
        Layer(f"{word} {zh}", colour, gather(made[:, origin]))
        for origin, (word, zh, colour) in ORIGINS.items()
        if float(made[:, origin].sum()) > 0.0
    ]
    line = Layer("loads 用电负荷", _DEMAND_LINE, gather(used))
    entries = [(layer.name, layer.colour) for layer in layers] + [(line.name, line.colour)]
    return bars(frame, layers, _gap(statement), line) + legend(entries)


def cost_chart(statement: Statement) -> str:
    """Cost by item and day; the demand charge as each day accrues it."""
    accounts = statement.accounts
    daily = {name: statement.days.sums(accounts.cost_cny[:, :, k].sum(axis=0)) for k, name in enumerate(accounts.items)}
    daily[DEMAND] = statement.demand_cny
    frame = Frame(unit="10⁴ CNY 万元", labels=_day_labels(statement), ticks=_day_ticks(statement))
    layers = [
        Layer(" ".join(item_words(name)[:2]), item_words(name)[2], values / CNY_PER_WAN)
        for name, values in daily.items()
        if float(np.abs(values).sum()) > 0.0
    ]
    return bars(frame, layers) + legend([(layer.name, layer.colour) for layer in layers])


def green_chart(statement: Statement) -> str:
    """Matched green share of all loads: a field of hours and days, or bars by the quarter of a short span."""
    accounts = statement.accounts
    loads = accounts.rows("load", "own_use")
    used, green = accounts.energy_mwh[loads].sum(axis=0), accounts.green_mwh[loads].sum(axis=0)
    if len(statement.days.days) <= _FINE_DAYS:
        frame, _ = _columns(statement, "", "%")
        share = np.where(used > 0.0, green / np.where(used > 0.0, used, 1.0), np.nan)
        return bars(frame, [Layer("green share 绿电占比", "#009e73", 100.0 * share)], 0.0)
    hour = np.array([_local(statement, at).hour for at in accounts.grid.starts], dtype=np.int64)
    cells = np.zeros((2, _HOURS, len(statement.days.days)))
    for place, energy in enumerate((green, used)):
        np.add.at(cells[place], (hour, statement.days.index), energy)
    field: FloatArray = np.where(cells[1] > 0.0, cells[0] / np.where(cells[1] > 0.0, cells[1], 1.0), np.nan)
    frame = Frame(unit="h", labels=_day_labels(statement), ticks=_day_ticks(statement), height=330.0)
    rows = [f"{h:02d}:00" for h in range(_HOURS)]
    key = [(f"{share:.0%}", _green(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return heat(frame, field, _green, rows, "green share 绿电占比") + legend(key)


def import_chart(statement: Statement, connection: ConnectionId) -> str:
    """Import of every quarter over the tariff's periods, with the span's peak."""
    accounts = statement.accounts
    row = accounts.registers.connections.index(connection)
    net = (accounts.registers.import_mwh[row] - accounts.registers.export_mwh[row]) / accounts.grid.step_h
    peak = next(one for one in statement.totals.peaks if one.connection == connection)
    local = [_local(statement, at) for at in accounts.grid.starts]
    labels = [f"{at:%m-%d %H:%M}" for at in local]
    fine = len(statement.days.days) <= _FINE_DAYS
    ticks = _quarter_ticks(local) if fine else [(t, f"{at.day}") for t, at in enumerate(local) if (at.hour, at.minute) == (12, 0)]
    frame = Frame(unit="MW", labels=labels, ticks=ticks)
    word = f"peak 最大需量 {peak.peak_mw:,.1f} MW, {_local(statement, peak.peak_at):%m-%d %H:%M}"
    periods, shades = _shades(statement, connection)
    entries = [("import, export below zero 下网（负为上网）", "#0072b2"), *((f"{name}", colour) for name, colour in periods)]
    return lines(frame, [Layer("import", "#0072b2", net)], shades if fine else (), (peak.peak_mw, word)) + legend(
        entries if fine else entries[:1]
    )


def _columns(statement: Statement, coarse: str, fine: str) -> tuple[Frame, _Gather]:
    """A frame of days, or of quarters for a short span, and what brings energy of intervals into its columns and unit."""
    if len(statement.days.days) > _FINE_DAYS:
        return Frame(unit=coarse, labels=_day_labels(statement), ticks=_day_ticks(statement)), statement.days.sums
    local = [_local(statement, at) for at in statement.accounts.grid.starts]
    step_h = statement.accounts.grid.step_h
    frame = Frame(unit=fine, labels=[f"{at:%H:%M}" for at in local], ticks=_quarter_ticks(local))
    return frame, lambda energy: energy / step_h


def _gap(statement: Statement) -> float:
    return 0.18 if len(statement.days.days) > _FINE_DAYS else 0.0


def _local(statement: Statement, at: datetime) -> datetime:
    return at.astimezone(statement.park.zone)


def _day_labels(statement: Statement) -> list[str]:
    return [day.isoformat() for day in statement.days.days]


def _day_ticks(statement: Statement) -> list[tuple[int, str]]:
    return [(i, f"{day.day}") for i, day in enumerate(statement.days.days)]


def _quarter_ticks(local: Sequence[datetime]) -> list[tuple[int, str]]:
    return [(t, f"{at:%H:%M}") for t, at in enumerate(local) if at.minute == 0 and at.hour % 3 == 0]


def _green(share: float) -> str:
    """From pale grey over yellow-green to dark green."""
    stops = np.array([[240, 241, 243], [206, 232, 190], [120, 198, 121], [35, 132, 67], [0, 79, 48]], dtype=np.float64)
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    red, green, blue = stops[low] + (place - low) * (stops[low + 1] - stops[low])
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"


def _shades(statement: Statement, connection: ConnectionId) -> tuple[list[tuple[str, str]], list[tuple[int, int, str]]]:
    """Colours of the tariff's periods by their price, and the spans of intervals that each holds."""
    tariff, period = statement.accounts.terms.tariff[connection], statement.accounts.bills[connection].period
    ranked = sorted(set(period), key=lambda name: tariff.import_cny_per_mwh.get(name, 0.0))
    colour = {name: _SHADES[min(i, len(_SHADES) - 1)] for i, name in enumerate(ranked)}
    edges = [0, *(t for t in range(1, len(period)) if period[t] != period[t - 1]), len(period)]
    spans = [(a, b, colour[period[a]]) for a, b in zip(edges, edges[1:], strict=False)]
    return list(colour.items()), spans
