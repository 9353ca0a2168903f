"""How hard a closed loop plans: the two efforts of the policies that plan, in counts, so that a run repeats to the bit."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from controllers.planner.highs import SolveSettings

__all__ = ["EFFORTS", "Effort", "settings_of"]

#: `fast` relaxes, rounds and fixes: a few linear programs whatever the park. `full` goes on with branch and bound where the
#: answer is not yet proven to be within a thousandth of gross cost.
Effort: TypeAlias = Literal["fast", "full"]
EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)
#: Nodes of one plan's search: seconds of it; a quarter of an hour later everything is planned anew.
FULL_NODES: Final = 50
FULL_GAP_FRAC: Final = 1e-3


def settings_of(effort: Effort, guard_s: float) -> SolveSettings:
    """The solver's budget.

    Args:
        effort: See `Effort`.
        guard_s: When the clock ends a solve whatever happens, by itself or within a search.
    """
    if effort == "fast":
        return SolveSettings(guard_s=guard_s)
    return SolveSettings(search="tree", gap_frac=FULL_GAP_FRAC, max_nodes=FULL_NODES, guard_s=guard_s, search_s=guard_s)
