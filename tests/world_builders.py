"""Small parks and plants for tests of the world: real records, made in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sim_harness.plants.base import Ambient, Balance, Intent, PushOrder
from sim_harness.truth import Truth
from sim_harness.weather.base import Farm
from sim_harness.world import World
from vpp.ids import AreaId, AssetId, BusId, ConnectionId, ParkId
from vpp.park import Area, Asset, Connection, Network, NetworkBasis, Park, Period, Prices, Site, Tariff, TariffId
from vpp.park.plates import (
    AmmoniaLoopPlate,
    ArcFurnacePlate,
    BaseLoadPlate,
    BatteryPlate,
    ComputePlate,
    ElectrolyserPlate,
    JobClass,
    Plate,
    WindPlate,
)

START = datetime(2030, 9, 30, 16, tzinfo=UTC)  # midnight of 2030-10-01 in the park
TARIFF = Tariff(
    id=TariffId("tou"),
    name="time of use",
    name_zh="分时电价",
    jurisdiction="test",
    valid_from=date(2026, 1, 1),
    pricing="time_of_use",
    periods=(
        Period(name="valley", hours=((0, 6), (11, 14))),
        Period(name="flat", hours=((6, 11), (14, 17), (22, 24))),
        Period(name="peak", hours=((17, 22),)),
    ),
    import_cny_per_mwh={"valley": 260.0, "flat": 480.0, "peak": 760.0},
    network_cny_per_mwh=0.0,
    system_fees_cny_per_mwh=0.0,
    network_capacity_cny_per_kva_month=0.0,
    demand_charge_cny_per_kw_month=33.0,
    above_contract_cny_per_mwh=3000.0,
    deviation_cny_per_mwh=0.0,
    export_cny_per_mwh=150.0,
    ppa_cny_per_mwh=0.0,
    certificate_cny_per_mwh=40.0,
    carbon_cny_per_t=90.0,
    spot_floor_cny_per_mwh=-50.0,
    spot_cap_cny_per_mwh=1500.0,
)

BATTERY = BatteryPlate(
    power_mw=16.5,
    energy_mwh=66.0,
    round_trip_frac=0.88,
    soc_min_frac=0.05,
    soc_max_frac=0.95,
    wear_cny_per_mwh=60.0,
    auxiliary_frac=0.005,
)
WIND = WindPlate(capacity_mw=110.0, capacity_factor_frac=0.332)
BASE = BaseLoadPlate(mean_mw=110.0, winter_frac=0.04, weekend_frac=-0.1, night_frac=-0.15)
LOOP = AmmoniaLoopPlate(
    loop_t_per_h=45.0,
    min_load_frac=0.3,
    ramp_frac_per_h=0.2,
    hydrogen_kg_per_t=178.0,
    own_load_mw=28.0,
    own_load_fixed_frac=0.4,
    buffer_kg=120_000.0,
    vent_cny_per_kg=20.0,
    trip_cny_per_t=12_000.0,
    netback_cny_per_t=2_300.0,
    contract_frac=0.85,
    shortfall_cny_per_t=1_200.0,
    target_t_per_a=320_000.0,
    hydrogen_node="tank",
)
STACKS = ElectrolyserPlate(
    stacks=10,
    stack_mw=5.0,
    min_load_frac=0.3,
    max_load_frac=1.05,
    load_frac=(0.3, 0.6, 1.05),
    specific_kwh_per_nm3=(5.1, 4.78, 5.05),
    standby_frac=0.02,
    cold_start_s=2400.0,
    warm_start_s=180.0,
    cold_start_cny=800.0,
    warm_start_cny=150.0,
    min_on_h=1.0,
    min_off_h=0.5,
    starts_per_day=3.0,
    ramp_frac_per_s=0.1,
    hydrogen_node="tank",
)

CLUSTER = ComputePlate(
    rated_mw=40.0,
    it_mw=35.0,
    pue_frac=1.15,
    idle_frac=0.2,
    mean_use_frac=0.75,
    deferrable_frac=0.6,
    job_classes=(
        JobClass(name="slack_6h", share_frac=0.4, slack_h=6.0, delay_cny_per_mwh=216.0, miss_cny_per_mwh=20_000.0),
        JobClass(name="slack_24h", share_frac=0.6, slack_h=24.0, delay_cny_per_mwh=70.0, miss_cny_per_mwh=20_000.0),
    ),
    tier_frac=(0.4, 0.2, 0.2, 0.2),
    tier_loss_frac=(0.0, 0.1, 0.3, 0.5),
    throughput_cny_per_mwh=4_300.0,
    checkpoint_s=900.0,
    cap_power_frac=(0.25, 1.0),
    cap_throughput_frac=(0.2, 1.0),
)
FURNACES = ArcFurnacePlate(
    furnaces=2,
    tap_weight_t=100.0,
    melting_mw=70.0,
    refining_frac=0.4,
    heat_mwh=40.0,
    melting_energy_frac=0.65,
    power_on_s=2850.0,
    tap_to_tap_s=3500.0,
    auxiliary_mw=4.0,
    heats_per_day=38,
    sequence_heats_min=6,
    sequence_heats_max=8,
    sequence_gap_s=1500.0,
    hold_max_s=600.0,
    hold_price_cny_per_mwh=2_000.0,
    late_heat_cny=60_000.0,
)


def asset(asset_id: str, kind: str, plate: Plate, area: str) -> Asset:
    return Asset(
        id=AssetId(asset_id),
        kind=kind,
        area=AreaId(area),
        buses=(BusId(f"bus_{area}"),),
        name=asset_id,
        name_zh=asset_id,
        in_service_from=date(2026, 1, 1),
        in_service_until=None,
        plate=plate,
    )


def connection(connection_id: str, area: str, to: str = "grid", import_mw: float = 200.0, export_mw: float = 50.0) -> Connection:
    return Connection(
        id=ConnectionId(connection_id),
        area=AreaId(area),
        to=to,
        name=connection_id,
        name_zh=connection_id,
        tariff=TARIFF.id if to == "grid" else None,
        import_limit_mw=import_mw,
        export_limit_mw=export_mw,
        green_origin_frac=0.0 if to == "grid" else None,
    )


def park(assets: Sequence[Asset], connections: Sequence[Connection] = (), areas: Sequence[str] = ()) -> Park:
    ids = areas or tuple(dict.fromkeys(a.area for a in assets))
    return Park(
        site=Site(
            id=ParkId("test"),
            name="Test",
            name_zh="测试",
            latitude_deg=42.3,
            longitude_deg=118.9,
            time_zone="Asia/Shanghai",
            opens=date(2026, 1, 1),
        ),
        at=date(2030, 10, 1),
        areas=tuple(Area(id=AreaId(i), name=i, name_zh=i) for i in ids),
        connections=tuple(connections),
        assets=tuple(assets),
        network=Network(
            basis=NetworkBasis(loss_frac=0.0, load_power_factor_frac=0.985),
            buses=(),
            lines=(),
            transformers=(),
        ),
        tariffs=(TARIFF,),
        prices=Prices(hydrogen_cny_per_kg=12.0, curtailment_cny_per_mwh=50.0),
        contracts=(),
        targets=(),
        grid_rules=(),
        emission_factors=(),
        coal_rates=(),
        not_modelled=(),
        contradictions=(),
        statements={},
        provenance={},
    )


@dataclass
class Stub:
    """A plant that intends what a test says: the smallest thing that keeps the Protocol."""

    asset_id: AssetId
    area: AreaId
    intent: Intent
    power_mw: float = 0.0
    counters: dict[str, float] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)

    def intend(self, ambient: Ambient) -> Intent:
        return self.intent

    def settle(self, power_mw: float, ambient: Ambient) -> None:
        self.power_mw = power_mw

    def totals(self) -> Mapping[str, float]:
        return self.counters

    def stock(self) -> Mapping[str, float]:
        return self.held

    def balances(self) -> tuple[Balance, ...]:
        return ()


def stub(asset_id: str, area: str, power_mw: float, low_mw: float, high_mw: float, order: PushOrder) -> Stub:
    return Stub(AssetId(asset_id), AreaId(area), Intent(power_mw, low_mw, high_mw, order))


@dataclass(frozen=True)
class SteadyWeather:
    """Weather that does not change; `frac` is every farm's available output."""

    farm_ids: tuple[str, ...] = ()
    frac: float = 1.0

    @property
    def farms(self) -> tuple[Farm, ...]:
        return tuple(Farm(AssetId(i), "wind", 100.0, 0.3) for i in self.farm_ids)

    def available_row(self, at: datetime, dt_s: float) -> Sequence[float]:
        return [self.frac] * len(self.farm_ids)

    def running_row(self, at: datetime) -> Sequence[float]:
        return [1.0] * len(self.farm_ids)

    def temperature_c(self, at: datetime) -> float:
        return 10.0


def run(world: World, hours: float, step_s: float = 900.0) -> Truth:
    """Let time pass from `START`, nobody in command."""
    for k in range(round(hours * 3600.0 / step_s)):
        world.step(START + timedelta(seconds=k * step_s), step_s)
    return world.truth()
