"""One plan over compute, hydrogen, furnaces and storage: pure `Problem -> Result`, solved by HiGHS."""

from controllers.planner.highs import SolveSettings
from controllers.planner.problem import ComputeNeed, ConnectionTerms, EndValues, HeatNeed, Problem, WorkItem
from controllers.planner.result import AssetSchedule, Result
from controllers.planner.solve import KeptSolve, solve

__all__ = [
    "AssetSchedule",
    "ComputeNeed",
    "ConnectionTerms",
    "EndValues",
    "HeatNeed",
    "KeptSolve",
    "Problem",
    "Result",
    "SolveSettings",
    "WorkItem",
    "solve",
]
