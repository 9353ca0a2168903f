"""Second by second: spend what can move at least cost, under every limit; pure functions of one snapshot."""
