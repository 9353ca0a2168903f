"""What can be moved, in three forms, and what it adds up to.

- a band: powers that can be kept now (`PowerBand`, from the asset kinds);
- tubes: cumulative energy between "as late as deadlines allow" and "as early as releases allow" (`Tubes`, `merge`);
- heats: batches in sequences (`Heats`).
"""

from vpp.assets.base import EnergyReach, PowerBand
from vpp.flexibility.aggregate import Aggregate, Sums, aggregate
from vpp.flexibility.fleet import Fleet, Group
from vpp.flexibility.heats import Heats
from vpp.flexibility.tube import MergedTubes, Tubes, merge, split_by_deadline

__all__ = [
    "Aggregate",
    "EnergyReach",
    "Fleet",
    "Group",
    "Heats",
    "MergedTubes",
    "PowerBand",
    "Sums",
    "Tubes",
    "aggregate",
    "merge",
    "split_by_deadline",
]
