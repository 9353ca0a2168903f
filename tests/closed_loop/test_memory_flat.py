"""Two hours of simulated operation, ledger included, leave memory flat after warm-up; the benchmark does the same over a day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_memory.py"


def test_two_hours_of_operation_leave_memory_flat(tmp_path: Path) -> None:
    facts = tmp_path / "memory.json"
    # In a process of its own: what other tests have left in this one is not ours to judge.
    subprocess.run(
        [sys.executable, str(BENCHMARK), "--hours", "2", "--control", "10", "--json", str(facts)], check=True, timeout=300
    )
    found = json.loads(facts.read_text(encoding="utf-8"))
    assert found["rows_written"] > 10_000
    assert found["growth_frac"] < 0.05
