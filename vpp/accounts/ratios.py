"""Green ratios that contracts and targets ask for, day by day, so that a year's figure is a sum of days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal, TypeAlias

import numpy as np

from vpp.accounts.calendar import days_of
from vpp.accounts.origins import CLEAN, DIRECT_GREEN, GREEN, Origin
from vpp.accounts.settle import Accounts
from vpp.errors import AccountError
from vpp.park.duties import Contract, Sense, Target
from vpp.park.rating import rating
from vpp.units import BoolArray, FloatArray

__all__ = ["Ratio", "RatioState", "join", "ratios_of"]

RatioState: TypeAlias = Literal["kept", "missed", "open"]

_OWN_USE: Final = "own_use_of_generation_frac"
_OWN_SHARE: Final = "own_use_of_demand_frac"
_FEED_IN: Final = "feed_in_of_generation_frac"
_UTILISATION: Final = "renewable_utilisation_frac"
_SHARES: Final[dict[str, tuple[Origin, ...]]] = {
    "green_share_frac": GREEN,
    "direct_green_share_frac": DIRECT_GREEN,
    "clean_share_frac": CLEAN,
}
_DIRECT: Final = (_OWN_USE, _OWN_SHARE, _FEED_IN)
_METRICS: Final = (*_DIRECT, _UTILISATION, *_SHARES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A part of a whole over D days, and the bound it is held against.

    Args:
        id: Of the contract or target; `park.` and the metric where the rule of a contract is shown for the whole park.
        metric: What is counted.
        sense: Which side of the bound is right.
        target_frac: The bound.
        binding: Whether a contract asks for it; else it is a target or shown for comparison.
        days: In order, D of them.
        part_mwh: Of each day, shape (D,). [MWh]
        whole_mwh: Of each day, shape (D,). [MWh]
        measured_frac: Share of the meters' time that was measured, shape (D,).
    """

    id: str
    name: str
    name_zh: str
    metric: str
    sense: Sense
    target_frac: float
    binding: bool
    days: tuple[date, ...]
    part_mwh: FloatArray
    whole_mwh: FloatArray
    measured_frac: FloatArray

    @property
    def reached_frac(self) -> float | None:
        """Over all days; None where there is nothing to refer to."""
        whole_mwh = float(np.sum(self.whole_mwh))
        return float(np.sum(self.part_mwh)) / whole_mwh if whole_mwh > 0.0 else None

    def state_of(self, value: float | None) -> RatioState:
        """Whether a value keeps the bound; what is not known is open."""
        if value is None:
            return "open"
        tolerance = 1e-9
        low = value >= self.target_frac - tolerance
        high = value <= self.target_frac + tolerance
        kept = {"at_least": low, "at_most": high, "equal": low and high}[self.sense]
        return "kept" if kept else "missed"


def ratios_of(accounts: Accounts) -> tuple[Ratio, ...]:
    """Every ratio of the park's contracts and targets that meters alone can tell, by day."""
    return tuple(_ratios(accounts))


def join(parts: Sequence[tuple[Ratio, ...]]) -> tuple[Ratio, ...]:
    """Ratios of spans that follow each other as those of the whole; a ratio that the last span does not have is left out.

    Raises:
        AccountError: Days out of order or twice.
    """
    if not parts:
        return ()
    return tuple(_join([one for part in parts for one in part if one.id == last.id], last) for last in parts[-1])


def _join(parts: Sequence[Ratio], last: Ratio) -> Ratio:
    days = tuple(day for part in parts for day in part.days)
    if any(right <= left for left, right in zip(days, days[1:], strict=False)):
        raise AccountError(f"{last.id}: days of its parts overlap or are out of order")
    return replace(
        last,
        days=days,
        part_mwh=np.concatenate([part.part_mwh for part in parts]),
        whole_mwh=np.concatenate([part.whole_mwh for part in parts]),
        measured_frac=np.concatenate([part.measured_frac for part in parts]),
    )


def _ratios(accounts: Accounts) -> Iterator[Ratio]:
    park = accounts.registers.park
    shown: set[str] = set()
    for contract in park.contracts:
        if contract.metric in _METRICS:
            yield _ratio(accounts, contract, binding=True)
    for contract in park.contracts:
        if contract.metric in _DIRECT and not contract.assets and contract.metric not in shown:
            shown.add(contract.metric)
            name, name_zh = _PARK_NAMES[contract.metric]
            whole = replace(contract, id=f"park.{contract.metric}", name=name, name_zh=name_zh, areas=())
            yield _ratio(accounts, whole, binding=False)
    for target in park.targets:
        if target.metric in _METRICS:
            yield _ratio(accounts, target, binding=False)


_PARK_NAMES: Final[dict[str, tuple[str, str]]] = {
    _OWN_USE: ("Own use of generation, whole park", "全园自发自用占发电量比例"),
    _OWN_SHARE: ("Own generation in demand, whole park", "全园自发自用占用电量比例"),
    _FEED_IN: ("Feed-in, whole park", "全园上网电量占发电量比例"),
}


