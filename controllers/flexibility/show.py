"""An offer for people: a table, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from controllers.flexibility.table import MeterOffer, OfferCell, OfferTable
from vpp.errors import PlanError
from vpp.units import MINUTES_PER_HOUR, SECONDS_PER_MINUTE
from vpp.units import hours as hours_of

__all__ = ["draw_offer", "show_offer"]

_WAYS: Final = {"give": "give: import at most 削减 (削峰)", "take": "take: import at least 填谷"}
_COLOURS: Final = ("#9ecae1", "#4292c6", "#08306b")
_LEAST_CNY_MW: Final = 0.05
#: Less would be read as nothing.
_LEAST_SHOWN_MW: Final = 0.5


def show_offer(console: Console, table: OfferTable, zone: ZoneInfo, age_s: float | None = None) -> None:
    """Prints it: one table a meter and way, starts down, durations across.

    Args:
        console: Where.
        table: The offer.
        zone: In which its readers read the clock.
        age_s: How old it is; None where it was just made.
    """
    age = "" if age_s is None else f", {age_s / SECONDS_PER_MINUTE:.0f} min old"
    beside = f"; deducted: {', '.join(table.events)}" if table.events else ""
    taught = table.learnt_from or "nothing: levels are those of the courses themselves"
    console.print(f"[bold]Offer[/] 可调能力  {table.at.astimezone(zone):%m-%d %H:%M}{age}, {table.courses} courses{beside}")
    console.print(f"MW against the import expected without a call, at 99 % (90 %, 50 %); CNY/MWh at 99 %. Corrected by {taught}.")
    for meter in table.meters:
        for way in _WAYS:
            console.print(_table(meter, way, zone) if _promises(meter, way) else _nothing(meter, way))


def _promises(meter: MeterOffer, way: str) -> bool:
    """Whether anything at all can be read off a table of it, at whatever confidence."""
    return any(p.power_mw >= _LEAST_SHOWN_MW for c in meter.cells if c.direction == way for p in c.promises)


def _nothing(meter: MeterOffer, way: str) -> str:
    return (
        f"\n[bold]{meter.connection}  {_WAYS[way]}[/]\nnothing can be promised in the next 24 h, at any confidence: what the "
        "plan can move is less than what weather and furnaces may do minute by minute (docs/peak_response.md)"
    )


def _table(meter: MeterOffer, way: str, zone: ZoneInfo) -> Table:
    response, ramp = meter.response_s.get(way), meter.ramp_mw_per_min.get(way, 0.0)
    speed = "slower than 15 min" if response is None else f"90 % in {response:g} s"
    title = f"\n{meter.connection}  {_WAYS[way]}  {speed}, {ramp:,.0f} MW in the first minute"
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    cells = [cell for cell in meter.cells if cell.direction == way]
    durations = sorted({cell.duration_h for cell in cells})
    shown.add_column("start", header_style="dim")
    shown.add_column("expected", header_style="dim", justify="right")
    for duration in durations:
        name = f"{duration:g} h" if duration >= 1.0 else f"{duration * MINUTES_PER_HOUR:.0f} min"
        shown.add_column(name, header_style="dim", justify="right")
    for start in sorted({cell.start for cell in cells}):
        mine = {cell.duration_h: cell for cell in cells if cell.start == start}
        expected = mine[min(mine)].expected_import_mw
        row = ("" if (cell := mine.get(duration)) is None else _words(cell) for duration in durations)
        shown.add_row(f"{start.astimezone(zone):%m-%d %H:%M}", f"{expected:,.0f}", *row)
    return shown


def _words(cell: OfferCell) -> str:
    sure = cell.promises[-1]
    others = ", ".join(f"{p.power_mw:,.0f}" for p in reversed(cell.promises[:-1]))
    cost = "" if sure.cost_cny_per_mwh is None or sure.power_mw < _LEAST_CNY_MW else f" {sure.cost_cny_per_mwh:,.0f}¥"
    return f"[bold]{sure.power_mw:,.0f}[/] ({others}){cost}"


def draw_offer(table: OfferTable, zone: ZoneInfo, path: Path) -> None:
    """A picture, one row of panels a meter: what is held at each confidence, by start, for each duration.

    Raises:
        PlanError: The file cannot be written.
    """
    # A second of import that a table does not pay.
    from matplotlib.figure import Figure

    durations = sorted({cell.duration_h for _, cell in table.rows()})
    rows = len(table.meters)
    figure = Figure(figsize=(3.2 * len(durations), 3.4 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, len(durations), sharex=True, sharey="row", squeeze=False)
    for meter, line in zip(table.meters, panels, strict=True):
        for duration, panel in zip(durations, line, strict=True):
            _panel(panel, table, [c for c in meter.cells if c.duration_h == duration])
            panel.set_title(f"{meter.connection}, {duration:g} h", fontsize=9)
        line[0].set_ylabel("MW: take (+) / give (-)")
    for panel in panels[-1]:
        panel.set_xlabel("hours from now")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(table.confidences), fontsize=8)
    figure.suptitle(f"Offer of {table.at.astimezone(zone):%Y-%m-%d %H:%M} park time, {table.courses} courses", fontsize=10)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise PlanError(f"--plot: {path}: cannot be written: {error}") from error


def _panel(panel: object, table: OfferTable, cells: Sequence[OfferCell]) -> None:
    """Bands from nothing to what is held, the surest darkest."""
    for way, sign in (("give", -1.0), ("take", 1.0)):
        mine = sorted((c for c in cells if c.direction == way), key=lambda c: c.start)
        hours = [hours_of(c.start - table.at) for c in mine]
        for k, colour in enumerate(_COLOURS):
            label = f"{100 * table.confidences[k]:g} %" if sign < 0 else None
            power = [sign * c.promises[k].power_mw for c in mine]
            panel.fill_between(hours, power, step="post", color=colour, label=label, linewidth=0)  # type: ignore[attr-defined]
    panel.axhline(0.0, color="black", linewidth=0.8)  # type: ignore[attr-defined]
    panel.grid(alpha=0.3)  # type: ignore[attr-defined]
