"""What runs: planner, dispatch, loops, bus, edge, client, command line."""
