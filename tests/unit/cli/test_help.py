"""Help: an example for every command, and nothing heavy imported to show it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main
from typer.core import TyperGroup

from evaluation_operator import __version__
from evaluation_operator.cli.main import app
from tests.unit.cli.running import run_cli

HEAVY = ("pydantic", "yaml", "croniter", "kubernetes", "duckdb", "ibis", "pyarrow", "numpy")


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        here = (*path, name)
        found += commands(command, here) if isinstance(command, TyperGroup) else [here]
    return found


ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)


@pytest.mark.parametrize("path", commands(ROOT), ids=" ".join)
def test_every_command_shows_an_example_of_itself(path: tuple[str, ...]) -> None:
    result = run_cli(*path, "--help")
    assert result.exit_code == 0
    assert f"Example: kubectl evaluations {' '.join(path)}" in " ".join(result.stdout.split())


@pytest.mark.parametrize("path", commands(ROOT), ids=" ".join)
def test_every_command_takes_an_output_format(path: tuple[str, ...]) -> None:
    assert run_cli(*path, "-o", "xml").exit_code == 2


def test_it_says_which_version_it_is() -> None:
    result = run_cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"kubectl-evaluations {__version__}\n")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from evaluation_operator.cli.main import app\n"
        "app(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[-1] == "[]"
