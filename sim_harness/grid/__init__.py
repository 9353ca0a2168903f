"""The grid around the park: balance of its areas, network, frequency, events, prices, meters."""

from __future__ import annotations

from sim_harness.grid.balance import AreaBalancer, Branch, BranchLimits, Topology, Verdict

__all__ = ["AreaBalancer", "Branch", "BranchLimits", "Topology", "Verdict"]
