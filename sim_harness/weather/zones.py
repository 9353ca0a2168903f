"""Which measured wind farm stands for which farm of the park."""

from __future__ import annotations

import hashlib
from typing import Final

from vpp.ids import AssetId

__all__ = ["NEAR_ZONES", "NWP_CELL", "WIND_ZONES", "wind_zone"]

#: Zones whose power moves together (correlation 0.85-0.93): they stand near each other.
NEAR_ZONES: Final = ((1, 7, 8), (4, 5, 6))

#: Zones that share one cell of the weather model share its errors; the others have a cell of their own.
NWP_CELL: Final = {5: 4, 8: 7}

#: Near farms from near zones: east of the city 1/7/8, west of it 4/5/6; the two small ones of Dongshan from the next best.
WIND_ZONES: Final = {
    AssetId("wind.envision"): 7,
    AssetId("wind.wengniute"): 8,
    AssetId("wind.yuneng"): 1,
    AssetId("wind.songshan"): 4,
    AssetId("wind.zhisuan"): 5,
    AssetId("wind.hongshan"): 6,
    AssetId("wind.dongshan_df"): 9,
    AssetId("wind.dongshan_peaking"): 3,
}
N_ZONES: Final = 10


def wind_zone(farm_id: AssetId) -> int:
    """The zone of a farm; a farm that is not in the table gets one by its name, the same in every run.

    >>> wind_zone(AssetId("wind.songshan"))
    4
    """
    if farm_id in WIND_ZONES:
        return WIND_ZONES[farm_id]
    return 1 + int.from_bytes(hashlib.sha256(farm_id.encode()).digest()[:4], "big") % N_ZONES


def near_zones(zone: int) -> tuple[int, ...]:
    """The other zones of the zone's group, none for a zone that stands alone.

    >>> near_zones(5), near_zones(2)
    ((4, 6), ())
    """
    return tuple(other for group in NEAR_ZONES if zone in group for other in group if other != zone)
