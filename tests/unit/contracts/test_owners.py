"""What several programs agree on is spelled once: a second spelling is the first difference."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.cluster.settings import CHECKOUT

SOURCES = CHECKOUT / "operator" / "evaluation_operator"

OWNERS = {
    "the API version": (r"evaluations\.dev/v1", ("api/base.py",)),
    "the names of runs": (r"^(evj|evjv|evc)-$|^-eval$|^-r$", ("domain/naming.py",)),
    "the condition Labeled": (r"^Labeled$", ("domain/labeled.py", "api/dataset.py")),
    "who wrote an outcome": (r"^writtenBy$", ("evaluator/publish.py",)),
    "an Evaluation's manifest": (r"^manifest\.json$", ("results/layout.py",)),
    "files of a run": (
        r"^(rows|seen|taken|tasks|labels|late-labels|items|scores|curves|confusion|boxes|overlaps)"
        r"\.parquet$|^(labels|cut|committed)\.json$",
        ("results/layout.py",),
    ),
    "kinds of tables": (
        r"^(s3|gs|postgresql|clickhouse|bq)$",
        ("api/table_schemes.py", "api/table_address.py"),
    ),
    "annotations, labels and finalizers": (r"^evaluations\.dev/", ("domain/naming.py",)),
}


@cache
def texts(path: Path) -> tuple[str, ...]:
    """Every text of a module but its docstrings, the pieces of f-strings among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    )


@pytest.mark.parametrize(("pattern", "owners"), OWNERS.values(), ids=OWNERS.keys())
def test_a_contract_is_spelled_by_its_owner_alone(pattern: str, owners: tuple[str, ...]) -> None:
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        name = str(path.relative_to(SOURCES))
        spelled = [text for text in texts(path) if re.search(pattern, text)]
        if spelled:
            found[name] = spelled
    assert set(found) - set(owners) == set(), found
    assert set(owners) <= set(found) | {"api/base.py"}, "a pattern that finds nothing"
