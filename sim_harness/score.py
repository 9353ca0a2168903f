"""The figures of a run, as `vpp-sim run --json` prints them; what the run cannot know is null, never invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from sim_harness.cost import Cost, comparable_cost, emissions_t
from sim_harness.cost_plants import heats_missing
from sim_harness.green import GreenAccount, attribute
from sim_harness.prices import EMISSION_FACTOR, FIXED, FixedPrices
from sim_harness.truth import Truth
from vpp.ids import AreaId
from vpp.units import KG_PER_T, BoolArray, h_to_s

__all__ = ["ComputeScore", "Conduct", "GreenShare", "Score", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenShare:
    """Of all loads and of each area's: the 15-min matched green share (see `sim_harness.green`), or what it refers to."""

    total: float | None
    by_area: Mapping[AreaId, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeScore:
    """All clusters together; None where no cluster tells.

    Args:
        deadline_misses: Jobs; a cluster that counts work and not jobs tells 0 or nothing.
        work_done_frac: Work done by its deadline, of all whose deadline came.
        missed_mwh: Work that was not done by its deadline. [MWh]
        tier0_curtailed_mwh: What the work that must not be touched lost. [MWh]
        shifted_mwh: Energy used later than as it came. [MWh]
        work_arrived_mwh: Deferrable work released in the run. [MWh]
        work_due_mwh: Work whose deadline came in the run: what `work_done_frac` refers to. [MWh]
    """

    energy_mwh: float | None
    work_done_frac: float | None
    deadline_misses: float | None
    missed_mwh: float | None
    tier0_curtailed_mwh: float | None
    green_share_frac: float | None
    shifted_mwh: float | None
    work_arrived_mwh: float | None
    work_due_mwh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How the run was made: what no plant knows.

    Args:
        data: Where the weather came from, one line.
        effort: How hard a policy that plans looks for a better plan.
        wall_s: Machine time, None when nobody measured it.
        nondeterministic: Whether a guard on machine time fired.
        forecast: Skill by name, as in `wind_nrmse_frac`.
        lp_bound_cny: Of the policy `perfect`: see `sim_harness.oracle_bound`; None for all others.
        plans: How many were published, `made`, and their proven gaps, `gap_frac_mean` and `gap_frac_max`; None where none was.
    """

    scenario: str
    seed: int
    policy: str
    data: str
    effort: str = "fast"
    wall_s: float | None = None
    nondeterministic: bool = False
    commands: int | None = None
    ack_p99_ms: float | None = None
    forecast: Mapping[str, float | None] | None = None
    faults_injected: int = 0
    lp_bound_cny: float | None = None
    plans: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Truth in figures; keys as in the contract of the command line.

    Args:
        load_mwh: What the green shares refer to, in all and by area. [MWh]
        available_mwh: What utilisation refers to: wind and sun that could have been generated. [MWh]
    """

    simulated_s: float
    green_share_frac: GreenShare
    load_mwh: GreenShare
    renewable_utilisation_frac: float | None
    available_mwh: float
    curtailed_mwh: float
    import_mwh: float
    export_mwh: float
    unserved_mwh: float
    cost_cny: float
    gross_cost_cny: float
    cost_items: Mapping[str, float]
    emissions_t: float
    emission_factor: str
    hydrogen_t: float | None
    ammonia_t: float | None
    heats_done: float | None
    heats_late: float | None
    heats_missing: float | None
    compute: ComputeScore
    battery_cycles: float | None
    electrolyser_starts: float | None
    limit_violation_s: float
    limit_excess_mwh: float
    unsafe_s: float
    peak_import_mw: Mapping[str, float] = field(default_factory=dict)

    def to_json(self, conduct: Conduct) -> dict[str, Any]:
        """One flat mapping for the wire of people: how the run was made, then what came of it."""
        figures = asdict(self)
        for name in ("green_share_frac", "load_mwh"):
            figures[name] = {"total": figures[name]["total"], **figures[name]["by_area"]}
        return {**asdict(conduct), **figures, "peak_events": []}


def score(truth: Truth, prices: FixedPrices = FIXED) -> Score:
    """All figures of a run; pure.

    Raises:
        ScenarioError: The bill cannot be made, see `comparable_cost`.
    """
    green = attribute(truth)
    cost: Cost = comparable_cost(truth, green, prices)
    on_grid = np.array([truth.park.connection(c).is_grid for c in truth.connections], dtype=np.bool_)
    return Score(
        simulated_s=h_to_s(float(np.sum(truth.grid.step_h))),
        green_share_frac=_green_share(truth, green),
        load_mwh=_loads(truth, green),
        renewable_utilisation_frac=_utilisation(truth),
        available_mwh=_available_mwh(truth),
        curtailed_mwh=float(np.sum(truth.curtailed_mwh)),
        import_mwh=float(np.sum(truth.import_mwh[on_grid])),
        export_mwh=float(np.sum(truth.export_mwh[on_grid])),
        unserved_mwh=float(np.sum(truth.unserved_mwh)),
        cost_cny=cost.total_cny,
        gross_cost_cny=cost.gross_cny,
        cost_items=cost.items,
        emissions_t=emissions_t(truth, prices),
        emission_factor=EMISSION_FACTOR,
        hydrogen_t=_in_tonnes(truth.total("hydrogen_kg", "electrolyser")),
        ammonia_t=truth.total("ammonia_t", "ammonia_loop"),
        heats_done=truth.total("heats_done", "arc_furnace"),
        heats_late=truth.total("heats_late", "arc_furnace"),
        heats_missing=_heats_missing(truth),
        compute=_compute(truth, green),
        battery_cycles=_cycles(truth),
        electrolyser_starts=_starts(truth),
        limit_violation_s=sum(truth.limit_violation_s.values()),
        limit_excess_mwh=float(np.sum(truth.excess_mwh)),
        unsafe_s=truth.unsafe_s,
        peak_import_mw=_peaks(truth),
    )


def _green_share(truth: Truth, green: GreenAccount) -> GreenShare:
    everybody: BoolArray = np.ones(len(truth.assets), dtype=np.bool_)
    by_area = {area: green.share_frac(truth.rows_of(area=area)) for area in truth.areas}
    return GreenShare(total=green.share_frac(everybody), by_area=by_area)


def _loads(truth: Truth, green: GreenAccount) -> GreenShare:
    everybody: BoolArray = np.ones(len(truth.assets), dtype=np.bool_)
    return GreenShare(
        total=green.used_mwh(everybody), by_area={area: green.used_mwh(truth.rows_of(area=area)) for area in truth.areas}
    )


def _available_mwh(truth: Truth) -> float:
    return float(np.sum(truth.available_mwh[truth.rows_of("wind") | truth.rows_of("solar")]))


def _utilisation(truth: Truth) -> float | None:
    """Generated over available, wind and sun of all areas."""
    rows = truth.rows_of("wind") | truth.rows_of("solar")
    available_mwh = _available_mwh(truth)
    return -float(np.sum(truth.energy_mwh[rows])) / available_mwh if available_mwh > 0.0 else None


def _peaks(truth: Truth) -> dict[str, float]:
    """Highest 15-min import of the run, by connection."""
    return {
        connection_id: float(np.max(truth.import_mwh[row] / truth.grid.step_h))
        for row, connection_id in enumerate(truth.connections)
    }


def _cycles(truth: Truth) -> float | None:
    """Energy discharged over energy installed, all batteries as one."""
    installed_mwh = sum(asset.plate.energy_mwh for asset in truth.park.assets_of("battery"))
    discharged_mwh = truth.total("discharged_mwh", "battery")
    return discharged_mwh / installed_mwh if discharged_mwh is not None and installed_mwh else None


def _starts(truth: Truth) -> float | None:
    """Cold and warm starts of stacks."""
    counts = [truth.total(name, "electrolyser") for name in ("cold_starts", "warm_starts")]
    return None if None in counts else sum(count for count in counts if count is not None)


def _heats_missing(truth: Truth) -> float | None:
    furnaces = truth.park.assets_of("arc_furnace")
    return sum(max(0.0, heats_missing(truth, asset)[1]) for asset in furnaces) if furnaces else None


def _compute(truth: Truth, green: GreenAccount) -> ComputeScore:
    clusters = truth.rows_of("compute")
    arrived_mwh, due_mwh = (truth.total(name, "compute") for name in ("work_arrived_mwh", "work_due_mwh"))
    misses, missed_mwh = (truth.total(name, "compute") for name in ("deadline_misses", "missed_mwh"))
    return ComputeScore(
        energy_mwh=float(np.sum(truth.energy_mwh[clusters])) if np.any(clusters) else None,
        work_done_frac=1.0 - missed_mwh / due_mwh if missed_mwh is not None and due_mwh else None,
        deadline_misses=0.0 if misses is None and missed_mwh == 0.0 else misses,
        missed_mwh=missed_mwh,
        tier0_curtailed_mwh=truth.total("tier0_curtailed_mwh", "compute"),
        green_share_frac=green.share_frac(clusters),
        shifted_mwh=truth.total("shifted_mwh", "compute"),
        work_arrived_mwh=arrived_mwh,
        work_due_mwh=due_mwh,
    )


def _in_tonnes(mass_kg: float | None) -> float | None:
    return None if mass_kg is None else mass_kg / KG_PER_T
