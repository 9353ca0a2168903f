"""Pieces of the page as HTML, made once a second in each language for everybody who looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Final

from controllers.api.forecast_facts import ForecastStanding
from controllers.api.ledger_facts import AlarmFacts, EventFacts, OverrideFacts
from controllers.api.live_state import AssetLive, LiveState
from controllers.console.flows import area_flows, category_of, green_shares
from controllers.console.palette import GRID, LINK, SOURCES, STORE
from controllers.screen.told import MISSING, answer_of, mw, reason_of, setpoint_of, shift_of
from controllers.screen.words import COLOURS, LANGUAGES, MODES, Language, kind_words, quality_words, word
from vpp.park import Park
from vpp.park.rating import rating
from vpp.wire.messages import ComputeShift, PlanCurrent

__all__ = ["Seen", "asset_rows", "clock_text", "event_list", "header_chips", "park_tiles", "worst_quality"]

#: From good to poor.
QUALITIES: Final = ("fresh", "stale", "persistence", "climatology")
_FRESH_S: Final = 15.0
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the screen shows of one moment."""

    park: Park
    state: LiveState
    plan: PlanCurrent | None
    stale_forecast: bool
    shifts: Mapping[str, ComputeShift]
    alarms: Sequence[AlarmFacts]
    events: Sequence[EventFacts]
    overrides: Sequence[OverrideFacts]
    standing: ForecastStanding = field(default_factory=ForecastStanding)
    ledger_away: bool = False


def header_chips(seen: Seen, language: Language) -> str:
    """Whether bus and controller are there, which plan is followed, and how many alarms nobody has seen."""
    state = seen.state
    chips = [_chip(word("bus", language), word("connected" if state.connected else "away", language), good=state.connected)]
    heard = state.controller_heard_at
    age_s = None if heard is None else max((state.at - heard).total_seconds(), 0.0)
    said = word("never", language) if age_s is None else f"{age_s:,.0f} {word('heard', language)}"
    chips.append(_chip(word("controller", language), said, good=age_s is not None and age_s < 8 * _FRESH_S))
    plan = seen.plan
    text = word("no_plan", language) if plan is None else f"{plan.source} {plan.issued_at.astimezone(seen.park.zone):%H:%M}"
    chips.append(_chip(word("plan", language), text, good=plan is not None and plan.source not in ("rules", "last_plan")))
    if seen.standing.issued_at is not None:
        worst = worst_quality(seen.standing)
        chips.append(_chip(word("forecasts", language), quality_words(worst, language), good=worst in ("fresh", "stale")))
    if seen.ledger_away:
        chips.append(_chip(word("ledger", language), word("away", language), good=False))
    if seen.stale_forecast:
        chips.append(_chip("", word("forecast_stale", language), good=False))
    unseen = sum(1 for alarm in seen.alarms if alarm.acknowledged_at is None)
    chips.append(_chip(word("alarms", language), str(unseen), good=unseen == 0))
    return "".join(chips)


def worst_quality(standing: ForecastStanding) -> str:
    """Of all farms' forecasts: a forecast is as good as its weakest farm. A load goes by its week nearly as well."""
    return max((farm.quality for farm in standing.farms if not farm.load), key=QUALITIES.index, default=QUALITIES[0])


def park_tiles(seen: Seen, language: Language) -> str:
    """The park's figures now: demand, wind and sun, grid, green share, stores, frequency."""
    power = {a.id: a.power_mw for a in seen.state.assets if a.power_mw is not None}
    flowing = {c.id: c.import_mw for c in seen.state.connections if c.import_mw is not None}
    flows = area_flows(seen.park, power, flowing)
    demand = sum(v for f in flows for k, v in f.demand_mw.items() if k not in (STORE, GRID, LINK))
    farms = _sum(seen, power, SOURCES)
    grid = [c for c in seen.state.connections if c.to == GRID]
    net = None if any(c.import_mw is None for c in grid) or not grid else sum(c.import_mw or 0.0 for c in grid)
    stores = _sum(seen, power, (STORE,))
    hertz = next((c.frequency_hz for c in grid if c.frequency_hz is not None), None)
    unheard = sum(len(area.unheard) for area in seen.state.areas)
    way = "" if stores is None else word("charging" if stores > 0.0 else "discharging", language)
    tiles = [
        (word("demand", language), mw(demand if power else None), "MW", _but(unheard, language)),
        (word("generation", language), mw(_size(farms)), "MW", f"{word('available', language)} {mw(_available(seen))}"),
        (word("import" if net is None or net >= 0.0 else "export", language), mw(_size(net)), "MW", _plan(seen, language)),
        (word("green", language), _green(seen, flows, flowing), "%", ""),
        (word("store", language), mw(_size(stores)), "MW", way),
        (word("frequency", language), MISSING if hertz is None else f"{hertz:.2f}", "Hz", ""),
    ]
    return "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{value}<small>{unit}</small></b><em>{escape(note)}</em></div>'
        for name, value, unit, note in tiles
    )


def asset_rows(seen: Seen, language: Language) -> str:
    """Every asset under its area: power within its limits, what it was told, why, and what it answered."""
    head = "".join(f"<th>{escape(word(w, language))}</th>" for w in ("asset", "power", "command", "reason", "answer"))
    parts = ['<div class="areas">']
    plates = {asset.id: asset for asset in seen.park.assets}
    for area in seen.park.areas:
        name = area.name_zh if language == "zh" else area.name
        parts.append(f'<table class="assets"><tbody><tr class="group"><td colspan="5">{escape(name)}</td></tr>')
        parts.append(f'<tr class="names">{head}</tr>')
        for live in seen.state.assets:
            if live.area == area.id:
                asset = plates[live.id]  # type: ignore[index]  # ids of the wire are those of the park
                title = asset.name_zh if language == "zh" else asset.name
                parts.append(_asset(seen, live, title, rating(asset).power_mw, language))
        parts.append("</tbody></table>")
    return "".join((*parts, "</div>"))


