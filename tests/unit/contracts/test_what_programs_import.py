"""A program's image has what its lock names, and nothing else: more must not be imported."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PROGRAMS: Final = {
    "operator": ("controller",),
    "evaluator": ("evaluator", "results", "tables", "storage", "tasks.classification"),
    "sampler": ("sampling", "bodies"),
    "labeler": ("labeling", "tasks.detection"),
}
"""The packages that each runs, by the name of its lock."""
IMPORT_ALL: Final = """
import importlib, json, pkgutil, sys

packages, missing = json.loads(sys.argv[1])
for name in missing:
    sys.modules[name] = None
for package in packages:
    found = importlib.import_module(f"evaluation_operator.{package}")
    for module in pkgutil.walk_packages(found.__path__, f"{found.__name__}."):
        importlib.import_module(module.name)
"""


def not_in(program: str) -> list[str]:
    """What our code imports somewhere, and what is not in the image of that program."""
    lock = (ROOT / f"requirements-{program}.lock").read_text()
    names = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", lock, re.MULTILINE)
    locked = {_plain(name) for name in names}
    known = packages_distributions()
    return sorted(
        module
        for module in _imported()
        if module in known and not {_plain(it) for it in known[module]} & locked
    )


def _imported() -> set[str]:
    """Top-level modules of others that our code imports, now or once something asks for it."""
    found: set[str] = set()
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - {"evaluation_operator"}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(program: str, missing: list[str]) -> subprocess.CompletedProcess[str]:
    asked = json.dumps([PROGRAMS[program], missing])
    command = [sys.executable, "-c", IMPORT_ALL, asked]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_imports_nothing_that_its_image_does_not_have(program: str) -> None:
    result = imports(program, not_in(program))
    assert result.returncode == 0, result.stderr


def test_what_is_not_in_an_image_would_be_missed() -> None:
    assert "orjson" in not_in("evaluator")
    result = imports("sampler", ["orjson"])
    assert result.returncode == 1
    assert "import of orjson halted" in result.stderr
