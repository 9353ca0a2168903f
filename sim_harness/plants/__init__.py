"""How the machines really behave: physics of their own, richer than the planner's."""
