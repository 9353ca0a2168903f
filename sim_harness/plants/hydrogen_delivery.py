"""Hydrogen that leaves the park by pipe or trailer (氢气外送): a customer who takes all that is made."""

from __future__ import annotations

from typing import Final

from vpp.park.plates import ElectrolyserPlate
from vpp.units import kwh_per_nm3_to_mwh_per_kg

__all__ = ["HydrogenDelivery"]

#: Hours a year at rating that such plants are planned for, of 8,760. Assumption of the year study for the hydrogen island.
PLANNED_FRAC: Final = 8_000.0 / 8_760.0


class HydrogenDelivery:
    """A node without a tank: the level that the local control sees stays at half.

    Args:
        plate: Of the stacks that deliver to it.
    """

    def __init__(self, plate: ElectrolyserPlate) -> None:
        specific = kwh_per_nm3_to_mwh_per_kg(min(plate.specific_kwh_per_nm3))
        self.nominal_kg_per_h = PLANNED_FRAC * plate.stacks * plate.stack_mw / specific
        self.delivered_kg = 0.0

    @property
    def level_frac(self) -> float:
        """Never full."""
        return 0.5

    def deliver(self, hydrogen_kg: float) -> None:
        """Take hydrogen away."""
        self.delivered_kg += hydrogen_kg
