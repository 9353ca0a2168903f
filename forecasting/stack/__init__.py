"""Two-stage stacked wind model: cross-fitted means and a small quantile net first, pooled LightGBM quantiles on top."""
