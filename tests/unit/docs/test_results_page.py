"""docs/results.md is what the schemas say, and its script does what is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evaluation_operator.results import layout
from evaluation_operator.results.parquet import about
from tests.cluster.settings import CHECKOUT
from tests.unit.evaluator.labeled_site import Site
from tests.unit.results.run_site import boxed, classified

TEXT = (CHECKOUT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return classified(tmp_path_factory.mktemp("classified"))


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_script_prints_what_the_page_shows(site: Site, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(block("python"), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script), folder_of(site)], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.split() == block("text").split()


def folder_of(site: Site) -> str:
    return site.folder.uri.removeprefix("file://")


@pytest.mark.parametrize("made", [classified, boxed])
def test_every_column_of_every_file_is_in_the_page(made: object, tmp_path: Path) -> None:
    assert callable(made)
    site = made(tmp_path)
    paths = sorted(Path(folder_of(site)).glob("*.parquet"))
    assert len(paths) >= 5
    for path in paths:
        if path.name == layout.SEEN:
            continue
        section = TEXT.partition(f"## {path.name}\n")[2].partition("\n## ")[0]
        for field in pq.read_schema(path):
            assert f"| `{field.name}` |" in section, f"{path.name}: {field.name}"
            assert about(field) in section
            assert about(field), "and the file itself says it"


def test_every_file_of_a_run_is_in_the_page(site: Site) -> None:
    for path in Path(folder_of(site)).iterdir():
        assert f"`{path.name}`" in TEXT, path.name
