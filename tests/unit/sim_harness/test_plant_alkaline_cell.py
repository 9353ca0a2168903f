"""The cell against the public `electrolyzer` package (tests/golden/electrolyser/SOURCE.md) and the plate it scales."""

import csv
from pathlib import Path

import pytest

from sim_harness.plants.alkaline_cell import RATED_A_CM2, cell_voltage_v, current_yield_frac, impurity_factor, specific_factor

GOLDEN = Path(__file__).parents[2] / "golden" / "electrolyser" / "alkaline_cell.csv"


def reference() -> dict[tuple[float, float], tuple[float, float]]:
    """Voltage and current yield by temperature and current density."""
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return {
            (float(row["temperature_c"]), float(row["current_a_cm2"])): (
                float(row["voltage_v"]),
                float(row["current_yield_frac"]),
            )
            for row in csv.DictReader(file)
        }


def test_voltage_changes_with_temperature_as_the_public_package_says_at_every_current() -> None:
    theirs = reference()
    assert len(theirs) == 45
    for (temperature_c, current), (voltage_v, _) in theirs.items():
        expected = voltage_v / theirs[80.0, current][0]
        ours = cell_voltage_v(current, temperature_c) / cell_voltage_v(current, 80.0)
        assert ours == pytest.approx(expected, rel=0.01), (temperature_c, current)


def test_current_yield_at_working_temperature_is_that_of_the_public_package() -> None:
    for (temperature_c, current), (_, their_yield) in reference().items():
        if temperature_c == 80.0:
            assert current_yield_frac(current, 80.0) == pytest.approx(their_yield, rel=0.01), current


def test_a_cell_at_rating_takes_the_stack_energy_of_the_year_study() -> None:
    coulomb_per_nm3 = 2.0 * 96_485.33 * 1_000.0 / 22.413962  # two electrons a molecule, ideal gas at 0 °C
    kwh_per_nm3 = cell_voltage_v(RATED_A_CM2, 80.0) * coulomb_per_nm3 / 3.6e6 / current_yield_frac(RATED_A_CM2, 80.0)
    assert kwh_per_nm3 == pytest.approx(4.6, abs=0.05)  # PARK_FACTS: 4.6 kWh/Nm3 stack


def test_a_cold_stack_needs_more_energy_and_a_working_one_what_its_plate_says() -> None:
    assert specific_factor(0.7, 80.0) == 1.0
    assert 1.05 < specific_factor(1.0, 40.0) < 1.10
    assert specific_factor(1.0, 60.0) < specific_factor(1.0, 40.0)


def test_impurity_goes_with_the_inverse_of_the_load() -> None:
    assert impurity_factor(0.3, 80.0) / impurity_factor(0.9, 80.0) == pytest.approx(3.0)
    assert impurity_factor(0.5, 60.0) < impurity_factor(0.5, 80.0)
