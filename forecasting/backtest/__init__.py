"""Back-tests on public data: each forecast from what was known at its origin, each score beside its rivals'."""
