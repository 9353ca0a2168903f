"""Weather and history in, calibrated quantiles out. Pure but for model files."""
