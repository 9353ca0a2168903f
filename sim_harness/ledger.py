"""Registers of 15 minutes, kept for ever, read from the plants' own meters while the world runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import numpy as np

from sim_harness.grid import Topology, Verdict
from sim_harness.plants.base import Plant
from sim_harness.truth import Truth
from vpp.errors import BalanceError
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.schema import Park
from vpp.timegrid import TimeGrid, floor_to, require_utc
from vpp.units import FloatArray, hours, s_to_h

__all__ = ["REGISTER", "Ledger"]

REGISTER: Final = timedelta(minutes=15)
#: A limit is broken above this; what stays below is rounding. [MW]
_TOLERANCE_MW: Final = 1e-9
_FIRST_ROWS: Final = 96
#: What is followed from register to register, for whoever wants to see a run and not only its end.
FOLLOWED_COUNTERS: Final = ("heats_done", "work_arrived_mwh", "work_done_mwh", "missed_mwh", "firm_done_mwh")
FOLLOWED_STOCKS: Final = ("hydrogen_kg", "waiting_mwh")

_Row: TypeAlias = list[float]
_Question: TypeAlias = Callable[[Plant], Mapping[str, float]]


class Register:
    """Rows that only ever grow, one an interval.

    Args:
        width: Values in a row.
    """

    def __init__(self, width: int) -> None:
        self._values: FloatArray = np.empty((_FIRST_ROWS, width))
        self._n = 0

    def append(self, row: Sequence[float]) -> None:
        """Add the next interval."""
        if self._n == self._values.shape[0]:
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._n] = row
        self._n += 1

    def columns(self, partial: Sequence[float] | None = None) -> FloatArray:
        """All intervals, shape (width, n), and the one that is still open if given."""
        done = self._values[: self._n]
        return np.ascontiguousarray((done if partial is None else np.vstack([done, partial])).T)


class _Open:
    """Sums of the interval that is not yet over."""

    def __init__(self, assets: int, connections: int, areas: int) -> None:
        self.energy: _Row = [0.0] * assets
        self.imported: _Row = [0.0] * connections
        self.exported: _Row = [0.0] * connections
        self.excess: _Row = [0.0] * connections
        self.unserved: _Row = [0.0] * areas


class Ledger:
    """Meters everything once a step.

    Args:
        park: As of the run's day.
        topology: Its connections and areas.
        plants: Their meters, counters and stocks are read; nothing is asked of them.
        start: First instant (UTC).
    """

    def __init__(self, park: Park, topology: Topology, plants: Sequence[Plant], start: datetime) -> None:
        self._park, self._topology, self._plants = park, topology, tuple(plants)
        self._limits = [branch.connection.import_limit_mw for branch in topology.branches]
        self._at = require_utc(start, "start")
        self._edges = [start]
        self._edge = floor_to(start, REGISTER) + REGISTER
        widths = (len(plants), len(self._limits), len(topology.areas))
        self._widths = widths
        self._open = _Open(*widths)
        self._energy, self._available_rows, self._stored = (Register(widths[0]) for _ in range(3))
        self._imported, self._exported, self._excess = (Register(widths[1]) for _ in range(3))
        self._unserved = Register(widths[2])
        # Most plants have neither wind nor a store; a year has many registers, and only who has something is asked.
        self._sources = tuple(i for i, plant in enumerate(plants) if "available_mwh" in plant.totals())
        self._stores = tuple(i for i, plant in enumerate(plants) if "stored_mwh" in plant.stock())
        self._available_before = self._available()
        self._counted = [(i, name) for i, plant in enumerate(plants) for name in FOLLOWED_COUNTERS if name in plant.totals()]
        self._held = [(i, name) for i, plant in enumerate(plants) for name in FOLLOWED_STOCKS if name in plant.stock()]
        self._counters, self._levels = Register(len(self._counted)), Register(len(self._held))
        self._counters_before = self._read_counters()
        self._stock_first = {plant.asset_id: dict(plant.stock()) for plant in plants}
        self._violation_s: _Row = [0.0] * widths[1]
        self._unsafe_s = 0.0
        self._month = start.astimezone(park.zone).month
        self._peak_mw: _Row = [0.0] * widths[1]

    def record(self, at: datetime, dt_s: float, verdict: Verdict) -> None:
        """Book one step that every plant has settled.

        Raises:
            BalanceError: It does not begin where the last one ended, or crosses an edge of the registers.
        """
        end = at + timedelta(seconds=dt_s)
        if at != self._at or end > self._edge:
            raise BalanceError(f"ledger: step {at} + {dt_s} s must start at {self._at} and end by {self._edge}")
        dt_h, now = s_to_h(dt_s), self._open
        for i, plant in enumerate(self._plants):
            now.energy[i] += plant.power_mw * dt_h
        for k, flow_mw in enumerate(verdict.import_mw):
            if flow_mw >= 0.0:
                now.imported[k] += flow_mw * dt_h
                if flow_mw > self._limits[k] + _TOLERANCE_MW:
                    now.excess[k] += (flow_mw - self._limits[k]) * dt_h
                    self._violation_s[k] += dt_s
            else:
                now.exported[k] -= flow_mw * dt_h
        for z, unserved_mw in enumerate(verdict.unserved_mw):
            now.unserved[z] += unserved_mw * dt_h
        if max(verdict.unserved_mw) > _TOLERANCE_MW or max(verdict.tripped_mw) > _TOLERANCE_MW:
            self._unsafe_s += dt_s
        self._at = end
        if end == self._edge:
            self._close()

    def limit_imports(self, import_mw: Sequence[float]) -> None:
        """From the next step on, these import limits are in force, in the order of the topology's branches. [MW]."""
        self._limits = list(import_mw)

    def expected_import_mw(self, connection_id: ConnectionId, start: datetime, end: datetime) -> float:
        """What a connection draws over a span if nothing is asked of it.

        The mean of the same hours on up to five days before, as far as the run has seen them (the rule of Jiangsu, without its
        calendar); on the first day the mean of the last hour; 0 before there is one. [MW]
        """
        if connection_id not in self._topology.connections:
            return 0.0
        k = self._topology.connections.index(connection_id)
        net = (self._imported.columns()[k] - self._exported.columns()[k]) / hours(REGISTER)
        first, last = (round((at - self._edges[0]) / REGISTER) for at in (start, end))
        day = round(timedelta(days=1) / REGISTER)
        days = [net[first - back * day : max(last, first + 1) - back * day] for back in range(1, 6) if first >= back * day]
        seen = [one for one in days if len(one) == max(last - first, 1)]
        if seen:
            return float(np.mean(seen))
        return float(np.mean(net[-round(timedelta(hours=1) / REGISTER) :])) if len(net) else 0.0

    def month_peak_mw(self, connection_id: ConnectionId) -> float:
        """Highest closed 15-min import in MW since the current month of the park began; 0 before there is one."""
        return self._peak_mw[self._topology.connections.index(connection_id)]

    def truth(self) -> Truth:
        """All registers, the open interval included, and the plants' counters as they are now.

        Raises:
            BalanceError: Nothing was recorded.
        """
        partial = self._at > self._edges[-1]
        edges = [*self._edges, self._at] if partial else self._edges
        if len(edges) == 1:
            raise BalanceError("ledger: nothing was recorded")
        now, areas = self._open, self._topology.areas
        available = self._available_rows.columns(self._since(self._available()) if partial else None)
        energy = self._energy.columns(now.energy if partial else None)
        return Truth(
            park=self._park,
            grid=TimeGrid(tuple(edges)),
            assets=tuple(plant.asset_id for plant in self._plants),
            connections=self._topology.connections,
            areas=areas,
            energy_mwh=energy,
            available_mwh=available,
            stored_mwh=self._stored.columns(self._stocks() if partial else None),
            import_mwh=self._imported.columns(now.imported if partial else None),
            export_mwh=self._exported.columns(now.exported if partial else None),
            excess_mwh=self._excess.columns(now.excess if partial else None),
            curtailed_mwh=self._curtailed(available, energy),
            unserved_mwh=self._unserved.columns(now.unserved if partial else None),
            limit_violation_s=dict(zip(self._topology.connections, self._violation_s, strict=True)),
            unsafe_s=self._unsafe_s,
            totals=self._each(lambda plant: dict(plant.totals())),
            stock_first=self._stock_first,
            stock_last=self._each(lambda plant: dict(plant.stock())),
            balances={plant.asset_id: plant.balances() for plant in self._plants},
            progress=self._named(self._counted, self._counters.columns(self._progress() if partial else None)),
            levels=self._named(self._held, self._levels.columns(self._read_levels() if partial else None)),
        )

    def _named(self, keys: Sequence[tuple[int, str]], rows: FloatArray) -> dict[tuple[AssetId, str], FloatArray]:
        return {(self._plants[i].asset_id, name): row for (i, name), row in zip(keys, rows, strict=True)}

    def _read_counters(self) -> _Row:
        return [self._plants[i].totals()[name] for i, name in self._counted]

    def _read_levels(self) -> _Row:
        return [self._plants[i].stock()[name] for i, name in self._held]

    def _progress(self) -> _Row:
        return [now - before for now, before in zip(self._read_counters(), self._counters_before, strict=True)]

    def _close(self) -> None:
        self._watch_peak()
        now, available = self._open, self._available()
        self._energy.append(now.energy)
        self._available_rows.append(self._since(available))
        self._stored.append(self._stocks())
        self._imported.append(now.imported)
        self._exported.append(now.exported)
        self._excess.append(now.excess)
        self._unserved.append(now.unserved)
        self._counters.append(self._progress())
        self._levels.append(self._read_levels())
        self._counters_before = self._read_counters()
        self._available_before = available
        self._open = _Open(*self._widths)
        self._edges.append(self._edge)
        self._edge += REGISTER

    def _watch_peak(self) -> None:
        length_h = hours(self._edge - self._edges[-1])
        self._peak_mw = [max(peak, mwh / length_h) for peak, mwh in zip(self._peak_mw, self._open.imported, strict=True)]
        month = self._edge.astimezone(self._park.zone).month
        if month != self._month:
            self._month, self._peak_mw = month, [0.0] * len(self._peak_mw)

    def _available(self) -> _Row:
        row = [np.nan] * len(self._plants)
        for i in self._sources:
            row[i] = self._plants[i].totals()["available_mwh"]
        return row

    def _stocks(self) -> _Row:
        row = [np.nan] * len(self._plants)
        for i in self._stores:
            row[i] = self._plants[i].stock()["stored_mwh"]
        return row

    def _since(self, counter: _Row) -> _Row:
        return [now - before for now, before in zip(counter, self._available_before, strict=True)]

    def _each(self, ask: _Question) -> Mapping[AssetId, Mapping[str, float]]:
        return {plant.asset_id: ask(plant) for plant in self._plants}

    def _curtailed(self, available_mwh: FloatArray, energy_mwh: FloatArray) -> FloatArray:
        """Available and not generated, summed by area, shape (Z, T)."""
        by_asset = np.where(np.isnan(available_mwh), 0.0, available_mwh + energy_mwh)
        index: dict[AreaId, int] = {area: z for z, area in enumerate(self._topology.areas)}
        by_area = np.zeros((len(index), by_asset.shape[1]))
        np.add.at(by_area, [index[plant.area] for plant in self._plants], by_asset)
        return by_area
