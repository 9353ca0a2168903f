"""Two solvers on the same hundred small parks: HiGHS, which plans, and SCIP, which shares no code with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controllers.planner import EndValues, Problem, WorkItem
from controllers.planner.draw import draw
from controllers.planner.kept import KeptModel, MipLimits
from controllers.planner.model import LinearModel
from controllers.planner.problem import ComputeNeed, HeatNeed, Held
from tests import builders
from tests.builders_control import hourly, terms_of
from tests.world_builders import BASE, BATTERY, CLUSTER, WIND, asset, connection
from vpp.ids import AreaId

pyscipopt = pytest.importorskip("pyscipopt", reason="the second solver is not installed")

PARKS = 100
HOURS = 5
AREAS = ("a", "b")
LINE, TIE = connection("grid.a", "a"), connection("tie.b", "b", "a", 40.0, 40.0)


def random_problem(seed: int) -> Problem:
    """A park of a few machines in two areas, at prices between the spot market's floor and cap, in any state."""
    rng = np.random.default_rng(seed)
    makers: dict[str, Any] = {
        "wind": lambda: WIND,
        "battery": lambda: BATTERY,
        "compressed_air": lambda: builders.compressed_air(power_mw=20.0, energy_mwh=60.0),
        "thermal_unit": lambda: builders.thermal_unit(units=2, unit_mw=20.0, off_by_default=False, heat_led=False),
        "zinc_electrowinning": lambda: builders.zinc(),
        "submerged_arc": lambda: builders.submerged_arc(),
        "feeder": lambda: builders.feeder(),
        "electrolyser": lambda: builders.electrolyser(stacks=int(rng.integers(2, 12)), hydrogen_node="h2"),
        "ammonia_loop": lambda: builders.ammonia_loop(hydrogen_node="h2"),
        "arc_furnace": lambda: builders.arc_furnace(),
        "compute": lambda: CLUSTER,
        "base_load": lambda: BASE,
    }
    chosen = {"base_load", "battery", *rng.choice(sorted(makers), size=4, replace=False).tolist()}
    if chosen & {"electrolyser", "ammonia_loop"}:
        chosen |= {"electrolyser", "ammonia_loop"}
    assets = [asset(f"{kind}.x", kind, makers[kind](), str(rng.choice(AREAS))) for kind in sorted(chosen)]
    ids = {a.kind: a.id for a in assets}
    states = {
        i: {"soc_frac": float(rng.uniform(0.1, 0.9)), "units_on": 1.0, "stacks_on": 2.0, "buffer_kg": 2_000.0}
        for i in ids.values()
    }
    facts: dict[str, Any] = {
        "states": states,
        "load_mw": {ids["base_load"]: rng.uniform(10.0, 90.0, HOURS)},
        "end_values": EndValues({AreaId(a): float(rng.uniform(-50.0, 600.0)) for a in AREAS}, 12.0, 300.0),
    }
    if "wind" in ids:
        facts["available_mw"] = {ids["wind"]: rng.uniform(0.0, 120.0, HOURS)}
    if "arc_furnace" in ids:
        facts["heats"] = {
            ids["arc_furnace"]: HeatNeed(np.zeros(HOURS), (0, 1), np.full(HOURS, 9.0), np.arange(HOURS) // 2.0, (HOURS - 1,), 0)
        }
    if "compute" in ids:
        items = tuple(WorkItem(CLUSTER.job_classes[0].name, float(rng.uniform(1.0, 9.0)), float(k), k + 3.0) for k in range(3))
        facts["compute"] = {ids["compute"]: ComputeNeed(np.full(HOURS, 8.0), items, 40.0)}
    if rng.random() < 0.3:
        high = np.where(np.arange(HOURS) == 2, 20.0, np.inf)
        facts["held"] = {LINE.id: (Held("call", np.full(HOURS, -np.inf), high, 2_000.0),)}
    free = np.zeros(HOURS)
    terms = terms_of(
        rng.uniform(-50.0, 1_500.0, HOURS).tolist(),
        export_cny_per_mwh=rng.uniform(-60.0, 150.0, HOURS),
        import_limit_mw=np.full(HOURS, 120.0),
        export_limit_mw=np.full(HOURS, 40.0),
        demand_cny_per_mw=float(rng.choice([0.0, 1_000.0])),
        peak_so_far_mw=30.0,
    )
    limit = np.full(HOURS, 40.0)
    tie = terms_of(free.tolist(), export_cny_per_mwh=free, import_limit_mw=limit, export_limit_mw=limit)
    return hourly(assets, {LINE: terms, TIE: tie}, **facts)


def by_scip(model: LinearModel) -> float:
    """The optimum that SCIP finds for the same arrays."""
    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.setParam("limits/gap", 0.0)
    scip.setParam("numerics/feastol", 1e-7)
    kinds = np.where(model.integer, "I", "C")
    rows = model.matrix.tocsr()
    infinity = scip.infinity()
    bounds = zip(np.maximum(model.low, -infinity), np.minimum(model.high, infinity), model.cost, kinds, strict=True)
    columns = [scip.addVar(lb=low, ub=high, obj=cost, vtype=str(kind)) for low, high, cost, kind in bounds]
    for i in range(rows.shape[0]):
        cells = slice(rows.indptr[i], rows.indptr[i + 1])
        row = pyscipopt.quicksum(c * columns[j] for j, c in zip(rows.indices[cells], rows.data[cells], strict=True))
        low, high = float(model.row_low[i]), float(model.row_high[i])
        if cells.start == cells.stop:
            continue
        if low == high:
            scip.addCons(row == low)
            continue
        if np.isfinite(low):
            scip.addCons(row >= low)
        if np.isfinite(high):
            scip.addCons(row <= high)
    scip.optimize()
    assert scip.getStatus() == "optimal"
    return float(scip.getObjVal()) + model.offset_cny


@pytest.mark.parametrize("first", range(0, PARKS, 20))
def test_two_solvers_agree_on_the_cost_of_a_small_park(first: int) -> None:
    for seed in range(first, first + 20):
        model = draw(random_problem(seed)).model
        kept = KeptModel()
        kept.hand_over(model)
        found = kept.search(MipLimits(gap_frac=1e-9))
        assert found.proven, f"park {seed}"
        assert by_scip(model) == pytest.approx(found.objective_cny, rel=1e-6, abs=1.0), f"park {seed}"
