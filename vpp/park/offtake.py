"""The ammonia contract, and what hydrogen in the tank counts for in it: one home for the bill, the planner and the bound.

The contract is settled over a month, the loop can make more than it asks, and the tank holds hours of it. So a kilogram that
is left in the tank is contract ammonia that will be made tomorrow, and one that was taken out of it was taken from tomorrow's.
While the contract is short a kilogram is worth its price inside the park and the shortfall it will prevent; else its price alone.
"""

from __future__ import annotations

from typing import Final

from vpp.park.plates import AmmoniaLoopPlate
from vpp.units import HOURS_PER_DAY

__all__ = ["ammonia_arrears_t", "ammonia_owed_t", "hydrogen_worth_cny_per_kg"]

_DAYS_PER_YEAR: Final = 365.0


def ammonia_owed_t(plate: AmmoniaLoopPlate, span_h: float) -> float:
    """The contract's even share of a span, in tonnes; a tonne short costs the same whenever in the month it was missed."""
    return plate.contract_frac * plate.target_t_per_a * span_h / (_DAYS_PER_YEAR * HOURS_PER_DAY)


def ammonia_arrears_t(plate: AmmoniaLoopPlate, span_h: float, made_t: float, stored_more_kg: float) -> float:
    """What a span owes beside what it made and beside what its tank holds more than it began with; negative where it is ahead.

    Args:
        plate: Of the loop and its tank.
        span_h: Length.
        made_t: Ammonia made in it.
        stored_more_kg: Hydrogen in the tank at its end less that at its start.
    """
    return ammonia_owed_t(plate, span_h) - made_t - stored_more_kg / plate.hydrogen_kg_per_t


def hydrogen_worth_cny_per_kg(plate: AmmoniaLoopPlate, price_cny_per_kg: float, *, short: bool) -> float:
    """What one more kilogram in the tank is worth.

    Args:
        plate: Of the loop and its tank.
        price_cny_per_kg: Hydrogen inside the park, which is about what ammonia brings less the loop's own power.
        short: Whether the contract is in arrears, so that each tonne more saves its shortfall.
    """
    return price_cny_per_kg + (plate.shortfall_cny_per_t / plate.hydrogen_kg_per_t if short else 0.0)
