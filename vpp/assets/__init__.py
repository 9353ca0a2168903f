"""What each asset kind can do: feasible band, state step, safe power, reach.

`ASSET_KINDS` is the one place that knows which kinds there are; everything else asks the kind.
"""

from __future__ import annotations

from typing import Any, Final

from vpp.assets.ammonia_loop import AMMONIA_LOOP
from vpp.assets.arc_furnace import ARC_FURNACE
from vpp.assets.base import AssetKind, EnergyAccount, EnergyReach, PowerBand, StateBounds, columns, state_from_facts
from vpp.assets.base_load import BASE_LOAD
from vpp.assets.battery import BATTERY
from vpp.assets.compressed_air import COMPRESSED_AIR
from vpp.assets.compute import COMPUTE
from vpp.assets.copper_refining import COPPER_REFINING
from vpp.assets.electrolyser import ELECTROLYSER
from vpp.assets.ev_charging import EV_CHARGING
from vpp.assets.feeder import FEEDER
from vpp.assets.flexible_load import FLEXIBLE_LOAD
from vpp.assets.solar import SOLAR
from vpp.assets.submerged_arc import SUBMERGED_ARC
from vpp.assets.thermal_unit import THERMAL_UNIT
from vpp.assets.wind import WIND
from vpp.assets.zinc_electrowinning import ZINC_ELECTROWINNING
from vpp.errors import AssetError

__all__ = [
    "ASSET_KINDS",
    "AssetKind",
    "EnergyAccount",
    "EnergyReach",
    "PowerBand",
    "StateBounds",
    "columns",
    "register",
    "state_from_facts",
    "unregister",
]

#: Kinds by the name that a park file uses.
ASSET_KINDS: Final[dict[str, AssetKind[Any, Any]]] = {
    "wind": WIND,
    "solar": SOLAR,
    "thermal_unit": THERMAL_UNIT,
    "battery": BATTERY,
    "compressed_air": COMPRESSED_AIR,
    "electrolyser": ELECTROLYSER,
    "ammonia_loop": AMMONIA_LOOP,
    "arc_furnace": ARC_FURNACE,
    "zinc_electrowinning": ZINC_ELECTROWINNING,
    "copper_refining": COPPER_REFINING,
    "submerged_arc": SUBMERGED_ARC,
    "flexible_load": FLEXIBLE_LOAD,
    "compute": COMPUTE,
    "ev_charging": EV_CHARGING,
    "feeder": FEEDER,
    "base_load": BASE_LOAD,
}


def register(kind: AssetKind[Any, Any]) -> None:
    """Make a kind from outside known under its name.

    Raises:
        AssetError: A kind of this name is known already.
    """
    if kind.name in ASSET_KINDS:
        raise AssetError(f"asset kind {kind.name!r} is registered already; give the new one another name")
    ASSET_KINDS[kind.name] = kind


def unregister(name: str) -> None:
    """Forget a kind.

    Raises:
        AssetError: No kind of this name is known.
    """
    if name not in ASSET_KINDS:
        raise AssetError(f"asset kind {name!r} is not registered; known are {', '.join(sorted(ASSET_KINDS))}")
    del ASSET_KINDS[name]
