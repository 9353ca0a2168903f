from datetime import date

import pytest

from sim_harness.plants.hydrogen_delivery import HydrogenDelivery
from sim_harness.scenario import SEEDS
from tests.plant_runs import Run, electrolyser
from vpp.ids import AssetId
from vpp.park import load

ISLAND = AssetId("h2.island")


def test_the_hydrogen_island_delivers_the_tonnes_it_was_planned_for() -> None:
    plate = load(SEEDS, at=date(2030, 10, 1), scenarios=("h2_island",)).asset(ISLAND).plate
    delivery = HydrogenDelivery(plate)
    plant = electrolyser(delivery.nominal_kg_per_h, plate=plate, node=delivery)
    Run(plant, dt_s=900.0).hours(24)
    assert plant.totals()["hydrogen_kg"] == pytest.approx(delivery.delivered_kg)
    assert delivery.delivered_kg * 365.0 / 1e6 == pytest.approx(400.0, rel=0.06)  # white paper ch. 4 s. 1.5, in kt a year
