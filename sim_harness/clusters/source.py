"""Where a run's computing jobs come from, chosen like its weather."""

from __future__ import annotations

from pathlib import Path

from sim_harness.clusters.job_sizes import fitted_sizes
from sim_harness.clusters.job_stream import Trace, open_trace
from sim_harness.scenario import Scenario
from vpp.park import Park

__all__ = ["job_facts", "jobs_of"]


def jobs_of(park: Park, scenario: Scenario, data_dir: Path | None) -> Trace | None:
    """The job trace beside the measured weather of a run; None where weather is generated, or no trace lies beside it.

    Raises:
        ScenarioError: One of the trace's files is missing or is something else.
    """
    found = scenario.weather_from(data_dir)
    return open_trace(found) if found is not None and park.assets_of("compute") else None


def job_facts(park: Park, scenario: Scenario, trace: Trace | None) -> tuple[str, ...]:
    """What of the computing work is measured and what is made up, one line; nothing where no cluster stands."""
    if not park.assets_of("compute"):
        return ()
    if scenario.cluster_model == "fluid":
        sizes = "classes as a fluid"
    else:
        sizes = (fitted_sizes() if trace is None else trace.sizes).source
    hours = "the week of an assumption" if trace is None else "the trace's hours"
    return (f"computing: {sizes}, arriving in {hours}; deadlines and tiers from the plate's published shares",)
