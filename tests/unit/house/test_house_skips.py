"""In CI a skip fails the run; elsewhere it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"
SKIPS_ITSELF = "import pytest\n\ndef test_a():\n    pytest.skip('no data here')\n\ndef test_b():\n    assert True\n"
SKIPS_AS_A_MODULE = "import pytest\n\npytest.skip('no server here', allow_module_level=True)\n"
FAILS_AS_EXPECTED = "import pytest\n\n@pytest.mark.xfail\ndef test_c():\n    assert False\n"


def run(folder: Path, *options: str, fail_on_skip: str = "1") -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *options]
    environment = {**os.environ, "VPP_FAIL_ON_SKIP": fail_on_skip}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_skipped_test_fails_the_run_and_its_reason_is_listed(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(SKIPS_ITSELF)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "test_one.py::test_a: Skipped: no data here" in done.stdout


def test_the_last_line_is_still_the_summary_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(SKIPS_ITSELF)
    assert "1 passed, 1 skipped" in run(tmp_path).stdout.splitlines()[-1]


def test_without_the_variable_a_skip_is_only_a_skip(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(SKIPS_ITSELF)
    assert run(tmp_path, fail_on_skip="").returncode == 0


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(FAILS_AS_EXPECTED)
    assert run(tmp_path).returncode == 0


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_module_that_skips_itself_counts_with_and_without_workers(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "test_one.py").write_text(SKIPS_AS_A_MODULE)
    (tmp_path / "test_two.py").write_text("def test_d():\n    assert True\n")
    done = run(tmp_path, *options)
    assert done.returncode == 1
    assert "no server here" in done.stdout
