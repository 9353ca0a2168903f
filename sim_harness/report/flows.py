"""What fed an area and what it used, by category: the truth's registers in the shape of a stacked chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from controllers.console.palette import CATEGORIES, GRID, KINDS, LINK, OTHER, SOURCES, STORE
from sim_harness.truth import Truth
from vpp.ids import AreaId
from vpp.units import FloatArray

__all__ = ["AreaFlows", "area_flows", "category_of"]


@dataclass(frozen=True, slots=True)
class AreaFlows:
    """Mean power of one area in MW, every series of shape (T,), never negative.

    Args:
        supply_mw: By category of `controllers.console.palette`, in its order; categories that give nothing are left out.
        demand_mw: The same for what draws.
        available_mw: Wind and sun that could have been generated.
        generated_mw: Wind and sun that were.
        unserved_mw: Load shed or blacked out.
    """

    area: AreaId
    supply_mw: Mapping[str, FloatArray]
    demand_mw: Mapping[str, FloatArray]
    available_mw: FloatArray
    generated_mw: FloatArray
    unserved_mw: FloatArray


def category_of(kind: str) -> str:
    """The category of an asset's kind; one that the palette does not know is `other`."""
    return KINDS.get(kind, (kind, OTHER))[1]


def area_flows(truth: Truth, area: AreaId) -> AreaFlows:
    """Supply and demand of an area over the run's registers."""
    step_h = truth.grid.step_h
    supply: dict[str, FloatArray] = {}
    demand: dict[str, FloatArray] = {}
    for here in np.flatnonzero(truth.rows_of(area=area)):
        category = category_of(truth.park.asset(truth.assets[here]).kind)
        _add(supply, demand, category, -truth.energy_mwh[here] / step_h)
    for row, connection_id in enumerate(truth.connections):
        connection = truth.park.connection(connection_id)
        net_mw = (truth.import_mwh[row] - truth.export_mwh[row]) / step_h
        category = GRID if connection.is_grid else LINK
        if connection.area == area:
            _add(supply, demand, category, net_mw)
        elif connection.to == area:
            _add(supply, demand, category, -net_mw)
    z = truth.areas.index(area)
    green = [supply[name] for name in SOURCES if name in supply]
    generated: FloatArray = np.sum(green, axis=0) if green else np.zeros(truth.grid.n)
    return AreaFlows(
        area=area,
        supply_mw=_in_order(supply),
        demand_mw=_in_order(demand),
        available_mw=generated + truth.curtailed_mwh[z] / step_h,
        generated_mw=generated,
        unserved_mw=truth.unserved_mwh[z] / step_h,
    )


def _add(supply: dict[str, FloatArray], demand: dict[str, FloatArray], category: str, given_mw: FloatArray) -> None:
    nothing = np.zeros_like(given_mw)
    supply[category] = supply.get(category, nothing) + np.maximum(given_mw, 0.0)
    demand[category] = demand.get(category, nothing) + np.maximum(-given_mw, 0.0)


def _in_order(flows: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """In the palette's order; stores and the grid last, so that they lie on top of the stack."""
    order = [name for name in CATEGORIES if name not in (STORE, LINK, GRID)] + [STORE, LINK, GRID]
    return {name: flows[name] for name in order if name in flows and float(np.max(flows[name])) > 0.0}
