"""How wrong each settlement baseline (基线负荷) is on the park's own data, on days on which nothing is called.

The park of 2030 is run in quarters of an hour by the rules, with nothing called, for `--days` days from 1 October; each rule then
estimates every evening peak (17:00-20:00 park time) and every quarter of a day from the days before alone. The declared schedule
is measured on `--declared-days` days by `mpc`: what its newest plan of two hours before each quarter had for the connection.
Weather is measured where `--data` or the usual folder has it, else generated; work of the clusters runs as a fluid of classes.

    python benchmarks/bench_baselines.py [--days 40] [--declared-days 1] [--data DIR] [--json FILE]

A day by `mpc` takes about a minute of one processor, forty days by the rules half a minute.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from controllers.baselines import BASELINE_RULES, BaselineError, Registers, baseline, error_of
from sim_harness.declared import Declarations
from sim_harness.run import RunOptions, run_scenario
from sim_harness.scenario import Scenario, load
from sim_harness.weather.source import default_data_dir
from vpp.ids import ConnectionId
from vpp.timegrid import TimeGrid

_GRID: Final = ConnectionId("grid.d500")
_QUARTER: Final = timedelta(minutes=15)
_AHEAD: Final = timedelta(hours=2)
#: Days that a rule may look back to before its first estimate counts.
_LEAD_DAYS: Final = 15
_STEP_S: Final = 900.0
#: Hours of a park day, each estimated as one event.
_SPANS: Final = {"evening peak 17-20": ((17.0, 20.0),), "whole day": tuple((6.0 * k, 6.0 * k + 6.0) for k in range(4))}


def _scenario(days: float) -> Scenario:
    found = replace(load("year-2030"), days=days, control_step_s=_STEP_S, strata=None, events=(), faults=())
    return replace(found, start=datetime.fromisoformat("2030-09-30T16:00:00+00:00"))


def _registers(scenario: Scenario, options: RunOptions) -> Registers:
    truth = run_scenario(scenario, options).truth
    row = truth.connections.index(_GRID)
    net = (truth.import_mwh[row] - truth.export_mwh[row]) / truth.grid.step_h
    return Registers(truth.grid, net, truth.park.zone)


def by_rule(registers: Registers, days: int) -> dict[str, dict[str, BaselineError]]:
    """Errors of every rule over every span, on all days with enough of them before."""
    found: dict[str, dict[str, BaselineError]] = {}
    for rule in BASELINE_RULES:
        found[rule] = {}
        for name, spans in _SPANS.items():
            estimated, metered = [], []
            for day in range(_LEAD_DAYS, days):
                midnight = registers.grid.start + timedelta(days=day)
                for low, high in spans:
                    start, end = midnight + timedelta(hours=low), midnight + timedelta(hours=high)
                    known = baseline(rule, registers, start, end)
                    actual = [registers.at(start + k * _QUARTER) for k in range(round((high - low) * 4))]
                    if known is not None:
                        estimated.append(known.import_mw)
                        metered.append(np.array(actual))
            one = error_of(np.array(estimated), np.array(metered))
            found[rule][name] = replace(one, days=days - _LEAD_DAYS)
    return found


def declared(days: float, data: Path | None) -> dict[str, BaselineError]:
    """Errors of what was declared two hours ahead."""
    heard = Declarations()
    registers = _registers(_scenario(days), RunOptions("mpc", data, prepare=heard.attach))
    grid: TimeGrid = registers.grid
    found: dict[str, BaselineError] = {}
    for name, spans in _SPANS.items():
        pairs = []
        for at in grid.starts:
            local = at.astimezone(registers.zone)
            hour = local.hour + local.minute / 60.0
            steps = heard.import_mw(_GRID, at - _AHEAD, at, at + _QUARTER)
            if steps is not None and any(low <= hour < high for low, high in spans):
                pairs.append((float(steps.values[0]), registers.at(at)))
        known = np.array([pair for pair in pairs if np.isfinite(pair).all()])
        found[name] = replace(error_of(known[:, :1], known[:, 1:]), days=round(days))
    return found


def main() -> None:
    """Runs, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=40, help="by the rules, for the baselines of earlier days")
    parser.add_argument("--declared-days", type=float, default=1.0, help="by mpc, for the declared schedule; 0 for none")
    parser.add_argument("--data", type=Path, default=default_data_dir(), metavar="DIR", help="measured series")
    parser.add_argument("--json", type=Path, metavar="FILE")
    told = parser.parse_args()
    if told.days <= _LEAD_DAYS:
        parser.error(f"--days: {told.days}: must be above {_LEAD_DAYS}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows: dict[str, Any] = {}
    if told.declared_days:
        rows["declared"] = {name: asdict(one) for name, one in declared(told.declared_days, told.data).items()}
    registers = _registers(_scenario(float(told.days)), RunOptions("rules", told.data))
    rows |= {rule: {name: asdict(e) for name, e in spans.items()} for rule, spans in by_rule(registers, told.days).items()}
    print(f"{_GRID}, {told.days} days by the rules, {told.declared_days:g} by mpc; MW, baseline less meter")
    for rule, spans in rows.items():
        for name, one in spans.items():
            share = 100.0 * one["rmse_mw"] / one["mean_abs_import_mw"] if one["mean_abs_import_mw"] else float("nan")
            print(
                f"  {rule:10} {name:20} mean error {one['mean_error_mw']:+8.1f}   RMSE {one['rmse_mw']:7.1f}   "
                f"{share:5.1f} % of {one['mean_abs_import_mw']:.0f} MW   {one['days']} days"
            )
    if told.json is not None:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
