"""What people asked for over the coming day, and where forecasts stand, as pieces of the page."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import Final

from controllers.api.forecast_facts import ForecastStanding
from controllers.api.ledger_facts import OverrideFacts
from controllers.screen.told import mw
from controllers.screen.view import Seen, clock_text
from controllers.screen.words import FLAGS, LANGUAGES, Language, quality_words, word
from vpp.ids import AssetId

__all__ = ["forecast_panel", "override_list"]

_SHOWN: Final = 12
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
#: A bar that is shorter could not be seen. [share of the day]
_LEAST_FRAC: Final = 0.012


def override_list(seen: Seen, language: Language) -> str:
    """Decisions that stand or are to come, by their beginning, each with a bar over the next 24 h."""
    if not seen.overrides:
        return f'<p class="quiet">{escape(word("no_overrides", language))}</p>'
    at = seen.state.at
    ordered = sorted(seen.overrides, key=lambda one: (max(one.start, at), one.number))
    rows = [_override(seen, one, language) for one in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        rows.append(f'<p class="quiet">+ {len(ordered) - _SHOWN}</p>')
    ends = f"<span>{escape(word('now', language))}</span><span>+12 h</span><span>+24 h</span>"
    return f'<div class="scale">{ends}</div>{"".join(rows)}'


def forecast_panel(seen: Seen, language: Language) -> str:
    """Models, age of the newest weather run, the farms whose forecasts lack something, and the last training."""
    standing, at = seen.standing, seen.state.at
    if standing.issued_at is None and not standing.enough_days:
        return f'<p class="quiet">{escape(word("no_forecasts", language))}</p>'
    issued = (word("issued", language), _age(seen, standing.issued_at, language))
    rows = [
        (word("models", language), escape(standing.version) or escape(word("none_by_rules", language))),
        issued,
        (word("weather_run", language), _weather(seen, standing, language)),
        (word("training", language), escape(_training(standing, language))),
    ]
    if standing.given:
        rows = [(word("models", language), escape(word("given_models", language))), issued]
    if standing.learnt_until is not None:
        rows.insert(1, (word("learnt", language), f"{standing.learnt_until.astimezone(seen.park.zone):%Y-%m-%d}"))
    body = "".join(f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    names = {one.id: one.name_zh if language == "zh" else one.name for one in seen.park.assets}
    short = [farm for farm in standing.farms if farm.quality != "fresh" or farm.flags]
    place = LANGUAGES.index(language)
    farms = "".join(
        f'<div class="item {escape(farm.quality)}"><b>{escape(names.get(AssetId(farm.id), farm.id))}</b> '
        f"{escape(quality_words(farm.quality, language))}"
        f"<span>{escape(' · '.join(FLAGS.get(flag, (flag, flag))[place] for flag in farm.flags))}</span></div>"
        for farm in short[:_SHOWN]
    )
    return f'<table class="facts">{body}</table>{farms}' if at else ""


def _override(seen: Seen, one: OverrideFacts, language: Language) -> str:
    at, asset = seen.state.at, next((a for a in seen.park.assets if a.id == one.asset_id), None)
    name = one.asset_id if asset is None else asset.name_zh if language == "zh" else asset.name
    until = word("until_released", language) if one.end is None else clock_text(seen, one.end)
    power = "" if one.power_mw is None else f" {mw(one.power_mw)} MW"
    begins = max((one.start - at) / _DAY, 0.0)
    ends = 1.0 if one.end is None else min((one.end - at) / _DAY, 1.0)
    width = max(ends - begins, _LEAST_FRAC)
    bar = "" if begins >= 1.0 else f'<i style="left:{100.0 * begins:.2f}%;width:{100.0 * min(width, 1.0 - begins):.2f}%"></i>'
    state = "now" if one.start <= at else "coming"
    return (
        f'<div class="item asked {escape(one.kind)} {state}" data-override="{one.number}">'
        f"<b>{escape(name)}</b> {escape(word(one.kind, language))}{power}"
        f'<div class="bar">{bar}</div>'
        f"<span>{clock_text(seen, one.start)}–{until} · {escape(one.by)}: {escape(one.why)} · {escape(one.asset_id)}</span></div>"
    )


def _age(seen: Seen, at: datetime | None, language: Language) -> str:
    if at is None:
        return escape(word("never", language))
    old = max(seen.state.at - at, timedelta(0))
    return f"{clock_text(seen, at)} ({old / _HOUR:.1f} h)"


def _weather(seen: Seen, standing: ForecastStanding, language: Language) -> str:
    if standing.weather == "none":
        return escape(word("no_weather", language))
    failing = f" · {word('failing', language)} ×{standing.weather_failures}" if standing.weather_failures else ""
    return f"{_age(seen, standing.run_received_at, language)}{escape(failing)}"


def _training(standing: ForecastStanding, language: Language) -> str:
    last = standing.training
    if standing.training_since is not None:
        return word("in_training", language)
    if standing.training_failure:
        return f"{word('failed_training', language)}: {standing.training_failure}"
    if not standing.trains:
        return word("by_hand", language)
    if not standing.version:
        days = 0.0 if last is None else last.measured_days
        return f"{days:.1f} / {standing.enough_days} {word('days_measured', language)}"
    if last is None or not last.version:
        return word("daily_look", language)
    return f"{last.version}: {word('promoted' if last.promoted else 'not_better', language)}"
