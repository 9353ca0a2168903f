"""What every open screen shows, worked out once for all of them: the present each second, curves each half minute."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import structlog

from controllers.api.forecast_facts import ForecastStanding
from controllers.api.ledger_facts import AlarmFacts, EventFacts, Measurement, OverrideFacts
from controllers.console.flows import category_of
from controllers.console.palette import SOURCES
from controllers.screen.asked import forecast_panel, override_list
from controllers.screen.curves import QUARTER, Matrix, PlanMemory, area_curves, columns_of, span_of
from controllers.screen.options import chart_options
from controllers.screen.source import ScreenSource
from controllers.screen.view import Seen, asset_rows, event_list, header_chips, park_tiles
from controllers.screen.words import LANGUAGES, Language
from vpp.errors import VppError
from vpp.units import FloatArray
from vpp.wire.messages import PlanCurrent

__all__ = ["ScreenModel", "Words"]

log = structlog.get_logger(__name__)

_PRESENT_S: Final = 1.0
_PAST_S: Final = 30.0
_ASKS_S: Final = 2.0
#: Nothing is worked out when nobody has looked for so long.
_NOBODY_S: Final = 10.0
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Words:
    """The pieces of the page in one language; `number` changes when they do."""

    number: int = 0
    chips: str = ""
    tiles: str = ""
    assets: str = ""
    events: str = ""
    overrides: str = ""
    forecasts: str = ""


@dataclass(slots=True)
class ScreenModel:
    """Shared by all open pages.

    Args:
        source: Where everything comes from.
    """

    source: ScreenSource
    words: dict[Language, Words] = field(default_factory=lambda: {one: Words() for one in LANGUAGES})
    #: Options of every chart by language and area; the whole park is the empty area.
    charts: dict[Language, dict[str, dict[str, Any]]] = field(default_factory=lambda: {one: {} for one in LANGUAGES})
    charts_number: int = 0
    alarms: Sequence[AlarmFacts] = ()
    looked_at_s: float = -1e9
    _events: Sequence[EventFacts] = ()
    _overrides: Sequence[OverrideFacts] = ()
    _standing: ForecastStanding = field(default_factory=ForecastStanding)
    _memory: PlanMemory = field(default_factory=PlanMemory)
    _plan_id: str | None = None
    _drawn: tuple[datetime | None, str | None] = (None, None)
    _failing: set[str] = field(default_factory=set)
    _past: dict[tuple[str, str], dict[datetime, float]] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled: nothing that fails ends it, because a screen that stands still must say so by its clock."""
        await self._remember_plans()
        loops = (
            self._every(_PRESENT_S, self._present),
            self._every(_ASKS_S, self.look_at_asks),
            self._every(_PAST_S, self._curves),
        )
        await asyncio.gather(*loops)

    def looked_at(self) -> None:
        """Somebody has the page open."""
        self.looked_at_s = asyncio.get_running_loop().time()

    async def look_at_asks(self) -> None:
        """What stands in the ledger: alarms, calls, overrides."""
        self.alarms = await self.source.alarms()
        self._events, self._overrides = await self.source.events(), await self.source.overrides()
        self._standing = await self.source.standing()

    def override(self, number: int) -> OverrideFacts | None:
        """One that stands or is to come, as it was last read."""
        return next((one for one in self._overrides if one.number == number), None)

    async def refresh(self) -> None:
        """Everything, now: what a first visitor waits for; without the ledger they see the present."""
        for work in (self.look_at_asks, self._present, self._curves):
            with contextlib.suppress(VppError):
                await work()

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            if asyncio.get_running_loop().time() - self.looked_at_s < _NOBODY_S:
                try:
                    await work()
                    self._failing.discard(work.__name__)
                except asyncio.CancelledError:
                    raise
                except Exception as error:  # noqa: BLE001  the next turn may succeed; see `run`
                    if work.__name__ not in self._failing:
                        log.warning("screen.refresh_failed", what=work.__name__, error=repr(error))
                    self._failing.add(work.__name__)
            await asyncio.sleep(period_s)

    async def _present(self) -> None:
        self._take_plan(self.source.plan())
        forecast = self.source.forecast()
        seen = Seen(
            park=self.source.park,
            state=self.source.state(),
            plan=self.source.plan(),
            stale_forecast=forecast is not None and forecast.stale,
            shifts=self.source.shifts(),
            alarms=self.alarms,
            events=self._events,
            overrides=self._overrides,
            standing=self._standing,
            ledger_away=bool(self._failing),
        )
        for language in LANGUAGES:
            self.words[language] = Words(
                number=self.words[language].number + 1,
                chips=header_chips(seen, language),
                tiles=park_tiles(seen, language),
                assets=asset_rows(seen, language),
                events=event_list(seen, language),
                overrides=override_list(seen, language),
                forecasts=forecast_panel(seen, language),
            )
        if self._drawn[0] is not None and self._plan_id != self._drawn[1]:
            await self._curves()

    def _take_plan(self, plan: PlanCurrent | None) -> None:
        if plan is not None and plan.plan_id != self._plan_id:
            self._plan_id = plan.plan_id
            self._memory.take(plan.edges, {row.id: row.power_mw for row in (*plan.assets, *plan.connections)})

    async def _remember_plans(self) -> None:
        """The plans of the day behind, as far as the ledger has them."""
        now = self.source.now()
        with contextlib.suppress(Exception):
            for plan in await self.source.plans(now - _DAY, now):
                self._memory.take(plan.edges, {row.id: row.power_mw for row in (*plan.assets, *plan.connections)})

    async def _curves(self) -> None:
        """Reads the quarters that were not read yet, and draws every area anew."""
        now = self.source.now()
        starts = span_of(now)
        now_index = round(_DAY / QUARTER)
        park = self.source.park
        await self._read_past(starts, now)
        farms = [a.id for a in park.assets if category_of(a.kind) in SOURCES]
        subjects = [*(a.id for a in park.assets), *(c.id for c in park.connections)]
        measured = self._matrix(
            [(a.id, "power_mw") for a in park.assets] + [(c.id, "import_mw") for c in park.connections], starts
        )
        could = self._matrix([(farm, "available_mw") for farm in farms], starts)
        planned, expected = self._memory.matrix(subjects, starts), columns_of(self.source.forecast(), starts, park)
        self._memory.forget(starts[0])
        charts: dict[Language, dict[str, dict[str, Any]]] = {one: {} for one in LANGUAGES}
        for area in ("", *park.area_ids):
            curves = area_curves(park, area or None, measured, planned, (could, expected), now_index)
            for language in LANGUAGES:
                charts[language][area] = chart_options(curves, starts, now_index, park.zone, language)
            await asyncio.sleep(0)  # an answer that waits goes first
        self.charts, self._drawn = charts, (now, self._plan_id)
        self.charts_number += 1

    async def _read_past(self, starts: Sequence[datetime], now: datetime) -> None:
        park = self.source.park
        wanted = (
            ("power_mw", [a.id for a in park.assets]),
            ("available_mw", [a.id for a in park.assets if category_of(a.kind) in SOURCES]),
            ("import_mw", [c.id for c in park.connections]),
        )
        for quantity, subjects in wanted:
            if not subjects:
                continue
            known = [max(kept) for kept in (self._past.get((one, quantity)) for one in subjects) if kept]
            # The last quarter that was read may have been running.
            first = max(min(known) - QUARTER, starts[0]) if len(known) == len(subjects) else starts[0]
            for row in await self.source.series(subjects, quantity, first, now, QUARTER):
                self._keep(row, starts[0])

    def _keep(self, row: Measurement, oldest: datetime) -> None:
        kept = self._past.setdefault((row.subject, row.quantity), {})
        for at, value in zip(row.times, row.values, strict=True):
            if value is not None:
                kept[at] = value
        for at in [at for at in kept if at < oldest]:
            del kept[at]

    def _matrix(self, rows: Sequence[tuple[str, str]], starts: Sequence[datetime]) -> Matrix:
        power: FloatArray = np.full((len(rows), len(starts)), np.nan)
        nothing: Mapping[datetime, float] = {}
        for n, row in enumerate(rows):
            kept = self._past.get(row, nothing)
            power[n] = [kept.get(start, np.nan) for start in starts]
        return Matrix({subject: n for n, (subject, _) in enumerate(rows)}, power)
