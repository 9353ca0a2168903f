"""What an asset was told, why, and what it answered, in a few words of either language."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from controllers.api.live_state import AssetLive, CommandLive
from controllers.console.flows import category_of
from controllers.console.palette import STORE
from controllers.screen.words import LANGUAGES, REASONS, Language, word
from vpp.wire.messages import ComputeShift, HeatStart, Limit, Reason, StackCounts, Switch, Target

__all__ = ["answer_of", "mw", "reason_of", "setpoint_of", "shift_of"]

#: A heat booked further ahead than this only holds the furnace.
_FAR: Final = timedelta(hours=12)
_REST_MW: Final = 0.05
_SMALL_MW: Final = 9.95
MISSING: Final = "–"


def mw(value: float | None) -> str:
    """A power: whole megawatts, tenths below ten; what is not known is a dash.

    >>> mw(1234.4), mw(-7.26), mw(-0.01), mw(None)
    ('1,234', '−7.3', '0', '–')
    """
    if value is None or value != value:
        return MISSING
    text = f"{value:,.0f}" if abs(value) >= _SMALL_MW else f"{value:.1f}"
    return "0" if text in ("0.0", "-0.0") else text.replace("-", "−")


def setpoint_of(asset: AssetLive, now: datetime, zone: ZoneInfo, language: Language) -> str:
    """The set-points in force; of a furnace the heats that are booked."""
    heats = [c.setpoint for c in asset.commands if isinstance(c.setpoint, HeatStart)]
    if heats:
        near = sorted(heat.start_at for heat in heats if heat.start_at - now < _FAR)
        times = " ".join(word("now", language) if at <= now else f"{at.astimezone(zone):%H:%M}" for at in near)
        return f"{word('heat', language)} {times}" if times else MISSING
    return _setpoint(asset, asset.commands[0], language) if asset.commands else MISSING


def shift_of(shift: ComputeShift, now: datetime, language: Language) -> str:
    """The signal to a cluster: its cap now and what it is asked for."""
    interval = next((one for one in shift.intervals if one.start <= now < one.end), None)
    target = "" if interval is None else f" · {word('target', language)} {mw(interval.target_mw)}"
    return f"{word('cap', language)} {mw(shift.cap_now_mw)}{target}"


def reason_of(reason: Reason, language: Language) -> str:
    """Why: a word for the code, the price and the limit that decided, and the sentence if there is one."""
    known = REASONS.get(reason.code)
    parts = [known[LANGUAGES.index(language)] if known else reason.code.replace("_", " ")]
    if reason.price_cny_per_mwh is not None:
        parts.append(f"{word('price', language)} {reason.price_cny_per_mwh:,.0f}")
    if reason.limit:
        parts.append(reason.limit)
    return " · ".join(parts) + (f" — {reason.text}" if reason.text else "")


def answer_of(commands: tuple[CommandLive, ...], now: datetime, language: Language) -> tuple[str, str]:
    """What the device answered to its worst command, and how that is to be shown: `good`, `poor`, `bad` or `wait`."""
    if not commands:
        return "", "wait"
    worst = max(commands, key=lambda one: _GRAVITY[one.outcome or ""])
    left_s = (worst.until - now).total_seconds()
    style = ("good", "wait", "poor", "bad")[_GRAVITY[worst.outcome or ""]]
    text = word(worst.outcome or "waiting", language)
    if worst.answer is not None:
        text += f": {reason_of(worst.answer, language)}"
    return (f"{text} · {left_s:.0f} s", style) if left_s > 0.0 else (text, style)


_GRAVITY: Final = {"accepted": 0, "": 1, "clamped": 2, "rejected": 3}


def _setpoint(asset: AssetLive, command: CommandLive, language: Language) -> str:
    match command.setpoint:
        case Target(power_mw=power) if category_of(asset.kind) == STORE:
            if abs(power) < _REST_MW:
                return word("rest", language)
            return f"{word('charge' if power > 0.0 else 'discharge', language)} {mw(abs(power))}"
        case Target(power_mw=power):
            return f"{word('hold', language)} {mw(power)}"
        case Limit(max_power_mw=most):
            return f"{word('at_most', language)} {mw(most)}"
        case StackCounts(on=on, standby=standby, power_mw=power):
            warm = f" +{standby} {word('warm', language)}" if standby else ""
            return f"{mw(power)} · {on} {word('stacks', language)}{warm}"
        case Switch(closed=closed):
            return word("closed" if closed else "open", language)
        case HeatStart():
            return word("heat", language)
