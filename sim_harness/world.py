"""The simulated park: plants in areas, balanced and metered step by step. It knows no controller."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from sim_harness.grid import AreaBalancer, Topology
from sim_harness.grid.surroundings import GridConditions, Surroundings
from sim_harness.ledger import Ledger
from sim_harness.plants.base import Ambient, Intent, Plant, PushOrder
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

    def available_row(self, at: datetime, dt_s: float) -> Sequence[float]:
        """Mean available power of every farm over the step as a share of capacity (0..1), in the order of `farms`."""
        ...

    def running_row(self, at: datetime) -> Sequence[float]:
        """Share of every farm that is not out of service (0..1), in the order of `farms`."""
        ...

    def temperature_c(self, at: datetime) -> float:
        """Outdoor air, in degrees Celsius."""
        ...


ForcedOut: TypeAlias = Callable[[datetime], Set[str]]
#: A plant that has tripped draws and gives nothing, and nobody can push it.
_NOTHING: Final = Intent(0.0, 0.0, 0.0, PushOrder.NEVER)


def _nobody(_: datetime) -> Set[str]:
    return frozenset()


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
        conditions: What happens in the grid around; nothing if not given.
        forced_out: Ids of the plants that have tripped, at an instant.

    Raises:
        ScenarioError: A plant without an asset or twice, an asset without a plant, connections that are no tree.
    """

    def __init__(
        self,
        park: Park,
        plants: Sequence[Plant],
        weather: Air,
        start: datetime,
        conditions: GridConditions | None = None,
        forced_out: ForcedOut = _nobody,
    ) -> None:
        _check_plants(park, plants)
        self.park = park
        self.plants = tuple(plants)
        self.topology = Topology.of_park(park)
        self.ledger = Ledger(park, self.topology, self.plants, start)
        self._weather = weather
        self._farms = tuple(farm.asset_id for farm in weather.farms)
        index = {area: i for i, area in enumerate(self.topology.areas)}
        self._balancer = AreaBalancer(self.topology, [index[plant.area] for plant in plants])
        self._flows: Flows | None = None
        self._forced_out = forced_out
        self.grid = Surroundings(park, self.topology, start, conditions or GridConditions(), self.ledger.expected_import_mw)

    @property
    def flows(self) -> Flows | None:
        """The last step's; None before the first."""
        return self._flows

    def power_mw(self, asset_id: AssetId) -> float:
        """What an asset's meter read over the last step; nothing where there is no such plant. [MW]."""
        return next((plant.power_mw for plant in self.plants if plant.asset_id == asset_id), 0.0)

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
        out = self._forced_out(at)
        # A farm that has tripped has nothing available; what it does not generate is an outage and no curtailment.
        available = dict(zip(self._farms, self._weather.available_row(at, dt_s), strict=True))
        if out:
            available.update(dict.fromkeys((farm for farm in self._farms if farm in out), 0.0))
        running = dict(zip(self._farms, self._weather.running_row(at), strict=True))
        if self.grid.begin(at):
            self._balancer = self._balancer.under(self.grid.limits)
            self.ledger.limit_imports(self.grid.limits.import_mw)
        main = Ambient(at, dt_s, self._weather.temperature_c(at), available, self.grid.frequency_hz(), running)
        ambients = self._ambients(main)
        intents = [plant.intend(ambient) for plant, ambient in zip(self.plants, ambients, strict=True)]
        if out:
            intents = [_NOTHING if plant.asset_id in out else intent for plant, intent in zip(self.plants, intents, strict=True)]
        verdict = self._balancer.balance(intents)
        for plant, power_mw, ambient in zip(self.plants, verdict.power_mw, ambients, strict=True):
            plant.settle(power_mw, ambient)
        self.ledger.record(at, dt_s, verdict)
        self.grid.settle(at, dt_s, verdict, self.plants)
        self._flows = Flows(
            at,
            dt_s,
            dict(zip(self.topology.connections, verdict.import_mw, strict=True)),
            dict(zip(self.topology.areas, verdict.unserved_mw, strict=True)),
        )
        return self._flows

    def _ambients(self, main: Ambient) -> list[Ambient]:
        """What surrounds each plant: an island has a frequency of its own."""
        islands = self.grid.islands
        if not islands:
            return [main] * len(self.plants)
        apart = {area: replace(main, frequency_hz=self.grid.frequency_hz(area)) for area in islands}
        return [apart.get(plant.area, main) for plant in self.plants]

    def truth(self) -> Truth:
        """Everything that happened so far, frozen."""
        truth, market = self.ledger.truth(), self.grid.market
        return truth if market is None else replace(truth, spot_cny_per_mwh=market.realised_on(truth.grid))


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
