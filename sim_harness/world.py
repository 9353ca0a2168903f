"""The simulated park: plants in areas, balanced and metered step by step. It knows no controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sim_harness.grid import AreaBalancer, Topology
from sim_harness.ledger import Ledger
from sim_harness.plants.base import Ambient, Plant
from sim_harness.truth import Truth
from sim_harness.weather.base import Farm
from vpp.errors import ScenarioError
from vpp.ids import AreaId, AssetId, ConnectionId
from vpp.park.schema import Park

__all__ = ["Air", "Flows", "World"]


class Air(Protocol):
    """What the world needs of a `sim_harness.weather.Weather`."""

    @property
    def farms(self) -> tuple[Farm, ...]:
        """The farms it knows."""
        ...

    def available_frac(self, farm_id: AssetId, at: datetime) -> float:
        """Available power as a share of capacity (0..1)."""
        ...

    def temperature_c(self, at: datetime) -> float:
        """Outdoor air, in degrees Celsius."""
        ...


@dataclass(frozen=True, slots=True)
class Flows:
    """What one step came to.

    Args:
        at: Its start (UTC).
        dt_s: Its length. [s]
        import_mw: Over each connection into its area, negative when exporting. [MW]
        unserved_mw: Load shed or blacked out in each area. [MW]
    """

    at: datetime
    dt_s: float
    import_mw: dict[ConnectionId, float]
    unserved_mw: dict[AreaId, float]


class World:
    """Plants, weather and connections of a park.

    Args:
        park: As of one day.
        plants: One for each asset of the park, in any order.
        weather: Knows every farm among them.
        start: First instant (UTC).

    Raises:
        ScenarioError: A plant without an asset or twice, an asset without a plant, connections that are no tree.
    """

    def __init__(self, park: Park, plants: Sequence[Plant], weather: Air, start: datetime) -> None:
        _check_plants(park, plants)
        self.park = park
        self.plants = tuple(plants)
        self.topology = Topology.of_park(park)
        self.ledger = Ledger(park, self.topology, self.plants, start)
        self._weather = weather
        known = {farm.asset_id for farm in weather.farms}
        self._farms = tuple(plant.asset_id for plant in plants if plant.asset_id in known)
        index = {area: i for i, area in enumerate(self.topology.areas)}
        self._balancer = AreaBalancer(self.topology, [index[plant.area] for plant in plants])
        self._flows: Flows | None = None

    @property
    def flows(self) -> Flows | None:
        """The last step's; None before the first."""
        return self._flows

    def plant(self, asset_id: AssetId) -> Plant:
        """The plant of an asset.

        Raises:
            ScenarioError: There is none.
        """
        for plant in self.plants:
            if plant.asset_id == asset_id:
                return plant
        raise ScenarioError([f"world: no plant {asset_id!r}"])

    def step(self, at: datetime, dt_s: float) -> Flows:
        """Let `[at, at + dt_s)` pass: intend, balance, settle, meter.

        Raises:
            BalanceError: The step does not follow the last one, or crosses an edge of the 15-min registers.
            ScenarioError: The weather does not know the instant.
        """
        available = {farm: self._weather.available_frac(farm, at) for farm in self._farms}
        ambient = Ambient(at, dt_s, self._weather.temperature_c(at), available)
        verdict = self._balancer.balance([plant.intend(ambient) for plant in self.plants])
        for plant, power_mw in zip(self.plants, verdict.power_mw, strict=True):
            plant.settle(power_mw, ambient)
        self.ledger.record(at, dt_s, verdict)
        self._flows = Flows(
            at,
            dt_s,
            dict(zip(self.topology.connections, verdict.import_mw, strict=True)),
            dict(zip(self.topology.areas, verdict.unserved_mw, strict=True)),
        )
        return self._flows

    def truth(self) -> Truth:
        """Everything that happened so far, frozen."""
        return self.ledger.truth()


def _check_plants(park: Park, plants: Sequence[Plant]) -> None:
    wanted = {asset.id: asset.area for asset in park.assets}
    faults: list[str] = []
    seen: set[AssetId] = set()
    for plant in plants:
        if plant.asset_id in seen:
            faults.append(f"world: two plants are {plant.asset_id}")
        elif plant.asset_id not in wanted:
            faults.append(f"world: {plant.asset_id} is no asset of park {park.id} on {park.at}")
        elif plant.area != wanted[plant.asset_id]:
            faults.append(f"world: {plant.asset_id} stands in {wanted[plant.asset_id]}, not in {plant.area}")
        seen.add(plant.asset_id)
    faults += [f"world: asset {asset_id} has no plant" for asset_id in wanted if asset_id not in seen]
    if faults:
        raise ScenarioError(faults)
