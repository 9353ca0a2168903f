"""The reference problem park-96: a small park whose optimum is known to ten digits, solved by the planner's own means."""

from controllers.planner.reference.build import ReferenceModel, build
from controllers.planner.reference.data import HORIZONS, Park96, Profiles, Start, read_profiles
from controllers.planner.reference.solve import EXACT, Answer, ReferencePlanner, shifted_plan, state_after

__all__ = [
    "EXACT",
    "HORIZONS",
    "Answer",
    "Park96",
    "Profiles",
    "ReferenceModel",
    "ReferencePlanner",
    "Start",
    "build",
    "read_profiles",
    "shifted_plan",
    "state_after",
]
