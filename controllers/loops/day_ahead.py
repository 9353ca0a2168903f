"""One plan a day, held by rules: what is sold today.

At noon the next day is planned with the mean forecast; the first plan is made at once, for the rest of the day and the next.
Between two plans nothing is planned anew: stores, stacks, heats, computing and works keep to the day's schedule whatever the wind
does, and the rules see to limits, units and feeders around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Final

import structlog

from controllers.dispatch.guidance import BandGuidance, Guidance
from controllers.dispatch.snapshot import Reported, Snapshot
from controllers.loops.commander import Commander
from controllers.loops.plan import Made, PlanGuide, RuleGuide, plan_message
from vpp.errors import VppError
from vpp.ids import AssetId
from vpp.park import Asset
from vpp.wire.topics import Channel

__all__ = ["DayAheadGuide"]

log = structlog.get_logger(__name__)
_NOON: Final = time(12)
#: Giving the schedule up is worth less than the last share of a connection's limit, and more than any price of energy. [CNY/MWh]
_KEPT_CNY_PER_MWH: Final = 1_400.0
#: Going beyond it is worth less than any sale, and more than wasting wind. [CNY/MWh]
_BEYOND_CNY_PER_MWH: Final = 0.0
_STORES: Final = ("battery", "compressed_air")


@dataclass(slots=True)
class DayAheadGuide:
    """The schedule of the day.

    Args:
        plans: Who plans.
        rules: What steps in where there is no plan, and what looks after the rest.
    """

    plans: PlanGuide
    rules: RuleGuide
    _now: Made | None = None
    _next: tuple[datetime, Made] | None = None
    _plan_at: datetime | None = None
    _told: bool = field(default=False)

    async def guide(self, snapshot: Snapshot) -> Guidance | None:
        """The rules around the schedule in force."""
        if self.plans.known.forecasts.value is None:
            return None
        self.plans.observe(snapshot)
        if self._plan_at is None or snapshot.at >= self._plan_at:
            await self._plan(snapshot)
        if self._next is not None and snapshot.at >= self._next[0]:
            self._now, self._next, self._told = self._next[1], None, False
        ruled = await self.rules.guide(snapshot)
        if ruled is None or self._now is None or not snapshot.at < self._now.result.grid.end:
            return ruled
        return _held(self._now, snapshot, ruled)

    def announce(self, commander: Commander) -> None:
        """Publishes the schedule when it comes into force."""
        if self._now is not None and not self._told:
            self._told = True
            commander.publish(Channel.PLAN_CURRENT, plan_message(self._now.plan_id, self._now.result, commander.stamp()))

    async def _plan(self, snapshot: Snapshot) -> None:
        """One that fails is tried again a period later; until then the last one goes on."""
        local = snapshot.at.astimezone(self.plans.park.zone)
        try:
            made = await self.plans.make(snapshot)
        except VppError as error:
            log.warning("plan.lost", reason=str(error), at=snapshot.at.isoformat(), instead="last_plan")
            return
        if self._now is None:
            self._now, self._told = made, False
        else:
            midnight = datetime.combine(local.date() + timedelta(days=1), time(0), local.tzinfo)
            self._next = midnight, made
        noon = datetime.combine(local.date(), _NOON, local.tzinfo)
        self._plan_at = noon if local < noon else noon + timedelta(days=1)


def _held(made: Made, snapshot: Snapshot, ruled: Guidance) -> Guidance:
    """The plan's schedule where it has one; connections, units and feeders by the rules."""
    planned = made.guidance(snapshot.at)
    park = made.problem.park
    bands: dict[AssetId, BandGuidance] = {**ruled.bands}
    for kind in _STORES:
        for asset in park.assets_of(kind):
            said = snapshot.assets.get(asset.id)
            # An island's batteries carry its frequency: nobody can schedule them.
            if said is not None and park.connections_of(asset.area):
                bands[asset.id] = _store_band(asset, said, _power_mw(made, asset, snapshot.at))
    for asset_id, held_mw in planned.held_mw.items():
        if asset_id in bands and park.asset(asset_id).kind not in ("thermal_unit", "feeder"):
            bands[asset_id] = _at(bands[asset_id], held_mw)
    return replace(
        ruled,
        plan_id=made.plan_id,
        source="dayahead",
        stores={i: store for i, store in ruled.stores.items() if i not in bands},
        stacks=planned.stacks,
        heats=planned.heats,
        shifts=planned.shifts,
        held_mw=_without(planned.held_mw, bands),
        bands=bands,
        tails=planned.tails,
    )


def _without(held_mw: Mapping[AssetId, float], bands: Mapping[AssetId, BandGuidance]) -> dict[AssetId, float]:
    return {i: mw for i, mw in held_mw.items() if i not in bands}


def _power_mw(made: Made, asset: Asset, at: datetime) -> float:
    return float(made.result.assets[asset.id].power_mw[made.result.grid.index(at)])


def _store_band(asset: Asset, said: Reported, planned_mw: float) -> BandGuidance:
    """The scheduled power as far as what is stored allows it for the next quarter of an hour."""
    plate = asset.plate
    stored_mwh = said.state.get("soc_frac", plate.soc_min_frac) * plate.energy_mwh
    quarter_h = 0.25
    out = max(0.0, stored_mwh - plate.soc_min_frac * plate.energy_mwh) / quarter_h
    into = max(0.0, plate.soc_max_frac * plate.energy_mwh - stored_mwh) / quarter_h
    low, high = -min(plate.power_mw, out), min(plate.power_mw, into)
    return _at(BandGuidance(low, ((high - low, 0.0),)), planned_mw)


def _at(band: BandGuidance, wanted_mw: float) -> BandGuidance:
    """A band that stays at one power unless a limit is in danger."""
    wanted = min(max(wanted_mw, band.low_mw), band.high_mw)
    segments = ((wanted - band.low_mw, _KEPT_CNY_PER_MWH), (band.high_mw - wanted, _BEYOND_CNY_PER_MWH))
    return BandGuidance(band.low_mw, segments)
