"""A run as one self-contained HTML file with plots that a person can read."""

from __future__ import annotations

from sim_harness.report.page import Shown, report_html
from sim_harness.report.plan_ear import PlanEar

__all__ = ["PlanEar", "Shown", "report_html"]
