"""Where the generated farms stand and what they share: neighbours meet the same weather first."""

from __future__ import annotations

from sim_harness.weather.zones import NEAR_ZONES, wind_zone
from vpp.ids import AssetId

__all__ = ["group_of", "is_roof"]


def group_of(farm_id: AssetId) -> str:
    """The group of near farms that a farm belongs to; the same groups as in the measured weather.

    >>> group_of(AssetId("wind.songshan")) == group_of(AssetId("wind.hongshan"))
    True
    >>> group_of(AssetId("wind.songshan")) == group_of(AssetId("wind.envision"))
    False
    """
    zone = wind_zone(farm_id)
    return next((f"group{index}" for index, zones in enumerate(NEAR_ZONES) if zone in zones), f"zone{zone}")


def is_roof(farm_id: AssetId) -> bool:
    """Whether a PV station lies on roofs, flat and to both sides, and not on racks towards the south.

    >>> is_roof(AssetId("pv.roofs_hongshan")), is_roof(AssetId("pv.envision"))
    (True, False)
    """
    return "roof" in farm_id
