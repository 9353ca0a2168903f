"""`vpp forecast report`: a day, a month or any span, as table, JSON and plots."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from controllers.cli_forecast import Words

__all__ = ["WORDS"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("span", metavar="SPAN", help="2030-10-12, 2030-10, 2030 or 2030-10-03..2030-10-20, days of park time")
    parser.add_argument("--history", type=Path, required=True, metavar="FILE", help="asset_id, measured_at, available_frac")
    parser.add_argument("--runs", type=Path, metavar="FILE", help="asset_id, issued_at, received_at, lead_h, quantities")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="where versions of models live")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="fan charts and reliability diagrams into this folder")


def _run(told: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    from forecasting.archive import ArchiveDoor, read_power, read_runs
    from forecasting.known import CheckedDoor
    from forecasting.registry import Registry
    from forecasting.report import replay_span, report_of, span_of

    first, last = span_of(told.span)
    registry = Registry.open(told.models)
    models = registry.models()
    door = CheckedDoor(ArchiveDoor(read_power(told.history), {} if told.runs is None else read_runs(told.runs)))
    replay = replay_span(models, door, first, last)
    version = next(one for one in registry.versions if one.name == registry.current)
    unseen = version.known_at[:10] <= first.isoformat()
    facts = {"version": version.name, "learnt_until": version.known_at, "unseen": unseen, **report_of(replay)}
    if told.plots is not None:
        from forecasting.report_plots import report_plots

        facts["plots"] = [str(path) for path in report_plots(replay, told.plots)]
    return facts, _table(facts)


def _table(facts: Mapping[str, Any]) -> str:
    lines = [f"{facts['first']} to {facts['last']}, forecasts of {facts['version']}, outcomes: available power (可用功率)"]
    if not facts["unseen"]:
        lines.append(f"these models learnt until {facts['learnt_until']}: the scores flatter them")
    lines.append(
        f"{'farm':20} {'horizon':10} {'outcomes':>8} {'pinball':>8} {'CRPS':>7} {'nRMSE':>6} {'accuracy':>8}  90 %: inside, band"
    )
    for farm in facts["farms"]:
        for part, scores in farm["horizons"].items():
            bands = [f"{month} {_band(groups[part])}" for month, groups in farm["months"].items()]
            lines.append(_line(farm["asset_id"], part, scores) + ", ".join(bands[:3]))
        lines.append(_line(farm["asset_id"], "day ahead", farm["day_ahead"]) + "file of 09:00, 96 points")
    return "\n".join(lines)


def _line(name: str, part: str, scores: Mapping[str, Any]) -> str:
    values = (scores["pinball"], scores["crps"])
    shown = f"{_text(values[0], '.4f'):>8} {_text(values[1], '.4f'):>7} {_text(scores['nrmse_frac'], '.1%'):>6}"
    covered = _text(scores["coverage90_frac"], ".1%")
    return f"{name:20} {part:10} {scores['outcomes']:8} {shown} {_text(scores['accuracy_frac'], '.1%'):>8}  {covered:>6}  "


def _band(found: Mapping[str, Any]) -> str:
    low, high = found["band99_frac"]
    return f"{low:.0%} to {high:.0%}" + (" OUTSIDE" if found["inside"] is False else "")


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


WORDS: Final = Words(about="scores of a day, a month or a span, as it would have been in service", add=_add, run=_run)
