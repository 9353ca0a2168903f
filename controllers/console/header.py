"""Who, when and by whom led: the two lines at the top, and the one line for where there is no screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.text import Text

from controllers.console.frame import BoardFrame, ControllerFrame
from controllers.console.palette import GRID, LEVEL_LOOK, MODE_LOOK, SOURCES, STORE, Level, Mode
from controllers.console.text import MISSING, age, delay, fit, mw, percent

__all__ = ["header_lines", "summary_line"]

#: Below this width the park's English name gives way, and seconds and zone are shortened.
_ROOMY_CELLS: Final = 96
_WIDE_CELLS: Final = 120


def header_lines(frame: BoardFrame, speed: float | None, width: int) -> list[Text]:
    """Name and time; broker, plan, acks and alarms."""
    return [_name_line(frame, speed, width), _state_line(frame, width)]


def _name_line(frame: BoardFrame, speed: float | None, width: int) -> Text:
    local = frame.at.astimezone(frame.zone)
    roomy = width >= _ROOMY_CELLS
    # Of +0800 a narrow screen shows the hours.
    zone = f"{frame.zone}" if roomy else f"UTC{local:%z}"[:6]
    pace = "" if speed is None else f" ×{speed:.0f}"
    when = f"{local:%a %Y-%m-%d %H:%M:%S} {zone}{pace} "
    name = f" {frame.name} {frame.name_zh}"
    line = Text(fit(name, max(width - len(when) - 1, 0)) + " ", style="bold")
    return line.append(when, style="not bold")


def _state_line(frame: BoardFrame, width: int) -> Text:
    line = Text(" ")
    up = MODE_LOOK[Mode.ONLINE if frame.broker.connected else Mode.OFFLINE]
    line.append(f"{up.mark} broker {'up' if frame.broker.connected else 'DOWN'}", style=up.style)
    if width >= _WIDE_CELLS:
        line.append(f" {frame.broker.delivered:,} messages heard", style="dim")
    line.append("  ").append_text(_plan_text(frame.controller, roomy=width >= _ROOMY_CELLS))
    acks = frame.controller
    taken = MISSING if acks.ack_delay_s is None else delay(acks.ack_delay_s)
    line.append(f"  acks {percent(acks.ack_frac)} in {taken}  ")
    grave = [alarm for alarm in frame.alarms if alarm.level is not Level.NOTE and alarm.at is None]
    look = LEVEL_LOOK[grave[0].level] if grave else MODE_LOOK[Mode.ONLINE]
    return line.append(f"{look.mark} {len(grave)} alarm{'' if len(grave) == 1 else 's'}", style=look.style)


def _plan_text(controller: ControllerFrame, *, roomy: bool) -> Text:
    if not controller.plan_id:
        return Text("no plan yet", style=MODE_LOOK[Mode.LOCAL].style)
    text = Text(f"by {controller.source}", style="bold")
    if roomy:
        text.append(f" {controller.plan_id}", style="not bold")
    if controller.gap_frac is not None:
        text.append(f" gap {percent(controller.gap_frac, 2)}", style="not bold")
    if controller.age_s is not None:
        text.append(f" {age(controller.age_s)} old", style="not bold")
    return text


def summary_line(frame: BoardFrame) -> str:
    """The park in one plain line, for a log or a pipe; powers in MW."""
    supply, demand = _over_areas(frame, supply=True), _over_areas(frame, supply=False)
    loads = [power for name, power in demand.items() if name not in (GRID, STORE, *SOURCES)]
    green = ", ".join(f"{area.area.id} {percent(area.green_share_frac)}" for area in frame.areas)
    grave = sum(alarm.level is not Level.NOTE and alarm.at is None for alarm in frame.alarms)
    parts = [
        f"{frame.at.astimezone(frame.zone):%H:%M}",
        f"wind {mw(supply.get('wind'))}",
        f"sun {mw(supply.get('sun'))}",
        f"discharge {mw(supply.get(STORE))}",
        f"import {mw(supply.get(GRID))} |",
        f"loads {mw(sum(loads) if loads else None)}",
        f"(hydrogen {mw(demand.get('hydrogen'))} compute {mw(demand.get('compute'))} furnaces {mw(demand.get('furnace'))})",
        f"charge {mw(demand.get(STORE))}",
        f"export {mw(demand.get(GRID))} |",
        f"green {green} |",
        f"by {frame.controller.source or 'nobody'}",
        f"alarms {grave}",
    ]
    return " ".join(parts)


def _over_areas(frame: BoardFrame, *, supply: bool) -> Mapping[str, float]:
    """Sums over all areas; a category of which a part is unknown is left out, for a part is not the whole."""
    unknown = frozenset[str]().union(*(area.flows.unknown for area in frame.areas))
    total: dict[str, float] = {}
    for area in frame.areas:
        for name, power in (area.flows.supply_mw if supply else area.flows.demand_mw).items():
            if name not in unknown:
                total[name] = total.get(name, 0.0) + power
    return total
