"""CONTRIBUTING leads through files that are there."""

from __future__ import annotations

import re

from tests.cluster.settings import CHECKOUT

TEXT = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SOURCES = CHECKOUT / "operator" / "evaluation_operator"


def test_every_file_of_a_walk_is_there() -> None:
    walks = TEXT.partition("## Four walks")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w/]+\.py)`", walks))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (SOURCES / name).is_file()] == []


def test_every_package_is_in_the_table() -> None:
    packages = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    table = TEXT.partition("## Where things are")[2].partition("\n\n`make verify`")[0]
    assert packages == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
