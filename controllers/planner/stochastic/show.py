"""What a plan over scenarios adds to the table of a plan, for a person."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from controllers.planner.stochastic.plan import StochasticPlan

__all__ = ["show_scenarios"]


def show_scenarios(console: Console, plan: StochasticPlan) -> None:
    """Cost over the scenarios, how near the plan is to the best, and the promises that may not be kept."""
    facts = plan.facts()["scenarios"]
    console.print(
        f"over {facts['count']} scenarios: {facts['mean_cny']:,.0f} CNY on average, {facts['worst_cny']:,.0f} CNY in the worst "
        f"tenth; at most {facts['gap_frac']:.2%} of gross cost from the best "
        f"({facts['rounds']} rounds, {facts['seconds']:.1f} s)",
        soft_wrap=True,
    )
    at_risk = {name: share for name, share in plan.kept_frac.items() if share < 1.0}
    if not at_risk:
        console.print(f"all {len(plan.kept_frac)} promises are kept in every scenario")
        return
    console.print(
        f"\n[bold]Promises at risk 风险承诺[/bold] (the other {len(plan.kept_frac) - len(at_risk)} are kept in every scenario)"
    )
    table = Table(box=None)
    table.add_column("promise")
    table.add_column("kept in", justify="right")
    for name, share in sorted(at_risk.items(), key=lambda one: one[1]):
        table.add_row(name, f"{share:.0%}")
    console.print(table)
