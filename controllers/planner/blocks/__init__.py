"""What each asset kind adds to the model: columns, rows and its share of the area's balance.

`BLOCKS` maps a kind to its block; a kind that is not listed cannot be planned and is refused by name.
"""

from typing import Final

from controllers.planner.blocks.base import Block, BuildContext, Planned
from controllers.planner.blocks.compute import add_charging, add_compute
from controllers.planner.blocks.feeder import add_feeder
from controllers.planner.blocks.fixed import add_fixed_load
from controllers.planner.blocks.furnace import add_furnace
from controllers.planner.blocks.hydrogen import add_ammonia_loop, add_electrolyser
from controllers.planner.blocks.quota import add_quota_load
from controllers.planner.blocks.source import add_source
from controllers.planner.blocks.storage import add_battery, add_compressed_air
from controllers.planner.blocks.thermal import add_thermal_unit

__all__ = ["BLOCKS", "Block", "BuildContext", "Planned"]

BLOCKS: Final[dict[str, Block]] = {
    "wind": add_source,
    "solar": add_source,
    "battery": add_battery,
    "compressed_air": add_compressed_air,
    "electrolyser": add_electrolyser,
    "ammonia_loop": add_ammonia_loop,
    "compute": add_compute,
    "arc_furnace": add_furnace,
    "zinc_electrowinning": add_quota_load,
    "copper_refining": add_quota_load,
    "submerged_arc": add_quota_load,
    "flexible_load": add_quota_load,
    "base_load": add_fixed_load,
    "ev_charging": add_charging,
    "thermal_unit": add_thermal_unit,
    "feeder": add_feeder,
}
