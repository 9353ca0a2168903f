"""The 500/220/66 kV network: AC power flow from what every plant really draws.

pandapower turns the park's lines and transformers into admittances, once for each state of the switches. The power flow itself
is a Newton iteration over the few buses we have: by pandapower's own loop it takes fifty milliseconds and more, nearly all of it
for tables; this way it takes a few. The tests hold the two against each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sim_harness.grid.newton import Grid, solve_grid
from vpp.ids import AssetId, BusId
from vpp.park.network import component_of
from vpp.park.rating import rating
from vpp.park.schema import Line, Network, Park
from vpp.units import FloatArray

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

__all__ = ["NetworkFlow", "NetworkModel", "Outages", "pandapower_net"]

#: The voltage that the main grid holds, and the one that stations hold at their own bus while their reactive power lasts. [pu]
#: Assumptions that reproduce the network study's band of 0.949 to 1.030 pu.
GRID_PU: Final = 1.03
STATION_PU: Final = 1.0
#: Reactive power of a station against its capacity: power factor 0.95 either way (GB/T 19963.1-2021, GB/T 36547-2024).
_REACTIVE_FRAC: Final = math.tan(math.acos(0.95))
#: Waves travel on overhead lines at 98 % of light: what ties a line's charging to its reactance. [km/s]
_WAVE_KM_S: Final = 2.94e5
#: Resistive part of a large transformer's short-circuit voltage; the seeds do not say. [%]
_VKR_PERCENT: Final = 0.3
_BASE_MVA: Final = 100.0
_HZ: Final = 50.0
#: Kinds that hold the voltage at their bus; everybody else draws at the power factor of loads.
_STATIONS: Final = frozenset({"wind", "solar", "battery", "compressed_air", "thermal_unit"})

#: Circuits out of service, by line.
Outages = frozenset[tuple[str, int]]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFlow:
    """One power flow.

    Args:
        at: The instant it holds for (UTC).
        voltage_pu: By bus, of its nominal voltage; a bus without supply is not here.
        flow_mw: Over each closed line and transformer, at its first bus, positive towards the second. [MW]
        loading_frac: Its higher current against the rating of all its circuits in service.
        losses_mw: In all lines and transformers. [MW]
        grid_mw: What the main grid delivers at its own bus; negative when it takes. [MW]
        dark: Buses without supply.
    """

    at: datetime
    voltage_pu: Mapping[BusId, float]
    flow_mw: Mapping[str, float]
    loading_frac: Mapping[str, float]
    losses_mw: float
    grid_mw: float
    dark: frozenset[BusId]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Admittances and places of one state of the switches."""

    grid: Grid
    buses: tuple[BusId, ...]
    branches: tuple[str, ...]
    rating_mva: FloatArray
    dark: frozenset[BusId]
    main: int | None


class NetworkModel:
    """The network of a park; prepared once for each set of outages, then quick.

    Args:
        park: As of one day. Parts without the main grid live on their largest battery, or are dark.
    """

    def __init__(self, park: Park) -> None:
        self.park = park
        self._prepared: dict[Outages, _Prepared] = {}
        self._load_q = math.tan(math.acos(park.network.basis.load_power_factor_frac))

    @property
    def exists(self) -> bool:
        """Whether the park file describes a network that reaches the main grid."""
        return self.park.network.basis.main_bus is not None

    def flow(self, power_mw: Mapping[AssetId, float], at: datetime, outages: Outages = frozenset()) -> NetworkFlow | None:
        """The AC power flow; None if it has no solution, which is a collapse of voltage.

        Args:
            power_mw: Of every asset, positive when consuming. [MW]
            at: The instant it holds for (UTC).
            outages: Circuits out of service.
        """
        found = self._prepared.get(outages)
        if found is None:
            found = self._prepared[outages] = _prepare(self.park, outages)
        drawn = self._drawn(power_mw, found.buses)
        solved = solve_grid(found.grid, -drawn / _BASE_MVA)
        if solved is None:
            return None
        sent, received = solved.from_mva * _BASE_MVA, solved.to_mva * _BASE_MVA
        loading = np.maximum(solved.from_pu, solved.to_pu) * _BASE_MVA / found.rating_mva
        return NetworkFlow(
            at=at,
            voltage_pu=dict(zip(found.buses, np.abs(solved.voltage).tolist(), strict=True)),
            flow_mw=dict(zip(found.branches, sent.real.tolist(), strict=True)),
            loading_frac=dict(zip(found.branches, loading.tolist(), strict=True)),
            losses_mw=float((sent + received).real.sum()),
            grid_mw=0.0 if found.main is None else float(solved.injected[found.main].real) * _BASE_MVA,
            dark=found.dark,
        )

    def _drawn(self, power_mw: Mapping[AssetId, float], buses: tuple[BusId, ...]) -> ComplexArray:
        """Complex power drawn at each bus; stations find their reactive power themselves. [MW, Mvar]."""
        place = {bus: i for i, bus in enumerate(buses)}
        drawn = np.zeros(len(buses), dtype=np.complex128)
        for asset in self.park.assets:
            share_mw = power_mw.get(asset.id, 0.0) / len(asset.buses)
            reactive = 0.0 if asset.kind in _STATIONS else share_mw * self._load_q
            for bus in asset.buses:
                if bus in place:
                    drawn[place[bus]] += complex(share_mw, reactive)
        return drawn