def event_list(seen: Seen, language: Language) -> str:
    """Calls of the grid, the newest first."""
    if not seen.events:
        return f'<p class="quiet">{escape(word("no_events", language))}</p>'
    rows = []
    for event in list(reversed(seen.events))[:_SHOWN]:
        span, meter = f"{clock_text(seen, event.start)}–{clock_text(seen, event.end)}", event.asset or event.connection
        is_short = event.possible_mw is not None and event.state in ("accepted", "running")
        now = f" · {escape(word('only_possible', language))} {mw(event.possible_mw)} MW" if is_short else ""
        rows.append(
            f'<div class="item {escape(event.state)}{" short" if is_short else ""}">'
            f"<b>{escape(event.event_id)}</b> {escape(word(event.kind, language))} "
            f"{escape(meter)} → {mw(event.target_mw)} MW<span>{span} · {escape(word(event.state, language))}{now}"
            f"{' · ' + escape(event.reason) if event.reason else ''}</span></div>"
        )
    return "".join(rows)


def _chip(name: str, text: str, *, good: bool) -> str:
    return f'<span class="chip {"good" if good else "bad"}"><i></i>{escape(name)} <b>{escape(text)}</b></span>'


def _sum(seen: Seen, power: Mapping[str, float], categories: Sequence[str]) -> float | None:
    """Power of all assets of some categories that were heard; None where none was."""
    known = [power[a.id] for a in seen.park.assets if category_of(a.kind) in categories and a.id in power]
    return sum(known) if known else None


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _but(unheard: int, language: Language) -> str:
    return f"{unheard} {word('unheard', language)}" if unheard else ""


def _available(seen: Seen) -> float | None:
    known = [a.available_mw for a in seen.state.assets if a.available_mw is not None]
    return sum(known) if known else None


def _plan(seen: Seen, language: Language) -> str:
    planned = [c.planned_mw for c in seen.state.connections if c.to == GRID and c.planned_mw is not None]
    return f"{word('planned', language)} {mw(sum(planned))}" if planned else ""


def _green(seen: Seen, flows: Sequence[object], flowing: Mapping[str, float]) -> str:
    """Of what loads use now, weighed over the areas; stores are left out, the wire does not say what they hold."""
    shares = green_shares(seen.park, flows, flowing)  # type: ignore[arg-type]  # flows of every area
    used = {area.id: area.consumption_mw for area in seen.state.areas}
    known = [(share, used[area]) for area, share in shares.items() if share is not None and used[area] > 0.0]
    whole = sum(weight for _, weight in known)
    return f"{100.0 * sum(share * weight for share, weight in known) / whole:.0f}" if whole > 0.0 else MISSING


def _asset(seen: Seen, live: AssetLive, title: str, rated_mw: float, language: Language) -> str:
    mark, *words = MODES[live.mode]
    mode = words[LANGUAGES.index(language)]
    shift = seen.shifts.get(live.id)
    if shift is not None:
        told, why = shift_of(shift, seen.state.at, language), ""
    else:
        told = setpoint_of(live, seen.state.at, seen.park.zone, language)
        why = reason_of(live.commands[0].reason, language) if live.commands else ""
    answer, style = answer_of(live.commands, seen.state.at, language)
    named = f'<i class="mode" title="{escape(mode)}">{mark}</i>{escape(title)}'
    return (
        f'<tr class="{escape(live.mode)}" data-asset="{escape(live.id)}"><td>{named}'
        f"<span>{escape(kind_words(live.kind, language))} · {escape(live.id)}</span></td>"
        f"<td>{_gauge(live, rated_mw, language)}</td><td>{escape(told)}</td>"
        f'<td class="why">{escape(why)}</td><td class="{style}">{escape(answer)}</td></tr>'
    )


def _gauge(live: AssetLive, rated_mw: float, language: Language) -> str:
    """The power as a bar on the scale of the nameplate, a stroke for the plan, and in words its limits."""
    top = max(rated_mw, abs(live.power_mw or 0.0), 1e-6)
    share = 100.0 * min(abs(live.power_mw or 0.0) / top, 1.0)
    colour = COLOURS[category_of(live.kind)]
    plan = ""
    if live.planned_mw is not None:
        at = 100.0 * min(abs(live.planned_mw) / top, 1.0)
        plan = f'<u style="left:{at:.1f}%" title="{escape(word("planned", language))} {mw(live.planned_mw)}"></u>'
    high = live.limits.get("max_power_mw", rated_mw)
    low = live.limits.get("min_power_mw", -high if category_of(live.kind) == STORE else 0.0)
    limits = f"{mw(low)} … {mw(high)}"
    if (soc := live.state.get("soc_frac")) is not None:
        limits += f" · {100.0 * soc:.0f} %"
    return (
        f'<div class="gauge"><b>{mw(live.power_mw)}</b><div><i style="width:{share:.1f}%;background:{colour}"></i>{plan}</div>'
        f"<span>{limits}</span></div>"
    )


def clock_text(seen: Seen, at: datetime) -> str:
    """The time of a day in park time; with the day unless it is today."""
    local, today = at.astimezone(seen.park.zone), seen.state.at.astimezone(seen.park.zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%m-%d %H:%M}"
