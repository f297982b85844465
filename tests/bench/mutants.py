"""Would the tests notice? Mutates a package by mutmut, 300 seeded mutants of it, and counts.

python -m tests.bench.mutants [--package domain] [--mutants 300] [--seed 12]

A mutant is noticed when a test fails, or mypy, or when it never ends. Those that live, and those
that no test of the selection runs at all, are written to build/mutants/PACKAGE.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.settings import CHECKOUT

FOLDER: Final = CHECKOUT / "build" / "mutants"
COPIED: Final = ("tests", "crds", "manifests", "docs", "README.md", "CONTRIBUTING.md")
OUTCOMES: Final = {0: "lived", 33: "untested", 37: "by mypy", 36: "never ended", -24: "never ended"}
"""By the exit code of the tests, as mutmut gives it; any other is that of tests that failed."""
MISSED: Final = ("lived", "untested")
NOBODYS: Final = "nobody's*"


@dataclass(frozen=True)
class Package:
    """What is mutated, below evaluation_operator, and the tests that are to notice."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


PACKAGES: Final = {
    "domain": Package(
        ("domain/*",),
        (
            *("unit/domain", "unit/schedule", "unit/validate", "unit/api"),
            *("soak/test_any_life.py", "soak/test_sizes.py"),
        ),
    ),
    "results": Package(
        ("results/*",), ("unit/results", "unit/evaluator", "unit/labeling", "unit/views")
    ),
    "sample": Package(("sampling/sample/*",), ("unit/sampling",)),
    "query": Package(("tables/query.py",), ("unit/tables",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--package", choices=PACKAGES, action="append")
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=12)
    arguments = parser.parse_args()
    for name in arguments.package or PACKAGES:
        print(measure(name, arguments.mutants, arguments.seed), flush=True)


def measure(name: str, most: int, seed: int) -> str:
    """In one line: how many of the drawn mutants were noticed, and how the others were not."""
    folder = FOLDER / name
    _lay_out(folder, PACKAGES[name])
    # There is no command that only makes them; of names that nobody has it runs none.
    _mutmut(folder, NOBODYS)
    names = sorted(_exit_codes(folder))
    drawn = random.Random(seed).sample(names, min(most, len(names)))
    _mutmut(folder, *drawn)
    codes = _exit_codes(folder)
    outcomes = {it: OUTCOMES.get(codes[it] or 0, "failed") for it in drawn}
    missed = sorted(it for it, outcome in outcomes.items() if outcome in MISSED)
    _write_missed(folder, {it: outcomes[it] for it in missed})
    killed = len(drawn) - len(missed)
    told = ", ".join(
        f"{count} {what}" for what, count in sorted(Counter(outcomes.values()).items())
    )
    return f"{name}: {killed} of {len(drawn)} noticed ({killed / len(drawn):.1%}; {told})"


def _lay_out(folder: Path, package: Package) -> None:
    """As mutmut wants it: it knows sources below `src` alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kept = shutil.ignore_patterns("__pycache__", "controlplane")
    for source in COPIED:
        path = CHECKOUT / source
        if path.is_dir():
            shutil.copytree(path, folder / source, ignore=kept)
        else:
            shutil.copy(path, folder / source)
    for place in ("src", "operator"):
        shutil.copytree(CHECKOUT / "operator", folder / place, ignore=kept)
    settings = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    settings = settings.replace('pythonpath = ["operator", "."]', 'pythonpath = ["src", "."]')
    settings = settings.replace('mypy_path = "operator:."', 'mypy_path = "src:."')
    mypy = [
        "mypy",
        "src/evaluation_operator",
        "--output",
        "json",
        "--disable-error-code",
        "unused-ignore",
    ]
    config = {
        "source_paths": ["src/"],
        "only_mutate": [f"src/evaluation_operator/{it}" for it in package.sources],
        "pytest_add_cli_args_test_selection": [f"tests/{it}" for it in package.tests],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-n0"],
        "also_copy": ["operator/", *COPIED],
        "type_check_command": mypy,
        "timeout_constant": 20.0,
        "timeout_multiplier": 2.0,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in config.items()]
    (folder / "pyproject.toml").write_text("\n".join((settings, "[tool.mutmut]", *lines, "")))


def _mutmut(folder: Path, *names: str) -> None:
    # With CI, hypothesis draws the same examples each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(Path(sys.executable).parent / "mutmut"), "run", *names]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and names != (NOBODYS,):
        sys.exit(f"mutmut: {done.stdout[-3000:]}{done.stderr[-3000:]}")


def _exit_codes(folder: Path) -> dict[str, int | None]:
    """By the name of the mutant; None of those that were not run."""
    found: dict[str, int | None] = {}
    for path in (folder / "mutants" / "src").rglob("*.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def _write_missed(folder: Path, missed: dict[str, str]) -> None:
    with (FOLDER / f"{folder.name}.txt").open("w", encoding="utf-8") as file:
        for name, outcome in missed.items():
            shown = subprocess.run(
                [Path(sys.executable).parent / "mutmut", "show", name],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            file.write(f"== {name} ({outcome})\n{shown.stdout}\n")


if __name__ == "__main__":
    main()