def pandapower_net(park: Park, outages: Outages = frozenset()) -> tuple[pandapowerNet, frozenset[BusId]]:
    """The network as pandapower has it, without any power, and the buses that have no supply.

    Every part of the network has one reference: the main grid, or the bus of its largest battery.
    """
    import pandapower as pp  # seconds to import: only runs that ask for a power flow wait for it

    network = _with_outages(park.network, dict(outages))
    references = _references(park, network)
    live = frozenset[BusId]().union(*(component_of(network, bus) for bus in references))
    net = pp.create_empty_network(f_hz=_HZ, sn_mva=_BASE_MVA)
    buses = {bus.id: pp.create_bus(net, vn_kv=bus.kv, name=bus.id) for bus in network.buses if bus.id in live}
    kv = {bus.id: bus.kv for bus in network.buses}
    for line in network.lines:
        if line.closed and line.from_bus in live:
            _add_line(net, line, buses)
    for t in network.transformers:
        if t.hv_bus in live:
            pp.create_transformer_from_parameters(
                net, buses[t.hv_bus], buses[t.lv_bus], sn_mva=t.mva_each, vn_hv_kv=kv[t.hv_bus], vn_lv_kv=kv[t.lv_bus],
                vkr_percent=_VKR_PERCENT, vk_percent=t.uk_frac * 100.0, pfe_kw=0.0, i0_percent=0.0, parallel=t.units, name=t.id,
            )  # fmt: skip
    main = network.basis.main_bus
    for bus in references:
        pp.create_ext_grid(net, buses[bus], vm_pu=GRID_PU if bus == main else STATION_PU, name=bus)
    return net, frozenset(bus.id for bus in network.buses) - live


def station_mva(park: Park) -> dict[BusId, float]:
    """Capacity of the stations that hold the voltage, by bus. [MW]."""
    found: dict[BusId, float] = {}
    for asset in park.assets:
        if asset.kind in _STATIONS:
            for bus in asset.buses:
                found[bus] = found.get(bus, 0.0) + rating(asset).power_mw / len(asset.buses)
    return found


def _with_outages(network: Network, out: Mapping[str, int]) -> Network:
    lines = []
    for line in network.lines:
        left = line.circuits - out.get(str(line.id), 0)
        lines.append(replace(line, closed=False) if left <= 0 else replace(line, circuits=left))
    return replace(network, lines=tuple(lines))


def _references(park: Park, network: Network) -> tuple[BusId, ...]:
    """One bus for each part of the network that has something to hold its voltage."""
    main = network.basis.main_bus
    found: list[BusId] = [] if main is None else [main]
    batteries = sorted(park.assets_of("battery"), key=lambda battery: -battery.plate.power_mw)
    for bus in (battery.bus for battery in batteries):
        if all(bus not in component_of(network, other) for other in found):
            found.append(bus)
    return tuple(found)


def _add_line(net: pandapowerNet, line: Line, buses: Mapping[BusId, int]) -> None:
    import pandapower as pp

    angular = 2.0 * math.pi * _HZ
    susceptance_s_km = (angular / _WAVE_KM_S) ** 2 / line.x_ohm_km
    pp.create_line_from_parameters(
        net, buses[line.from_bus], buses[line.to_bus], length_km=line.km, r_ohm_per_km=line.r_ohm_km, x_ohm_per_km=line.x_ohm_km,
        c_nf_per_km=susceptance_s_km / angular * 1e9, max_i_ka=line.mva_each / (math.sqrt(3.0) * line.kv), parallel=line.circuits,
        name=line.id,
    )  # fmt: skip


def _prepare(park: Park, outages: Outages) -> _Prepared:
    """Lets pandapower make the admittances: its first power flow without load leaves them behind."""
    import pandapower as pp

    net, dark = pandapower_net(park, outages)
    pp.runpp(net, numba=False, calculate_voltage_angles=True)
    inside = net._ppc["internal"]  # the only place where pandapower keeps them
    order = [int(net._pd2ppc_lookups["bus"][i]) for i in net.bus.index]
    dense = {name: np.asarray(inside[name].todense())[:, order] for name in ("Ybus", "Yf", "Yt")}
    place = {ppc: i for i, ppc in enumerate(order)}
    ends = inside["branch"][:, :2].real.astype(int)
    buses = tuple(BusId(name) for name in net.bus.name)
    stations = station_mva(park)
    reference = np.array([bus in set(net.ext_grid.name) for bus in buses])
    held = np.array([bus in stations for bus in buses]) & ~reference
    vm_of = dict(zip(net.ext_grid.name, net.ext_grid.vm_pu, strict=True))
    main = park.network.basis.main_bus
    return _Prepared(
        grid=Grid(
            admittance=dense["Ybus"][order],
            from_admittance=dense["Yf"],
            to_admittance=dense["Yt"],
            from_bus=np.array([place[i] for i in ends[:, 0]]),
            to_bus=np.array([place[i] for i in ends[:, 1]]),
            reference=reference,
            held=held,
            voltage_pu=np.array(
                [float(vm_of.get(bus, STATION_PU)) if h or r else 1.0 for bus, h, r in zip(buses, held, reference, strict=True)]
            ),
            reactive_pu=np.array([stations.get(bus, 0.0) * _REACTIVE_FRAC / _BASE_MVA for bus in buses]),
        ),
        buses=buses,
        branches=(*net.line.name, *net.trafo.name),
        rating_mva=np.concatenate(
            [
                math.sqrt(3.0) * net.line.max_i_ka * net.bus.vn_kv.loc[net.line.from_bus].to_numpy() * net.line.parallel,
                net.trafo.sn_mva * net.trafo.parallel,
            ]
        ),
        dark=dark,
        main=None if main is None or main not in buses else buses.index(main),
    )
