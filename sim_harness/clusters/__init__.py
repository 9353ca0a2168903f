"""Computing clusters: the work that arrives, waits, runs and is due, and what a scheduler promises of it."""
