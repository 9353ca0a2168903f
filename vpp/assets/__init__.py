"""What each asset kind can do: feasible band, state step, safe power, reach."""
