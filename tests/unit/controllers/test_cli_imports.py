"""A command imports what it needs and nothing of the others, so that asking the service is quick."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from controllers.cli import COMMANDS, Command, main

HEAVY = ("lightgbm", "sklearn", "nicegui", "highspy", "pandas", "scipy", "fastapi", "sqlalchemy", "pvlib", "httpx", "numpy")
TOLD = "import sys; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"


def heavy_after(code: str) -> set[str]:
    """Which of the heavy modules a fresh interpreter has after some code."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{TOLD}", *HEAVY], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import controllers.cli",
        "import controllers.cli_service",
        # Asked for, with nobody there to answer: the whole way of a command but for its table.
        "from controllers.cli import main; main(['status', '--token', 'x', '--url', 'http://127.0.0.1:9'])",
        "from controllers.cli import main; main(['override', 'list', '--token', 'x', '--url', 'http://127.0.0.1:9'])",
    ],
)
def test_asking_the_service_takes_no_heavy_module(code: str) -> None:
    assert heavy_after(code) == set()


def test_the_watch_for_heavy_modules_sees_one() -> None:
    assert "numpy" in heavy_after("import numpy")


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_the_help_of_all_says_of_a_command_what_it_says_itself(name: str, command: Command) -> None:
    own = argparse.ArgumentParser().add_subparsers()
    command.added_to(own)
    said = {action.dest: action.help for action in own._choices_actions}  # noqa: SLF001  argparse tells it nowhere else
    assert said[name] == command.about
    assert callable(getattr(import_module(command.module), command.run))


def test_the_help_of_all_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name} " not in out and f"\n    {name}\n" not in out] == []


def test_a_command_that_is_none_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["staus"])
    assert ended.value.code == 2
    assert "status" in capsys.readouterr().err
