"""Park-96 written in three modelling layers, each in its own idiom, for `bench_reference.py`; all hand it to the same HiGHS.

Counted form, from the published start. Each function builds, solves and returns (objective, bound), end to end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from controllers.planner.reference import Profiles
from controllers.planner.reference.data import JOBS, STEP_H, STORES

DAY: Final = 96
MW: Final = 400.0
KG: Final = (1000.0 / 48.0, 1000.0 / 52.0, 1000.0 / 57.0)
FURNACES: Final = 2


class Case:
    """Numbers of one instance, as every layer needs them."""

    def __init__(self, profiles: Profiles, stacks: int) -> None:
        """Bounds of cumulative quantities, shape (T,) or (T, classes)."""
        self.p, self.m, self.t = profiles, stacks, profiles.wind_mw.size
        self.r = MW / stacks
        self.w = 0.25 * self.r
        self.on0 = stacks // 2
        self.free = profiles.wind_mw + profiles.pv_mw
        end_h = STEP_H * np.arange(1, self.t + 1)[:, None]
        energy, release, due, self.job_mw = (
            np.array([getattr(j, k) for j in JOBS]) for k in ("energy_mwh", "release_h", "deadline_h", "max_mw")
        )
        self.least = energy * np.maximum(np.floor((end_h - due) / 24.0 + 1.0 + 1e-9), 0.0)
        self.most = energy * np.ceil((end_h - release) / 24.0 - 1e-9)
        self.power, self.energy = np.array([s.power_mw for s in STORES]), np.array([s.energy_mwh for s in STORES])
        self.eta = np.sqrt([s.round_trip_frac for s in STORES])
        self.wear = np.array([s.wear_cny_per_mwh for s in STORES])
        self.ends = [t for t in range(self.t) if (t + 1) % DAY == 0]


def with_cvxpy(case: Case, whole: bool, gap: float) -> tuple[float, float]:
    """CVXPY: vectors over time."""
    import cvxpy as cp

    n, h, p = case.t, STEP_H, case.p
    on, sb, z = (cp.Variable(n, integer=whole, nonneg=True) for _ in range(3))
    u, d, k, x1, x2, x3, a, made, tank, imp, exp, cur, heats = (cp.Variable(n, nonneg=True) for _ in range(13))
    dis, ch, soc = (cp.Variable((n, len(STORES)), nonneg=True) for _ in range(3))
    c, done = (cp.Variable((n, len(JOBS)), nonneg=True) for _ in range(2))
    r, w = case.r, case.w

    def ago(v: Any, first: Any) -> Any:
        return cp.hstack([first, v[:-1]]) if v.ndim == 1 else cp.vstack([np.asarray(first)[None, :], v[:-1]])

    d_next = cp.hstack([d[1:], 0.0])
    before = ago(x1 + x2 + x3, w * case.on0)
    hydrogen = 18.8 * 0.25 * r * on + KG[0] * x1 + KG[1] * x2 + KG[2] * x3
    electrolysis = 0.25 * r * on + 0.02 * r * sb + x1 + x2 + x3
    furnaces = z + ago(z, 0.0) + cp.hstack([0.0, 0.0, z[:-2]])
    cycle = furnaces + cp.hstack([0.0, 0.0, 0.0, z[:-3]])
    rows = [
        on + sb <= case.m,
        on - ago(on, case.on0) == u - d,
        k >= on + sb - ago(on, case.on0) - ago(sb, 0.0),
        x1 <= w * on, x2 <= w * (on - u - d_next), x3 <= w * (on - u - d_next), u + d_next <= on,
        x3 <= before, ago(x3, 0.0) <= x1 + x2 + x3, d[0] <= case.on0,
        soc == ago(soc, 0.5 * case.energy) + h * (ch @ np.diag(case.eta) - dis @ np.diag(1.0 / case.eta)),
        dis <= case.power[None, :], ch <= case.power[None, :], soc <= case.energy[None, :], soc[-1] >= 0.5 * case.energy,
        tank == ago(tank, 8000.0) + h * (hydrogen - 178.0 * a), tank <= 16000.0, tank[-1] >= 8000.0,
        a >= 9.6, a <= 32.0, cp.abs(a - ago(a, 19.2)) <= 1.28, made == ago(made, 0.0) + h * a,
        cycle <= FURNACES, heats == ago(heats, 0.0) + z, z[-2:] == 0.0, z <= FURNACES,
        done == ago(done, np.zeros(len(JOBS))) + h * c, c <= case.job_mw[None, :], done >= case.least, done <= case.most,
        imp <= 400.0, exp <= 200.0, cur <= case.free,
        case.free - cur + imp - exp + cp.sum(dis - ch, axis=1)
        == 120.0 + cp.sum(c, axis=1) + electrolysis + 0.65 * a + 60.0 * furnaces,
    ]  # fmt: skip
    for day, end in enumerate(case.ends, 1):
        rows += [made[end] >= 422.4 * day, heats[end] == 12.0 * FURNACES * day]
    money = 6.0 * r * cp.sum(u) + 60.0 * r * cp.sum(k)
    money += h * (
        cp.sum(dis @ case.wear) - 2000.0 * cp.sum(a) + p.buy_cny_per_mwh @ imp - p.sell_cny_per_mwh @ exp + 50.0 * cp.sum(cur)
    )
    problem = cp.Problem(cp.Minimize(money), rows)
    problem.solve(solver=cp.HIGHS, threads=1, mip_rel_gap=gap)
    return float(problem.value), float("nan")


def with_pyomo(case: Case, whole: bool, gap: float) -> tuple[float, float]:
    """Pyomo: rules over indices, through its direct HiGHS interface."""
    import pyomo.environ as pyo
    from pyomo.contrib.appsi.solvers import Highs

    n, h, p, r, w = case.t, STEP_H, case.p, case.r, case.w
    m: Any = pyo.ConcreteModel()
    m.T, m.S, m.C = pyo.RangeSet(0, n - 1), pyo.RangeSet(0, len(STORES) - 1), pyo.RangeSet(0, len(JOBS) - 1)
    count = pyo.NonNegativeIntegers if whole else pyo.NonNegativeReals
    real = pyo.NonNegativeReals
    m.on, m.sb = pyo.Var(m.T, domain=count), pyo.Var(m.T, domain=count)
    m.z = pyo.Var(m.T, domain=count, bounds=lambda _, t: (0, FURNACES if t < n - 2 else 0))
    for name in ("u", "d", "k", "x1", "x2", "x3", "made"):
        setattr(m, name, pyo.Var(m.T, domain=real))
    m.a = pyo.Var(m.T, bounds=(9.6, 32.0))
    m.tank = pyo.Var(m.T, bounds=lambda _, t: (8000.0 if t == n - 1 else 0.0, 16000.0))
    m.imp, m.exp = pyo.Var(m.T, bounds=(0, 400.0)), pyo.Var(m.T, bounds=(0, 200.0))
    m.cur = pyo.Var(m.T, bounds=lambda _, t: (0, float(case.free[t])))
    m.heats = pyo.Var(m.T, domain=real)
    m.dis = pyo.Var(m.T, m.S, bounds=lambda _, t, s: (0, float(case.power[s])))
    m.ch = pyo.Var(m.T, m.S, bounds=lambda _, t, s: (0, float(case.power[s])))
    m.soc = pyo.Var(m.T, m.S, bounds=lambda _, t, s: (0.5 * float(case.energy[s]) if t == n - 1 else 0, float(case.energy[s])))
    m.c = pyo.Var(m.T, m.C, bounds=lambda _, t, c: (0, float(case.job_mw[c])))
    m.done = pyo.Var(m.T, m.C, bounds=lambda _, t, c: (float(case.least[t, c]), float(case.most[t, c])))

    def ago(v: Any, t: int, first: float) -> Any:
        return v[t - 1] if t else first

    def nxt(t: int) -> Any:
        return m.d[t + 1] if t < n - 1 else 0.0

    def above(t: int) -> Any:
        return m.x1[t] + m.x2[t] + m.x3[t] if t >= 0 else w * case.on0

    def row(rule: Callable[[Any, int], Any]) -> Any:
        return pyo.Constraint(m.T, rule=rule)

    m.r1 = row(lambda m, t: m.on[t] + m.sb[t] <= case.m)
    m.r2 = row(lambda m, t: m.on[t] - ago(m.on, t, case.on0) == m.u[t] - m.d[t])
    m.r3 = row(lambda m, t: m.k[t] >= m.on[t] + m.sb[t] - ago(m.on, t, case.on0) - ago(m.sb, t, 0.0))
    m.r4 = row(lambda m, t: m.x1[t] <= w * m.on[t])
    m.r5 = row(lambda m, t: m.x2[t] <= w * (m.on[t] - m.u[t] - nxt(t)))
    m.r6 = row(lambda m, t: m.x3[t] <= w * (m.on[t] - m.u[t] - nxt(t)))
    m.r7 = row(lambda m, t: m.u[t] + nxt(t) <= m.on[t])
    m.r8 = row(lambda m, t: m.x3[t] <= above(t - 1))
    m.r9 = row(lambda m, t: ago(m.x3, t, 0.0) <= above(t))
    m.d[0].setub(case.on0)
    m.r10 = pyo.Constraint(
        m.T, m.S,
        rule=lambda m, t, s: m.soc[t, s] - (m.soc[t - 1, s] if t else 0.5 * float(case.energy[s]))
        == h * (float(case.eta[s]) * m.ch[t, s] - m.dis[t, s] / float(case.eta[s])),
    )  # fmt: skip
    m.r11 = row(
        lambda m, t: (
            m.tank[t] - ago(m.tank, t, 8000.0)
            == h * (18.8 * 0.25 * r * m.on[t] + KG[0] * m.x1[t] + KG[1] * m.x2[t] + KG[2] * m.x3[t] - 178.0 * m.a[t])
        )
    )
    m.r12 = row(lambda m, t: pyo.inequality(-1.28, m.a[t] - ago(m.a, t, 19.2), 1.28))
    m.r13 = row(lambda m, t: m.made[t] - ago(m.made, t, 0.0) == h * m.a[t])
    m.r14 = row(lambda m, t: sum(m.z[s] for s in range(max(0, t - 3), t + 1)) <= FURNACES)
    m.r15 = row(lambda m, t: m.heats[t] - ago(m.heats, t, 0.0) == m.z[t])
    m.r16 = pyo.Constraint(m.T, m.C, rule=lambda m, t, c: m.done[t, c] - (m.done[t - 1, c] if t else 0.0) == h * m.c[t, c])
    m.r17 = row(
        lambda m, t: float(case.free[t]) - m.cur[t] + m.imp[t] - m.exp[t] + sum(m.dis[t, s] - m.ch[t, s] for s in m.S)
        == 120.0 + sum(m.c[t, c] for c in m.C) + 0.25 * r * m.on[t] + 0.02 * r * m.sb[t] + above(t)
        + 0.65 * m.a[t] + 60.0 * sum(m.z[s] for s in range(max(0, t - 2), t + 1))
    )  # fmt: skip
    for day, end in enumerate(case.ends, 1):
        m.made[end].setlb(422.4 * day)
        m.heats[end].fix(12.0 * FURNACES * day)
    m.cost = pyo.Objective(
        expr=sum(6.0 * r * m.u[t] + 60.0 * r * m.k[t] for t in m.T)
        + h * sum(
            sum(float(case.wear[s]) * m.dis[t, s] for s in m.S) - 2000.0 * m.a[t] + 50.0 * m.cur[t]
            + float(p.buy_cny_per_mwh[t]) * m.imp[t] - float(p.sell_cny_per_mwh[t]) * m.exp[t]
            for t in m.T
        )
    )  # fmt: skip
    solver = Highs()
    solver.highs_options = {"threads": 1, "mip_rel_gap": gap}
    result = solver.solve(m)
    return float(result.best_feasible_objective), float(result.best_objective_bound)


def with_linopy(case: Case, whole: bool, gap: float) -> tuple[float, float]:
    """Linopy: labelled arrays."""
    import linopy
    import pandas as pd
    import xarray as xr

    n, h, p, r, w = case.t, STEP_H, case.p, case.r, case.w
    m: Any = linopy.Model()
    t, s, c = pd.RangeIndex(n, name="t"), pd.RangeIndex(len(STORES), name="s"), pd.RangeIndex(len(JOBS), name="c")

    def over(values: Any, *axes: Any) -> Any:
        return xr.DataArray(np.broadcast_to(values, tuple(len(a) for a in axes)).copy(), coords=list(axes))

    def var(name: str, *axes: Any, low: Any = 0.0, high: Any = np.inf, integer: bool = False) -> Any:
        axes = axes or (t,)
        return m.add_variables(over(low, *axes), over(high, *axes), name=name, integer=integer and whole)

    last = np.arange(n) == n - 1
    heats_low, heats_high, made_low = np.zeros(n), np.full(n, np.inf), np.zeros(n)
    for day, end in enumerate(case.ends, 1):
        heats_low[end] = heats_high[end] = 12.0 * FURNACES * day
        made_low[end] = 422.4 * day
    on, sb = var("on", integer=True), var("sb", integer=True)
    z = var("z", high=np.where(np.arange(n) < n - 2, FURNACES, 0.0), integer=True)
    u, k, x1, x2, x3 = (var(name) for name in ("u", "k", "x1", "x2", "x3"))
    d = var("d", high=np.where(np.arange(n) == 0, case.on0, np.inf))
    a, made = var("a", low=9.6, high=32.0), var("made", low=made_low)
    tank = var("tank", low=np.where(last, 8000.0, 0.0), high=16000.0)
    imp, exp, cur = var("imp", high=400.0), var("exp", high=200.0), var("cur", high=case.free)
    heats = var("heats", low=heats_low, high=heats_high)
    dis, ch = (var(name, t, s, high=case.power[None, :]) for name in ("dis", "ch"))
    soc = var("soc", t, s, low=np.where(last[:, None], 0.5 * case.energy, 0.0), high=case.energy[None, :])
    jobs = var("jobs", t, c, high=case.job_mw[None, :])
    done = var("done", t, c, low=case.least, high=case.most)

    def first(value: Any, *axes: Any) -> Any:
        axes = axes or (t,)
        values = np.zeros(tuple(len(x) for x in axes))
        values[0] = value
        return xr.DataArray(values, coords=list(axes))

    d_next, above = d.shift(t=-1), x1 + x2 + x3
    add = m.add_constraints
    add(on + sb <= case.m)
    add(on - on.shift(t=1) - u + d == first(case.on0))
    add(k - on - sb + on.shift(t=1) + sb.shift(t=1) >= -first(case.on0))
    add(x1 - w * on <= 0)
    add(x2 - w * on + w * u + w * d_next <= 0)
    add(x3 - w * on + w * u + w * d_next <= 0)
    add(u + d_next - on <= 0)
    add(x3 - above.shift(t=1) <= first(w * case.on0))
    add(x3.shift(t=1) - above <= 0)
    eta = xr.DataArray(case.eta, coords=[s])
    add(soc - soc.shift(t=1) - h * eta * ch + h / eta * dis == first(0.5 * case.energy, t, s))
    hydrogen = 18.8 * 0.25 * r * on + KG[0] * x1 + KG[1] * x2 + KG[2] * x3
    add(tank - tank.shift(t=1) - h * hydrogen + h * 178.0 * a == first(8000.0))
    add(a - a.shift(t=1) <= first(19.2) + 1.28)
    add(a - a.shift(t=1) >= first(19.2) - 1.28)
    add(made - made.shift(t=1) - h * a == 0)
    furnaces = z + z.shift(t=1) + z.shift(t=2)
    add(furnaces + z.shift(t=3) <= FURNACES)
    add(heats - heats.shift(t=1) - z == 0)
    add(done - done.shift(t=1) - h * jobs == 0)
    supply = imp - exp - cur + dis.sum("s") - ch.sum("s")
    demand = jobs.sum("c") + 0.25 * r * on + 0.02 * r * sb + above + 0.65 * a + 60.0 * furnaces
    add(supply - demand == xr.DataArray(120.0 - case.free, coords=[t]))
    buy, sell = (xr.DataArray(x, coords=[t]) for x in (p.buy_cny_per_mwh, p.sell_cny_per_mwh))
    wear = xr.DataArray(case.wear, coords=[s])
    money = 6.0 * r * u.sum() + 60.0 * r * k.sum() - 2000.0 * h * a.sum() + 50.0 * h * cur.sum()
    m.add_objective(money + (h * wear * dis).sum() + (h * buy * imp).sum() - (h * sell * exp).sum())
    m.solve("highs", io_api="direct", threads=1, mip_rel_gap=gap, output_flag=False, progress=False)
    return float(m.objective.value), float("nan")


RIVALS: Final[dict[str, tuple[str, Callable[[Case, bool, float], tuple[float, float]]]]] = {
    "cvxpy": ("cvxpy", with_cvxpy),
    "pyomo": ("pyomo", with_pyomo),
    "linopy": ("linopy", with_linopy),
}
