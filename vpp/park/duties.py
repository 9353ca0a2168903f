"""What a park owes and is measured by: contracts, targets, rules of the grid, emission factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from vpp.ids import AreaId, AssetId
from vpp.park.plates import NonNegative, Positive

__all__ = ["CoalRate", "Contract", "EmissionFactor", "GridRule", "Sense", "Target"]

_STRICT: Final = ConfigDict(extra="forbid")

Sense: TypeAlias = Literal["at_least", "at_most", "equal"]
SettledOver: TypeAlias = Literal["hour", "day", "month", "year"]
#: A quantity with its unit at the end, as everywhere in the house.
Metric: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*_(frac|mw|mwh|t|kg|days|h|s|min|hz|g_per_kwh|t_per_10k_cny|cny_per_mwh)$")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A duty with a value, for areas or assets (合同): own use of green power, feed-in, monthly output.

    Args:
        metric: What is counted, with its unit.
        value: The bound, in the unit of `metric`.
        areas: Areas it covers.
        assets: Assets it covers.
        settled_over: Span over which it is counted.
        shortfall_cny_per_t: Price of what is missing, where it is counted in tonnes. [CNY/t]
    """

    __pydantic_config__ = _STRICT
    id: str
    name: str
    name_zh: str
    metric: Metric
    sense: Sense
    value: float
    areas: tuple[AreaId, ...] = ()
    assets: tuple[AssetId, ...] = ()
    settled_over: SettledOver
    shortfall_cny_per_t: NonNegative | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure that the park reports against (考核目标); missing it costs nothing by itself.

    Args:
        metric: What is counted, with its unit.
        value: The bound, in the unit of `metric`.
        areas: Areas it is for; empty for the whole park.
        kinds: Asset kinds it is for; empty for all.
    """

    __pydantic_config__ = _STRICT
    id: str
    name: str
    name_zh: str
    metric: Metric
    sense: Sense
    value: float
    areas: tuple[AreaId, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRule:
    """A rule of a grid or market, as data with its jurisdiction (并网与市场规则).

    Args:
        metric: What is counted, with its unit.
        value: The bound, in the unit of `metric`.
        jurisdiction: Whose rule it is.
    """

    __pydantic_config__ = _STRICT
    id: str
    name: str
    name_zh: str
    metric: Metric
    sense: Sense
    value: float
    jurisdiction: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionFactor:
    """CO2 per electricity (排放因子); reports name the one they use.

    Args:
        kg_per_kwh: CO2 per energy. [kg/kWh]
        year: Year the factor describes.
        region: What it is an average of.
    """

    __pydantic_config__ = _STRICT
    id: str
    name: str
    name_zh: str
    kg_per_kwh: Positive
    year: Annotated[int, Field(ge=2000, le=2100)]
    region: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalRate:
    """Standard coal that a kilowatt-hour of green power replaces (供电煤耗), as different projects count it.

    Args:
        g_per_kwh: Standard coal per energy. [g/kWh]
    """

    __pydantic_config__ = _STRICT
    id: str
    name: str
    name_zh: str
    g_per_kwh: Positive
