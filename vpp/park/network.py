"""How power spreads over the network's branches, linearised: the DC power flow and its sensitivities, in plain numpy.

Losses and voltages are the AC power flow's affair (`sim_harness.grid.network`); this is what a planner may use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vpp.errors import ParkError
from vpp.ids import BusId
from vpp.park.schema import Network, Park
from vpp.units import FloatArray

__all__ = ["Sensitivities", "component_of", "sensitivities"]


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """Power transfer distribution factors (PTDF) of one connected part of the network.

    Args:
        buses: Ids, the columns.
        branches: Ids of closed lines and of transformers, the rows.
        slack: The bus that takes the difference.
        ptdf_frac: Share of a MW drawn at a bus, and delivered by the slack, that flows over a branch towards its second bus,
            shape (branches, buses).
        limit_mw: What each branch may carry either way, shape (branches,).
    """

    buses: tuple[BusId, ...]
    branches: tuple[str, ...]
    slack: BusId
    ptdf_frac: FloatArray
    limit_mw: FloatArray

    def flow_mw(self, drawn_mw: FloatArray) -> FloatArray:
        """Flow over each branch, shape (branches,) or (branches, T).

        Args:
            drawn_mw: At each bus, positive when consuming, shape (buses,) or (buses, T). [MW]
        """
        flow: FloatArray = self.ptdf_frac @ drawn_mw
        return flow

    def of_areas(self, share: Mapping[BusId, Mapping[str, float]], areas: tuple[str, ...]) -> FloatArray:
        """The same for areas whose power splits over buses in fixed shares, shape (branches, areas)."""
        split = np.array([[share.get(bus, {}).get(area, 0.0) for area in areas] for bus in self.buses])
        result: FloatArray = self.ptdf_frac @ split
        return result


def component_of(network: Network, bus: BusId) -> frozenset[BusId]:
    """Buses tied to one by closed lines and transformers, itself included."""
    ties = [(line.from_bus, line.to_bus) for line in network.lines if line.closed]
    ties += [(t.hv_bus, t.lv_bus) for t in network.transformers]
    found, edge = {bus}, {bus}
    while edge:
        edge = {b if a in edge else a for a, b in ties if (a in edge) != (b in edge)} - found
        found |= edge
    return frozenset(found)


def sensitivities(park: Park, slack: BusId | None = None) -> Sensitivities:
    """PTDF of the part of the network that hangs on a bus.

    Args:
        park: Its network as of one day; open lines carry nothing.
        slack: Who takes the difference; the network's main bus if not given.

    Raises:
        ParkError: There is no such bus, or the network names no main bus.
    """
    network = park.network
    chosen = network.basis.main_bus if slack is None else slack
    if chosen is None or chosen not in {bus.id for bus in network.buses}:
        raise ParkError(
            [f"{park.id}: network.main_bus: {chosen!r}: no such bus; name the one that takes a power flow's difference"]
        )
    inside = component_of(network, chosen)
    buses = tuple(bus.id for bus in network.buses if bus.id in inside)
    place = {bus: i for i, bus in enumerate(buses)}
    kv = {bus.id: bus.kv for bus in network.buses}
    lines = [line for line in network.lines if line.closed and line.from_bus in inside]
    transformers = [t for t in network.transformers if t.hv_bus in inside]
    ends = [(place[line.from_bus], place[line.to_bus]) for line in lines]
    ends += [(place[t.hv_bus], place[t.lv_bus]) for t in transformers]
    # Susceptance in MW per radian: voltage squared over reactance, circuits side by side.
    weight = [kv[line.from_bus] ** 2 * line.circuits / (line.x_ohm_km * line.km) for line in lines]
    weight += [t.mva_each * t.units / t.uk_frac for t in transformers]
    return Sensitivities(
        buses=buses,
        branches=(*(str(line.id) for line in lines), *(t.id for t in transformers)),
        slack=chosen,
        ptdf_frac=_ptdf(np.array(ends).reshape(-1, 2), np.array(weight), len(buses), place[chosen]),
        limit_mw=np.array([*(line.limit_mw for line in lines), *(t.limit_mw for t in transformers)]),
    )


def _ptdf(ends: np.ndarray, weight: FloatArray, buses: int, slack: int) -> FloatArray:
    """Angles from drawn power by the reduced Laplacian, flows from angles."""
    branches = len(weight)
    incidence = np.zeros((branches, buses))
    incidence[np.arange(branches), ends[:, 0]] = 1.0
    incidence[np.arange(branches), ends[:, 1]] = -1.0
    flow_of_angle = weight[:, None] * incidence
    keep = np.arange(buses) != slack
    angle_of_drawn = np.zeros((buses, buses))
    laplacian = (incidence.T @ flow_of_angle)[np.ix_(keep, keep)]
    angle_of_drawn[np.ix_(keep, keep)] = -np.linalg.inv(laplacian)
    result: FloatArray = flow_of_angle @ angle_of_drawn
    return result
