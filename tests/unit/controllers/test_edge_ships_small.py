"""What stands beside a device or a scheduler carries no solver, no arrays, no web."""

from __future__ import annotations

import subprocess
import sys

BASE = (
    "vpp.wire.codec",
    "controllers.edge",
    "controllers.client",
    "controllers.bus.mqtt",
    "controllers.clock",
    "controllers.edge.cli",
)
HEAVY = ("numpy", "pandas", "pydantic", "yaml", "highspy", "lightgbm", "fastapi", "structlog", "sqlalchemy", "rich", "pymodbus")


def test_the_base_install_loads_nothing_heavy() -> None:
    code = f"import sys, {', '.join(BASE)}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
