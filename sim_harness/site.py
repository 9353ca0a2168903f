"""The park's other side of the wire: a plant for every asset, an edge beside every device, a client beside every cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from controllers.bus.base import Bus
from controllers.client import SchedulerClient
from controllers.clock import Clock
from controllers.edge import Device, Edge
from sim_harness.clusters.job_stream import Trace
from sim_harness.clusters.moved import Exchange
from sim_harness.faults import Injector
from sim_harness.grid.gateway import GridGateway
from sim_harness.plants.ammonia_loop import AmmoniaLoop
from sim_harness.plants.arc_furnace import ArcFurnaces
from sim_harness.plants.base import Plant
from sim_harness.plants.base_load import BaseLoad
from sim_harness.plants.battery import Battery
from sim_harness.plants.compressed_air import CompressedAir
from sim_harness.plants.compute import ComputeCluster
from sim_harness.plants.copper_refining import CopperRefining
from sim_harness.plants.drift import seeded
from sim_harness.plants.electrolyser import Electrolyser
from sim_harness.plants.ev_charging import EvCharging
from sim_harness.plants.feeder import Feeder
from sim_harness.plants.flexible_load import FlexibleLoad
from sim_harness.plants.hydrogen_delivery import HydrogenDelivery
from sim_harness.plants.solar import SolarStation
from sim_harness.plants.source import Source
from sim_harness.plants.station import Station
from sim_harness.plants.submerged_arc import SubmergedArc
from sim_harness.plants.thermal_unit import ThermalUnit
from sim_harness.plants.wind import WindFarm
from sim_harness.plants.zinc_electrowinning import ZincElectrowinning
from sim_harness.scenario import Scenario
from sim_harness.weather.base import Farm, Weather
from sim_harness.world import Flows, World
from vpp.errors import ScenarioError
from vpp.ids import AssetId
from vpp.park import Asset, Park

__all__ = ["PLANTS", "Site", "farms_of", "plant_of"]

BusOf = Callable[[AssetId | None], Bus]


@dataclass(frozen=True, slots=True)
class _Making:
    """What plants are made from."""

    park: Park
    scenario: Scenario
    made: dict[AssetId, Plant]
    jobs: Trace | None = None

    @property
    def start(self) -> datetime:
        return self.scenario.start

    def rng(self, asset: Asset) -> np.random.Generator:
        return seeded(self.scenario.seed, f"{asset.id}.plant")


def _wind(making: _Making, asset: Asset) -> Plant:
    return WindFarm(asset, start=making.start, seed=making.scenario.seed)


def _solar(making: _Making, asset: Asset) -> Plant:
    return SolarStation(asset, start=making.start, seed=making.scenario.seed)


def _battery(making: _Making, asset: Asset) -> Plant:
    soc_frac = making.scenario.initial_frac(asset.id, "soc_frac")
    return Battery(asset, start=making.start, seed=making.scenario.seed, soc_frac=soc_frac)


def _base_load(making: _Making, asset: Asset) -> Plant:
    return BaseLoad(asset, start=making.start, seed=making.scenario.seed, zone=making.park.zone)


def _ammonia_loop(making: _Making, asset: Asset) -> Plant:
    level_frac = making.scenario.initial_frac(asset.id, "level_frac")
    return AmmoniaLoop(asset, making.start) if level_frac is None else AmmoniaLoop(asset, making.start, level_frac)


def _electrolyser(making: _Making, asset: Asset) -> Plant:
    node = asset.plate.hydrogen_node
    loops = [p for i, p in making.made.items() if isinstance(p, AmmoniaLoop) and making.park.asset(i).plate.hydrogen_node == node]
    # What a scenario adds was planned for other customers than the loop: metallurgy, transport, methanol.
    if loops and asset.scenario is None:
        return Electrolyser(asset, loops[0], loops[0].nominal_hydrogen_kg_per_h, making.start, making.rng(asset))
    delivery = HydrogenDelivery(asset.plate)
    return Electrolyser(asset, delivery, delivery.nominal_kg_per_h, making.start, making.rng(asset))


def _arc_furnace(making: _Making, asset: Asset) -> Plant:
    return ArcFurnaces(asset, making.start, making.rng(asset))


def _zinc_electrowinning(making: _Making, asset: Asset) -> Plant:
    return ZincElectrowinning(asset, making.start, making.park.zone)


def _copper_refining(making: _Making, asset: Asset) -> Plant:
    return CopperRefining(asset, making.start, making.park.zone)


def _submerged_arc(making: _Making, asset: Asset) -> Plant:
    return SubmergedArc(asset, making.start, making.park.zone, making.rng(asset))


def _flexible_load(making: _Making, asset: Asset) -> Plant:
    return FlexibleLoad(asset, making.start, making.park.zone)


def _thermal_unit(making: _Making, asset: Asset) -> Plant:
    return ThermalUnit(asset, making.start, making.park.zone, making.rng(asset))


def _compressed_air(making: _Making, asset: Asset) -> Plant:
    soc_frac = making.scenario.initial_frac(asset.id, "soc_frac")
    return CompressedAir(asset, making.start, making.rng(asset), soc_frac)


def _ev_charging(making: _Making, asset: Asset) -> Plant:
    return EvCharging(asset, making.start, making.park.zone, making.rng(asset))


def _feeder(making: _Making, asset: Asset) -> Plant:
    return Feeder(asset, making.start, making.park.zone, making.rng(asset))


def _compute(making: _Making, asset: Asset) -> Plant:
    return ComputeCluster(asset, making.start, making.rng(asset), making.scenario.cluster_model, making.jobs)


#: How each kind is made; the loop before the stacks that feed it.
PLANTS: Final[Mapping[str, Callable[[_Making, Asset], Plant]]] = {
    "wind": _wind,
    "solar": _solar,
    "battery": _battery,
    "base_load": _base_load,
    "ammonia_loop": _ammonia_loop,
    "electrolyser": _electrolyser,
    "arc_furnace": _arc_furnace,
    "compute": _compute,
    "zinc_electrowinning": _zinc_electrowinning,
    "copper_refining": _copper_refining,
    "submerged_arc": _submerged_arc,
    "flexible_load": _flexible_load,
    "thermal_unit": _thermal_unit,
    "compressed_air": _compressed_air,
    "ev_charging": _ev_charging,
    "feeder": _feeder,
}


def farms_of(park: Park) -> tuple[Farm, ...]:
    """The wind and solar farms of a park, as the weather needs them."""
    return tuple(
        Farm(a.id, "wind" if a.kind == "wind" else "solar", a.plate.capacity_mw, a.plate.capacity_factor_frac)
        for a in park.assets
        if a.kind in ("wind", "solar")
    )


def plant_of(park: Park, scenario: Scenario, asset: Asset, jobs: Trace | None) -> Plant:
    """One asset's plant by itself, as it stands at the run's start with the run's luck; the loop's stacks need their loop."""
    return PLANTS[asset.kind](_Making(park, scenario, {}, jobs), asset)


def _plants_of(park: Park, scenario: Scenario, jobs: Trace | None) -> tuple[Plant, ...]:
    missing = [
        f"{scenario.name}: {a.id}: the world has no plant of kind {a.kind} yet" for a in park.assets if a.kind not in PLANTS
    ]
    if missing:
        raise ScenarioError(missing)
    making = _Making(park, scenario, {}, jobs)
    order = list(PLANTS)
    for asset in sorted(park.assets, key=lambda a: order.index(a.kind)):
        making.made[asset.id] = PLANTS[asset.kind](making, asset)
    # Stacks settle before the loop that takes their hydrogen.
    return tuple(sorted(making.made.values(), key=lambda p: isinstance(p, AmmoniaLoop)))


class Site:
    """The world and its mouths on the bus.

    Args:
        park: As of the scenario's day.
        scenario: Which world.
        weather: Knows every farm.
        bus_of: The bus of an asset's edge or client; with None, of the grid's gateway.
        clock: The devices' own, but for the skew of those that have one.
        jobs: The job trace that computing work is drawn from; None for the table fitted to it.

    Raises:
        ScenarioError: An asset's kind has no plant.
    """

    def __init__(
        self, park: Park, scenario: Scenario, weather: Weather, bus_of: BusOf, clock: Clock, jobs: Trace | None = None
    ) -> None:
        #: What goes wrong in this run, and how much of it has shown.
        self.faults = Injector(scenario.faults_in(park), park.id, scenario.seed, clock)
        grid, plants = scenario.grid_conditions(park), _plants_of(park, scenario, jobs)
        self.world = World(park, plants, weather, scenario.start, grid, forced_out=self.faults.tripped)
        self._park = park
        self.gateway = GridGateway(self.faults.bus(bus_of(None)), park, self.world.grid, scenario.seed)
        self.edges: list[Edge] = []
        self.clusters: list[ComputeCluster] = []
        self._exchange = Exchange(self.clusters)
        for plant in self.world.plants:
            if isinstance(plant, ComputeCluster):
                self._connect(plant, self.faults.bus(bus_of(plant.asset_id)))
            else:
                bus, device = self.faults.bus(bus_of(plant.asset_id)), self.faults.device(_as_device(plant))
                self.edges.append(Edge(bus, device, park.id, self.faults.timepiece(plant.asset_id)))

    def _connect(self, cluster: ComputeCluster, bus: Bus) -> None:
        rated_mw = self._park.asset(cluster.asset_id).plate.rated_mw
        clock = self.faults.timepiece(cluster.asset_id)
        client = SchedulerClient(bus, self._park.id, cluster.asset_id, clock, fallback_cap_mw=rated_mw, on_shift=cluster.on_shift)
        cluster.connect(client)
        self.clusters.append(cluster)

    def report(self, at: datetime) -> None:
        """One period of every edge, client and gateway: lease, fallback, telemetry."""
        self.faults.begin_period()
        for edge in self.edges:
            edge.tick()
        self._exchange.carry(at)
        for cluster in self.clusters:
            cluster.report()
        flows: Flows | None = self.world.flows
        imports = {} if flows is None else flows.import_mw
        metered = {c.id: self.faults.metered_mw(c.id, imports.get(c.id, 0.0)) for c in self._park.connections}
        self.gateway.report(at, metered)

    def goodbye(self) -> None:
        """Every edge says offline before an orderly end."""
        for edge in self.edges:
            edge.goodbye()


def _as_device(plant: Plant) -> Device:
    if not isinstance(plant, Station | Source):
        raise ScenarioError([f"{plant.asset_id}: this plant has no device side"])
    return plant