def _ratio(accounts: Accounts, duty: Contract | Target, *, binding: bool) -> Ratio:
    if duty.metric in _DIRECT:
        part, whole, measured = _direct(accounts, duty.metric, duty.areas or accounts.registers.areas)
    elif duty.metric == _UTILISATION:
        part, whole, measured = _utilisation(accounts, duty)
    else:
        part, whole, measured = _share(accounts, duty)
    days = days_of(accounts.grid, accounts.registers.park.zone)
    counts = days.sums(np.isfinite(measured).astype(np.float64))
    return Ratio(
        id=duty.id,
        name=duty.name,
        name_zh=duty.name_zh,
        metric=duty.metric,
        sense=duty.sense,
        target_frac=duty.value,
        binding=binding,
        days=days.days,
        part_mwh=days.sums(part),
        whole_mwh=days.sums(whole),
        measured_frac=days.sums(measured) / np.maximum(counts, 1.0),
    )


def _share(accounts: Accounts, duty: Contract | Target) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What of some loads' energy came from certain origins; the loads' meters, each by its time."""
    rows = accounts.rows("load") & _named(accounts, duty)
    part = accounts.origin_mwh[rows][:, :, list(_SHARES[duty.metric])].sum(axis=(0, 2))
    return part, accounts.energy_mwh[rows].sum(axis=0), _mean(accounts.measured_frac[rows])


def _named(accounts: Accounts, duty: Contract | Target) -> BoolArray:
    """Parties that a duty is for: its assets or kinds, in its areas; everybody where it names none."""
    kinds = duty.kinds if isinstance(duty, Target) else ()
    assets = duty.assets if isinstance(duty, Contract) else ()
    return np.array(
        [
            (not duty.areas or party.area in duty.areas)
            and (not kinds or party.kind in kinds)
            and (not assets or party.id in assets)
            for party in accounts.parties
        ],
        dtype=np.bool_,
    )


def _utilisation(accounts: Accounts, duty: Contract | Target) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Generated of available, where both were measured."""
    registers = accounts.registers
    assets = [registers.park.asset(a) for a in registers.assets]
    rows = np.array([rating(a).role in ("wind", "solar") and (not duty.areas or a.area in duty.areas) for a in assets])
    made, available = -registers.energy_mwh[rows], registers.available_mwh[rows]
    both = np.isfinite(made) & np.isfinite(available)
    part, whole = np.where(both, made, 0.0).sum(axis=0), np.where(both, available, 0.0).sum(axis=0)
    return part, whole, _mean(registers.asset_measured_frac[rows])


def _direct(accounts: Accounts, metric: str, areas: Sequence[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Own use (generation less feed-in) and feed-in by the meters, as direct-connection rules count them.

    Exchange is netted over each interval. What a store sends out was own use when it was charged and is feed-in now; over a year
    the two cancel.
    """
    registers = accounts.registers
    inside = np.array([area in areas for area in registers.areas], dtype=np.bool_)
    supplied = accounts.supply_mwh[inside].sum(axis=0)
    generation = supplied[:, [Origin.WIND, Origin.SOLAR]].sum(axis=1)
    other = supplied[:, [Origin.BIOMASS, Origin.THERMAL, Origin.UNKNOWN]].sum(axis=1)
    net, measured = np.zeros(registers.grid.n), []
    for row, connection_id in enumerate(registers.connections):
        connection = registers.park.connection(connection_id)
        ends = int(connection.area in areas) - int(connection.to in areas)
        if ends:
            net += ends * np.nan_to_num(registers.import_mwh[row] - registers.export_mwh[row])
            measured.append(registers.connection_measured_frac[row])
    feed_in, imported = np.maximum(-net, 0.0), np.maximum(net, 0.0)
    own = generation - feed_in
    sources = [registers.asset_measured_frac[i] for i, a in enumerate(registers.assets) if _is_source(accounts, a, areas)]
    told = _mean(np.array([*measured, *sources]).reshape(-1, registers.grid.n))
    match metric:
        case "own_use_of_generation_frac":
            return own, generation, told
        case "own_use_of_demand_frac":
            return own, generation + other + imported - feed_in, told
        case _:
            return feed_in, generation, told


def _is_source(accounts: Accounts, asset_id: str, areas: Sequence[str]) -> bool:
    asset = accounts.registers.park.asset(asset_id)
    return asset.area in areas and rating(asset).role in ("wind", "solar", "thermal")


def _mean(measured: FloatArray) -> FloatArray:
    """Mean over the meters that were due, shape (T,); NaN where none was."""
    due = np.isfinite(measured)
    count = due.sum(axis=0)
    mean: FloatArray = np.where(count > 0, np.where(due, measured, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return mean
