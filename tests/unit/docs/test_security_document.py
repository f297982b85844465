"""docs/security.md as an auditor reads it: every promise has a test beside it, which is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.cluster.settings import CHECKOUT

TEXT = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:unit|soak|programs|integration|e2e)/[\w/]+\.py)::(test_\w+)`")


def promises() -> Iterator[str]:
    """The rows of every table whose last column is `test`."""
    has_tests = False
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            has_tests = False
        elif line.endswith("| test |"):
            has_tests = True
        elif has_tests and not line.startswith("| ---"):
            yield line


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(TEXT))))
def test_a_test_that_the_document_names_is_there(path: str, name: str) -> None:
    source = (CHECKOUT / "tests" / path).read_text(encoding="utf-8")

    assert re.search(rf"^ *(async )?def {name}\(", source, re.MULTILINE), f"{path}::{name}"


def test_every_promise_names_a_test() -> None:
    found = list(promises())

    assert len(found) > 30
    assert [row for row in found if not NAMED.search(row.split("|")[-2])] == []
